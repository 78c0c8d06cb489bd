package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config is all that an operator can set. [Default] returns the defaults, [Load] a
// value that has passed every check. Lifetimes are whole seconds.
type Config struct {
	Issuer         string                      `yaml:"issuer"`        // an http or https URL without a slash at the end
	Listen         string                      `yaml:"listen"`        // host:port of the endpoints
	OpsListen      string                      `yaml:"ops_listen"`    // host:port of health and metrics
	VerifyListen   string                      `yaml:"verify_listen"` // unix:PATH or host:port on loopback, see localaddr; empty: none
	Log            Log                         `yaml:"log"`
	Shutdown       Shutdown                    `yaml:"shutdown"`
	TLS            TLS                         `yaml:"tls"`             // empty: plain HTTP, TLS ends at a proxy in front
	Database       Database                    `yaml:"database"`        // a file, or postgres://…
	Postgres       Postgres                    `yaml:"postgres"`        // ignored with SQLite
	MasterKeyFile  string                      `yaml:"master_key_file"` // see MasterKeyPath
	Dialects       []Dialect                   `yaml:"dialects"`        // the ones that are on
	Audience       string                      `yaml:"audience"`        // see DefaultAudience
	Signing        Signing                     `yaml:"signing"`
	TrustedProxies []netip.Prefix              `yaml:"trusted_proxies"` // whose X-Forwarded-For is believed
	Login          Login                       `yaml:"login"`
	SignIn         SignIn                      `yaml:"sign_in"`
	Authorization  Authorization               `yaml:"authorization"`
	Resources      []Resource                  `yaml:"resources"`
	Audit          Audit                       `yaml:"audit"`
	CORS           CORS                        `yaml:"cors"`
	AccessToken    AccessToken                 `yaml:"access_token"`
	APIKey         APIKey                      `yaml:"api_key"`
	APIToken       APIToken                    `yaml:"api_token"`
	TaskTokens     map[string]TaskToken        `yaml:"task_tokens"` // by type
	Scopes         map[string]string           `yaml:"scopes"`      // descriptions by name
	ForeignTokens  []ForeignToken              `yaml:"foreign_tokens"`
	RefreshToken   RefreshToken                `yaml:"refresh_token"`
	Revocation     Revocation                  `yaml:"revocation"`
	Verify         Verify                      `yaml:"verify"`
	Upstream       Upstream                    `yaml:"upstream"`
	Requirements   map[string]NamedRequirement `yaml:"requirements"`
	Webhook        Webhook                     `yaml:"webhook"`
	Site           Site                        `yaml:"site"`
	Notices        []Notice                    `yaml:"notices"` // receivers of what happens
	Mail           Mail                        `yaml:"mail"`
	Specify        Specify                     `yaml:"specify"`
	Senaite        Senaite                     `yaml:"senaite"`
	Hypothesis     Hypothesis                  `yaml:"hypothesis"`
	Gen3           Gen3                        `yaml:"gen3"`
}

// Site is what the web pages call this server; empty: bearerd, with its own mark.
type Site struct {
	Name     string `yaml:"name"`
	LogoFile string `yaml:"logo_file"` // an image
}

// TLS names a certificate chain and its key, both in PEM; both or neither.
type TLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Postgres configures the use of a PostgreSQL database: how many connections a node has
// at most, how long opening one may take, and how long a node waits for an answer or a
// free connection before it reports that the store can't be used.
type Postgres struct {
	Connections      int           `yaml:"connections"`
	ConnectTimeout   time.Duration `yaml:"connect_timeout"`
	StatementTimeout time.Duration `yaml:"statement_timeout"`
}

// Dialect is an existing system whose endpoints bearerd speaks.
type Dialect string

// The dialects.
const (
	DialectSpecify    Dialect = "specify"
	DialectSenaite    Dialect = "senaite"
	DialectHypothesis Dialect = "hypothesis"
	DialectGen3       Dialect = "gen3"
)

// algorithmOfGen3 is the only one that the services of a data commons verify, and the
// default where they are served.
const algorithmOfGen3 = "RS256"

// Signing configures how tokens are signed. SecretFile is only for HS256.
type Signing struct {
	Algorithm   string        `yaml:"algorithm"` // EdDSA, ES256, RS256, PS256, HS256; without one see Load
	RotateEvery time.Duration `yaml:"rotate_every"`
	SecretFile  string        `yaml:"secret_file"`
}

// Login limits failed passwords within the window.
type Login struct {
	AccountFailures      int           `yaml:"account_failures"`       // of one account from one address
	AccountFailuresTotal int           `yaml:"account_failures_total"` // of one account from everywhere
	AddressFailures      int           `yaml:"address_failures"`       // of one address
	Window               time.Duration `yaml:"window"`
}

// Audit configures how long events are kept in the audit log.
type Audit struct {
	Retention time.Duration `yaml:"retention"`
}

// CORS lists the origins whose scripts may call with a Bearer token; "*" is any.
type CORS struct {
	Origins []string `yaml:"origins"`
}

// AccessToken sets the default lifetime of an access token and the longest.
type AccessToken struct {
	TTL    time.Duration `yaml:"ttl"`
	MaxTTL time.Duration `yaml:"max_ttl"`
}

// APIKey sets the longest lifetime of an API key.
type APIKey struct {
	MaxTTL time.Duration `yaml:"max_ttl"`
}

// APIToken sets what API tokens look like and how long they are valid; 0: without end.
// Overlap is how long an old one stays valid beside its successor.
type APIToken struct {
	MaxTTL  time.Duration `yaml:"max_ttl"`
	Prefix  string        `yaml:"prefix"`
	Overlap time.Duration `yaml:"overlap"`
}

// TaskToken is a type of task token; see TaskCeilings for a MaxTTL of 0.
type TaskToken struct {
	MaxTTL time.Duration `yaml:"max_ttl"`
}

// RefreshToken sets how long a refresh token may stay unused, and how long after its use
// it may be used again; 0: not at all.
type RefreshToken struct {
	IdleTTL time.Duration `yaml:"idle_ttl"`
	Grace   time.Duration `yaml:"grace"`
}

// Revocation sets the lease of a node, 100 ms to 1 h, whether a revocation
// waits for all nodes unless the request says otherwise, and the memory for
// revocations, 16 MiB to 1 TiB.
type Revocation struct {
	MaxStaleness time.Duration `yaml:"max_staleness"`
	Wait         Wait          `yaml:"wait"`
	Memory       Size          `yaml:"memory"`
}

// Wait is what the answer to a revocation waits for, unless the request has a wait of its
// own: nothing, every node, or every verifier outside that confirms too.
type Wait string

// What may be waited for.
const (
	WaitTrue  Wait = "true"
	WaitFalse Wait = "false"
	WaitAll   Wait = "all"
)

// UnmarshalText reads one of the three.
func (w *Wait) UnmarshalText(text []byte) error {
	switch is := Wait(text); is {
	case WaitTrue, WaitFalse, WaitAll:
		*w = is
		return nil
	}
	return fmt.Errorf("must be true, false or all, not %q", text)
}

// Verify sets the memory that facts about verified tokens may take, 1 MiB to 64 GiB.
type Verify struct {
	Cache Size `yaml:"cache"`
}

// Upstream is the application behind bearerd, and how the headers name the caller to it,
// which applies to forward auth too. Without a URL there is no proxy; what no route
// covers needs a token. PassToken leaves the token that was accepted in the request.
type Upstream struct {
	URL               string            `yaml:"url"`
	PassToken         bool              `yaml:"pass_token"`
	Headers           map[string]string `yaml:"headers"`            // more headers: name to what it says
	Encoding          string            `yaml:"encoding"`           // utf-8, percent or ascii
	Cookies           string            `yaml:"cookies"`            // drop or keep, of what a token let in
	Groups            []string          `yaml:"groups"`             // those that are sent, with * and ?; none: all
	AssertionAudience string            `yaml:"assertion_audience"` // empty: no assertion is sent
	Routes            []Route           `yaml:"routes"`
}

// What happens to the cookies of a request that a token let in, and of its answer.
const (
	CookiesDrop = "drop"
	CookiesKeep = "keep"
)

// Route is what a path prefix of the upstream requires, for all methods or for some.
type Route struct {
	Path       string      `yaml:"path"`
	Methods    []string    `yaml:"methods"`
	Require    Requirement `yaml:"require"` // token when the file has none
	Audience   string      `yaml:"audience"`
	Scope      string      `yaml:"scope"` // scope names with spaces between them
	Permission Permission  `yaml:"permission"`
	TokensIn   []string    `yaml:"tokens_in"` // beside Bearer: basic, token, header:NAME
	Enforce    *bool       `yaml:"enforce"`   // false: nothing is refused, and what would have been is counted; nil: true
}

// ReportOnly reports whether the route refuses nothing.
func (r Route) ReportOnly() bool { return r.Enforce != nil && !*r.Enforce }

// NamedRequirement is a set of conditions on a token that forward auth is asked for by name.
type NamedRequirement struct {
	Audience   string   `yaml:"audience"`
	Scope      string   `yaml:"scope"`
	SafeScope  *string  `yaml:"safe_scope"` // in place of scope for GET, HEAD and OPTIONS; nil: the same
	Collection *int64   `yaml:"collection"`
	Action     string   `yaml:"action"`
	Path       string   `yaml:"path"`
	In         []string `yaml:"in"`      // beside Bearer: basic, token, header:NAME
	Enforce    *bool    `yaml:"enforce"` // as that of a route
}

// ReportOnly reports whether what is required is only counted.
func (r NamedRequirement) ReportOnly() bool { return r.Enforce != nil && !*r.Enforce }

// ReportOnly returns which routes and requirements refuse nothing, as they are called in
// reports.
func (c Config) ReportOnly() []string {
	var names []string
	for _, r := range c.Upstream.Routes {
		if r.ReportOnly() {
			names = append(names, strings.TrimSpace(strings.Join(r.Methods, ",")+" "+r.Path))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Requirements)) {
		if c.Requirements[name].ReportOnly() {
			names = append(names, "requirement "+name)
		}
	}
	return names
}

// Webhook is notified of tokens that end soon; without a URL nothing is sent. The bytes
// of the secret file, without one trailing newline, are the key of the signature of what
// is sent.
type Webhook struct {
	URL        string `yaml:"url"`
	SecretFile string `yaml:"secret_file"`
}

// Requirement says whether a route needs a token.
type Requirement string

// The requirements of a route.
const (
	RequireNone     Requirement = "none"     // the request passes unchanged
	RequireOptional Requirement = "optional" // it may have no token, but no bad one
	RequireToken    Requirement = "token"
)

// Permission is an action and a path; the zero value is none.
type Permission struct {
	At     Position `yaml:"-"`
	Action string   `yaml:"action"`
	Path   string   `yaml:"path"`
}

// Specify holds the settings of that dialect. Without Login, /context/login/ and
// its session are the application's own.
type Specify struct {
	Login bool `yaml:"login"`
}

// Senaite holds the settings of that dialect. Its endpoints are beneath each of Prefixes.
type Senaite struct {
	Prefixes     []string `yaml:"prefixes"`
	LoginInQuery bool     `yaml:"login_in_query"`
}

// Hypothesis holds the settings of that dialect; see Config.Authority.
type Hypothesis struct {
	Authority string `yaml:"authority"`
}

// Gen3 holds the settings of that dialect. DenylistListen is the host:port of a listener
// that serves nothing but the denylist; empty: the main listener serves it.
type Gen3 struct {
	DenylistListen string `yaml:"denylist_listen"`
}

// Default returns the configuration of an empty file.
func Default() Config {
	return Config{
		Issuer:         "http://localhost:8080",
		Listen:         "127.0.0.1:8080",
		OpsListen:      "127.0.0.1:9180",
		Log:            Log{Level: LogInfo},
		Shutdown:       Shutdown{Notice: StopNoticeAuto},
		Database:       "bearerd.db",
		Postgres:       Postgres{Connections: 16, ConnectTimeout: 5 * time.Second, StatementTimeout: 900 * time.Millisecond},
		MasterKeyFile:  "master.key",
		Dialects:       []Dialect{},
		Signing:        Signing{Algorithm: "EdDSA", RotateEvery: 720 * time.Hour},
		TrustedProxies: []netip.Prefix{},
		Login:          Login{AccountFailures: 10, AccountFailuresTotal: 100, AddressFailures: 100, Window: 15 * time.Minute},
		SignIn:         SignIn{Password: true, MinPassword: 8, Fresh: 15 * time.Minute, Sources: []SignInSource{}},
		Authorization:  Authorization{ClientMetadata: ClientMetadataAsk, TrustedHosts: []string{}, MaxTTL: 2160 * time.Hour},
		Resources:      []Resource{},
		Audit:          Audit{Retention: 8760 * time.Hour},
		CORS:           CORS{Origins: []string{}},
		AccessToken:    AccessToken{TTL: 30 * time.Minute, MaxTTL: time.Hour},
		APIKey:         APIKey{MaxTTL: 720 * time.Hour},
		APIToken:       APIToken{Prefix: "bda_"},
		TaskTokens:     map[string]TaskToken{},
		Scopes:         map[string]string{},
		ForeignTokens:  []ForeignToken{},
		RefreshToken:   RefreshToken{IdleTTL: 720 * time.Hour, Grace: 30 * time.Second},
		Revocation:     Revocation{MaxStaleness: 2 * time.Second, Wait: WaitTrue, Memory: 512 << 20},
		Verify:         Verify{Cache: 32 << 20},
		Upstream: Upstream{
			Headers: map[string]string{}, Encoding: "utf-8", Cookies: CookiesDrop, Groups: []string{}, Routes: []Route{},
		},
		Requirements: map[string]NamedRequirement{},
		Notices:      []Notice{},
		Mail:         Mail{TLS: MailStartTLS},
		Specify:      Specify{Login: true},
		Senaite:      Senaite{Prefixes: []string{"/@@API/senaite/v1", "/senaite/@@API/senaite/v1"}},
	}
}

// DefaultAudience returns the audience of a token that asks for none: the
// configured one, or else the issuer.
func (c Config) DefaultAudience() string {
	if c.Audience != "" {
		return c.Audience
	}
	return c.Issuer
}

// Authority returns the authority of the hypothesis dialect: the configured one,
// or else the issuer's host without the port.
func (c Config) Authority() string {
	if c.Hypothesis.Authority != "" {
		return c.Hypothesis.Authority
	}
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// MasterKeyPath returns the path of the master key. A bare file name means a file in the
// folder of the SQLite database; every other path is used as it is.
func (c Config) MasterKeyPath() string {
	if c.Database.IsPostgres() || strings.ContainsRune(c.MasterKeyFile, filepath.Separator) {
		return c.MasterKeyFile
	}
	return filepath.Join(filepath.Dir(c.Database.Reveal()), c.MasterKeyFile)
}

// TaskCeilings returns the longest lifetime of each task token type: its own, or
// else that of access tokens.
func (c Config) TaskCeilings() map[string]time.Duration {
	ceilings := make(map[string]time.Duration, len(c.TaskTokens))
	for name, t := range c.TaskTokens {
		ceilings[name] = t.MaxTTL
		if t.MaxTTL == 0 {
			ceilings[name] = c.AccessToken.MaxTTL
		}
	}
	return ceilings
}

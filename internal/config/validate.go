package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/localaddr"
	"github.com/bearerd/bearerd/internal/token"
)

// validate returns all that is wrong with c. origin returns where a key was set.
func validate(c Config, origin map[string]string) []Problem {
	k := &checker{origin: origin}
	checkIssuer(k, c.Issuer, c.TLS)
	c.checkListeners(k)
	c.Log.check(k)
	c.Shutdown.check(k)
	c.Database.check(k)
	c.Postgres.check(k)
	if c.MasterKeyFile == "" {
		k.fail("master_key_file", "", "must not be empty")
	}
	c.checkDialects(k)
	c.Signing.check(k)
	c.Login.check(k)
	if c.Audit.Retention <= 0 {
		k.fail("audit.retention", "876000h, a hundred years, keeps everything", "must be longer than 0, not %s", c.Audit.Retention)
	}
	c.SignIn.check(k, c.TrustedProxies)
	c.Authorization.check(k)
	c.checkResources(k)
	c.CORS.check(k)
	c.checkLifetimes(k)
	c.Revocation.check(k)
	c.checkNames(k)
	c.checkForeignTokens(k)
	c.Verify.check(k)
	c.Upstream.check(k)
	checkRequirements(k, c.Requirements)
	c.Webhook.check(k)
	c.Site.check(k)
	checkNotices(k, c.Notices)
	c.Mail.check(k)
	return k.problems
}

func (v Verify) check(k *checker) {
	if v.Cache < 1<<20 || v.Cache > 64<<30 {
		k.fail("verify.cache", "", "must be from 1MiB to 64GiB, not %s", v.Cache)
	}
}

func (c CORS) check(k *checker) {
	for i, origin := range c.Origins {
		u, err := url.Parse(origin)
		if origin == "*" || err == nil && u.Host != "" && origin == u.Scheme+"://"+strings.ToLower(u.Host) &&
			(u.Scheme == "http" || u.Scheme == "https") {
			continue
		}
		k.fail(fmt.Sprintf("cors.origins[%d]", i), `write https://app.example.org, or "*" for every origin`,
			"must be an origin as browsers send it: scheme, host in lower case, no path; not %q", origin)
	}
}

// issuerLike returns the issuer that was probably meant by a text that is none.
func issuerLike(text string) string {
	_, rest, schemed := strings.Cut(text, "://")
	if !schemed {
		rest = text
	}
	u, err := url.Parse("https://" + strings.Trim(rest, "/ "))
	if err == nil {
		u.Host = strings.ToLower(u.Host)
	}
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.String() != "https://"+u.Host+u.Path {
		return "https://auth.example.org"
	}
	if token.IsLoopback(u.Hostname()) {
		u.Scheme = "http"
	}
	return u.String()
}

// plainIssuer returns what to write in place of an issuer that isn't in its plain form.
func plainIssuer(u *url.URL) string {
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }) {
		return `write the host as DNS has it, in which each part with other letters begins with "xn--"`
	}
	plain := *u
	plain.Host = strings.TrimSuffix(strings.ToLower(u.Host), ":")
	return "write " + plain.String()
}

func checkIssuer(k *checker, issuer string, tls TLS) {
	const key = "issuer"
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		k.fail(key, "write "+issuerLike(issuer), "must be an http or https URL with a host, not %q", issuer)
	case u.User != nil:
		k.fail(key, "", "must not hold a user or password")
	case u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(issuer, "?#"):
		k.fail(key, "", "must not have a query or fragment")
	case strings.HasSuffix(issuer, "/"):
		k.fail(key, "write "+strings.TrimRight(issuer, "/"), "must not end in a slash: clients compare it byte by byte")
	case u.Path != "" && !isCleanPath(u.EscapedPath()):
		k.fail(key, "", "must not have escapes, empty segments, . or .. in its path")
	case u.String() != issuer || u.Host != strings.ToLower(u.Host) || strings.HasSuffix(u.Host, ":"):
		k.fail(key, plainIssuer(u), "must be written in its plain form, the host in lower case")
	case u.Scheme == "http" && tls != (TLS{}):
		k.fail(key, "write https://"+strings.TrimPrefix(issuer, "http://"), "must be https when tls is set")
	}
}

func (c Config) checkListeners(k *checker) {
	seen := map[string]string{}
	for _, l := range []struct{ key, address string }{
		{"listen", c.Listen},
		{"ops_listen", c.OpsListen},
		{"gen3.denylist_listen", c.Gen3.DenylistListen},
	} {
		if l.address == "" && l.key == "gen3.denylist_listen" {
			continue
		}
		_, port, err := net.SplitHostPort(l.address)
		number, errPort := strconv.ParseUint(port, 10, 16)
		if err != nil || errPort != nil {
			k.fail(l.key, "write 127.0.0.1:8080, or :8080 for every address", "must be host:port, not %q", l.address)
			continue
		}
		if other, taken := seen[l.address]; taken && number != 0 {
			k.fail(l.key, "use another port for each listener", "is the same as %s", other)
		}
		seen[l.address] = l.key
	}
	checkVerifyListen(k, c.VerifyListen, seen)
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		k.fail("tls", "", "needs both cert_file and key_file, or neither")
	}
}

// checkVerifyListen checks the listener that is only for proxies on this machine; seen
// are the addresses of the others.
func checkVerifyListen(k *checker, address string, seen map[string]string) {
	const key = "verify_listen"
	if address == "" {
		return
	}
	if _, err := localaddr.Parse(address); err != nil {
		k.fail(key, "write unix:/run/bearerd/verify.sock or 127.0.0.1:8081", "%v", err)
		return
	}
	if other, taken := seen[address]; taken && !strings.HasSuffix(address, ":0") {
		k.fail(key, "use another port for each listener", "is the same as %s", other)
	}
}

func (d Database) check(k *checker) {
	database := d.Reveal()
	scheme, _, isURL := strings.Cut(database, "://")
	switch {
	case database == "":
		k.fail("database", "write a file name for SQLite, or postgres://…", "must not be empty")
	case d.IsPostgres():
		if u, err := url.Parse(database); err != nil || u.Path == "" && u.Host == "" && u.RawQuery == "" {
			k.fail("database", "write postgres://user:password@host/name", "is no well-formed PostgreSQL URL")
		}
	case isURL:
		k.fail("database", "write a file name for SQLite, or postgres://…", "has the unknown scheme %q", scheme)
	case strings.HasPrefix(database, ":memory:") || strings.HasPrefix(database, "file:"):
		k.fail("database", "write the name of a file", "must be a plain file name: what is revoked has to outlive the process")
	}
}

func (p Postgres) check(k *checker) {
	if n := p.Connections; n < 2 || n > 1000 {
		k.fail("postgres.connections", "", "must be from 2 to 1000, not %d", n)
	}
	k.between("postgres.connect_timeout", p.ConnectTimeout, 100*time.Millisecond, time.Minute)
	k.between("postgres.statement_timeout", p.StatementTimeout, 100*time.Millisecond, time.Minute)
}

func (c Config) checkDialects(k *checker) {
	known := []Dialect{DialectSpecify, DialectSenaite, DialectHypothesis, DialectGen3}
	for i, dialect := range c.Dialects {
		key := fmt.Sprintf("dialects[%d]", i)
		switch {
		case !slices.Contains(known, dialect):
			k.fail(key, "the dialects are specify, senaite, hypothesis and gen3", "unknown dialect %q", dialect)
		case slices.Index(c.Dialects, dialect) < i:
			k.fail(key, "", "%q is listed twice", dialect)
		}
	}
	if len(c.Senaite.Prefixes) == 0 {
		k.fail("senaite.prefixes", "write [/@@API/senaite/v1]", "must name at least one path")
	}
	for i, prefix := range c.Senaite.Prefixes {
		key := fmt.Sprintf("senaite.prefixes[%d]", i)
		switch {
		case !isCleanPath(prefix):
			k.fail(key, "write /@@API/senaite/v1", "must be a path that begins with a slash and doesn't end in one")
		case slices.Index(c.Senaite.Prefixes, prefix) < i:
			k.fail(key, "", "%q is listed twice", prefix)
		}
	}
	if a := c.Hypothesis.Authority; a != "" && !hostName.MatchString(a) {
		k.fail("hypothesis.authority", "write hypothes.is", "must be a host name without a port, not %q", a)
	}
}

func (s Signing) check(k *checker) {
	const key = "signing.secret_file"
	hint := ""
	switch s.Algorithm {
	case "EdDSA", "ES256", "RS256", "PS256":
		if s.SecretFile != "" {
			k.fail(key, "leave it out, or set signing.algorithm to HS256", "is for HS256 alone")
		}
	case "HS256":
		if s.SecretFile == "" {
			k.fail(key, "name a file with at least 32 random bytes", "is needed for HS256")
		}
	default:
		if strings.EqualFold(s.Algorithm, "none") {
			hint = "there is no bearerd without signatures; "
		}
		hint += "the algorithms are EdDSA, ES256, RS256, PS256 and HS256"
		k.fail("signing.algorithm", hint, "unknown algorithm %q", s.Algorithm)
	}
	k.positive("signing.rotate_every", s.RotateEvery)
}

func (l Login) check(k *checker) {
	for _, limit := range []struct {
		key   string
		count int
	}{
		{"login.account_failures", l.AccountFailures},
		{"login.account_failures_total", l.AccountFailuresTotal},
		{"login.address_failures", l.AddressFailures},
	} {
		if limit.count < 1 {
			k.fail(limit.key, "", "must be at least 1, not %d: without a limit passwords can be guessed", limit.count)
		}
	}
	k.positive("login.window", l.Window)
}

func (c Config) checkLifetimes(k *checker) {
	k.lifetime("access_token.ttl", c.AccessToken.TTL)
	k.lifetime("access_token.max_ttl", c.AccessToken.MaxTTL)
	k.lifetime("api_key.max_ttl", c.APIKey.MaxTTL)
	k.lifetime("refresh_token.idle_ttl", c.RefreshToken.IdleTTL)
	k.between("refresh_token.grace", c.RefreshToken.Grace, 0, 10*time.Minute)
	if c.APIToken.MaxTTL != 0 {
		k.lifetime("api_token.max_ttl", c.APIToken.MaxTTL)
	}
	if c.APIToken.Overlap != 0 {
		k.lifetime("api_token.overlap", c.APIToken.Overlap)
	}
	for _, name := range slices.Sorted(maps.Keys(c.TaskTokens)) {
		if ttl := c.TaskTokens[name].MaxTTL; ttl != 0 {
			k.lifetime("task_tokens."+name+".max_ttl", ttl)
		}
	}
	if c.AccessToken.TTL > c.AccessToken.MaxTTL {
		k.fail("access_token.ttl", "", "must be at most access_token.max_ttl, %s, not %s", c.AccessToken.MaxTTL, c.AccessToken.TTL)
	}
}

func (r Revocation) check(k *checker) {
	const key = "revocation.max_staleness"
	if l := r.MaxStaleness; l < 100*time.Millisecond || l > time.Hour {
		k.fail(key, "2s suits most", "must be from 100ms to 1h, not %s", l)
	}
	if m := r.Memory; m < 16<<20 || m > 1<<40 {
		k.fail("revocation.memory", "512MiB suits most", "must be from 16MiB to 1024GiB, not %s", m)
	}
}

var (
	apiTokenPrefix = regexp.MustCompile(`^[A-Za-z0-9_-]{2,16}$`)
	taskTokenType  = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	scopeName      = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]+$`) // RFC 6749 §3.3
	hostName       = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
)

func (c Config) checkNames(k *checker) {
	prefix := c.APIToken.Prefix
	if !apiTokenPrefix.MatchString(prefix) {
		k.fail("api_token.prefix", "", "must be 2 to 16 letters, digits, _ or -, not %q", prefix)
	}
	for _, taken := range []string{"bdr_", "bds_", "bdc_", "bdo_"} {
		if strings.HasPrefix(prefix, taken) || strings.HasPrefix(taken, prefix) {
			k.fail("api_token.prefix", "", "must not look like %s, which is another kind of token", taken)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.TaskTokens)) {
		switch {
		case !taskTokenType.MatchString(name) || name == "." || name == "..":
			k.fail("task_tokens."+name, "", "a type is 1 to 64 letters, digits, _, . or -")
		case name == c.DefaultAudience():
			k.fail("task_tokens."+name, "", "a type must not be the default audience, or its tokens would be accepted everywhere")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Scopes)) {
		switch {
		case !scopeName.MatchString(name):
			k.fail("scopes."+name, "", "a scope is printable ASCII without spaces, quotes and backslashes")
		case slices.Contains([]string{"credentials", "admin", "introspect", "revocations", "scim"}, name), strings.HasPrefix(name, "source:"):
			k.fail("scopes."+name, "choose another name", "is built in and can't be declared")
		}
	}
}

// maxSiteName is how long the name of the pages is, in characters.
const maxSiteName = 60

func (s Site) check(k *checker) {
	name := s.Name
	unshown := func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	}
	if utf8.RuneCountInString(name) > maxSiteName || !utf8.ValidString(name) || strings.TrimSpace(name) != name || strings.ContainsFunc(name, unshown) {
		k.fail("site.name", "", "must be at most %d characters of text, with no space at either end and none that only changes how others are shown, not %q", maxSiteName, name)
	}
}

func (h Webhook) check(k *checker) {
	if h.URL == "" {
		if h.SecretFile != "" {
			k.fail("webhook.secret_file", "set webhook.url", "says nothing without a webhook.url")
		}
		return
	}
	u, err := url.Parse(h.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		k.fail("webhook.url", "write https://hooks.example.org/tokens", "must be an http or https URL without user and fragment")
	}
}

// isCleanPath reports whether p is an absolute path of plain segments, without a
// slash at the end.
func isCleanPath(p string) bool {
	segments := strings.Split(p, "/")
	if len(segments) < 2 || segments[0] != "" {
		return false
	}
	for _, s := range segments[1:] {
		if s == "" || s == "." || s == ".." || strings.ContainsAny(s, "%?#\\ {}") {
			return false
		}
	}
	return true
}

// Warnings returns settings that are allowed but seldom intended.
func (c Config) Warnings() []string {
	var warnings []string
	if u, err := url.Parse(c.Issuer); err == nil && u.Scheme == "http" && !token.IsLoopback(u.Hostname()) {
		warnings = append(warnings, "issuer: is http on a host that is not this machine: tokens travel in the clear, "+
			"and browsers won't sign in, because the session cookie is for https alone")
	}
	if slices.Contains(c.TrustedProxies, netip.MustParsePrefix("0.0.0.0/0")) ||
		slices.Contains(c.TrustedProxies, netip.MustParsePrefix("::/0")) {
		warnings = append(warnings, "trusted_proxies: trusts everybody: a client can choose its own address, and so its login limit")
	}
	if c.Senaite.LoginInQuery {
		warnings = append(warnings, "senaite.login_in_query: takes passwords from URLs, which proxies and browsers log")
	}
	if c.Signing.Algorithm == "HS256" {
		warnings = append(warnings, "signing.algorithm: with HS256 anyone who can verify a token can also create one")
	}
	return warnings
}

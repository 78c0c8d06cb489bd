package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// SignIn says how people sign in: with passwords of bearerd's own, and by sources.
type SignIn struct {
	Password    bool           `yaml:"password"`
	MinPassword int            `yaml:"min_password"` // characters of a new password
	Fresh       time.Duration  `yaml:"fresh"`        // how recent a sign-in must be for what matters; 0: any
	Sources     []SignInSource `yaml:"sources"`
}

// SignInSource is a system that says who somebody is. Which keys it may have depends on
// its type.
type SignInSource struct {
	Name  string     `yaml:"name"` // its name in URLs, links and the audit log
	Type  SourceType `yaml:"type"`
	Title string     `yaml:"title"` // on the button; empty: the name

	// Of an application with sessions of its own (app).
	URL          string `yaml:"url"`           // its sign-in view
	SourceIssuer string `yaml:"source_issuer"` // `iss` of its assertions; empty: the origin of URL
	JWKS         string `yaml:"jwks"`          // a URL or a file, in place of SecretFile
	PasswordURL  string `yaml:"password_url"`  // checks passwords; empty: it checks none

	// Of an OpenID provider (oidc).
	Issuer           string   `yaml:"issuer"`
	ClientID         string   `yaml:"client_id"`
	ClientSecretFile string   `yaml:"client_secret_file"`
	Scopes           []string `yaml:"scopes"`
	Logout           string   `yaml:"logout"` // what a back-channel logout ends: sessions, or all

	SecretFile string `yaml:"secret_file"` // of app and header
	CAFile     string `yaml:"ca_file"`     // PEM of the authorities to trust in place of the system's

	// The claims, or the headers, that say more of a person.
	Username string `yaml:"username"`
	FullName string `yaml:"full_name"`
	Email    string `yaml:"email"`
	Groups   string `yaml:"groups"`

	GroupsOnly []string            `yaml:"groups_only"` // patterns of groups that it may set
	Unknown    string              `yaml:"unknown"`     // refuse or create
	Link       string              `yaml:"link"`        // none or username
	Allow      map[string][]string `yaml:"allow"`       // values of claims, of which a person must have one
	MaxAge     time.Duration       `yaml:"max_age"`     // how long ago a person may have authenticated there; 0: any
	Users      string              `yaml:"users"`       // the owner whose users these are
	ExternalID string              `yaml:"external_id"` // the claim that is their external id for that owner
	Fresh      string              `yaml:"fresh"`       // trust: a sign-in by a header is as recent as it comes
}

// LinkSources returns the sources by whose links this configuration finds users: the names of
// the sign-in sources, and those whose users they take. Sorted, each once.
func (s SignIn) LinkSources() []string {
	var names []string
	for _, source := range s.Sources {
		if names = append(names, source.Name); source.Users != "" {
			names = append(names, source.Users)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// SourceType is how a sign-in source says who somebody is.
type SourceType string

// The types of sources.
const (
	SourceApp    SourceType = "app"
	SourceOIDC   SourceType = "oidc"
	SourceHeader SourceType = "header"
)

// Values of the keys of a source.
const (
	UnknownRefuse  = "refuse"
	UnknownCreate  = "create"
	LinkNone       = "none"
	LinkUsername   = "username"
	LogoutSessions = "sessions"
	LogoutAll      = "all"
	FreshTrust     = "trust"
)

// ShownAs returns what people read on the source's button.
func (s SignInSource) ShownAs() string { return cmp.Or(s.Title, s.Name) }

// AssertionIssuer returns the `iss` of the assertions of an application: the origin of its
// URL unless it is named.
func (s SignInSource) AssertionIssuer() string { return cmp.Or(s.SourceIssuer, s.Origin()) }

// Origin returns where an application's pages are: the origin of its URL.
func (s SignInSource) Origin() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// claimsOf are the claims and headers that a source of a type reads where it names none.
var claimsOf = map[SourceType]SignInSource{
	SourceApp:    {Username: "preferred_username", FullName: "name", Email: "email"},
	SourceOIDC:   {Username: "preferred_username", FullName: "name", Email: "email"},
	SourceHeader: {Username: "Remote-User", FullName: "Remote-Name", Email: "Remote-Email"},
}

// complete sets the defaults of what an element of the list leaves out.
func (s *SignInSource) complete() {
	claims := claimsOf[s.Type]
	s.Username = cmp.Or(s.Username, claims.Username)
	s.FullName = cmp.Or(s.FullName, claims.FullName)
	s.Email = cmp.Or(s.Email, claims.Email)
	s.Unknown = cmp.Or(s.Unknown, UnknownRefuse)
	s.Link = cmp.Or(s.Link, LinkNone)
	if s.Type == SourceOIDC {
		s.Logout = cmp.Or(s.Logout, LogoutSessions)
		if s.Scopes == nil {
			s.Scopes = []string{"openid", "profile", "email"}
		}
	}
}

var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

func (s SignIn) check(k *checker, proxies []netip.Prefix) {
	if n := s.MinPassword; n < 1 || n > 128 {
		k.fail("sign_in.min_password", "8 suits most", "must be from 1 to 128 characters, not %d", n)
	}
	if s.Fresh < 0 {
		k.fail("sign_in.fresh", "0s is any time", "must not be negative")
	}
	seen := map[string]int{}
	for i, source := range s.Sources {
		key := fmt.Sprintf("sign_in.sources[%d]", i)
		first, twice := seen[source.Name]
		switch {
		case !sourceName.MatchString(source.Name):
			k.fail(key+".name", "write museum", "must be 1 to 32 lower-case letters, digits, _ and -, not %q", source.Name)
		case twice:
			k.fail(key+".name", "", "is that of sign_in.sources[%d]", first)
		}
		seen[source.Name] = i
		source.checkKeys(k, key)
		switch source.Type {
		case SourceApp:
			source.checkApp(k, key)
		case SourceOIDC:
			source.checkProvider(k, key)
		case SourceHeader:
			source.checkHeaders(k, key, proxies)
		default:
			k.fail(key+".type", "", "must be app, oidc or header, not %q", string(source.Type))
		}
		source.checkPeople(k, key)
	}
}

// keysOf are the keys that only sources of some types may have.
var keysOf = map[string][]SourceType{
	"url": {SourceApp}, "source_issuer": {SourceApp}, "jwks": {SourceApp}, "password_url": {SourceApp},
	"issuer": {SourceOIDC}, "client_id": {SourceOIDC}, "client_secret_file": {SourceOIDC}, "scopes": {SourceOIDC}, "logout": {SourceOIDC},
	"secret_file": {SourceApp, SourceHeader},
	"ca_file":     {SourceApp, SourceOIDC},
	"max_age":     {SourceApp, SourceOIDC},
	"fresh":       {SourceHeader},
}

// checkKeys refuses keys that have no meaning for a source of that type.
func (s SignInSource) checkKeys(k *checker, key string) {
	v := reflect.ValueOf(s)
	for field, value := range v.Fields() {
		name := field.Tag.Get("yaml")
		types, some := keysOf[name]
		if some && !value.IsZero() && s.Type != "" && !slices.Contains(types, s.Type) {
			k.fail(key+"."+name, "leave it out", "says nothing of a source of type %s", s.Type)
		}
	}
}

func (s SignInSource) checkApp(k *checker, key string) {
	k.safeURL(key+".url", s.URL, "write the address of the application's sign-in view")
	switch {
	case s.SecretFile == "" && s.JWKS == "":
		k.fail(key+".secret_file", "name a file with at least 32 random bytes, or jwks", "is needed to check who signed an assertion")
	case s.SecretFile != "" && s.JWKS != "":
		k.fail(key+".jwks", "keep one of them", "stands beside secret_file")
	}
	if strings.Contains(s.JWKS, "://") {
		k.safeURL(key+".jwks", s.JWKS, "write a URL or the name of a file")
	}
	if s.PasswordURL == "" {
		return
	}
	k.safeURL(key+".password_url", s.PasswordURL, "write the address of the application's password check")
	if s.SecretFile == "" {
		k.fail(key+".secret_file", "", "is needed for password_url: it signs what is sent there")
	}
}

func (s SignInSource) checkProvider(k *checker, key string) {
	k.safeURL(key+".issuer", s.Issuer, "write the provider's issuer, https://id.example.org")
	if s.ClientID == "" {
		k.fail(key+".client_id", "", "is needed")
	}
	if !slices.Contains(s.Scopes, "openid") {
		k.fail(key+".scopes", "write [openid]", "must have openid among them")
	}
	if s.Logout != LogoutSessions && s.Logout != LogoutAll {
		k.fail(key+".logout", "", "must be sessions or all, not %q", s.Logout)
	}
}

func (s SignInSource) checkHeaders(k *checker, key string, proxies []netip.Prefix) {
	if s.SecretFile == "" {
		k.fail(key+".secret_file", "name a file with at least 32 random bytes, which the proxy sends too", "is needed: without it anybody inside could be anybody")
	}
	if len(proxies) == 0 {
		k.fail("trusted_proxies", "name the proxy's address", "must name the proxy that the source %q comes by", s.Name)
	}
	for _, h := range []struct{ key, name string }{{"username", s.Username}, {"full_name", s.FullName}, {"email", s.Email}, {"groups", s.Groups}} {
		if h.name != "" && !headerName.MatchString(h.name) {
			k.fail(key+"."+h.key, "write Remote-User", "must be a header's name of letters, digits and -, not %q", h.name)
		}
	}
	if s.ExternalID != "" && !headerName.MatchString(s.ExternalID) {
		k.fail(key+".external_id", "", "must be a header's name of letters, digits and -, not %q", s.ExternalID)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Allow)) {
		if !headerName.MatchString(name) {
			k.fail(key+".allow", "", "must name headers of letters, digits and -, not %q", name)
		}
	}
	if s.Fresh != "" && s.Fresh != FreshTrust {
		k.fail(key+".fresh", "", "must be trust or left out, not %q", s.Fresh)
	}
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// checkPeople judges what a source may say of whom.
func (s SignInSource) checkPeople(k *checker, key string) {
	if s.Unknown != UnknownRefuse && s.Unknown != UnknownCreate {
		k.fail(key+".unknown", "", "must be refuse or create, not %q", s.Unknown)
	}
	if s.Link != LinkNone && s.Link != LinkUsername {
		k.fail(key+".link", "", "must be none or username, not %q", s.Link)
	}
	switch {
	case s.Groups != "" && len(s.GroupsOnly) == 0:
		k.fail(key+".groups_only", "name the groups that this source may set, with * and ?", "is needed with groups")
	case s.Groups == "" && len(s.GroupsOnly) > 0:
		k.fail(key+".groups", "name what holds the groups", "is needed with groups_only")
	case slices.Contains(s.GroupsOnly, ""):
		k.fail(key+".groups_only", "", "must not have an empty pattern")
	}
	if (s.Users == "") != (s.ExternalID == "") {
		k.fail(key+".external_id", "", "and users need each other: whose users they are, and what is their external id there")
	}
	if s.Users != "" && s.Users == s.Name {
		k.fail(key+".users", "leave it out", "names the source itself")
	}
	for _, claim := range slices.Sorted(maps.Keys(s.Allow)) {
		if values := s.Allow[claim]; len(values) == 0 || slices.Contains(values, "") {
			k.fail(key+".allow."+claim, "", "must list the values that are let in")
		}
	}
	if s.MaxAge < 0 || s.MaxAge%time.Second != 0 {
		k.fail(key+".max_age", "0s is any time", "must be whole seconds and not negative")
	}
}

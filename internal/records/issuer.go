package records

import (
	"bytes"
	"encoding/json"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// Issuer is another system whose JWTs can be exchanged for a token.
type Issuer struct {
	Name   string `json:"name"`
	Issuer string `json:"issuer"` // iss, compared exactly

	// Where its keys are: a JWK Set at a URL or in a file, or the file of a secret for
	// HS256. With neither they are found by the issuer's metadata.
	JWKS       string `json:"jwks"`
	SecretFile string `json:"secret_file"`
	CAFile     string `json:"ca_file"` // of the authorities of its addresses; "": the system's

	Audience string        `json:"audience"` // "": bearerd's issuer, or its token endpoint
	Once     bool          `json:"once"`     // a JWT is accepted one time
	MaxAge   time.Duration `json:"max_age"`  // iat is at most so long ago
	Rules    []IssuerRule  `json:"rules"`    // the first that matches decides

	// Version is a UUID, a new one after each change.
	Version string `json:"version"`
}

// IssuerRule says which JWTs of an issuer become which token.
type IssuerRule struct {
	// ID is the UUID of this version of the rule. It is in the chain of every token that
	// is issued by the rule, so that they can be revoked by it.
	ID    string                     `json:"id"`
	Name  string                     `json:"name"`
	Match map[string]json.RawMessage `json:"match"` // claims: each a string, a boolean or an integer

	// Whom the token speaks for: a client, or the user who is linked to a source by the
	// value of a claim.
	Client    string `json:"client"`
	UserClaim string `json:"user_claim"`
	Source    string `json:"source"`

	Scope     []string      `json:"scope"`
	Audiences []string      `json:"audiences"` // what may be asked for besides the default audience
	TTL       time.Duration `json:"ttl"`       // the longest lifetime; 0: that of access tokens
}

const (
	maxIssuerBytes = 1024
	maxRules       = 500
	maxMatches     = 50
	maxIssuerAge   = 366 * 24 * time.Hour
)

// Validate returns what is wrong with an issuer, as fault.Invalid with the field at fault.
func (s Issuer) Validate() error {
	if !isName(s.Name) {
		return fault.New(fault.Invalid, "the name of an issuer has 1 to 64 letters, digits, dots, hyphens and underscores").In("name")
	}
	if s.Issuer == "" || len(s.Issuer) > maxIssuerBytes || strings.ContainsFunc(s.Issuer, notPrintable) {
		return fault.New(fault.Invalid, "an issuer has 1 to %d visible characters", maxIssuerBytes).In("issuer")
	}
	switch {
	case s.JWKS != "" && s.SecretFile != "":
		return fault.New(fault.Invalid, "an issuer has jwks or secret_file, not both").In("jwks")
	case s.JWKS == "" && s.SecretFile == "":
		if err := checkAddress("issuer", s.Issuer); err != nil {
			return err
		}
	case strings.Contains(s.JWKS, "://"):
		if err := checkAddress("jwks", s.JWKS); err != nil {
			return err
		}
	}
	for _, f := range []struct{ field, path string }{{"secret_file", s.SecretFile}, {"ca_file", s.CAFile}, {"jwks", s.JWKS}} {
		if f.path != "" && !strings.Contains(f.path, "://") && !filepath.IsAbs(f.path) {
			return fault.New(fault.Invalid, "%s must be an absolute path: every server reads the file", f.field).In(f.field)
		}
	}
	switch {
	case s.Audience != "" && identity.ValidateAudience(s.Audience) != nil:
		return fault.In("audience", identity.ValidateAudience(s.Audience))
	case s.MaxAge <= 0 || s.MaxAge > maxIssuerAge || s.MaxAge%time.Second != 0:
		return fault.New(fault.Invalid, "max_age must be whole seconds, more than 0 and at most a year (8784h)").In("max_age")
	case len(s.Rules) == 0 || len(s.Rules) > maxRules:
		return fault.New(fault.Invalid, "an issuer has 1 to %d rules", maxRules).In("rules")
	}
	for i, r := range s.Rules {
		if slices.ContainsFunc(s.Rules[:i], func(other IssuerRule) bool { return other.Name == r.Name }) {
			return fault.New(fault.Invalid, "the rule %q is listed twice", r.Name).In("rules")
		}
		if err := r.validate(); err != nil {
			return fault.New(fault.Invalid, "the rule %q: %s", r.Name, fault.Message(err)).In("rules")
		}
	}
	return nil
}

func notPrintable(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

func isName(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return s != "" && len(s) <= 64 && strings.Trim(s, letters) == ""
}

// checkAddress accepts what may be fetched: https, or http on this machine.
func checkAddress(field, raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !token.IsLoopback(u.Hostname())):
		return fault.New(fault.Invalid, "%s must be an https URL with a host, or http on a loopback address, where the keys are fetched", field).In(field)
	case u.User != nil || u.Fragment != "" || field == "issuer" && strings.ContainsAny(raw, "?#"):
		return fault.New(fault.Invalid, "%s must not have a user, query or fragment", field).In(field)
	}
	return nil
}

func (r IssuerRule) validate() error {
	switch {
	case !isName(r.Name):
		return fault.New(fault.Invalid, "the name of a rule has 1 to 64 letters, digits, dots, hyphens and underscores")
	case len(r.Match) == 0:
		return fault.New(fault.Invalid, "match must name a claim: an empty one would take every token of the issuer")
	case len(r.Match) > maxMatches:
		return fault.New(fault.Invalid, "match has more than %d claims", maxMatches)
	case (r.Client == "") == (r.UserClaim == ""):
		return fault.New(fault.Invalid, "it needs a client or a user_claim, and not both")
	case (r.UserClaim == "") != (r.Source == ""):
		return fault.New(fault.Invalid, "user_claim and source need each other: whose users they are, and what is their external id there")
	case len(r.Scope) == 0:
		return fault.New(fault.Invalid, "it needs a scope")
	case r.TTL < 0 || r.TTL%time.Second != 0:
		return fault.New(fault.Invalid, "ttl must be whole seconds, and not negative")
	}
	for name, want := range r.Match {
		if name == "" || !isScalar(want) {
			return fault.New(fault.Invalid, "the claim %q must be a text, true, false or an integer", name)
		}
	}
	for _, name := range r.Scope {
		switch {
		case !identity.ValidScopeName(name):
			return fault.New(fault.Invalid, "the scope %q is no scope name (RFC 6749 section 3.3)", name)
		case name == identity.ScopeCredentials || name == identity.ScopeOfflineAccess:
			return fault.New(fault.Invalid, "the scope %s is not for tokens of an issuer", name)
		}
	}
	for _, audience := range r.Audiences {
		if err := identity.ValidateAudience(audience); err != nil {
			return err
		}
	}
	return nil
}

func isScalar(raw json.RawMessage) bool {
	var s string
	switch {
	case len(raw) == 0:
		return false
	case raw[0] == '"':
		return json.Unmarshal(raw, &s) == nil
	case string(raw) == "true", string(raw) == "false":
		return true
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return err == nil && strconv.FormatInt(n, 10) == string(raw)
}

// sameClaim reports whether two claims have the same type and value.
func sameClaim(a, b json.RawMessage) bool {
	if !isScalar(a) || !isScalar(b) || (a[0] == '"') != (b[0] == '"') {
		return false
	}
	if a[0] != '"' {
		return bytes.Equal(a, b)
	}
	var x, y string
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && x == y
}

// Matches reports whether every claim of match is there with the same type and value.
func (r IssuerRule) Matches(claims map[string]json.RawMessage) bool {
	for name, want := range r.Match {
		if !sameClaim(claims[name], want) {
			return false
		}
	}
	return len(r.Match) > 0
}

// Same reports whether two versions of a rule are equal in everything but their ids.
func (r IssuerRule) Same(other IssuerRule) bool {
	return r.Name == other.Name && r.Client == other.Client && r.UserClaim == other.UserClaim && r.Source == other.Source && r.TTL == other.TTL &&
		slices.Equal(r.Scope, other.Scope) && slices.Equal(r.Audiences, other.Audiences) &&
		len(r.Match) == len(other.Match) && r.Matches(other.Match)
}

// SameApartFromRules reports whether two versions of an issuer are equal in everything
// but their rules.
func (s Issuer) SameApartFromRules(other Issuer) bool {
	return s.Name == other.Name && s.Issuer == other.Issuer && s.JWKS == other.JWKS && s.SecretFile == other.SecretFile &&
		s.CAFile == other.CAFile && s.Audience == other.Audience && s.Once == other.Once && s.MaxAge == other.MaxAge
}

// ClaimsLookedAt returns the names of the claims that the rules look at, sorted.
func (s Issuer) ClaimsLookedAt() []string {
	var names []string
	for _, r := range s.Rules {
		for name := range r.Match {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

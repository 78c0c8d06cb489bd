package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// Issuer is another system whose JWTs can be exchanged for a token.
type Issuer struct {
	At         Position       `yaml:"-"`
	Name       string         `yaml:"name"`
	Issuer     string         `yaml:"issuer"`
	JWKS       string         `yaml:"jwks"` // a URL or a file
	SecretFile string         `yaml:"secret_file"`
	CAFile     string         `yaml:"ca_file"`
	Audience   string         `yaml:"audience"`
	Once       *bool          `yaml:"once"`    // nil: true
	MaxAge     *time.Duration `yaml:"max_age"` // nil: an hour
	Rules      []IssuerRule   `yaml:"rules"`
}

// DefaultMaxAge is how long ago iat of an issuer's JWT may be, if the file has no max_age.
const DefaultMaxAge = time.Hour

// IssuerRule says which JWTs of an issuer become which token.
type IssuerRule struct {
	At        Position              `yaml:"-"`
	Name      string                `yaml:"name"`
	Match     map[string]ClaimValue `yaml:"match"`
	Client    string                `yaml:"client"`
	UserClaim string                `yaml:"user_claim"`
	Source    string                `yaml:"source"`
	Scope     string                `yaml:"scope"` // names with spaces between them
	Audiences []string              `yaml:"audiences"`
	TTL       time.Duration         `yaml:"ttl"`
}

// ClaimValue is the JSON of a claim that is a text, a boolean or an integer. Quotes make a
// text of it, in YAML as in JSON.
type ClaimValue struct{ JSON json.RawMessage }

var errClaimValue = errors.New("a text, true, false or an integer; a text of digits needs quotes")

// claimValue reads a claim's value with its type.
func claimValue(n *yaml.Node) (ClaimValue, error) {
	switch n.Tag {
	case "!!str":
		text, err := json.Marshal(n.Value)
		return ClaimValue{text}, err
	case "!!bool":
		if n.Value == "true" || n.Value == "false" {
			return ClaimValue{json.RawMessage(n.Value)}, nil
		}
	case "!!int":
		if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil && strconv.FormatInt(i, 10) == n.Value {
			return ClaimValue{json.RawMessage(n.Value)}, nil
		}
	}
	return ClaimValue{}, errClaimValue
}

func (k *accessChecker) issuers(list []Issuer) {
	names, urls := lines[string]{}, lines[string]{}
	for _, s := range list {
		k.must(s.Name != "", s.At, "an issuer", "a name")
		k.must(s.Issuer != "", s.At, "an issuer", "issuer, the iss of its tokens")
		if s.Name != "" {
			once(k, names, s.Name, s.At, fmt.Sprintf("the issuer %q", s.Name))
		}
		if s.Issuer != "" {
			once(k, urls, s.Issuer, s.At, fmt.Sprintf("the iss %q", s.Issuer))
		}
		if s.JWKS != "" && s.SecretFile != "" {
			k.fail(s.At, "an issuer has jwks or secret_file, not both")
		}
		if s.MaxAge != nil && *s.MaxAge <= 0 {
			k.fail(s.At, "max_age must be more than 0")
		}
		k.must(len(s.Rules) > 0, s.At, "an issuer", "rules")
		rules := lines[string]{}
		for _, r := range s.Rules {
			k.rule(rules, r)
		}
	}
}

func (k *accessChecker) rule(names lines[string], r IssuerRule) {
	k.must(r.Name != "", r.At, "a rule", "a name")
	if r.Name != "" {
		once(k, names, r.Name, r.At, fmt.Sprintf("the rule %q", r.Name))
	}
	if len(r.Match) == 0 {
		k.fail(r.At, "a rule needs a match that names at least one claim: an empty one would take every token of the issuer")
	}
	if (r.Client == "") == (r.UserClaim == "") {
		k.fail(r.At, "a rule needs a client or a user_claim, and not both")
	}
	if (r.UserClaim == "") != (r.Source == "") {
		k.fail(r.At, "user_claim and source need each other: whose users they are, and what is their external id there")
	}
	k.must(r.Scope != "", r.At, "a rule", "a scope")
	if r.TTL < 0 {
		k.fail(r.At, "ttl must not be negative")
	}
	k.distinct(r.At, "audience", r.Audiences)
}

package adminapi

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/records"
)

// Issuer is a trusted issuer as it is shown. Its secret is in a file of the servers.
type Issuer struct {
	Name       string       `json:"name"`
	Issuer     string       `json:"issuer"`
	Keys       string       `json:"keys"` // discovery, jwks or secret
	JWKS       string       `json:"jwks"`
	SecretFile string       `json:"secret_file"`
	CAFile     string       `json:"ca_file"`
	Audience   string       `json:"audience"`
	Once       bool         `json:"once"`
	MaxAge     int64        `json:"max_age"` // seconds
	Rules      []issuerRule `json:"rules"`
}

type issuerRule struct {
	ID        string                     `json:"id"`
	Name      string                     `json:"name"`
	Match     map[string]json.RawMessage `json:"match"`
	Client    string                     `json:"client"`
	UserClaim string                     `json:"user_claim"`
	Source    string                     `json:"source"`
	Scopes    []string                   `json:"scopes"`
	Audiences []string                   `json:"audiences"`
	TTL       int64                      `json:"ttl"` // seconds
}

// IssuerOf returns a trusted issuer as it is shown.
func IssuerOf(s records.Issuer) Issuer {
	return Issuer{
		Name: s.Name, Issuer: s.Issuer, Keys: keysOf(s), JWKS: s.JWKS, SecretFile: s.SecretFile, CAFile: s.CAFile, Audience: s.Audience,
		Once: s.Once, MaxAge: int64(s.MaxAge / time.Second),
		Rules: each(s.Rules, func(r records.IssuerRule) issuerRule {
			return issuerRule{
				ID: r.ID, Name: r.Name, Match: r.Match, Client: r.Client, UserClaim: r.UserClaim, Source: r.Source,
				Scopes: some(r.Scope), Audiences: some(r.Audiences), TTL: int64(r.TTL / time.Second),
			}
		}),
	}
}

// keysOf returns how an issuer's keys are found.
func keysOf(s records.Issuer) string {
	switch {
	case s.SecretFile != "":
		return "secret"
	case s.JWKS != "":
		return "jwks"
	}
	return "discovery"
}

// issuers are the endpoints of trusted issuers, which only their configuration changes.
type issuers struct{ directory *directory.Directory }

func (e issuers) routes() []route {
	return []route{{"GET", "/issuers", e.list, listing, administrator}}
}

func (e issuers) list(w http.ResponseWriter, r *request) error {
	return serveCounted(w, r, "name", e.directory.IssuerPage, IssuerOf)
}

package config

import (
	"net/netip"
	"net/url"
	"reflect"

	"github.com/bearerd/bearerd/internal/token"
)

// Edge is all that an operator can set of an edge, which verifies without a database.
// [DefaultEdge] returns the defaults, [LoadEdge] a value that has passed every check.
type Edge struct {
	Issuer           string                      `yaml:"issuer"`             // as its metadata and its tokens name it
	ClientID         string                      `yaml:"client_id"`          // a client with the scopes introspect and revocations
	ClientSecretFile string                      `yaml:"client_secret_file"` // one newline at its end is not part of the secret
	CAFile           string                      `yaml:"ca_file"`            // whose certificates the issuer may have; empty: the system's
	Listen           string                      `yaml:"listen"`
	OpsListen        string                      `yaml:"ops_listen"`
	VerifyListen     string                      `yaml:"verify_listen"` // empty: none
	TLS              TLS                         `yaml:"tls"`
	Audience         string                      `yaml:"audience"` // empty: the issuer
	Signing          EdgeSigning                 `yaml:"signing"`
	TrustedProxies   []netip.Prefix              `yaml:"trusted_proxies"`
	CORS             CORS                        `yaml:"cors"`
	Upstream         Upstream                    `yaml:"upstream"`
	Requirements     map[string]NamedRequirement `yaml:"requirements"`
	Verify           Verify                      `yaml:"verify"`
	Dialects         []Dialect                   `yaml:"dialects"`
}

// EdgeSigning is what an edge must be told of how tokens are signed.
type EdgeSigning struct {
	SecretFile string `yaml:"secret_file"` // that of an issuer with HS256; empty: the issuer shows its keys
}

// DefaultEdge returns the configuration of an empty file, which isn't enough to start.
func DefaultEdge() Edge {
	c := Default()
	return Edge{
		Listen: c.Listen, OpsListen: c.OpsListen, TrustedProxies: c.TrustedProxies, CORS: c.CORS,
		Upstream: c.Upstream, Requirements: c.Requirements, Verify: c.Verify, Dialects: c.Dialects,
	}
}

// Config returns what a node with these settings would have. The rest is default.
func (e Edge) Config() Config {
	c := Default()
	c.Issuer, c.Listen, c.OpsListen, c.TLS, c.Audience = e.Issuer, e.Listen, e.OpsListen, e.TLS, e.Audience
	c.TrustedProxies, c.CORS, c.Upstream, c.Requirements = e.TrustedProxies, e.CORS, e.Upstream, e.Requirements
	c.Verify, c.Dialects, c.VerifyListen = e.Verify, e.Dialects, e.VerifyListen
	return c
}

// LoadEdge returns the configuration of an edge, read and checked as strictly as [Load]
// does, from the same places.
func LoadEdge(path string, env []string, overrides map[string]string) (Edge, error) {
	e := DefaultEdge()
	d, err := loadInto(reflect.ValueOf(&e).Elem(), path, env, overrides)
	if err != nil {
		return Edge{}, err
	}
	e.Upstream.complete()
	if len(d.problems) == 0 {
		d.problems = e.validate(d.origin)
	}
	if len(d.problems) > 0 {
		return Edge{}, ProblemsError(d.problems)
	}
	return e, nil
}

// validate returns all that is wrong with e.
func (e Edge) validate(origin map[string]string) []Problem {
	c, k := e.Config(), &checker{origin: origin}
	e.checkIssuer(k)
	for _, needed := range []struct{ key, value, hint string }{
		{"client_id", e.ClientID, "bearerd client create edge --grant client_credentials --scope introspect,revocations"},
		{"client_secret_file", e.ClientSecretFile, "the file with the client's secret"},
	} {
		if needed.value == "" {
			k.fail(needed.key, needed.hint, "must be set")
		}
	}
	c.checkListeners(k)
	c.checkDialects(k)
	c.CORS.check(k)
	c.Verify.check(k)
	c.Upstream.check(k)
	checkRequirements(k, c.Requirements)
	if e.Upstream.AssertionAudience != "" {
		k.fail("upstream.assertion_audience", "leave it out, or verify on a node", "an edge holds no signing key and can't sign assertions")
	}
	return k.problems
}

// checkIssuer checks the issuer that an edge trusts: nobody on the way may be able to
// change its answers.
func (e Edge) checkIssuer(k *checker) {
	if e.Issuer == "" {
		k.fail("issuer", "write https://auth.example.org", "must be set")
		return
	}
	before := len(k.problems)
	checkIssuer(k, e.Issuer, TLS{}) // the TLS of the edge, which says nothing of the issuer's
	u, err := url.Parse(e.Issuer)
	if err == nil && len(k.problems) == before && u.Scheme == "http" && !token.IsLoopback(u.Hostname()) {
		k.fail("issuer", "write https://"+u.Host, "must be https: keys and revocations come from there")
	}
}

// complete sets in each route what it leaves out.
func (u *Upstream) complete() {
	for i := range u.Routes {
		if r := &u.Routes[i]; r.Require == "" {
			r.Require = RequireToken
		}
	}
}

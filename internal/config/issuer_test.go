package config_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/config"
)

// The values of match keep the type that YAML gives them: "7" and 7 are two.
func TestTrustedIssuersAreReadWithTheTypesOfTheirClaims(t *testing.T) {
	t.Parallel()
	got, err := config.ParseAccess("a", []byte(`issuers:
  - name: github
    issuer: https://token.actions.githubusercontent.com
    once: false
    max_age: 10m
    rules:
      - {name: release, match: {repository_id: "7", n: 7, "p.q": true, s: "true"}, client: ci, scope: read write, audiences: [x], ttl: 15m}
`))
	if err != nil {
		t.Fatal(err)
	}
	no, age := false, 10*time.Minute
	value := func(text string) config.ClaimValue { return config.ClaimValue{JSON: json.RawMessage(text)} }
	want := []config.Issuer{{
		At: config.Position{File: "a", Line: 2}, Name: "github", Issuer: "https://token.actions.githubusercontent.com", Once: &no, MaxAge: &age,
		Rules: []config.IssuerRule{{
			At: config.Position{File: "a", Line: 7}, Name: "release", Client: "ci", Scope: "read write", Audiences: []string{"x"}, TTL: 15 * time.Minute,
			Match: map[string]config.ClaimValue{"repository_id": value(`"7"`), "n": value("7"), "p.q": value("true"), "s": value(`"true"`)},
		}},
	}}
	if diff := cmp.Diff(want, got.Issuers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

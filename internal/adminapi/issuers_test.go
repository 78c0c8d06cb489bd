package adminapi_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
)

func TestIssuersAreListedWithTheirRules(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, _, err := s.Apply(t.Context(), caller.Operator(), apply.Desired{
		Clients: []identity.NewClient{{ID: "ci", Scopes: []string{"read"}}},
		Issuers: []records.Issuer{{
			Name: "publisher", Issuer: "p", SecretFile: "/etc/bearerd/secret", Once: true, MaxAge: time.Hour,
			Rules: []records.IssuerRule{{
				Name: "all", Match: map[string]json.RawMessage{"a": json.RawMessage(`"7"`), "n": json.RawMessage("7"), "t": json.RawMessage("true")},
				Client: "ci", Scope: []string{"read"}, TTL: time.Minute,
			}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	all, next := items(t, s.asAdmin(t, 200, "GET", "/issuers", ""))
	if len(all) != 1 || next != "" {
		t.Fatalf("%v, then %q", all, next)
	}
	rule, _ := all[0]["rules"].([]any)[0].(map[string]any)
	if id, _ := rule["id"].(string); len(id) != 36 {
		t.Errorf("the rule's version is %q", id)
	}
	delete(rule, "id")
	want := map[string]any{
		"name": "publisher", "issuer": "p", "keys": "secret", "jwks": "", "secret_file": "/etc/bearerd/secret", "ca_file": "", "audience": "",
		"once": true, "max_age": 3600.0,
		"rules": []any{map[string]any{
			"name": "all", "match": map[string]any{"a": "7", "n": 7.0, "t": true}, "client": "ci", "user_claim": "", "source": "",
			"scopes": []any{"read"}, "audiences": []any{}, "ttl": 60.0,
		}},
	}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

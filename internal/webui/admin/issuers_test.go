package admin_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

func TestIssuersAreShownWithTheirRules(t *testing.T) {
	t.Parallel()
	s, root := webuitest.NewOffice(t, nodetest.Options{})
	root.Get(t, "/auth/admin/issuers").Is(http.StatusOK, "No other issuer is trusted.")
	_, _, err := s.Apply(t.Context(), caller.Operator(), apply.Desired{
		Clients: []identity.NewClient{{ID: "ci", Scopes: []string{"read"}}},
		Issuers: []records.Issuer{{
			Name: "github", Issuer: "https://token.actions.githubusercontent.com", Once: true, MaxAge: time.Hour,
			Rules: []records.IssuerRule{
				{Name: "release", Match: map[string]json.RawMessage{"ref": json.RawMessage(`"<b>main"`)}, Client: "ci", Scope: []string{"read"}, TTL: time.Minute},
				{Name: "people", Match: map[string]json.RawMessage{"n": json.RawMessage("7")}, UserClaim: "sub", Source: "partner", Scope: []string{"read"}},
			},
		}},
	})
	nodetest.Must(t, err)
	root.Get(t, "/auth/admin/issuers").Is(http.StatusOK, "https://token.actions.githubusercontent.com", "release", "the client <bdi>ci</bdi>",
		"n: 7", "the user of <bdi>partner</bdi>", "1m0s", "Each token is accepted once").Lacks("<b>main")
}

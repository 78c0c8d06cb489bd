package admin_test

import (
	"html"
	"net/http"
	"testing"

	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

// TestAClientWithKeysIsCreatedAndChanged: it has no secret to show or renew, a change of
// something else keeps its keys, and what is wrong with them stands beside the field.
func TestAClientWithKeysIsCreatedAndChanged(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	const page = "/auth/admin/clients"
	set := assertiontest.Set(assertiontest.New(t, "ES256", "k1").JWK())
	b.Submit(t, page, "do", "create", "id", "ci", "grants", identity.GrantTypeClientCredentials, "jwks", set).Leads(page + "?notice=made")
	b.Get(t, page).Is(http.StatusOK, "with keys").Lacks("New secret for ci", "bdc_")
	b.Get(t, page+"?edit=ci").Is(http.StatusOK, html.EscapeString(set)+"</textarea>")
	keys := func() identity.ClientKeys {
		t.Helper()
		c, err := s.Directory.Client(t.Context(), caller.Operator(), "ci")
		nodetest.Must(t, err)
		return c.Keys
	}
	b.Submit(t, page, "do", "update", "id", "ci", "grants", identity.GrantTypeClientCredentials, "scopes", "read", "jwks", set).Leads(page + "?notice=saved")
	if got := keys(); got != (identity.ClientKeys{JWKS: set}) {
		t.Errorf("after a change of its scopes: %+v", got)
	}
	const address = "https://ci.example/jwks"
	b.Submit(t, page, "do", "update", "id", "ci", "grants", identity.GrantTypeClientCredentials, "jwks_uri", address).Leads(page + "?notice=saved")
	if got := keys(); got != (identity.ClientKeys{URI: address}) {
		t.Errorf("with an address instead: %+v", got)
	}
	b.Get(t, page+"?edit=ci").Is(http.StatusOK, `value="`+address+`"`)
	for field, value := range map[string]string{"jwks": `{"keys":[]}`, "jwks_uri": "http://ci.example/jwks"} {
		b.Submit(t, page, "do", "update", "id", "ci", "grants", identity.GrantTypeClientCredentials, field, value).
			Is(http.StatusBadRequest, `id="update-`+field+`-error"`)
	}
	b.Submit(t, page, "do", "update", "id", "ci", "grants", identity.GrantTypeClientCredentials).Is(http.StatusBadRequest, "needs a client secret or keys")
}

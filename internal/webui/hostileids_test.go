package webui_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

// An id, a cursor or a filter that no page has sent is refused or finds nothing: it is never an
// error of the server, on either engine.
func TestHostileAddressesAreNoErrorOfTheServer(t *testing.T) {
	t.Parallel()
	for name, postgres := range map[string]bool{"SQLite": false, "PostgreSQL": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, root := webuitest.NewOffice(t, nodetest.Options{Dir: t.TempDir(), Postgres: postgres})
			hostile := []string{"%00", "%ff", "a%2Fb", "%2e%2e", "x", strings.Repeat("x", 2000), "00000000-0000-4000-8000-000000000000", "%E2%80%AE", "-1", "dXNlcjo", "dG9rZW46", "dG9rZW46AA"}
			for _, id := range hostile {
				for _, page := range []string{
					"/auth/tokens/ID", "/auth/tokens/ID/uses", "/auth/tokens/ID/revoke", "/auth/tokens/ID/regenerate", "/auth/tokens/ID/smaller", "/auth/admin/users/ID",
					"/auth/tokens?after=ID", "/auth/tokens?q=ID&state=ID&only=ID&sort=ID&scope=ID", "/auth/admin/tokens?after=ID", "/auth/admin/tokens?user=ID", "/auth/admin/tokens?scope=ID&kind=ID",
					"/auth/admin/users?after=ID", "/auth/admin/users?q=ID", "/auth/admin/bindings?after=ID", "/auth/admin/bindings?user=ID", "/auth/admin/bindings?group=ID&q=ID",
					"/auth/admin/roles?edit=ID&after=ID", "/auth/admin/clients?edit=ID&after=ID", "/auth/admin/collections?edit=ID&after=ID", "/auth/admin/issuers?after=ID&q=ID",
					"/auth/admin/audit?actor=ID&address=ID", "/auth/admin/audit?target=ID", "/auth/admin/audit?token_id=ID", "/auth/admin/audit?before=ID&after=ID", "/auth/tokens/new?name=ID&scope=ID&collection=ID&networks=ID", "/auth/login?next=ID&notice=ID",
				} {
					if a := root.Get(t, strings.ReplaceAll(page, "ID", id)); a.Status >= http.StatusInternalServerError {
						t.Errorf("%s with %.40s: %d", page, id, a.Status)
					}
				}
			}
		})
	}
}

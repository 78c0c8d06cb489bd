package admin_test

import (
	"net/http"
	"testing"

	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

// Administrators find everybody's tokens, and revoke one.
func TestEverybodysTokensAreListed(t *testing.T) {
	t.Parallel()
	s, root := webuitest.NewOffice(t, nodetest.Options{Settings: webuitest.Scopes})
	ada, eve := s.Ada(t), s.SignedIn(t, "eve", "battery staple")
	ada.Submit(t, "/auth/tokens", "name", "adas <laptop>", "scope", "read", "expires", "604800").Is(http.StatusCreated)
	eve.Submit(t, "/auth/tokens", "name", "eves robot", "scope", "write").Is(http.StatusCreated)
	root.Get(t, "/auth/admin/tokens").Is(http.StatusOK, "2 tokens", "adas &lt;laptop&gt;", "eves robot", ">ada</bdi>", ">eve</bdi>")
	for query, want := range map[string]string{
		"q=adas": "adas", "user=ada": "adas", "scope=read": "adas", "only=7d": "adas", "only=30d": "adas", "kind=api-key": "", "only=never-used&scope=write": "eves",
		"state=ended": "", "user=eve&sort=name": "eves", "q=laptop": "", "q=%25": "",
	} {
		a := root.Get(t, "/auth/admin/tokens?"+query).Is(http.StatusOK)
		switch want {
		case "adas":
			a.Is(http.StatusOK, "adas &lt;laptop&gt;", "1 token found").Lacks("eves robot")
		case "eves":
			a.Is(http.StatusOK, "eves robot", "1 token found").Lacks("laptop&gt;")
		default:
			a.Is(http.StatusOK, "No token is like that.", "0 tokens found")
		}
	}
	root.Get(t, "/auth/admin/tokens?user=nobody").Is(http.StatusOK, "There is no user nobody.").Lacks("laptop")
	root.Get(t, "/auth/admin/tokens?kind=session&only=never-used").Is(http.StatusBadRequest, "Choose a user").Lacks("laptop")
	root.Get(t, "/auth/admin/tokens?kind=session").Is(http.StatusOK, "session", ">root</bdi>")
	ada.Get(t, "/auth/admin/tokens").Is(http.StatusForbidden).Lacks("laptop")
	page := "/auth/tokens/" + webuitest.IDOf(t, eve)
	root.Submit(t, page+"/revoke").Leads(page)
	root.Get(t, "/auth/admin/tokens").Is(http.StatusOK, "1 token<").Lacks("eves robot")
	root.Get(t, "/auth/admin/tokens?state=ended").Is(http.StatusOK, "eves robot", "revoked")
}

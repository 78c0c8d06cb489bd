package admin_test

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"

	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

// Administrators find everybody's tokens, and revoke one.
func TestEverybodysTokensAreListed(t *testing.T) {
	t.Parallel()
	s, root := webuitest.NewOffice(t, nodetest.Options{Settings: webuitest.Scopes})
	ada, eve := s.Ada(t), s.SignedIn(t, "eve", "battery staple")
	root.Get(t, "/auth/admin/tokens").Is(http.StatusOK, "There are no tokens.", `href="/auth/tokens/new"`, "bearerd token create USER --name NAME")
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
			a.Is(http.StatusOK, "No token matches.", "0 tokens found")
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

// The lists that are short as a rule page and search too: rows of a page are bounded.
func TestEveryListPagesAndSearches(t *testing.T) {
	t.Parallel()
	s, root := webuitest.NewOffice(t, nodetest.Options{})
	var ops []op.Op
	for n := range 130 {
		ops = append(ops,
			op.CreateCollection{Collection: records.Collection{ID: int64(n + 1), Name: fmt.Sprintf("Cabinet %03d", n)}},
			op.CreateRole{Role: access.Role{Name: fmt.Sprintf("keeper-%03d", n)}},
			op.AddBinding{Binding: access.Binding{ID: uuid.NewString(), Group: fmt.Sprintf("team_%03d", n), Role: fmt.Sprintf("keeper-%03d", n), Path: "/"}},
			op.CreateClient{Client: identity.Client{ID: fmt.Sprintf("robot-%03d", n)}})
	}
	_, err := s.Store.Commit(t.Context(), op.Batch{Ops: ops})
	nodetest.Must(t, err)
	for path, c := range map[string]struct{ noun, last, search, one, other string }{
		"collections": {"collection", "Cabinet 129", "CABINET+12", "Cabinet 120", "Cabinet 119"},
		"roles":       {"role", "keeper-129", "keeper-12", "keeper-120", "keeper-119"},
		"bindings":    {"binding", "First page", "team_12", "team_120", "team_119"},
		"clients":     {"client", "robot-129", "robot-12", "robot-120", "robot-119"},
	} {
		page := "/auth/admin/" + path
		a := root.Get(t, page).Is(http.StatusOK, "13", c.noun+"s<", `rel="next"`)
		if rows := strings.Count(a.Body, "<tr>"); rows > 102 {
			t.Errorf("%s has %d rows", page, rows)
		}
		next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(a.Body)[1]
		root.Get(t, html.UnescapeString(next)).Is(http.StatusOK, c.last, "First page").Lacks(`rel="next"`)
		root.Get(t, page+"?q="+c.search).Is(http.StatusOK, "10 "+c.noun+"s found", ">Clear<", c.one).Lacks(c.other)
		root.Get(t, page+"?q=%25").Is(http.StatusOK, "0 "+c.noun+"s found", " matches.")
		root.Get(t, page+"?after=nonsense").Is(http.StatusBadRequest, "The cursor is not one of this list.")
		root.Get(t, page+"?after=-1").Is(http.StatusBadRequest, "The cursor is not one of this list.")
	}
	root.Get(t, "/auth/admin/bindings?group=team_007").Is(http.StatusOK, "1 binding found", "team_007").Lacks("team_008")
	root.Get(t, "/auth/admin/collections?edit=129").Is(http.StatusOK, `value="Cabinet 128"`)
}

// However many tokens a user has, what can be done to the account is above them, and the
// page has only the newest.
func TestAUsersPageIsShortWithManyTokens(t *testing.T) {
	t.Parallel()
	s, root := webuitest.NewOffice(t, nodetest.Options{})
	ada := s.Ada(t)
	for n := range 25 {
		ada.Submit(t, "/auth/tokens", "name", fmt.Sprintf("robot %02d", n)).Is(http.StatusCreated)
	}
	body := root.Get(t, "/auth/admin/users/ada").Is(http.StatusOK, "The newest 20 are shown.", "/auth/admin/tokens?user=ada").Body
	if got := strings.Count(body, `value="revoke-token"`); got != 20 {
		t.Errorf("%d tokens are on the page, want 20", got)
	}
	if strings.Index(body, `value="disable"`) > strings.Index(body, `value="revoke-token"`) {
		t.Error("the form that disables the user is beneath the tokens")
	}
}

package account_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

// The page shows what a token was used for and what it never needed, and creates the smaller
// one, beside which the old one goes on.
func TestAPageShowsUsesAndCreatesTheSmallerToken(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Settings: webuitest.Scopes})
	b := s.Ada(t)
	raw := webuitest.ShownToken(t, b.Submit(t, "/auth/tokens", "name", "script", "description", "On lab-3", "scope", "read", "scope", "write").Is(http.StatusCreated))
	got, err := s.Verify(t.Context(), raw, verification.Requirements{Scope: []string{"read"}, Route: "/specimens", SafeMethod: true})
	if err != nil {
		t.Fatal(err)
	}
	page := "/auth/tokens/" + got.ID
	b.Get(t, page).Is(http.StatusOK, `href="`+page+`/uses"`)
	nodetest.Must(t, s.FlushBook(t.Context()))
	b.Get(t, page+"/uses").Is(http.StatusOK,
		"<code>/specimens</code>", "<td>reading</td>", `<td class="number">1</td>`, `Nothing asked for <code class="tag">write</code>`,
		`value="read" checked`, `value="write">`, "Create a smaller one").Lacks("It may have been used", "without asking for a scope")
	b.Submit(t, page+"/smaller", "scope", "read").Is(http.StatusBadRequest, "Choose when the old token ends.")
	b.Submit(t, page+"/smaller", "scope", "read", "scope", "write", "overlap", "60").Is(http.StatusBadRequest, "not smaller")
	a := b.Submit(t, page+"/smaller", "scope", "read", "overlap", "604800").Is(http.StatusCreated, "stops working in 7 days")
	for _, value := range []string{webuitest.ShownToken(t, a), raw} {
		found, err := s.Verify(t.Context(), value, verification.Requirements{Scope: []string{"read"}})
		if err != nil {
			t.Fatal(err)
		}
		b.Get(t, "/auth/tokens/"+found.ID).Is(http.StatusOK, "On lab-3")
	}
	b.Submit(t, page+"/smaller", "scope", "read", "overlap", "60").Is(http.StatusConflict, "being replaced already")
	if text := b.Get(t, page+"/uses").Is(http.StatusOK).Body; strings.Contains(text, "Create a smaller one") {
		t.Error("what is being replaced is offered to be replaced")
	}
	b.Get(t, "/auth/tokens/00000000-0000-4000-8000-000000000000/uses").Is(http.StatusNotFound)
}

// Nobody sees or replaces what is somebody else's; what an administrator sees, they can't
// replace.
func TestSomebodyElsesTokenIsNotFound(t *testing.T) {
	t.Parallel()
	s, root := webuitest.NewOffice(t, nodetest.Options{Settings: webuitest.Scopes})
	ada, eve := s.Ada(t), s.SignedIn(t, "eve", "battery staple")
	raw := webuitest.ShownToken(t, ada.Submit(t, "/auth/tokens", "name", "nightly", "scope", "read", "scope", "write").Is(http.StatusCreated))
	got, err := s.Verify(t.Context(), raw, verification.Requirements{})
	if err != nil {
		t.Fatal(err)
	}
	page := "/auth/tokens/" + got.ID
	for _, path := range []string{"", "/uses", "/regenerate", "/revoke"} {
		eve.Get(t, page+path).Is(http.StatusNotFound).Lacks("nightly")
	}
	smaller := []string{"scope", "read", "overlap", "60"}
	eve.Submit(t, page+"/smaller", smaller...).Is(http.StatusNotFound)
	eve.Submit(t, page+"/regenerate", "overlap", "0").Is(http.StatusNotFound)
	eve.Submit(t, page+"/revoke").Is(http.StatusNotFound)
	root.Get(t, page+"/uses").Is(http.StatusOK).Lacks("Create a smaller one")
	for _, a := range []*edgetest.Answer{root.Submit(t, page+"/smaller", smaller...), root.Submit(t, page+"/regenerate", "overlap", "0")} {
		if a.Is(http.StatusNotFound); webuitest.ShowsToken(a) {
			t.Error("an administrator got somebody else's token")
		}
	}
	if _, err := s.Verify(t.Context(), raw, verification.Requirements{}); err != nil {
		t.Error(err)
	}
}

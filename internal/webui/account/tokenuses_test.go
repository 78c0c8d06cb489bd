package account_test

import (
	"net/http"
	"strings"
	"testing"

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
	raw := webuitest.ShownToken(t, b.Submit(t, "/auth/tokens", "name", "script", "scope", "read", "scope", "write").Is(http.StatusCreated))
	got, err := s.Verify(t.Context(), raw, verification.Requirements{Scope: []string{"read"}, Route: "/specimens", SafeMethod: true})
	if err != nil {
		t.Fatal(err)
	}
	page := "/auth/tokens/" + got.ID
	b.Get(t, page).Is(http.StatusOK, `href="`+page+`/uses"`)
	nodetest.Must(t, s.FlushBook(t.Context()))
	b.Get(t, page+"/uses").Is(http.StatusOK,
		"<code>/specimens</code>", "<td>reading</td>", `<td class="number">1</td>`, `Nothing asked for <code class="tag">write</code>`,
		`value="read" checked`, `value="write">`, "Create a smaller one").Lacks("It may have been used", "let in without a scope")
	b.Submit(t, page+"/smaller", "scope", "read").Is(http.StatusBadRequest, "Choose when the old token ends.")
	b.Submit(t, page+"/smaller", "scope", "read", "scope", "write", "overlap", "60").Is(http.StatusBadRequest, "not smaller")
	a := b.Submit(t, page+"/smaller", "scope", "read", "overlap", "604800").Is(http.StatusCreated, "stops working in 7 days")
	for _, value := range []string{webuitest.ShownToken(t, a), raw} {
		if _, err := s.Verify(t.Context(), value, verification.Requirements{Scope: []string{"read"}}); err != nil {
			t.Error(err)
		}
	}
	b.Submit(t, page+"/smaller", "scope", "read", "overlap", "60").Is(http.StatusConflict, "being replaced already")
	if text := b.Get(t, page+"/uses").Is(http.StatusOK).Body; strings.Contains(text, "Create a smaller one") {
		t.Error("what is being replaced is offered to be replaced")
	}
	b.Get(t, "/auth/tokens/00000000-0000-4000-8000-000000000000/uses").Is(http.StatusNotFound)
}

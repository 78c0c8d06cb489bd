package account_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/webui/webuitest"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
)

func TestTheDeveloperPageHasOneTokenAndShowsItOnce(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{}, webuitest.DeveloperPage)
	b := s.Ada(t)
	b.Get(t, "/profile/developer").Is(http.StatusOK, "You have no developer token yet.", "Create token").Lacks("6879-")
	first := webuitest.ShownToken(t, b.Submit(t, "/profile/developer").Is(http.StatusOK, "shown only once"))
	if !strings.HasPrefix(first, "6879-") {
		t.Fatalf("the token is %q", first)
	}
	if got, err := s.Verify(t.Context(), first, verification.Requirements{}); err != nil || got.Name != "Developer token" {
		t.Fatalf("%+v %v", got, err)
	}
	b.Get(t, "/account/developer").Is(http.StatusOK, "6879-…"+first[len(first)-4:], "Regenerate the token").Lacks(first)
	second := webuitest.ShownToken(t, b.Submit(t, "/account/developer").Is(http.StatusOK))
	if _, err := s.Verify(t.Context(), first, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the old value: %v", err)
	}
	if _, err := s.Verify(t.Context(), second, verification.Requirements{}); err != nil {
		t.Errorf("the new one: %v", err)
	}
	b.Get(t, "/profile/developer").Is(http.StatusOK).Lacks(first, second)
	b.Get(t, "/auth/tokens").Is(http.StatusOK, "Developer token", `href="/profile/developer"`).Lacks(first, second)
	s.SignedIn(t, "eve", "battery staple").Get(t, "/profile/developer").Is(http.StatusOK, "You have no developer token yet.")
}

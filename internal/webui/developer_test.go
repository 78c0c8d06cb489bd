package webui_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
)

func TestTheDeveloperPageHasOneTokenAndShowsItOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{}, hypothesis)
	b := s.ada(t)
	b.get("/profile/developer").want(http.StatusOK, "You have no developer token yet.", "Make a token").without("6879-")
	first := b.post("/profile/developer").want(http.StatusOK, "shown this once").value()
	if !strings.HasPrefix(first, "6879-") {
		t.Fatalf("the token is %q", first)
	}
	if got, err := s.Verify(t.Context(), first, verification.Requirements{}); err != nil || got.Name != "Developer token" {
		t.Fatalf("%+v %v", got, err)
	}
	b.get("/account/developer").want(http.StatusOK, "6879-…"+first[len(first)-4:], "Regenerate the token").without(first)
	second := b.post("/account/developer").want(http.StatusOK).value()
	if _, err := s.Verify(t.Context(), first, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the old value: %v", err)
	}
	if _, err := s.Verify(t.Context(), second, verification.Requirements{}); err != nil {
		t.Errorf("the new one: %v", err)
	}
	b.get("/profile/developer").want(http.StatusOK).without(first, second)
	b.get("/auth/tokens").want(http.StatusOK, "Developer token", `href="/profile/developer"`).without(first, second)
	s.signedIn(t, "eve", "battery staple").get("/profile/developer").want(http.StatusOK, "You have no developer token yet.")
}

package admin_test

import (
	"net/http"
	"testing"

	"github.com/bearerd/bearerd/internal/webui/webuitest"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/signin"
)

// The page of a user says what keeps them from signing in, and lifts it.
func TestUserPageShowsAndLiftsTheLock(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{Settings: func(p *node.Settings) { p.Limits.Account, p.Limits.AccountTotal = 2, 3 }})
	s.Ada(t)
	b.Get(t, "/auth/admin/users/ada").Is(http.StatusOK).Lacks("Sign-in is locked", "Unlock")
	for _, address := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.2"} {
		ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: address})
		if _, err := s.Authenticator.Login(ctx, signin.Credentials{Username: "ada", Password: "wrong"}); err == nil {
			t.Fatal("a wrong password is good")
		}
	}
	b.Get(t, "/auth/admin/users/ada").Is(http.StatusOK, "Sign-in is locked", "in the last 30 days", `<span class="address">192.0.2.1</span>`, "Unlock").
		Lacks("192.0.2.2")
	b.Submit(t, "/auth/admin/users/ada", "do", "unlock").Is(http.StatusSeeOther)
	b.Get(t, "/auth/admin/users/ada?notice=unlocked").Is(http.StatusOK, "can sign in again").Lacks("Sign-in is locked")
}

package hypothesis_test

import (
	"flag"
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

var update = flag.Bool("update", false, "write the conversations again")

func TestConversations(t *testing.T) {
	t.Parallel()
	edgetest.Play(t, *update, func(t *testing.T) edgetest.Stage {
		s := newSite(t, nodetest.Options{})
		s.Freeze() // what is left of a lifetime is in the answers
		act := func(do func() error) func() {
			return func() {
				t.Helper()
				if err := do(); err != nil {
					t.Fatal(err)
				}
			}
		}
		return edgetest.Stage{
			URL: s.url,
			Secrets: map[string]string{
				"session": s.session, "developer": s.developerToken(t), "refresh": s.refreshToken(t),
			},
			Acts: map[string]func(){
				"ada regenerates her token": func() { s.developerToken(t) },
				"ada joins two groups": act(func() error {
					groups, none := []string{"curators", "fish & co"}, ""
					_, err := s.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Groups: &groups, Name: &none})
					return err
				}),
				"ada revokes everything": act(func() error {
					_, err := s.RevokeAll(t.Context(), s.Login(t, "ada", password), s.ada.ID)
					return err
				}),
			},
		}
	})
}

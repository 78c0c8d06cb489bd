package authority_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// TestWhoFindsNothingLeftToTakeBackIsAcknowledgedAlike takes something back without
// waiting, and again at once by an act that waits and finds nothing to do.
func TestWhoFindsNothingLeftToTakeBackIsAcknowledgedAlike(t *testing.T) {
	t.Parallel()
	here, there := twoNodes(t)
	here.Collection(t, 4, "Fish")
	ada := person(t, here, "ada", authoritytest.May("access", "/collections/4"))
	wait := func(on bool) { here.Policy.Wait = on }

	inFour := made(t, here, ada, authority.Request{Kind: token.KindAccess, Collection: new(int64(4))})
	wantAlive(t, there, "before", inFour)
	for _, on := range []bool{false, true} {
		wait(on)
		removed, _, err := here.RemoveAccess(t.Context(), operator, "ada", "/collections/4")
		must(t, err)
		if (len(removed) == 0) != on {
			t.Fatalf("removed: %v", removed)
		}
	}
	_, err := verify(t, there, inFour)
	wantFault(t, "access that was lost already", err, fault.InsufficientScope, "no access")

	leaked := accessToken(t, here, ada)
	wantAlive(t, there, "before", leaked)
	for _, on := range []bool{false, true} {
		wait(on)
		must(t, here.Leaked(t.Context(), []string{leaked.Value.Reveal()}))
	}
	wantDead(t, there, "reported already", leaked)

	desired := authority.Desired{Users: []authority.DesiredUser{{NewUser: authority.NewUser{Username: "ada", Disabled: true}, SetDisabled: true}}}
	living := accessToken(t, here, ada)
	wantAlive(t, there, "before", living)
	for _, on := range []bool{false, true} {
		wait(on)
		apply(t, here, desired)
	}
	wantDead(t, there, "disabled already", living)
}

package verification_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revoking"
)

func TestDenylistedKnowsEveryWayToRevokeAToken(t *testing.T) {
	t.Parallel()
	revoke := func(t *testing.T, f *nodetest.Fixture, value string) {
		t.Helper()
		if _, err := f.Revoke(t.Context(), caller.Operator(), revoking.Revocation{Token: value}); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		kill func(t *testing.T, f *nodetest.Fixture, value string)
		want bool
	}{
		"alive":   {func(*testing.T, *nodetest.Fixture, string) {}, false},
		"expired": {func(_ *testing.T, f *nodetest.Fixture, _ string) { f.Advance(2 * time.Hour) }, false},
		"revoked": {revoke, true},
		"revoked, then expired": {func(t *testing.T, f *nodetest.Fixture, value string) {
			revoke(t, f, value)
			f.Advance(2 * time.Hour)
		}, true},
		"expired, then revoked": {func(t *testing.T, f *nodetest.Fixture, value string) {
			f.Advance(2 * time.Hour)
			revoke(t, f, value)
		}, true},
		"revoked, its key rotated twice since": {func(t *testing.T, f *nodetest.Fixture, value string) {
			revoke(t, f, value)
			rotate(t, f)
			rotate(t, f)
		}, true},
		"its key rotated, then revoked": {func(t *testing.T, f *nodetest.Fixture, value string) {
			rotate(t, f)
			revoke(t, f, value)
		}, true},
		"its key rotated": {func(t *testing.T, f *nodetest.Fixture, _ string) { rotate(t, f) }, false},
		"its key revoked": {func(t *testing.T, f *nodetest.Fixture, _ string) {
			if _, err := f.RetireKey(t.Context(), caller.Operator(), f.Signer(t)); err != nil {
				t.Fatal(err)
			}
		}, true},
		"its user disabled": {func(t *testing.T, f *nodetest.Fixture, _ string) {
			yes := true
			if _, err := f.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: &yes}); err != nil {
				t.Fatal(err)
			}
		}, true},
		"its user removed": {func(t *testing.T, f *nodetest.Fixture, _ string) {
			if _, err := f.RemoveUser(t.Context(), caller.Operator(), "ada"); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := nodetest.New(t, nodetest.Options{})
			f.User(t, "ada", "correct horse")
			value := f.AccessToken(t, "ada", "correct horse").Value.Reveal()
			c.kill(t, f, value)
			if got, err := f.Denylisted(t.Context(), value); got != c.want || err != nil {
				t.Errorf("%t, %v; want %t", got, err, c.want)
			}
		})
	}
}

func rotate(t *testing.T, f *nodetest.Fixture) {
	t.Helper()
	old := f.Signer(t)
	if err := f.RotateKeys(t.Context(), caller.Operator(), true); err != nil {
		t.Fatal(err)
	}
	if f.Signer(t) == old {
		t.Fatal("the same key still signs")
	}
}

func TestDenylistedTakesTokensOfEveryKind(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) {
		s.Policy.TaskMax = map[string]time.Duration{"TES": time.Hour}
	}})
	f.User(t, "ada", "correct horse", nodetest.May("create", "/task-tokens/TES"))
	session := f.SessionToken(t, "ada", "correct horse")
	c, err := f.Session(t.Context(), session.Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	key, err := f.CreateExchangeKey(t.Context(), c, credentials.NewCredential{})
	if err != nil {
		t.Fatal(err)
	}
	opaque, err := f.CreateAPIToken(t.Context(), c, credentials.NewCredential{Name: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	task, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key.Value.Reveal(), TaskType: "TES"})
	if err != nil {
		t.Fatal(err)
	}
	all := []*issuance.Issued{session, key, opaque, task.Access}
	for _, want := range []bool{false, true} {
		for _, issued := range all {
			if got, err := f.Denylisted(t.Context(), issued.Value.Reveal()); got != want || err != nil {
				t.Errorf("%s: %t, %v; want %t", issued.Kind, got, err, want)
			}
		}
		if _, err := f.RevokeAll(t.Context(), c, c.ID()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsNoTokenOfOursIsNotDenylisted(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	for _, raw := range []string{"", "junk", "a.b.c", "bda_000000000000000000000000000000000000", "\xff"} {
		if got, err := f.Denylisted(t.Context(), raw); got || err != nil {
			t.Errorf("%q: %t, %v", raw, got, err)
		}
	}
}

func TestDenylistedIsUnavailableWithoutALease(t *testing.T) {
	t.Parallel()
	n := nodetest.NewStill(t, nodetest.Options{})
	ada := n.Person(t, "ada")
	good, revoked := n.MadeAccess(t, ada).Value.Reveal(), n.MadeAccess(t, ada)
	nodetest.Must(t, nodetest.Second(n.RevokeID(t.Context(), caller.Operator(), revoked.ID)))
	n.Log.Reads.Store(true)
	n.Pass(staleness)
	if got, err := n.Denylisted(t.Context(), good); got || !fault.Is(err, fault.Unavailable) {
		t.Errorf("%t, %v; want Unavailable", got, err)
	}
	// That a token is revoked needs no news.
	if got, err := n.Denylisted(t.Context(), revoked.Value.Reveal()); !got || err != nil {
		t.Errorf("a revoked token: %t, %v", got, err)
	}
}

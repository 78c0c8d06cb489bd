package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/token"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ada() identity.User { return identity.User{ID: "id-ada", Username: "ada"} }

func stored(id string) records.StoredToken {
	return records.StoredToken{
		ID: id, Kind: token.KindAPIToken, Digest: token.Digest(id), Owner: "ada", Name: id, CreatedAt: at,
	}
}

// batch commits operations and returns the error.
func batch(t *testing.T, s *store.Store, ops ...op.Op) error {
	t.Helper()
	_, err := s.Commit(t.Context(), op.Batch{Ops: ops})
	return err
}

func mustCommit(t *testing.T, s *store.Store, ops ...op.Op) {
	t.Helper()
	if err := batch(t, s, ops...); err != nil {
		t.Fatalf("%T: %v", ops[0], err)
	}
}

// taken is a batch that revokes everything of somebody.
func taken(owner string) op.Batch {
	return op.Batch{
		Ops: []op.Op{op.KillTokens{Owner: owner, At: at, Reason: "revoked"}},
		Log: []revocation.Entry{{What: revocation.Subject, ID: owner, At: at}},
	}
}

// wantAllDead fails the test unless the tokens exist and have ended.
func wantAllDead(t *testing.T, s *store.Store, id string) {
	t.Helper()
	row, _, err := s.TokenByID(t.Context(), id)
	if err != nil || row.RevokedAt.IsZero() {
		t.Errorf("the token lives on: %+v, %v", row, err)
	}
}

func TestATokenThatIsBeingAddedIsTakenBackToo(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 2, store.Options{})
	added := op.Batch{Ops: []op.Op{op.AddToken{Token: stored("t1")}}}
	first, second := midway(t, dsn, s[0], added, func() error {
		_, err := s[1].Commit(t.Context(), taken("ada"))
		return err
	})
	if err := errors.Join(first, second); err != nil {
		t.Fatal(err)
	}
	wantAllDead(t, s[0], "t1")
}

// A session that is being stored while its source ends the one that it begins from is
// found afterwards, or is revoked as it is stored.
func TestASessionThatIsStoredWhileItsSourceEndsIt(t *testing.T) {
	t.Parallel()
	session := stored("s1")
	session.Kind, session.SignIn = token.KindSession, records.SignIn{Source: "sso", Session: "theirs"}
	end := op.EndSourced{Source: "sso", Session: "theirs", At: at}
	live := func(s *store.Store) int {
		list, err := s.SessionsOf(t.Context(), records.SessionQuery{Source: "sso", Session: "theirs"}, at)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	dsn, s := storekit.OnPostgres(t, 2, store.Options{})
	found := 0
	first, second := midway(t, dsn, s[0], op.Batch{Ops: []op.Op{op.AddToken{Token: session}}}, func() error {
		err := batch(t, s[1], end)
		found = live(s[1])
		return err
	})
	if err := errors.Join(first, second); err != nil || found != 1 {
		t.Errorf("stored first: %d are found after the end, %v", found, err)
	}
	dsn, s = storekit.OnPostgres(t, 2, store.Options{})
	first, second = midway(t, dsn, s[0], op.Batch{Ops: []op.Op{end}}, func() error {
		return batch(t, s[1], op.AddToken{Token: session})
	})
	if err := errors.Join(first, second); err != nil || live(s[0]) != 0 {
		t.Errorf("ended first: %d live on, %v", live(s[0]), err)
	}
}

func TestATokenThatIsAddedWhileItsOwnersAreTakenBackIsDead(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 2, store.Options{})
	first, second := midway(t, dsn, s[0], taken("ada"), func() error {
		return batch(t, s[1], op.AddToken{Token: stored("t1")})
	})
	if err := errors.Join(first, second); err != nil {
		t.Fatal(err)
	}
	wantAllDead(t, s[0], "t1")
}

func TestAnHeirThatIsBeingAddedIsShortenedToo(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 2, store.Options{})
	mustCommit(t, s[0], op.AddToken{Token: stored("t1")})
	heir := stored("t2")
	heir.Chain = []string{"t1"}
	first, second := midway(t, dsn, s[0], op.Batch{Ops: []op.Op{op.AddToken{Token: heir}}}, func() error {
		return batch(t, s[1], op.ShortenToken{ID: "t1", Now: at, ExpiresAt: at.Add(time.Minute), Reason: "regenerated"})
	})
	if err := errors.Join(first, second); err != nil {
		t.Fatal(err)
	}
	if row, _, err := s[0].TokenByID(t.Context(), "t2"); err != nil || !row.ExpiresAt.Equal(at.Add(time.Minute)) {
		t.Errorf("the heir ends at %v, %v", row.ExpiresAt, err)
	}
}

// A node that changes a user's name must not write back what it read before another
// disabled them.
func TestChangesOfAUserAreNotLost(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 2, store.Options{})
	mustCommit(t, s[0], op.CreateUser{User: ada()})
	name, groups, disabled := "Ada", []string{"staff"}, true
	change := op.Batch{Ops: []op.Op{op.UpdateUser{ID: "id-ada", Disabled: &disabled}}}
	first, second := midway(t, dsn, s[0], change, func() error {
		return batch(t, s[1], op.UpdateUser{ID: "id-ada", Name: &name, Groups: &groups})
	})
	if err := errors.Join(first, second); err != nil {
		t.Fatal(err)
	}
	p, err := s[0].Principal(t.Context(), records.Who{Username: "ada"})
	if err != nil || !p.User.Disabled || p.User.Name != "Ada" || len(p.User.Groups) != 1 {
		t.Errorf("%+v, %v", p.User, err)
	}
}

func TestOfTwoThatMakeTheSameOneIsRefused(t *testing.T) {
	t.Parallel()
	twin := ada()
	twin.ID = "another"
	for name, ops := range map[string][2]op.Op{
		"users":       {op.CreateUser{User: ada()}, op.CreateUser{User: twin}},
		"collections": {op.CreateCollection{Collection: records.Collection{ID: 4, Name: "x"}}, op.CreateCollection{Collection: records.Collection{ID: 5, Name: "x"}}},
		"roles":       {op.CreateRole{Role: access.Role{Name: "x"}}, op.CreateRole{Role: access.Role{Name: "x"}}},
		"clients":     {op.CreateClient{Client: identity.Client{ID: "x"}}, op.CreateClient{Client: identity.Client{ID: "x"}}},
		"renaming": {
			op.UpdateCollection{Collection: records.Collection{ID: 1, Name: "x"}},
			op.UpdateCollection{Collection: records.Collection{ID: 2, Name: "x"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, s := storekit.OnPostgres(t, 2, store.Options{})
			for id, name := range map[int64]string{1: "a", 2: "b"} {
				mustCommit(t, s[0], op.CreateCollection{Collection: records.Collection{ID: id, Name: name}})
			}
			first, second := midway(t, dsn, s[0], op.Batch{Ops: ops[:1]}, func() error { return batch(t, s[1], ops[1]) })
			if first != nil || !fault.Is(second, fault.Conflict) {
				t.Errorf("%v; %v, want a conflict", first, second)
			}
			mustCommit(t, s[1], op.CreateRole{Role: access.Role{Name: "after"}}) // nothing is left aborted
		})
	}
}

func TestABindingToWhatIsBeingRemoved(t *testing.T) {
	t.Parallel()
	toRole := op.AddBinding{Binding: access.Binding{ID: "b1", Group: "staff", Role: "x", Path: "/"}}
	toUser := op.AddBinding{Binding: access.Binding{ID: "b2", User: "id-ada", Permission: &access.Permission{Action: "access", Path: "/"}, Path: "/"}}
	for name, c := range map[string]struct{ remove, add op.Op }{
		"role": {op.RemoveRole{Name: "x"}, toRole},
		"user": {op.RemoveUser{ID: "id-ada"}, toUser},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, s := storekit.OnPostgres(t, 2, store.Options{})
			have := []op.Op{op.CreateUser{User: ada()}, op.CreateRole{Role: access.Role{Name: "x"}}}
			mustCommit(t, s[0], have...)
			first, second := midway(t, dsn, s[0], op.Batch{Ops: []op.Op{c.remove}}, func() error { return batch(t, s[1], c.add) })
			if first != nil || !fault.Is(second, fault.Invalid) {
				t.Errorf("removed first: %v; %v, want invalid", first, second)
			}
			again := have[0]
			if name == "role" {
				again = have[1]
			}
			mustCommit(t, s[0], again)
			first, second = midway(t, dsn, s[0], op.Batch{Ops: []op.Op{c.add}}, func() error { return batch(t, s[1], c.remove) })
			if err := errors.Join(first, second); err != nil {
				t.Error(err)
			}
			if left, err := s[0].Bindings(t.Context(), records.BindingQuery{}); err != nil || len(left) != 0 {
				t.Errorf("added first: %v are left, %v", left, err)
			}
		})
	}
}

func TestPlansOverKeysFollowOneAnother(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 2, store.Options{})
	make1 := op.ChangeKeys{Plan: func(now []keyring.Key) ([]keyring.Key, error) {
		return []keyring.Key{{KID: "one", Algorithm: token.EdDSA, State: keyring.Active, CreatedAt: at}}, nil
	}}
	var seen int
	first, second := midway(t, dsn, s[0], op.Batch{Ops: []op.Op{make1}}, func() error {
		return s[1].ChangeSigningKeys(t.Context(), func(now []keyring.Key) ([]keyring.Key, error) {
			seen = len(now)
			return nil, nil
		})
	})
	if err := errors.Join(first, second); err != nil {
		t.Fatal(err)
	}
	if seen != 1 {
		t.Errorf("the second plan saw %d keys", seen)
	}
}

// What happens at the very same time on two nodes happens once.
func TestOnceAmongNodes(t *testing.T) {
	t.Parallel()
	device := records.Device{Digest: token.Digest("d"), UserCode: "BDWP-HQPK", State: records.DevicePending, ExpiresAt: at.Add(time.Hour)}
	approved := device
	approved.State, approved.Subject = records.DeviceApproved, "id-ada"
	for name, c := range map[string]struct {
		have []op.Op
		once op.Op
	}{
		"a token is spent":     {[]op.Op{op.AddToken{Token: stored("t1")}}, op.SpendToken{ID: "t1", At: at, Reason: "used"}},
		"a notice is claimed":  {[]op.Op{op.AddToken{Token: stored("t1")}}, op.ClaimNotice{ID: "t1", At: at}},
		"a device is decided":  {[]op.Op{op.AddDevice{Device: device}}, op.DecideDevice{Device: approved, Now: at}},
		"a device code is won": {[]op.Op{op.AddDevice{Device: approved}}, op.SpendDevice{Digest: device.Digest}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, s := storekit.OnPostgres(t, 2, store.Options{})
			mustCommit(t, s[0], c.have...)
			first, second := midway(t, dsn, s[0], op.Batch{Ops: []op.Op{c.once}}, func() error { return batch(t, s[1], c.once) })
			if first != nil || !fault.Is(second, fault.Conflict) {
				t.Errorf("%v; %v, want a conflict", first, second)
			}
		})
	}
}

package authority_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// A row that was read before a revocation and comes back after it says that the
// token lives. Neither this request nor any after it may believe that.
func TestLookUpUnderWayDuringARevocationCantBringTheTokenBack(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(f *authoritytest.Fixture, owner *authority.Caller, issued *authority.Issued) error{
		"by value": func(f *authoritytest.Fixture, owner *authority.Caller, issued *authority.Issued) error {
			return second(f.Revoke(t.Context(), owner, authority.Revocation{Token: issued.Value.Reveal(), Wait: true}))
		},
		"by id": func(f *authoritytest.Fixture, owner *authority.Caller, issued *authority.Issued) error {
			return second(f.RevokeID(t.Context(), owner, issued.ID, true))
		},
		"all of the user's": func(f *authoritytest.Fixture, owner *authority.Caller, _ *authority.Issued) error {
			return second(f.RevokeAll(t.Context(), owner, owner.Subject(), true))
		},
		"the user removed": func(f *authoritytest.Fixture, owner *authority.Caller, _ *authority.Issued) error {
			return second(f.RemoveUser(t.Context(), operator, owner.Subject()))
		},
		"the user disabled": func(f *authoritytest.Fixture, owner *authority.Caller, _ *authority.Issued) error {
			return second(f.UpdateUser(t.Context(), operator, owner.Subject(), authority.UserPatch{Disabled: new(true)}))
		},
		"reported as leaked": func(f *authoritytest.Fixture, _ *authority.Caller, issued *authority.Issued) error {
			return f.Leaked(t.Context(), []string{issued.Value.Reveal()})
		},
		"regenerated": func(f *authoritytest.Fixture, owner *authority.Caller, issued *authority.Issued) error {
			return second(f.Regenerate(t.Context(), owner, issued.ID, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, store := through()
			f := authoritytest.New(t, authoritytest.Options{Store: store})
			ada := person(t, f, "ada")
			issued := apiToken(t, f, ada, authority.NewCredential{})
			g.at("token read", func() { must(t, take(f, ada, issued)) })
			wantDead(t, f, "the look-up that was under way", issued)
			wantDead(t, f, "the next", issued)
			f.Advance(2 * time.Hour)
			wantDead(t, f, "later", issued)
		})
	}
}

func TestLookUpUnderWayDuringARegenerationCantMakeTheOldTokenLast(t *testing.T) {
	t.Parallel()
	g, store := through()
	f := authoritytest.New(t, authoritytest.Options{Store: store})
	ada := person(t, f, "ada")
	old := apiToken(t, f, ada, authority.NewCredential{})
	g.at("token read", func() {
		must(t, second(f.Regenerate(t.Context(), ada, old.ID, 60)))
		f.Advance(61 * time.Second)
	})
	for _, when := range []string{"the look-up that was under way", "the next"} {
		_, err := verify(t, f, old)
		wantFault(t, when, err, fault.InvalidToken, "expired")
	}
}

func TestLookUpOfAUserUnderWayCantBringAccessBack(t *testing.T) {
	t.Parallel()
	g, store := through()
	f := authoritytest.New(t, authoritytest.Options{Store: store})
	f.Collection(t, 4, "Fish")
	ada := person(t, f, "ada", authoritytest.May("access", "/collections/4"), authoritytest.May("read", "/x"))
	issued := accessToken(t, f, ada)
	for _, demand := range []authority.Demand{{Collection: new(int64(4))}, {Action: "read", Path: "/x"}} {
		_, err := f.UpdateUser(t.Context(), operator, "ada", authority.UserPatch{Name: new(uuid.NewString())}) // is remembered no more
		must(t, err)
		g.at("principal read", func() {
			_, _, err := f.RemoveAccess(t.Context(), operator, "ada", "/")
			must(t, err)
		})
		_, _ = f.Verify(t.Context(), issued.Value.Reveal(), demand) // was under way when it was acknowledged
		for range 2 {
			_, err := f.Verify(t.Context(), issued.Value.Reveal(), demand)
			wantFault(t, "after the look-up", err, fault.InsufficientScope, "")
		}
	}
}

// forge signs a token as whoever has stolen the active key can.
func forge(t *testing.T, f *authoritytest.Fixture, subject string, seq revocation.Seq) *authority.Issued {
	t.Helper()
	key, err := f.Ring.Signing()
	must(t, err)
	raw, err := token.Sign(key, token.TypeAccess, token.Claims{
		Issuer: authoritytest.Issuer, Subject: subject, Audience: []string{authoritytest.Issuer}, ClientID: authority.OwnClientID,
		ID: uuid.NewString(), IssuedAt: f.Time(), Expiry: f.Time().Add(24 * time.Hour), Seq: seq,
	})
	must(t, err)
	return &authority.Issued{Value: token.Secret(raw)}
}

// Who has stolen a key can date a token after the key's own retirement, and have
// it remembered before.
func TestRetiredKeySignsNothingHoweverItIsDated(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	ada := person(t, f, "ada")
	good := accessToken(t, f, ada)
	head := f.Follower.Applied()
	now, ahead := forge(t, f, ada.Subject(), head), forge(t, f, ada.Subject(), head+3)
	wantAlive(t, f, "a forged token", now)
	_, err := verify(t, f, ahead)
	wantFault(t, "one beyond the log", err, fault.InvalidToken, "malformed or unknown token")

	key, err := f.Ring.Signing()
	must(t, err)
	_, err = f.RetireKey(t.Context(), operator, key.KID)
	must(t, err)
	for range 5 { // the log goes on past what was forged
		must(t, second(f.RevokeID(t.Context(), operator, uuid.NewString(), true)))
	}
	for name, issued := range map[string]*authority.Issued{"forged": now, "forged ahead": ahead, "good": good} {
		wantDead(t, f, name, issued)
		_, err := f.Revoke(t.Context(), operator, authority.Revocation{Token: issued.Value.Reveal()})
		wantFault(t, "revoking what a stolen key signed", err, fault.InvalidToken, "revoked")
	}
	wantAlive(t, f, "the session", sessionOf(t, f, "ada"))
	wantAlive(t, f, "a token of the next key", accessToken(t, f, ada))
}

func TestSequenceBeyondTheLogIsMalformed(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	ada := person(t, f, "ada")
	head := f.Follower.Applied()
	wantAlive(t, f, "the head's", forge(t, f, ada.Subject(), head))
	ahead := forge(t, f, ada.Subject(), head+1)
	for _, issued := range []*authority.Issued{ahead, forge(t, f, ada.Subject(), 1<<53)} {
		for range 2 {
			_, err := verify(t, f, issued)
			wantFault(t, "beyond the head", err, fault.InvalidToken, "malformed or unknown token")
		}
		_, active, err := f.Introspect(t.Context(), client(t, f, authority.NewClient{ID: uuid.NewString()[:8], Secret: authoritytest.ClientSecret}), issued.Value.Reveal())
		if active || err != nil {
			t.Errorf("introspected: %t, %v", active, err)
		}
	}
	must(t, second(f.RevokeID(t.Context(), operator, uuid.NewString(), true)))
	wantAlive(t, f, "when the log is there", ahead)
}

package authority_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

func TestDenylistedKnowsEveryWayInWhichATokenDies(t *testing.T) {
	t.Parallel()
	revoke := func(t *testing.T, f *authoritytest.Fixture, value string) {
		t.Helper()
		if _, err := f.Revoke(t.Context(), authority.Operator(), authority.Revocation{Token: value}); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		kill func(t *testing.T, f *authoritytest.Fixture, value string)
		want bool
	}{
		"alive":   {func(*testing.T, *authoritytest.Fixture, string) {}, false},
		"expired": {func(_ *testing.T, f *authoritytest.Fixture, _ string) { f.Advance(2 * time.Hour) }, false},
		"revoked": {revoke, true},
		"revoked, then expired": {func(t *testing.T, f *authoritytest.Fixture, value string) {
			revoke(t, f, value)
			f.Advance(2 * time.Hour)
		}, true},
		"expired, then revoked": {func(t *testing.T, f *authoritytest.Fixture, value string) {
			f.Advance(2 * time.Hour)
			revoke(t, f, value)
		}, true},
		"revoked, its key rotated twice since": {func(t *testing.T, f *authoritytest.Fixture, value string) {
			revoke(t, f, value)
			rotate(t, f)
			rotate(t, f)
		}, true},
		"its key rotated, then revoked": {func(t *testing.T, f *authoritytest.Fixture, value string) {
			rotate(t, f)
			revoke(t, f, value)
		}, true},
		"its key rotated": {func(t *testing.T, f *authoritytest.Fixture, _ string) { rotate(t, f) }, false},
		"its key taken back": {func(t *testing.T, f *authoritytest.Fixture, _ string) {
			if _, err := f.RetireKey(t.Context(), authority.Operator(), signer(t, f)); err != nil {
				t.Fatal(err)
			}
		}, true},
		"its user disabled": {func(t *testing.T, f *authoritytest.Fixture, _ string) {
			yes := true
			if _, err := f.UpdateUser(t.Context(), authority.Operator(), "ada", authority.UserPatch{Disabled: &yes}); err != nil {
				t.Fatal(err)
			}
		}, true},
		"its user removed": {func(t *testing.T, f *authoritytest.Fixture, _ string) {
			if _, err := f.RemoveUser(t.Context(), authority.Operator(), "ada"); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := authoritytest.New(t, authoritytest.Options{})
			f.User(t, "ada", "correct horse")
			value := f.AccessToken(t, "ada", "correct horse").Value.Reveal()
			c.kill(t, f, value)
			if got, err := f.Denylisted(t.Context(), value); got != c.want || err != nil {
				t.Errorf("%t, %v; want %t", got, err, c.want)
			}
		})
	}
}

func rotate(t *testing.T, f *authoritytest.Fixture) {
	t.Helper()
	old := signer(t, f)
	if err := f.RotateKeys(t.Context(), authority.Operator(), true); err != nil {
		t.Fatal(err)
	}
	if signer(t, f) == old {
		t.Fatal("the same key signs still")
	}
}

func signer(t *testing.T, f *authoritytest.Fixture) string {
	t.Helper()
	key, err := f.Ring.Signing()
	if err != nil {
		t.Fatal(err)
	}
	return key.KID
}

func TestDenylistedTakesTokensOfEveryKind(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{Policy: func(p *authority.Policy) {
		p.TaskMax = map[string]time.Duration{"TES": time.Hour}
	}})
	f.User(t, "ada", "correct horse", authoritytest.May("create", "/task-tokens/TES"))
	session := f.SessionToken(t, "ada", "correct horse")
	c, err := f.Session(t.Context(), session.Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	key, err := f.CreateAPIKey(t.Context(), c, authority.NewCredential{})
	if err != nil {
		t.Fatal(err)
	}
	opaque, err := f.CreateAPIToken(t.Context(), c, authority.NewCredential{Name: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	task, err := f.Exchange(t.Context(), authority.Exchange{Subject: key.Value.Reveal(), TaskType: "TES"})
	if err != nil {
		t.Fatal(err)
	}
	all := []*authority.Issued{session, key, opaque, task.Access}
	for _, want := range []bool{false, true} {
		for _, issued := range all {
			if got, err := f.Denylisted(t.Context(), issued.Value.Reveal()); got != want || err != nil {
				t.Errorf("%s: %t, %v; want %t", issued.Kind, got, err, want)
			}
		}
		if _, err := f.RevokeAll(t.Context(), c, c.Subject(), true); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDenylistedHasNothingAgainstWhatIsNoTokenOfOurs(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	for _, raw := range []string{"", "junk", "a.b.c", "bda_000000000000000000000000000000000000", "\xff"} {
		if got, err := f.Denylisted(t.Context(), raw); got || err != nil {
			t.Errorf("%q: %t, %v", raw, got, err)
		}
	}
}

func TestDenylistedSaysNothingWithoutNewsOfTheLog(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{Policy: func(p *authority.Policy) { p.Staleness = 50 * time.Millisecond }})
	f.User(t, "ada", "correct horse")
	value := f.AccessToken(t, "ada", "correct horse").Value.Reveal()
	if err := f.Store.Close(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for f.Follower.Fresh() && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	if got, err := f.Denylisted(t.Context(), value); got || !fault.Is(err, fault.Unavailable) {
		t.Errorf("%t, %v; want Unavailable", got, err)
	}
}

func TestAnAPIKeyIsTheUsersWhicheverClientItWasMadeWith(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.User(t, "ada", "correct horse")
	client, _, err := f.CreateClient(t.Context(), authority.Operator(), authority.NewClient{ID: "cli", Secret: authoritytest.ClientSecret}, false)
	if err != nil {
		t.Fatal(err)
	}
	c := f.Login(t, "ada", "correct horse")
	made, err := f.Issue(t.Context(), c, &authority.Request{
		Kind: token.KindAccess, Principal: c.Principal, Client: &records.Principal{Client: &client}, Scope: []string{"credentials"},
	})
	if err != nil {
		t.Fatal(err)
	}
	bearer, err := f.Bearer(t.Context(), made.Value.Reveal())
	if err != nil || bearer.Token.ClientID != "cli" {
		t.Fatalf("%+v, %v", bearer, err)
	}
	key, err := f.CreateAPIKey(t.Context(), bearer, authority.NewCredential{})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := f.Exchange(t.Context(), authority.Exchange{Subject: key.Value.Reveal()})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Verify(t.Context(), pair.Access.Value.Reveal(), authority.Demand{})
	if err != nil || got.ClientID != authority.OwnClientID {
		t.Errorf("made from it: %+v, %v", got, err)
	}
	// The token itself is the client's, which must authenticate to trade it.
	if _, err := f.Exchange(t.Context(), authority.Exchange{Subject: made.Value.Reveal()}); !fault.Is(err, fault.InvalidClient) {
		t.Errorf("the client's token: %v", err)
	}
}

func TestDialectBearerNeedsNoScopeButTheBinding(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.Collection(t, 4, "Fish")
	f.User(t, "root", "correct horse", authoritytest.Admin())
	f.User(t, "ada", "battery staple", authoritytest.May("access", "/collections/4"))
	admin := f.AccessToken(t, "root", "correct horse").Value.Reveal()
	plain := f.AccessToken(t, "ada", "battery staple").Value.Reveal()

	c, err := f.DialectBearer(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	if page, err := f.UserList(t.Context(), c, records.UserQuery{Limit: 10}); err != nil || len(page.Items) != 2 {
		t.Errorf("an administrator lists %d users, %v", len(page.Items), err)
	}
	if p, err := f.UserPrincipal(t.Context(), c, "ada"); err != nil || p.User.Username != "ada" || len(p.Grants) != 1 {
		t.Errorf("an administrator reads another: %+v, %v", p, err)
	}
	if _, err := f.UserPrincipal(t.Context(), c, "nobody"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an administrator reads nobody: %v", err)
	}
	if _, err := f.UserPrincipal(t.Context(), c, "\xff"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a name that is no text: %v", err)
	}

	c, err = f.DialectBearer(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.UserList(t.Context(), c, records.UserQuery{Limit: 10}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("another user lists users: %v", err)
	}
	if p, err := f.UserPrincipal(t.Context(), c, "ada"); err != nil || p.User.Username != "ada" {
		t.Errorf("a user reads themselves: %+v, %v", p, err)
	}
	for _, ref := range []string{"root", "nobody"} {
		if _, err := f.UserPrincipal(t.Context(), c, ref); !fault.Is(err, fault.Forbidden) {
			t.Errorf("a user reads %s: %v", ref, err)
		}
	}

	// The management API asks for the scope all the same.
	c, err = f.Bearer(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.UserList(t.Context(), c, records.UserQuery{Limit: 10}); !fault.Is(err, fault.InsufficientScope) {
		t.Errorf("without the scope: %v", err)
	}
	if _, err := f.DialectBearer(t.Context(), "junk"); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("junk: %v", err)
	}
}

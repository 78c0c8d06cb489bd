package revoking_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
)

// family is one token of every kind, and what was made from what.
type family struct {
	*nodetest.Fixture
	owner *caller.Caller // by a session that is not of the family
	all   map[string]*issuance.Issued
}

func newFamily(t *testing.T) *family {
	t.Helper()
	f := &family{Fixture: nodetest.New(t, nodetest.Options{Settings: taskSettings}), all: map[string]*issuance.Issued{}}
	f.owner = person(t, f.Fixture, "ada", nodetest.May("create", "/task-tokens/TES"))
	session := sessionOf(t, f.Fixture, "ada")
	by, err := f.Session(t.Context(), session.Value.Reveal())
	must(t, err)
	f.all["session"] = session
	f.all["access"] = made(t, f.Fixture, by, issuance.Request{Kind: token.KindAccess})
	f.trade(t, "access.access", "access", issuance.Exchange{})
	f.all["key"] = apiKey(t, f.Fixture, by)
	f.trade(t, "key.access", "key", issuance.Exchange{})
	f.trade(t, "key.access.access", "key.access", issuance.Exchange{})
	f.trade(t, "key.task", "key", issuance.Exchange{TaskType: "TES"})
	f.all["apitoken"] = apiToken(t, f.Fixture, by)
	first := f.trade(t, "apitoken.access", "apitoken", issuance.Exchange{Scope: []string{"offline_access"}})
	pair, err := f.Refresh(t.Context(), issuance.Refresh{Token: first.Refresh.Value.Reveal()})
	must(t, err)
	f.all["apitoken.used"], f.all["apitoken.refresh"], f.all["apitoken.refreshed"] = first.Refresh, pair.Refresh, pair.Access
	f.trade(t, "apitoken.refreshed.access", "apitoken.refreshed", issuance.Exchange{})
	return f
}

func (f *family) trade(t *testing.T, name, from string, x issuance.Exchange) issuance.Pair {
	t.Helper()
	x.Subject = f.all[from].Value.Reveal()
	pair, err := f.Exchange(t.Context(), x)
	must(t, err)
	f.all[name] = pair.Access
	return pair
}

// wantDeadAlone fails unless exactly these are dead, the used refresh token aside.
func (f *family) wantDeadAlone(t *testing.T, dead string) {
	t.Helper()
	for name, issued := range f.all {
		switch {
		case name == "apitoken.used":
		case containsWord(dead, name):
			wantDead(t, f.Fixture, name, issued)
		default:
			wantAlive(t, f.Fixture, name, issued)
		}
	}
}

const ofTheRefreshFamily = "apitoken.access apitoken.refresh apitoken.refreshed apitoken.refreshed.access"

// deaths is what dies with what.
var deaths = map[string]string{
	"session":                   "session access access.access",
	"access":                    "access access.access",
	"access.access":             "access.access",
	"key":                       "key key.access key.access.access key.task",
	"key.access":                "key.access key.access.access",
	"key.task":                  "key.task",
	"apitoken":                  "apitoken " + ofTheRefreshFamily,
	"apitoken.access":           "apitoken.access",
	"apitoken.used":             ofTheRefreshFamily,
	"apitoken.refresh":          ofTheRefreshFamily,
	"apitoken.refreshed":        "apitoken.refreshed apitoken.refreshed.access",
	"apitoken.refreshed.access": "apitoken.refreshed.access",
}

func TestRevokedTokenTakesAllThatWasMadeFromItAlong(t *testing.T) {
	t.Parallel()
	for name, dead := range deaths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFamily(t)
			f.wantDeadAlone(t, "")
			r, err := f.Revoke(t.Context(), f.owner, revoking.Revocation{Token: f.all[name].Value.Reveal()})
			if err != nil || !r.Revoked || r.Seq != f.Ledger.Applied() || r.Nodes == nil || r.Nodes.Confirmed != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			f.wantDeadAlone(t, dead)
			// Twice is success, with the same effect.
			again, err := f.Revoke(t.Context(), f.owner, revoking.Revocation{Token: f.all[name].Value.Reveal()})
			if err != nil || !again.Revoked {
				t.Errorf("twice: %+v, %v", again, err)
			}
			f.wantDeadAlone(t, dead)
			f.wantRefusedEverywhere(t, dead)
		})
	}
}

// wantRefusedEverywhere fails unless what is dead is good for nothing else either.
func (f *family) wantRefusedEverywhere(t *testing.T, dead string) {
	t.Helper()
	rs := client(t, f.Fixture, directory.NewClient{ID: "rs", Secret: nodetest.ClientSecret})
	for name := range strings.FieldsSeq(dead) {
		raw := f.all[name].Value.Reveal()
		if _, active, err := f.Introspect(t.Context(), rs, raw); active || err != nil {
			t.Errorf("%s is introspected: %t, %v", name, active, err)
		}
		if _, err := f.Exchange(t.Context(), issuance.Exchange{Subject: raw}); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s is traded: %v", name, err)
		}
		if _, err := f.Refresh(t.Context(), issuance.Refresh{Token: raw}); !fault.Is(err, fault.InvalidGrant) {
			t.Errorf("%s is a refresh token: %v", name, err)
		}
		if _, err := f.Session(t.Context(), raw); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s is a session: %v", name, err)
		}
	}
}

func TestRevokedIDTakesAllThatWasMadeFromItAlong(t *testing.T) {
	t.Parallel()
	for name, dead := range deaths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFamily(t)
			by := f.owner
			if _, _, err := f.Store.TokenByID(t.Context(), f.all[name].ID); err != nil {
				by = operator // who may know the id of what isn't stored
				_, err := f.RevokeID(t.Context(), f.owner, f.all[name].ID)
				wantFault(t, "an id that isn't stored", err, fault.NotFound, "")
			}
			r, err := f.RevokeID(t.Context(), by, strings.ToUpper(f.all[name].ID))
			if err != nil || !r.Revoked {
				t.Fatalf("%+v, %v", r, err)
			}
			f.wantDeadAlone(t, dead)
			must(t, second(f.RevokeID(t.Context(), by, f.all[name].ID)))
			f.wantDeadAlone(t, dead)
		})
	}
}

func TestWhatVoidsEverythingOfAUser(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(f *family) error{
		"revoke all by oneself": func(f *family) error {
			return second(f.RevokeAll(t.Context(), f.owner, f.owner.ID()))
		},
		"revoke all by name": func(f *family) error { return second(f.RevokeAllOf(t.Context(), operator, "ada")) },
		"disabled": func(f *family) error {
			return second(f.UpdateUser(t.Context(), operator, "ada", directory.UserPatch{Disabled: new(true)}))
		},
		"password": func(f *family) error {
			return second(f.UpdateUser(t.Context(), operator, "ada", directory.UserPatch{Password: new(token.Secret("new"))}))
		},
		"password hash": func(f *family) error {
			other, err := f.Hasher.Hash(t.Context(), "another")
			if err == nil {
				_, err = f.UpdateUser(t.Context(), operator, "ada", directory.UserPatch{PasswordHash: &other})
			}
			return err
		},
		"removed": func(f *family) error { return second(f.RemoveUser(t.Context(), operator, "ada")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFamily(t)
			other := accessToken(t, f.Fixture, person(t, f.Fixture, "eve"))
			f.trade(t, "more", "key", issuance.Exchange{})
			must(t, act(f))
			for name, issued := range f.all {
				wantDead(t, f.Fixture, name, issued)
			}
			_, err := f.Session(t.Context(), f.all["session"].Value.Reveal())
			wantFault(t, "the session", err, fault.InvalidToken, "revoked")
			wantAlive(t, f.Fixture, "somebody else's token", other)
		})
	}
}

func TestWhatDoesNotVoidAUsersTokens(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	patch := directory.UserPatch{Name: new("Ada Lovelace"), Email: new("ada@example.net"), Groups: &[]string{"x"}, Disabled: new(false)}
	must(t, second(f.UpdateUser(t.Context(), operator, "ada", patch)))
	must(t, second(f.UpdateUser(t.Context(), operator, "ada", directory.UserPatch{})))
	must(t, f.RotateKeys(t.Context(), operator, true))
	must(t, f.RotateKeys(t.Context(), operator, true))
	f.wantDeadAlone(t, "")
}

// A token that was signed by a key which signs no more is revoked like any other.
func TestTokenOfAnOlderKeyIsRevoked(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	must(t, f.RotateKeys(t.Context(), operator, true))
	for _, name := range []string{"access", "key", "apitoken"} {
		r, err := f.Revoke(t.Context(), f.owner, revoking.Revocation{Token: f.all[name].Value.Reveal()})
		if err != nil || !r.Revoked {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	f.wantDeadAlone(t, deaths["access"]+" "+deaths["key"]+" "+deaths["apitoken"])
}

func TestExpiredTokenIsRevokedAndItsDescendantsWithIt(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	ada := person(t, f, "ada")
	short := accessToken(t, f, ada)
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: apiToken(t, f, ada).Value.Reveal(), Scope: []string{"offline_access"}})
	must(t, err)
	f.Advance(31 * time.Minute)
	_, err = verify(t, f, short)
	wantFault(t, "a token past its end", err, fault.InvalidToken, "expired")
	r, err := f.Revoke(t.Context(), ada, revoking.Revocation{Token: short.Value.Reveal()})
	if err != nil || !r.Revoked {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = f.Revoke(t.Context(), ada, revoking.Revocation{Token: short.Value.Reveal(), RefuseExpired: true})
	wantFault(t, "where a dialect says no", err, fault.InvalidToken, "expired")
	f.Advance(31 * 24 * time.Hour) // the refresh token has idled for too long
	r, err = f.Revoke(t.Context(), operator, revoking.Revocation{Token: pair.Refresh.Value.Reveal()})
	if err != nil || !r.Revoked {
		t.Errorf("a refresh token past its end: %+v, %v", r, err)
	}
}

func TestSessionThatEndsTakesItsAccessTokensAlong(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	by, err := f.Session(t.Context(), f.all["session"].Value.Reveal())
	must(t, err)
	must(t, f.EndSession(t.Context(), by))
	f.wantDeadAlone(t, deaths["session"])
	must(t, f.EndSession(t.Context(), by))
	for name, c := range map[string]*caller.Caller{"nobody": nil, "the operator": operator, "a Bearer": bearer(t, f.Fixture, f.all["apitoken"])} {
		wantFault(t, name, f.EndSession(t.Context(), c), fault.Unauthenticated, "")
	}
}

func TestLeakedTokensDieWhoReportsThem(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	other := accessToken(t, f.Fixture, person(t, f.Fixture, "eve"))
	before := f.Ledger.Applied()
	junk := []string{"", "junk", "a.b.c", "bda_" + strings.Repeat("0", 36), other.Value.Reveal() + "x", uuid.NewString()}
	must(t, f.Leaked(t.Context(), junk))
	if f.Ledger.Applied() != before || len(f.Events(t, audit.Filter{Action: audit.LeakedReport})) != 0 {
		t.Error("junk was acted upon")
	}
	values := append(junk, f.all["apitoken"].Value.Reveal(), f.all["key.access"].Value.Reveal(), f.all["session"].Value.Reveal(), f.all["apitoken"].Value.Reveal())
	must(t, f.Leaked(t.Context(), values))
	f.wantDeadAlone(t, deaths["apitoken"]+" "+deaths["key.access"]+" "+deaths["session"])
	wantAlive(t, f.Fixture, "somebody else's", other)
	events := f.Events(t, audit.Filter{Action: audit.LeakedReport})
	for _, e := range events {
		if e.Actor != "" || e.Target != f.owner.ID() {
			t.Errorf("%+v", e)
		}
	}
	if len(events) != 3 {
		t.Errorf("%d events", len(events))
	}
	before = f.Ledger.Applied()
	must(t, f.Leaked(t.Context(), values)) // nothing is left to be done
	if f.Ledger.Applied() != before {
		t.Error("what was dead was killed again")
	}
}

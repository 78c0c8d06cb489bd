package revoking_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
)

var operator = caller.Operator()

// family is a nodetest.Family that is looked at as a whole.
type family struct{ *nodetest.Family }

func newFamily(t *testing.T) *family {
	t.Helper()
	return &family{nodetest.NewFamily(t)}
}

// wantOnlyRevoked fails unless exactly these are revoked, the used refresh token aside.
func (f *family) wantOnlyRevoked(t *testing.T, dead string) {
	t.Helper()
	for name, issued := range f.All {
		switch {
		case name == "apitoken.used":
		case nodetest.HasWord(dead, name):
			f.WantDead(t, name, issued)
		default:
			f.WantAlive(t, name, issued)
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
			f.wantOnlyRevoked(t, "")
			r, err := f.Revoke(t.Context(), f.Owner, revoking.Revocation{Token: f.All[name].Value.Reveal()})
			if err != nil || !r.Revoked || r.Seq != f.Ledger.Applied() || r.Nodes == nil || r.Nodes.Confirmed != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			f.wantOnlyRevoked(t, dead)
			// Twice is success, with the same effect.
			again, err := f.Revoke(t.Context(), f.Owner, revoking.Revocation{Token: f.All[name].Value.Reveal()})
			if err != nil || !again.Revoked {
				t.Errorf("twice: %+v, %v", again, err)
			}
			f.wantOnlyRevoked(t, dead)
			f.wantRefusedEverywhere(t, dead)
		})
	}
}

// wantRefusedEverywhere fails unless what is revoked is refused everywhere else too.
func (f *family) wantRefusedEverywhere(t *testing.T, dead string) {
	t.Helper()
	rs := f.NewClient(t, identity.NewClient{ID: "rs", Secret: nodetest.ClientSecret})
	for name := range strings.FieldsSeq(dead) {
		raw := f.All[name].Value.Reveal()
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
			by := f.Owner
			if _, _, err := f.Store.TokenByID(t.Context(), f.All[name].ID); err != nil {
				by = operator // who may know the id of what isn't stored
				_, err := f.RevokeID(t.Context(), f.Owner, f.All[name].ID)
				nodetest.WantFault(t, "an id that isn't stored", err, fault.NotFound, "")
			}
			r, err := f.RevokeID(t.Context(), by, strings.ToUpper(f.All[name].ID))
			if err != nil || !r.Revoked {
				t.Fatalf("%+v, %v", r, err)
			}
			f.wantOnlyRevoked(t, dead)
			nodetest.Must(t, nodetest.Second(f.RevokeID(t.Context(), by, f.All[name].ID)))
			f.wantOnlyRevoked(t, dead)
		})
	}
}

func TestWhatVoidsEverythingOfAUser(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(f *family) error{
		"revoke all by oneself": func(f *family) error {
			return nodetest.Second(f.RevokeAll(t.Context(), f.Owner, f.Owner.ID()))
		},
		"revoke all by name": func(f *family) error { return nodetest.Second(f.RevokeAllOf(t.Context(), operator, "ada")) },
		"disabled": func(f *family) error {
			return nodetest.Second(f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Disabled: new(true)}))
		},
		"password": func(f *family) error {
			return nodetest.Second(f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Password: new(token.Secret("a new password"))}))
		},
		"password hash": func(f *family) error {
			other, err := f.Hasher.Hash(t.Context(), "another")
			if err == nil {
				_, err = f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{PasswordHash: &other})
			}
			return err
		},
		"removed": func(f *family) error { return nodetest.Second(f.RemoveUser(t.Context(), operator, "ada")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFamily(t)
			other := f.MadeAccess(t, f.Person(t, "eve"))
			f.Trade(t, "more", "key", issuance.Exchange{})
			nodetest.Must(t, act(f))
			for name, issued := range f.All {
				f.WantDead(t, name, issued)
			}
			_, err := f.Session(t.Context(), f.All["session"].Value.Reveal())
			nodetest.WantFault(t, "the session", err, fault.InvalidToken, "revoked")
			f.WantAlive(t, "somebody else's token", other)
		})
	}
}

func TestWhatDoesNotVoidAUsersTokens(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	patch := identity.UserPatch{Name: new("Ada Lovelace"), Email: new("ada@example.net"), Groups: &[]string{"x"}, Disabled: new(false)}
	nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), operator, "ada", patch)))
	nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{})))
	nodetest.Must(t, f.RotateKeys(t.Context(), operator, true))
	nodetest.Must(t, f.RotateKeys(t.Context(), operator, true))
	f.wantOnlyRevoked(t, "")
}

// A token that was signed by a key which signs no more is revoked like any other.
func TestTokenOfAnOlderKeyIsRevoked(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	nodetest.Must(t, f.RotateKeys(t.Context(), operator, true))
	for _, name := range []string{"access", "key", "apitoken"} {
		r, err := f.Revoke(t.Context(), f.Owner, revoking.Revocation{Token: f.All[name].Value.Reveal()})
		if err != nil || !r.Revoked {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	f.wantOnlyRevoked(t, deaths["access"]+" "+deaths["key"]+" "+deaths["apitoken"])
}

func TestExpiredTokenIsRevokedAndItsDescendantsWithIt(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	ada := f.Person(t, "ada")
	short := f.MadeAccess(t, ada)
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: f.APIToken(t, ada, credentials.NewCredential{}).Value.Reveal(), Scope: []string{"offline_access"}})
	nodetest.Must(t, err)
	f.Advance(31 * time.Minute)
	_, err = f.Judge(t, short)
	nodetest.WantFault(t, "a token past its end", err, fault.InvalidToken, "expired")
	r, err := f.Revoke(t.Context(), ada, revoking.Revocation{Token: short.Value.Reveal()})
	if err != nil || !r.Revoked {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = f.Revoke(t.Context(), ada, revoking.Revocation{Token: short.Value.Reveal(), RefuseExpired: true})
	nodetest.WantFault(t, "where a dialect says no", err, fault.InvalidToken, "expired")
	f.Advance(31 * 24 * time.Hour) // the refresh token has idled for too long
	r, err = f.Revoke(t.Context(), operator, revoking.Revocation{Token: pair.Refresh.Value.Reveal()})
	if err != nil || !r.Revoked {
		t.Errorf("a refresh token past its end: %+v, %v", r, err)
	}
}

func TestSessionThatEndsTakesItsAccessTokensAlong(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	by, err := f.Session(t.Context(), f.All["session"].Value.Reveal())
	nodetest.Must(t, err)
	nodetest.Must(t, f.EndSession(t.Context(), by))
	f.wantOnlyRevoked(t, deaths["session"])
	nodetest.Must(t, f.EndSession(t.Context(), by))
	for name, c := range map[string]*caller.Caller{"nobody": nil, "the operator": operator, "a Bearer": f.ByBearer(t, f.All["apitoken"])} {
		nodetest.WantFault(t, name, f.EndSession(t.Context(), c), fault.Unauthenticated, "")
	}
}

func TestLeakedTokensDieWhoReportsThem(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	other := f.MadeAccess(t, f.Person(t, "eve"))
	before := f.Ledger.Applied()
	junk := []string{"", "junk", "a.b.c", "bda_" + strings.Repeat("0", 36), other.Value.Reveal() + "x", uuid.NewString()}
	nodetest.Must(t, f.Leaked(t.Context(), junk))
	if f.Ledger.Applied() != before || len(f.Events(t, audit.Filter{Action: audit.LeakedReport})) != 0 {
		t.Error("junk was acted upon")
	}
	values := append(junk, f.All["apitoken"].Value.Reveal(), f.All["key.access"].Value.Reveal(), f.All["session"].Value.Reveal(), f.All["apitoken"].Value.Reveal())
	nodetest.Must(t, f.Leaked(t.Context(), values))
	f.wantOnlyRevoked(t, deaths["apitoken"]+" "+deaths["key.access"]+" "+deaths["session"])
	f.WantAlive(t, "somebody else's", other)
	events := f.Events(t, audit.Filter{Action: audit.LeakedReport})
	for _, e := range events {
		if e.Actor != "" || e.Target != f.Owner.ID() {
			t.Errorf("%+v", e)
		}
	}
	if len(events) != 3 {
		t.Errorf("%d events", len(events))
	}
	before = f.Ledger.Applied()
	nodetest.Must(t, f.Leaked(t.Context(), values)) // nothing is left to be done
	if f.Ledger.Applied() != before {
		t.Error("what was revoked was revoked again")
	}
}

package explain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

var operator = caller.Operator()

func explained(t *testing.T, f *nodetest.Fixture, c *caller.Caller, raw string, d verification.Requirements) *explain.Explanation {
	t.Helper()
	x, err := f.ExplainToken(t.Context(), c, raw, d)
	nodetest.Must(t, err)
	return x
}

// wantStop fails unless the checks passed up to one, which failed for that reason,
// and the others were not made; 0 is none.
func wantStop(t *testing.T, what string, x *explain.Explanation, stop token.Check, reason string) {
	t.Helper()
	var got, want []string
	for _, c := range x.Checks {
		verdict := "not checked"
		if c.OK != nil {
			verdict = map[bool]string{true: "ok", false: c.Detail}[*c.OK]
		} else if c.Detail != verdict {
			t.Errorf("%s: %s was not checked and says %q", what, c.Check, c.Detail)
		}
		got = append(got, c.Check+": "+verdict)
	}
	for _, c := range token.Checks() {
		switch {
		case stop == 0 || c < stop:
			want = append(want, c.String()+": ok")
		case c == stop:
			want = append(want, c.String()+": "+reason)
		default:
			want = append(want, c.String()+": not checked")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || x.Allowed != (stop == 0) {
		t.Errorf("%s, allowed %t (-want +got):\n%s", what, x.Allowed, diff)
	}
}

func TestExplanationNamesTheCheckThatRefusedAToken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: nodetest.WithTaskTypes})
	f.Collection(t, 4, "Fish")
	ada := f.Person(t, "ada", nodetest.May("access", "/collections/4"))
	root := f.Person(t, "root", nodetest.Admin())
	key, err := f.Ring.Signing()
	nodetest.Must(t, err)
	signed := func(change func(*token.Claims)) string {
		c := token.Claims{
			Issuer: nodetest.Issuer, Subject: ada.ID(), Audience: []string{nodetest.Issuer}, ClientID: identity.OwnClientID,
			ID: uuid.NewString(), IssuedAt: f.Time(), Expiry: f.Time().Add(time.Hour), Seq: f.Ledger.Applied(),
		}
		change(&c)
		raw, err := token.Sign(key, token.TypeAccess, c)
		nodetest.Must(t, err)
		return raw
	}
	good := f.MadeAccess(t, ada, "read").Value.Reveal()
	bound := f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Collection: new(int64(4))}).Value.Reveal()
	opaque := f.APIToken(t, ada, credentials.NewCredential{Lifetime: 60}).Value.Reveal()
	revoked := f.MadeAccess(t, ada)
	nodetest.Must(t, nodetest.Second(f.RevokeID(t.Context(), operator, revoked.ID)))
	for name, c := range map[string]struct {
		raw    string
		demand verification.Requirements
		stop   token.Check
		reason string
	}{
		"a good one":                  {good, verification.Requirements{Scope: []string{"read"}}, 0, ""},
		"a good one for a collection": {bound, verification.Requirements{Collection: new(int64(4))}, 0, ""},
		"a good opaque one":           {opaque, verification.Requirements{}, 0, ""},
		"junk":                        {"junk", verification.Requirements{}, token.CheckWellFormed, "malformed or unknown token"},
		"three parts of junk":         {"a.b.c", verification.Requirements{}, token.CheckWellFormed, "malformed or unknown token"},
		"a wrong checksum":            {opaque[:len(opaque)-1] + "!", verification.Requirements{}, token.CheckWellFormed, "malformed or unknown token"},
		"beyond the log":              {signed(func(c *token.Claims) { c.Seq = 1 << 40 }), verification.Requirements{}, token.CheckWellFormed, "malformed or unknown token"},
		"a bad signature":             {good[:len(good)-6] + "AAAAAA", verification.Requirements{}, token.CheckSignature, "malformed or unknown token"},
		"an API key":                  {f.ExchangeKey(t, ada, credentials.NewCredential{}).Value.Reveal(), verification.Requirements{}, token.CheckType, "wrong type"},
		"a session":                   {f.SessionOf(t, "ada").Value.Reveal(), verification.Requirements{}, token.CheckType, "wrong type"},
		"another issuer":              {signed(func(c *token.Claims) { c.Issuer = "https://x.example" }), verification.Requirements{}, token.CheckIssuer, "wrong issuer"},
		"expired":                     {signed(func(c *token.Claims) { c.Expiry = f.Time() }), verification.Requirements{}, token.CheckTime, "expired"},
		"not yet valid":               {signed(func(c *token.Claims) { c.IssuedAt = f.Time().Add(time.Minute) }), verification.Requirements{}, token.CheckTime, "not yet valid"},
		"another audience":            {good, verification.Requirements{Audience: "TES"}, token.CheckAudience, "wrong audience"},
		"revoked":                     {revoked.Value.Reveal(), verification.Requirements{Scope: []string{"more"}}, token.CheckRevoked, "revoked"},
		"too little scope":            {good, verification.Requirements{Scope: []string{"read", "write"}, Collection: new(int64(9))}, token.CheckScope, "the scope write is needed"},
		"another collection":          {bound, verification.Requirements{Collection: new(int64(5))}, token.CheckAccess, "the token is for another collection"},
		"no access":                   {good, verification.Requirements{Collection: new(int64(9))}, token.CheckAccess, "no access to the collection"},
		"no permission":               {good, verification.Requirements{Action: "drop", Path: "/x"}, token.CheckAccess, "no permission to drop /x"},
	} {
		for who, by := range map[string]*caller.Caller{"its owner": ada, "an administrator": root, "the operator": operator} {
			x := explained(t, f, by, c.raw, c.demand)
			wantStop(t, name+" to "+who, x, c.stop, c.reason)
			if genuine := c.stop != token.CheckWellFormed && c.stop != token.CheckSignature; genuine && (x.Token == nil || x.Token.Subject != ada.ID()) {
				t.Errorf("%s to %s: token %+v", name, who, x.Token)
			}
			_, err := f.Verify(t.Context(), c.raw, c.demand)
			if (err == nil) != x.Allowed || err != nil && fault.Message(err) != c.reason {
				t.Errorf("%s is explained otherwise than it is judged: %v", name, err)
			}
		}
	}
	_, err = f.ExplainToken(t.Context(), nil, good, verification.Requirements{})
	nodetest.WantFault(t, "nobody", err, fault.Unauthenticated, "")
}

// Who only has the token learns which check refuses it, and nothing that they could
// not have learned by using it.
func TestExplanationForOthersLeavesOutWhatLiesBehindTheChecks(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	ada, eve := f.Person(t, "ada", nodetest.May("access", "/collections/4")), f.Person(t, "eve")
	issued := f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"secret-scope"}, Collection: new(int64(4))})
	app := f.NewClient(t, identity.NewClient{ID: "app", Secret: nodetest.ClientSecret})
	admin := f.Person(t, "root", nodetest.Admin())
	for name, c := range map[string]*caller.Caller{
		"somebody else": eve, "a client": app, "an administrator's plain Bearer": f.ByBearer(t, f.MadeAccess(t, admin)),
	} {
		x := explained(t, f, c, issued.Value.Reveal(), verification.Requirements{Collection: new(int64(4))})
		wantStop(t, name, x, 0, "")
		if x.Token != nil || x.Revoked != nil || x.Grants != nil {
			t.Errorf("%s is shown %+v", name, x)
		}
		for _, check := range x.Checks {
			if check.Detail != "" {
				t.Errorf("%s is shown of %s: %q", name, check.Check, check.Detail)
			}
		}
	}
	nodetest.Must(t, nodetest.Second(f.RevokeID(t.Context(), ada, issued.ID)))
	x := explained(t, f, eve, issued.Value.Reveal(), verification.Requirements{})
	wantStop(t, "revoked", x, token.CheckRevoked, "revoked")
	if x.Token != nil || x.Revoked != nil {
		t.Errorf("somebody else is shown %+v", x)
	}
}

func TestExplanationNamesTheGrantsThatDecided(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	nodetest.Must(t, f.CreateRole(t.Context(), operator, access.Role{Name: "curator", Permissions: []access.Permission{{Action: "*", Path: "/"}}}))
	ada := f.Person(t, "ada", access.Binding{Role: "curator", Path: "/collections/4"}, nodetest.May("read", "/x"))
	nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Groups: &[]string{"fish"}})))
	nodetest.Must(t, nodetest.Second(f.CreateBinding(t.Context(), operator, access.Binding{Group: "fish", Permission: &access.Permission{Action: "access", Path: "/collections"}, Path: "/"})))
	issued := f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Collection: new(int64(4))})
	x := explained(t, f, ada, issued.Value.Reveal(), verification.Requirements{Action: "read", Path: "/x/y"})
	wantStop(t, "the token", x, 0, "")
	var got []string
	for _, g := range x.Grants {
		if g.Binding == "" {
			t.Error("a binding without its id")
		}
		got = append(got, g.String())
	}
	want := []string{"access /collections (group:fish)", "* /collections/4 (user, role curator)", "read /x (user)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	x, err := f.ExplainUser(t.Context(), ada, "ada", "read", "/x/y")
	nodetest.Must(t, err)
	if !x.Allowed || len(x.Grants) != 1 || x.Grants[0].Path != "/x" {
		t.Errorf("%+v", x)
	}
	nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Disabled: new(true)})))
	x, err = f.ExplainUser(t.Context(), operator, "ada", "read", "/x/y")
	nodetest.Must(t, err)
	if x.Allowed || *x.Checks[0].OK || !strings.Contains(x.Checks[0].Detail, "disabled") {
		t.Errorf("a disabled user: %+v", x)
	}
	_, err = f.ExplainUser(t.Context(), f.Person(t, "eve"), "ada", "read", "/x")
	nodetest.WantFault(t, "somebody else", err, fault.Forbidden, "")
	_, err = f.ExplainUser(t.Context(), operator, "nobody", "read", "/x")
	nodetest.WantFault(t, "an unknown user", err, fault.NotFound, "")
}

func TestExplanationNamesWhoRevokedAToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		act    func(f *nodetest.Family) error
		token  string
		by     string // "owner": the owner
		reason string
	}{
		"the owner": {func(f *nodetest.Family) error {
			return nodetest.Second(f.Revoke(t.Context(), f.Owner, revoking.Revocation{Token: f.All["access"].Value.Reveal()}))
		}, "access", "owner", audit.TokenRevoke},
		"its parent's end": {func(f *nodetest.Family) error {
			return nodetest.Second(f.RevokeID(t.Context(), operator, f.All["session"].ID))
		}, "access.access", audit.ActorCLI, audit.TokenRevoke},
		"signing out": {func(f *nodetest.Family) error {
			c, err := f.Session(t.Context(), f.All["session"].Value.Reveal())
			if err == nil {
				err = f.EndSession(t.Context(), c)
			}
			return err
		}, "access", "owner", audit.Logout},
		"a report": {func(f *nodetest.Family) error { return f.Leaked(t.Context(), []string{f.All["key"].Value.Reveal()}) }, "key.access", "", audit.LeakedReport},
		"revoke all": {func(f *nodetest.Family) error {
			return nodetest.Second(f.RevokeAll(t.Context(), f.Owner, f.Owner.ID()))
		}, "key.task", "owner", audit.RevokeAll},
		"revoking everything": {func(f *nodetest.Family) error {
			return nodetest.Second(f.RevokeEverything(t.Context(), operator))
		}, "access", audit.ActorCLI, audit.RevokeAll},
		"a new password": {func(f *nodetest.Family) error {
			return nodetest.Second(f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Password: new(token.Secret("a new password"))}))
		}, "access", audit.ActorCLI, audit.UserPassword},
		"disabling": {func(f *nodetest.Family) error {
			return nodetest.Second(f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Disabled: new(true)}))
		}, "apitoken", audit.ActorCLI, audit.UserDisable},
		"a removed user": {func(f *nodetest.Family) error { return nodetest.Second(f.RemoveUser(t.Context(), operator, "ada")) }, "access", audit.ActorCLI, audit.UserRemove},
		"a retired key": {func(f *nodetest.Family) error {
			key, err := f.Ring.Signing()
			if err == nil {
				_, err = f.RetireKey(t.Context(), operator, key.KID)
			}
			return err
		}, "access", audit.ActorCLI, audit.KeyRetire},
		"a second use": {func(f *nodetest.Family) error {
			_, err := f.Refresh(t.Context(), issuance.Refresh{Token: f.All["apitoken.refresh"].Value.Reveal()})
			if err != nil {
				return err
			}
			_, err = f.Refresh(t.Context(), issuance.Refresh{Token: f.All["apitoken.used"].Value.Reveal()})
			if fault.Is(err, fault.InvalidGrant) {
				return nil
			}
			return err
		}, "apitoken.refreshed", "", audit.TokenReuse},
		"its refresh token's end": {func(f *nodetest.Family) error {
			return nodetest.Second(f.Revoke(t.Context(), f.Owner, revoking.Revocation{Token: f.All["apitoken.refresh"].Value.Reveal()}))
		}, "apitoken.refreshed.access", "owner", audit.TokenRevoke},
		"a regenerated root": {func(f *nodetest.Family) error {
			return nodetest.Second(f.Regenerate(t.Context(), f.Owner, f.All["apitoken"].ID, 0))
		}, "apitoken.access", "owner", audit.TokenRegenerate},
		"the end of an overlap": {func(f *nodetest.Family) error {
			err := nodetest.Second(f.Regenerate(t.Context(), f.Owner, f.All["apitoken"].ID, 60))
			f.Advance(time.Minute)
			return err
		}, "apitoken.access", "owner", audit.TokenRegenerate},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := nodetest.NewFamily(t)
			nodetest.Must(t, c.act(f))
			head := f.Ledger.Applied()
			nodetest.Must(t, nodetest.Second(f.CreateUser(t.Context(), operator, identity.NewUser{Username: "later"}))) // more goes on
			x := explained(t, f.Fixture, operator, f.All[c.token].Value.Reveal(), verification.Requirements{Kinds: nodetest.EveryKind(), AnyAudience: true})
			wantStop(t, name, x, token.CheckRevoked, "revoked")
			by := c.by
			if by == "owner" {
				by = f.Owner.ID()
			}
			if u := x.Revoked; u == nil || u.By != by || u.Reason != c.reason || u.Entry.Seq < 1 || u.Entry.Seq > head || u.At.IsZero() {
				t.Errorf("got %+v, want it by %q, %s", u, by, c.reason)
			}
		})
	}
}

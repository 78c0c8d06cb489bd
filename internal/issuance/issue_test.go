package issuance_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/store/storetest"
	"github.com/bearerd/bearerd/internal/token"
)

// A caller who was let in before everything was revoked gets nothing out of it: what
// is issued rests on what was presented, and that is void.
func TestWhatIsMadeFromWhatWasRevokedMeanwhileIsRevoked(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: nodetest.WithTaskTypes})
	ada := f.Person(t, "ada", nodetest.May("create", "/task-tokens/TES"))
	by := f.ByBearer(t, f.MadeAccess(t, ada, "credentials"))
	f.RevokeAllOfUser(t, "ada")
	for name, c := range map[string]*caller.Caller{"a session": ada, "an access token": by} {
		f.WantDead(t, "an access token by "+name, f.Made(t, c, issuance.Request{Kind: token.KindAccess}))
		f.WantDead(t, "an API key by "+name, f.ExchangeKey(t, c, credentials.NewCredential{}))
		f.WantDead(t, "an API token by "+name, f.APIToken(t, c, credentials.NewCredential{}))
	}
	f.WantDead(t, "a task token", f.Made(t, by, issuance.Request{Kind: token.KindTask, TaskType: "TES"}))
	f.WantAlive(t, "a token of a new session", f.MadeAccess(t, f.SignedIn(t, "ada")))
}

// raced is a way to a token, during which everything of ada's is revoked.
type raced struct {
	point nodetest.Point
	get   func() (*issuance.Issued, error)
}

func TestRevokeAllDuringAnIssueVoidsIt(t *testing.T) {
	t.Parallel()
	g, store := nodetest.Hook()
	f := nodetest.New(t, nodetest.Options{Store: store})
	f.User(t, "ada", "correct horse")
	device := identity.NewClient{ID: "tv", Scopes: []string{"offline_access"}}
	device.Grants = []string{"refresh_token", "urn:ietf:params:oauth:grant-type:device_code"}
	tv := f.NewClient(t, device)
	subject := func() string {
		return f.ExchangeKey(t, f.SignedIn(t, "ada"), credentials.NewCredential{}).Value.Reveal()
	}
	for name, r := range map[string]func() raced{
		"password": func() raced {
			return raced{nodetest.PrincipalRead, func() (*issuance.Issued, error) {
				c, err := f.Authenticator.Login(t.Context(), signin.Credentials{Username: "ada", Password: "correct horse"})
				if err != nil {
					return nil, err
				}
				return f.Issue(t.Context(), c, &issuance.Request{Kind: token.KindAccess, Principal: c.Principal})
			}}
		},
		"session": func() raced {
			c := f.SignedIn(t, "ada")
			return raced{nodetest.PrincipalAsked, func() (*issuance.Issued, error) { return f.Ask(t, c, issuance.Request{Kind: token.KindAccess}) }}
		},
		"session, at the commit": func() raced {
			c := f.SignedIn(t, "ada")
			return raced{nodetest.CommitAsked, func() (*issuance.Issued, error) {
				return f.CreateAPIToken(t.Context(), c, credentials.NewCredential{Name: "x"})
			}}
		},
		"exchange": func() raced {
			raw := subject()
			return raced{nodetest.PrincipalAsked, func() (*issuance.Issued, error) { return exchange(t, f, issuance.Exchange{Subject: raw}) }}
		},
		"exchange, at the commit": func() raced {
			raw := subject()
			return raced{nodetest.CommitAsked, func() (*issuance.Issued, error) {
				pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: raw, Scope: []string{"offline_access"}})
				return pair.Refresh, err
			}}
		},
		"device": func() raced {
			start := f.ApprovedDevice(t, tv, "offline_access")
			return raced{nodetest.PrincipalAsked, func() (*issuance.Issued, error) {
				pair, err := f.RedeemDevice(t.Context(), tv, start.DeviceCode.Reveal())
				return pair.Refresh, err
			}}
		},
	} {
		way := r()
		g.At(way.point, func() { f.RevokeAllOfUser(t, "ada") })
		issued, err := way.get()
		if err != nil {
			if !fault.Is(err, fault.InvalidToken) && !fault.Is(err, fault.InvalidGrant) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		f.WantDead(t, name, issued)
		f.WantRowDead(t, name, issued)
	}
}

func TestNewClientSecretDuringAnIssueVoidsIt(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	n := identity.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()}
	before := f.NewClient(t, n)
	n.Secret = "another secret that is long enough, too"
	_, err := f.UpdateClient(t.Context(), caller.Operator(), n)
	nodetest.Must(t, err)
	issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: before})
	nodetest.Must(t, err)
	f.WantDead(t, "a token by the old secret", issued)
	issued, err = f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: f.AsClient(t, n)})
	nodetest.Must(t, err)
	f.WantAlive(t, "a token by the new secret", issued)
}

// A client that was read long ago is as new as what the node knows of the log.
func TestTokenByARememberedClientIsNoOlderThanItsUser(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	n := identity.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()}
	f.NewClient(t, n)
	f.Person(t, "ada")
	f.RevokeAllOfUser(t, "ada")
	ada := f.SignedIn(t, "ada")
	key := f.ExchangeKey(t, ada, credentials.NewCredential{})
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key.Value.Reveal(), Client: f.AsClient(t, n)})
	nodetest.Must(t, err)
	f.WantAlive(t, "a token by a remembered client", pair.Access)
}

// With the clock standing still, only the order of the log decides.
func TestTheSameSecondHasABeforeAndAnAfter(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	at := f.Time()
	ada := f.Person(t, "ada")
	before := map[string]*issuance.Issued{
		"access token": f.MadeAccess(t, ada),
		"API key":      f.ExchangeKey(t, ada, credentials.NewCredential{}),
		"API token":    f.APIToken(t, ada, credentials.NewCredential{}),
		"session":      f.SessionOf(t, "ada"),
	}
	for range 3 {
		f.RevokeAllOfUser(t, "ada")
		again := f.SignedIn(t, "ada")
		after := map[string]*issuance.Issued{
			"access token": f.MadeAccess(t, again),
			"API key":      f.ExchangeKey(t, again, credentials.NewCredential{}),
			"API token":    f.APIToken(t, again, credentials.NewCredential{}),
			"session":      f.SessionOf(t, "ada"),
		}
		for kind := range after {
			f.WantDead(t, kind+" of before", before[kind])
			f.WantAlive(t, kind+" of after", after[kind])
		}
		before = after
	}
	if !f.Time().Equal(at) {
		t.Error("the clock moved")
	}
}

func TestPasswordChangeDuringALoginVoidsWhatIsIssuedOnIt(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	during := f.Login(t, "ada", "correct horse")
	_, err := f.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Password: new(token.Secret("battery staple"))})
	nodetest.Must(t, err)
	issued, err := f.Issue(t.Context(), during, &issuance.Request{Kind: token.KindAccess, Principal: during.Principal})
	nodetest.Must(t, err)
	f.WantDead(t, "an access token by the old password", issued)
	session, err := f.StartSession(t.Context(), during, nil)
	nodetest.Must(t, err)
	f.WantDead(t, "a session by the old password", session)
	f.WantRowDead(t, "a session by the old password", session)
	_, err = f.Authenticator.Login(t.Context(), signin.Credentials{Username: "ada", Password: "correct horse"})
	nodetest.WantFault(t, "the old password", err, fault.BadCredentials, "")
	f.WantAlive(t, "an access token by the new one", f.AccessToken(t, "ada", "battery staple"))
}

// An API token has no end, and the log forgets: the row must say by itself that the
// token was void when it was stored.
func TestTokenStoredAfterRevokeAllStaysDeadWhenTheLogHasForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := nodetest.New(t, nodetest.Options{Dir: dir})
	ada := f.Person(t, "ada")
	f.RevokeAllOfUser(t, "ada")
	issued := f.APIToken(t, ada, credentials.NewCredential{})
	f.WantDead(t, "at once", issued)
	f.Advance(31 * 24 * time.Hour)
	nodetest.Must(t, f.Store.Purge(t.Context(), f.Time()))
	later := nodetest.New(t, nodetest.Options{Dir: dir})
	later.Advance(31 * 24 * time.Hour)
	later.WantDead(t, "when the log has forgotten", issued)
}

// A refusal signs nothing and leaves nothing behind but the event that records it.
func TestRefusedRequestLeavesNothingButItsEvent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := nodetest.New(t, nodetest.Options{Dir: dir, File: true, Settings: nodetest.WithTaskTypes})
	f.Collection(t, 4, "Fish")
	ada, eve := f.Person(t, "ada"), f.Person(t, "eve")
	key := f.ExchangeKey(t, ada, credentials.NewCredential{}).Value.Reveal()
	mine := f.APIToken(t, ada, credentials.NewCredential{})
	plain := f.ByBearer(t, f.MadeAccess(t, ada))
	app := f.NewClient(t, identity.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()})
	bare := f.NewClient(t, identity.NewClient{ID: "bare", Secret: nodetest.ClientSecret})
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key, Scope: []string{"offline_access"}, Client: app})
	nodetest.Must(t, err)
	refresh := pair.Refresh.Value.Reveal()
	ctx := t.Context()
	for name, c := range map[string]struct {
		ask   func() error
		event string // the action recorded; "": none
	}{
		"a lifetime above the ceiling": {func() error {
			return nodetest.Second(f.Ask(t, ada, issuance.Request{Kind: token.KindAccess, Lifetime: 3601}))
		}, audit.TokenIssue},
		"a scope that can't be": {func() error {
			return nodetest.Second(f.Ask(t, ada, issuance.Request{Kind: token.KindAccess, Scope: []string{"introspect"}}))
		}, audit.TokenIssue},
		"a collection without access": {func() error {
			return nodetest.Second(f.Ask(t, ada, issuance.Request{Kind: token.KindAccess, Collection: new(int64(4))}))
		}, audit.TokenIssue},
		"a collection that isn't there": {func() error {
			return nodetest.Second(f.Ask(t, ada, issuance.Request{Kind: token.KindAccess, Collection: new(int64(5))}))
		}, audit.TokenIssue},
		"an audience": {func() error {
			return nodetest.Second(f.Exchange(ctx, issuance.Exchange{Subject: key, Audience: "https://x"}))
		}, audit.TokenExchange},
		"a task token without the grant": {func() error {
			return nodetest.Second(f.Exchange(ctx, issuance.Exchange{Subject: key, TaskType: "TES"}))
		}, audit.TokenExchange},
		"a client without the grant": {func() error { return nodetest.Second(f.Exchange(ctx, issuance.Exchange{Subject: key, Client: bare})) }, audit.TokenExchange},
		"an API key's credentials": {func() error {
			return nodetest.Second(f.CreateExchangeKey(ctx, ada, credentials.NewCredential{Scope: []string{"credentials"}}))
		}, audit.TokenIssue},
		"an API token by a plain Bearer": {func() error {
			return nodetest.Second(f.CreateAPIToken(ctx, plain, credentials.NewCredential{Name: "x"}))
		}, audit.TokenIssue},
		"client credentials": {func() error {
			return nodetest.Second(f.ClientCredentials(ctx, issuance.ClientCredentials{Client: bare}))
		}, audit.TokenIssue},
		"a refresh by another client": {func() error { return nodetest.Second(f.Refresh(ctx, issuance.Refresh{Token: refresh, Client: bare})) }, audit.TokenExchange},
		"a refresh with more scope": {func() error {
			return nodetest.Second(f.Refresh(ctx, issuance.Refresh{Token: refresh, Client: app, Scope: []string{"more"}}))
		}, audit.TokenExchange},
		"a refresh for too long": {func() error {
			return nodetest.Second(f.Refresh(ctx, issuance.Refresh{Token: refresh, Client: app, Lifetime: 3601}))
		}, audit.TokenExchange},
		"regenerating by a plain Bearer": {func() error { return nodetest.Second(f.Regenerate(ctx, plain, mine.ID, 0)) }, audit.TokenRegenerate},
		"revoking somebody else's": {func() error {
			return nodetest.Second(f.Revoke(ctx, eve, revoking.Revocation{Token: mine.Value.Reveal()}))
		}, audit.TokenRevoke},
		"revoking all of somebody": {func() error { return nodetest.Second(f.RevokeAll(ctx, eve, ada.ID())) }, audit.RevokeAll},
		"administering":            {func() error { return nodetest.Second(f.CreateUser(ctx, eve, identity.NewUser{Username: "x"})) }, audit.UserCreate},
		"a binding for oneself": {func() error {
			return nodetest.Second(f.CreateBinding(ctx, eve, nodetest.WithUser("eve", nodetest.Admin())))
		}, audit.BindingCreate},

		"a token without a name":          {func() error { return nodetest.Second(f.CreateAPIToken(ctx, ada, credentials.NewCredential{})) }, ""},
		"regenerating somebody else's":    {func() error { return nodetest.Second(f.Regenerate(ctx, eve, mine.ID, 0)) }, ""},
		"regenerating for ever":           {func() error { return nodetest.Second(f.Regenerate(ctx, ada, mine.ID, -1)) }, ""},
		"revoking an unknown id":          {func() error { return nodetest.Second(f.RevokeID(ctx, ada, uuid.NewString())) }, ""},
		"trading a token that is none":    {func() error { return nodetest.Second(f.Exchange(ctx, issuance.Exchange{Subject: key + "x"})) }, ""},
		"trading a refresh token":         {func() error { return nodetest.Second(f.Exchange(ctx, issuance.Exchange{Subject: refresh})) }, ""},
		"refreshing an API token":         {func() error { return nodetest.Second(f.Refresh(ctx, issuance.Refresh{Token: mine.Value.Reveal()})) }, ""},
		"a session by an API key":         {func() error { return nodetest.Second(f.Session(ctx, key)) }, ""},
		"an API key as a Bearer":          {func() error { return nodetest.Second(f.Bearer(ctx, key)) }, ""},
		"a client's wrong secret":         {func() error { return nodetest.Second(f.AuthenticateClient(ctx, "app", "wrong")) }, ""},
		"administering by nobody":         {func() error { return nodetest.Second(f.CreateUser(ctx, nil, identity.NewUser{Username: "x"})) }, ""},
		"a device of a client without it": {func() error { return nodetest.Second(f.StartDevice(ctx, bare, nil, "")) }, ""},
		"a device's unknown code":         {func() error { return nodetest.Second(f.RedeemDevice(ctx, app, "unknown")) }, ""},
		"a user name that is an id": {func() error {
			return nodetest.Second(f.CreateUser(ctx, caller.Operator(), identity.NewUser{Username: uuid.NewString()}))
		}, ""},
		"a binding that names nobody": {func() error {
			return nodetest.Second(f.CreateBinding(ctx, caller.Operator(), nodetest.WithUser("nobody", nodetest.Admin())))
		}, ""},
		"a binding that names no role": {func() error {
			return nodetest.Second(f.CreateBinding(ctx, caller.Operator(), access.Binding{User: "ada", Role: "none", Path: "/"}))
		}, ""},
	} {
		path := filepath.Join(dir, "bearerd.db")
		before := storetest.Dump(t, path)
		if err := c.ask(); err == nil {
			t.Errorf("%s: not refused", name)
		}
		after := storetest.Dump(t, path)
		events := after["audit_events"][len(before["audit_events"]):]
		for _, table := range []string{"audit_events", "nodes"} { // the follower confirms when it likes
			delete(before, table)
			delete(after, table)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s left something behind (-before +after):\n%s", name, diff)
		}
		if len(events) > 1 || (len(events) == 1) != (c.event != "") || len(events) == 1 && !strings.Contains(events[0], "|"+c.event+"|") {
			t.Errorf("%s recorded %q, want %q", name, events, c.event)
		}
		nodetest.Must(t, f.Journal.FlushRefusals(ctx, true)) // or the next that is like it would be counted
	}
	nodetest.Must(t, nodetest.Second(f.Refresh(ctx, issuance.Refresh{Token: refresh, Client: app}))) // is as good as it was
	f.WantAlive(t, "what somebody tried to regenerate", mine)
}

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
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/store/storetest"
	"github.com/bearerd/bearerd/internal/token"
)

// revokeAll revokes everything of ada's.
func revokeAll(t *testing.T, f *nodetest.Fixture) {
	t.Helper()
	_, err := f.RevokeAllOf(t.Context(), caller.Operator(), "ada")
	must(t, err)
}

// A caller who was let in before everything was revoked gets nothing out of it: what
// is issued rests on what was presented, and that is void.
func TestWhatIsMadeFromWhatWasRevokedMeanwhileIsRevoked(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: withTaskTypes})
	ada := person(t, f, "ada", nodetest.May("create", "/task-tokens/TES"))
	by := bearer(t, f, accessToken(t, f, ada, "credentials"))
	revokeAll(t, f)
	for name, c := range map[string]*caller.Caller{"a session": ada, "an access token": by} {
		wantDead(t, f, "an access token by "+name, made(t, f, c, issuance.Request{Kind: token.KindAccess}))
		wantDead(t, f, "an API key by "+name, apiKey(t, f, c, issuance.NewCredential{}))
		wantDead(t, f, "an API token by "+name, apiToken(t, f, c, issuance.NewCredential{}))
	}
	wantDead(t, f, "a task token", made(t, f, by, issuance.Request{Kind: token.KindTask, TaskType: "TES"}))
	wantAlive(t, f, "a token of a new session", accessToken(t, f, signedIn(t, f, "ada")))
}

// raced is a way to a token, during which everything of ada's is revoked.
type raced struct {
	point string
	get   func() (*issuance.Issued, error)
}

func TestRevokeAllDuringAnIssueVoidsIt(t *testing.T) {
	t.Parallel()
	g, store := through()
	f := nodetest.New(t, nodetest.Options{Store: store})
	f.User(t, "ada", "correct horse")
	device := directory.NewClient{ID: "tv", Scopes: []string{"offline_access"}}
	device.Grants = []string{"refresh_token", "urn:ietf:params:oauth:grant-type:device_code"}
	tv := client(t, f, device)
	subject := func() string { return apiKey(t, f, signedIn(t, f, "ada"), issuance.NewCredential{}).Value.Reveal() }
	for name, r := range map[string]func() raced{
		"password": func() raced {
			return raced{"principal read", func() (*issuance.Issued, error) {
				c, err := f.Authenticator.Login(t.Context(), signin.Credentials{Username: "ada", Password: "correct horse"})
				if err != nil {
					return nil, err
				}
				return f.Issue(t.Context(), c, &issuance.Request{Kind: token.KindAccess, Principal: c.Principal})
			}}
		},
		"session": func() raced {
			c := signedIn(t, f, "ada")
			return raced{"principal asked for", func() (*issuance.Issued, error) { return ask(t, f, c, issuance.Request{Kind: token.KindAccess}) }}
		},
		"session, at the commit": func() raced {
			c := signedIn(t, f, "ada")
			return raced{"commit asked for", func() (*issuance.Issued, error) {
				return f.CreateAPIToken(t.Context(), c, issuance.NewCredential{Name: "x"})
			}}
		},
		"exchange": func() raced {
			raw := subject()
			return raced{"principal asked for", func() (*issuance.Issued, error) { return exchange(t, f, issuance.Exchange{Subject: raw}) }}
		},
		"exchange, at the commit": func() raced {
			raw := subject()
			return raced{"commit asked for", func() (*issuance.Issued, error) {
				pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: raw, Scope: []string{"offline_access"}})
				return pair.Refresh, err
			}}
		},
		"device": func() raced {
			start := approvedDevice(t, f, tv, "offline_access")
			return raced{"principal asked for", func() (*issuance.Issued, error) {
				pair, err := f.RedeemDevice(t.Context(), tv, start.DeviceCode.Reveal())
				return pair.Refresh, err
			}}
		},
	} {
		way := r()
		g.at(way.point, func() { revokeAll(t, f) })
		issued, err := way.get()
		if err != nil {
			if !fault.Is(err, fault.InvalidToken) && !fault.Is(err, fault.InvalidGrant) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantDead(t, f, name, issued)
		stillDead(t, f, name, issued)
	}
}

// stillDead fails unless a token that has a row is refused when the log has
// forgotten why.
func stillDead(t *testing.T, f *nodetest.Fixture, what string, issued *issuance.Issued) {
	t.Helper()
	row, _, err := f.Store.TokenByID(t.Context(), issued.ID)
	if fault.Is(err, fault.NotFound) {
		return
	}
	must(t, err)
	if row.RevokedAt.IsZero() {
		t.Errorf("%s: the row of a token that was void when it was stored says that it lives", what)
	}
}

func TestNewClientSecretDuringAnIssueVoidsIt(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	n := directory.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: allGrants}
	before := client(t, f, n)
	n.Secret = "another secret that is long enough, too"
	_, err := f.UpdateClient(t.Context(), caller.Operator(), n)
	must(t, err)
	issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: before})
	must(t, err)
	wantDead(t, f, "a token by the old secret", issued)
	issued, err = f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: asClient(t, f, n)})
	must(t, err)
	wantAlive(t, f, "a token by the new secret", issued)
}

// A client that was read long ago is as new as what the node knows of the log.
func TestTokenByARememberedClientIsNoOlderThanItsUser(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	n := directory.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: allGrants}
	client(t, f, n)
	person(t, f, "ada")
	revokeAll(t, f)
	ada := signedIn(t, f, "ada")
	key := apiKey(t, f, ada, issuance.NewCredential{})
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key.Value.Reveal(), Client: asClient(t, f, n)})
	must(t, err)
	wantAlive(t, f, "a token by a remembered client", pair.Access)
}

// With the clock standing still, only the order of the log decides.
func TestTheSameSecondHasABeforeAndAnAfter(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	at := f.Time()
	ada := person(t, f, "ada")
	before := map[string]*issuance.Issued{
		"access token": accessToken(t, f, ada),
		"API key":      apiKey(t, f, ada, issuance.NewCredential{}),
		"API token":    apiToken(t, f, ada, issuance.NewCredential{}),
		"session":      sessionOf(t, f, "ada"),
	}
	for range 3 {
		revokeAll(t, f)
		again := signedIn(t, f, "ada")
		after := map[string]*issuance.Issued{
			"access token": accessToken(t, f, again),
			"API key":      apiKey(t, f, again, issuance.NewCredential{}),
			"API token":    apiToken(t, f, again, issuance.NewCredential{}),
			"session":      sessionOf(t, f, "ada"),
		}
		for kind := range after {
			wantDead(t, f, kind+" of before", before[kind])
			wantAlive(t, f, kind+" of after", after[kind])
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
	_, err := f.UpdateUser(t.Context(), caller.Operator(), "ada", directory.UserPatch{Password: new(token.Secret("battery staple"))})
	must(t, err)
	issued, err := f.Issue(t.Context(), during, &issuance.Request{Kind: token.KindAccess, Principal: during.Principal})
	must(t, err)
	wantDead(t, f, "an access token by the old password", issued)
	session, err := f.StartSession(t.Context(), during, nil)
	must(t, err)
	wantDead(t, f, "a session by the old password", session)
	stillDead(t, f, "a session by the old password", session)
	_, err = f.Authenticator.Login(t.Context(), signin.Credentials{Username: "ada", Password: "correct horse"})
	wantFault(t, "the old password", err, fault.BadCredentials, "")
	wantAlive(t, f, "an access token by the new one", f.AccessToken(t, "ada", "battery staple"))
}

// An API token has no end, and the log forgets: the row must say by itself that the
// token was void when it was stored.
func TestTokenStoredAfterRevokeAllStaysDeadWhenTheLogHasForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := nodetest.New(t, nodetest.Options{Dir: dir})
	ada := person(t, f, "ada")
	revokeAll(t, f)
	issued := apiToken(t, f, ada, issuance.NewCredential{})
	wantDead(t, f, "at once", issued)
	f.Advance(31 * 24 * time.Hour)
	must(t, f.Store.Purge(t.Context(), f.Time()))
	later := nodetest.New(t, nodetest.Options{Dir: dir})
	later.Advance(31 * 24 * time.Hour)
	wantDead(t, later, "when the log has forgotten", issued)
}

// A refusal signs nothing and leaves nothing behind but the event that records it.
func TestRefusedRequestLeavesNothingButItsEvent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := nodetest.New(t, nodetest.Options{Dir: dir, File: true, Settings: withTaskTypes})
	f.Collection(t, 4, "Fish")
	ada, eve := person(t, f, "ada"), person(t, f, "eve")
	key := apiKey(t, f, ada, issuance.NewCredential{}).Value.Reveal()
	mine := apiToken(t, f, ada, issuance.NewCredential{})
	plain := bearer(t, f, accessToken(t, f, ada))
	app := client(t, f, directory.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: allGrants})
	bare := client(t, f, directory.NewClient{ID: "bare", Secret: nodetest.ClientSecret})
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key, Scope: []string{"offline_access"}, Client: app})
	must(t, err)
	refresh := pair.Refresh.Value.Reveal()
	ctx := t.Context()
	for name, c := range map[string]struct {
		ask   func() error
		event string // the action recorded; "": none
	}{
		"a lifetime above the ceiling": {func() error { return second(ask(t, f, ada, issuance.Request{Kind: token.KindAccess, Lifetime: 3601})) }, audit.TokenIssue},
		"a scope that can't be": {func() error {
			return second(ask(t, f, ada, issuance.Request{Kind: token.KindAccess, Scope: []string{"introspect"}}))
		}, audit.TokenIssue},
		"a collection without access": {func() error {
			return second(ask(t, f, ada, issuance.Request{Kind: token.KindAccess, Collection: new(int64(4))}))
		}, audit.TokenIssue},
		"a collection that isn't there": {func() error {
			return second(ask(t, f, ada, issuance.Request{Kind: token.KindAccess, Collection: new(int64(5))}))
		}, audit.TokenIssue},
		"an audience":                    {func() error { return second(f.Exchange(ctx, issuance.Exchange{Subject: key, Audience: "https://x"})) }, audit.TokenExchange},
		"a task token without the grant": {func() error { return second(f.Exchange(ctx, issuance.Exchange{Subject: key, TaskType: "TES"})) }, audit.TokenExchange},
		"a client without the grant":     {func() error { return second(f.Exchange(ctx, issuance.Exchange{Subject: key, Client: bare})) }, audit.TokenExchange},
		"an API key's credentials": {func() error {
			return second(f.CreateAPIKey(ctx, ada, issuance.NewCredential{Scope: []string{"credentials"}}))
		}, audit.TokenIssue},
		"an API token by a plain Bearer": {func() error { return second(f.CreateAPIToken(ctx, plain, issuance.NewCredential{Name: "x"})) }, audit.TokenIssue},
		"client credentials":             {func() error { return second(f.ClientCredentials(ctx, issuance.ClientCredentials{Client: bare})) }, audit.TokenIssue},
		"a refresh by another client":    {func() error { return second(f.Refresh(ctx, issuance.Refresh{Token: refresh, Client: bare})) }, audit.TokenExchange},
		"a refresh with more scope": {func() error {
			return second(f.Refresh(ctx, issuance.Refresh{Token: refresh, Client: app, Scope: []string{"more"}}))
		}, audit.TokenExchange},
		"a refresh for too long": {func() error {
			return second(f.Refresh(ctx, issuance.Refresh{Token: refresh, Client: app, Lifetime: 3601}))
		}, audit.TokenExchange},
		"regenerating by a plain Bearer": {func() error { return second(f.Regenerate(ctx, plain, mine.ID, 0)) }, audit.TokenRegenerate},
		"revoking somebody else's":       {func() error { return second(f.Revoke(ctx, eve, revoking.Revocation{Token: mine.Value.Reveal()})) }, audit.TokenRevoke},
		"revoking all of somebody":       {func() error { return second(f.RevokeAll(ctx, eve, ada.ID())) }, audit.RevokeAll},
		"administering":                  {func() error { return second(f.CreateUser(ctx, eve, directory.NewUser{Username: "x"})) }, audit.UserCreate},
		"a binding for oneself":          {func() error { return second(f.CreateBinding(ctx, eve, withUser("eve", nodetest.Admin()))) }, audit.BindingCreate},

		"a token without a name":          {func() error { return second(f.CreateAPIToken(ctx, ada, issuance.NewCredential{})) }, ""},
		"regenerating somebody else's":    {func() error { return second(f.Regenerate(ctx, eve, mine.ID, 0)) }, ""},
		"regenerating for ever":           {func() error { return second(f.Regenerate(ctx, ada, mine.ID, -1)) }, ""},
		"revoking an unknown id":          {func() error { return second(f.RevokeID(ctx, ada, uuid.NewString())) }, ""},
		"trading a token that is none":    {func() error { return second(f.Exchange(ctx, issuance.Exchange{Subject: key + "x"})) }, ""},
		"trading a refresh token":         {func() error { return second(f.Exchange(ctx, issuance.Exchange{Subject: refresh})) }, ""},
		"refreshing an API token":         {func() error { return second(f.Refresh(ctx, issuance.Refresh{Token: mine.Value.Reveal()})) }, ""},
		"a session by an API key":         {func() error { return second(f.Session(ctx, key)) }, ""},
		"an API key as a Bearer":          {func() error { return second(f.Bearer(ctx, key)) }, ""},
		"a client's wrong secret":         {func() error { return second(f.AuthenticateClient(ctx, "app", "wrong")) }, ""},
		"administering by nobody":         {func() error { return second(f.CreateUser(ctx, nil, directory.NewUser{Username: "x"})) }, ""},
		"a device of a client without it": {func() error { return second(f.StartDevice(ctx, bare, nil, "")) }, ""},
		"a device's unknown code":         {func() error { return second(f.RedeemDevice(ctx, app, "unknown")) }, ""},
		"a user name that is an id": {func() error {
			return second(f.CreateUser(ctx, caller.Operator(), directory.NewUser{Username: uuid.NewString()}))
		}, ""},
		"a binding that names nobody": {func() error {
			return second(f.CreateBinding(ctx, caller.Operator(), withUser("nobody", nodetest.Admin())))
		}, ""},
		"a binding that names no role": {func() error {
			return second(f.CreateBinding(ctx, caller.Operator(), access.Binding{User: "ada", Role: "none", Path: "/"}))
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
	}
	must(t, second(f.Refresh(ctx, issuance.Refresh{Token: refresh, Client: app}))) // is as good as it was
	wantAlive(t, f, "what somebody tried to regenerate", mine)
}

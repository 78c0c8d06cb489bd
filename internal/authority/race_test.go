package authority_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

func revokeAll(t *testing.T, f *authoritytest.Fixture, username string) {
	t.Helper()
	_, err := f.RevokeAllOf(t.Context(), authority.Operator(), username, true)
	must(t, err)
}

// Whoever was let in before everything was taken back gets nothing out of it: what
// is issued rests on what was presented, and that is void.
func TestWhatIsMadeFromWhatWasTakenBackMeanwhileIsDead(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{Policy: taskPolicy})
	ada := person(t, f, "ada", authoritytest.May("create", "/task-tokens/TES"))
	by := bearer(t, f, accessToken(t, f, ada, "credentials"))
	revokeAll(t, f, "ada")
	for name, c := range map[string]*authority.Caller{"a session": ada, "an access token": by} {
		wantDead(t, f, "an access token by "+name, made(t, f, c, authority.Request{Kind: token.KindAccess}))
		wantDead(t, f, "an API key by "+name, apiKey(t, f, c, authority.NewCredential{}))
		wantDead(t, f, "an API token by "+name, apiToken(t, f, c, authority.NewCredential{}))
	}
	wantDead(t, f, "a task token", made(t, f, by, authority.Request{Kind: token.KindTask, TaskType: "TES"}))
	wantAlive(t, f, "a token of a new session", accessToken(t, f, signedIn(t, f, "ada")))
}

// raced is a way to a token, during which everything of ada's is taken back.
type raced struct {
	point string
	get   func() (*authority.Issued, error)
}

func TestRevokeAllDuringAnIssueVoidsIt(t *testing.T) {
	t.Parallel()
	g, store := through()
	f := authoritytest.New(t, authoritytest.Options{Store: store})
	f.User(t, "ada", "correct horse")
	device := authority.NewClient{ID: "tv", Scopes: []string{"offline_access"}}
	device.Grants = []string{"refresh_token", "urn:ietf:params:oauth:grant-type:device_code"}
	tv := client(t, f, device)
	subject := func() string { return apiKey(t, f, signedIn(t, f, "ada"), authority.NewCredential{}).Value.Reveal() }
	for name, r := range map[string]func() raced{
		"password": func() raced {
			return raced{"principal read", func() (*authority.Issued, error) {
				c, err := f.Authority.Login(t.Context(), authority.Credentials{Username: "ada", Password: "correct horse"})
				if err != nil {
					return nil, err
				}
				return f.Issue(t.Context(), c, &authority.Request{Kind: token.KindAccess, Principal: c.Principal})
			}}
		},
		"session": func() raced {
			c := signedIn(t, f, "ada")
			return raced{"principal asked for", func() (*authority.Issued, error) { return ask(t, f, c, authority.Request{Kind: token.KindAccess}) }}
		},
		"session, at the commit": func() raced {
			c := signedIn(t, f, "ada")
			return raced{"commit asked for", func() (*authority.Issued, error) {
				return f.CreateAPIToken(t.Context(), c, authority.NewCredential{Name: "x"})
			}}
		},
		"exchange": func() raced {
			raw := subject()
			return raced{"principal asked for", func() (*authority.Issued, error) { return exchange(t, f, authority.Exchange{Subject: raw}) }}
		},
		"exchange, at the commit": func() raced {
			raw := subject()
			return raced{"commit asked for", func() (*authority.Issued, error) {
				pair, err := f.Exchange(t.Context(), authority.Exchange{Subject: raw, Scope: []string{"offline_access"}})
				return pair.Refresh, err
			}}
		},
		"device": func() raced {
			start := approvedDevice(t, f, tv, "offline_access")
			return raced{"principal asked for", func() (*authority.Issued, error) {
				pair, err := f.RedeemDevice(t.Context(), tv, start.DeviceCode.Reveal())
				return pair.Refresh, err
			}}
		},
	} {
		way := r()
		g.at(way.point, func() { revokeAll(t, f, "ada") })
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
func stillDead(t *testing.T, f *authoritytest.Fixture, what string, issued *authority.Issued) {
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

// approvedDevice starts a device flow, which ada approves.
func approvedDevice(t *testing.T, f *authoritytest.Fixture, c *authority.Caller, scope ...string) *authority.DeviceStart {
	t.Helper()
	start, err := f.StartDevice(t.Context(), c, scope, "")
	must(t, err)
	must(t, f.DecideDevice(t.Context(), signedIn(t, f, "ada"), start.UserCode, true))
	return start
}

func TestNewClientSecretDuringAnIssueVoidsIt(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	n := authority.NewClient{ID: "app", Secret: authoritytest.ClientSecret, Grants: allGrants}
	before := client(t, f, n)
	n.Secret = "another secret that is long enough, too"
	_, err := f.UpdateClient(t.Context(), authority.Operator(), n)
	must(t, err)
	issued, err := f.ClientCredentials(t.Context(), authority.ClientCredentials{Client: before})
	must(t, err)
	wantDead(t, f, "a token by the old secret", issued)
	issued, err = f.ClientCredentials(t.Context(), authority.ClientCredentials{Client: asClient(t, f, n)})
	must(t, err)
	wantAlive(t, f, "a token by the new secret", issued)
}

// A user who was last looked at long ago may approve a device of a client that was
// changed since: the approval is as new as the session's check.
func TestDeviceApprovedAfterItsClientChangedGetsALivingToken(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	n := authority.NewClient{ID: "tv", Grants: []string{"urn:ietf:params:oauth:grant-type:device_code"}, Scopes: []string{"read", "write"}}
	client(t, f, n)
	person(t, f, "ada") // is remembered as of now
	n.Scopes = []string{"read"}
	_, err := f.UpdateClient(t.Context(), authority.Operator(), n)
	must(t, err)
	tv := asClient(t, f, n)
	start, err := f.StartDevice(t.Context(), tv, []string{"read"}, "")
	must(t, err)
	by, err := f.Session(t.Context(), sessionOf(t, f, "ada").Value.Reveal())
	must(t, err)
	must(t, f.DecideDevice(t.Context(), by, start.UserCode, true))
	pair, err := f.RedeemDevice(t.Context(), tv, start.DeviceCode.Reveal())
	must(t, err)
	wantAlive(t, f, "the device's token", pair.Access)
}

// A client that was read long ago is as new as what the node knows of the log.
func TestTokenByARememberedClientIsNoOlderThanItsUser(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	n := authority.NewClient{ID: "app", Secret: authoritytest.ClientSecret, Grants: allGrants}
	client(t, f, n)
	ada := person(t, f, "ada")
	revokeAll(t, f, "ada")
	ada = signedIn(t, f, ada.Principal.User.Username)
	key := apiKey(t, f, ada, authority.NewCredential{})
	pair, err := f.Exchange(t.Context(), authority.Exchange{Subject: key.Value.Reveal(), Client: asClient(t, f, n)})
	must(t, err)
	wantAlive(t, f, "a token by a remembered client", pair.Access)
}

// With the clock standing still, only the order of the log decides.
func TestTheSameSecondHasABeforeAndAnAfter(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.Freeze()
	at := f.Time()
	ada := person(t, f, "ada")
	before := map[string]*authority.Issued{
		"access token": accessToken(t, f, ada),
		"API key":      apiKey(t, f, ada, authority.NewCredential{}),
		"API token":    apiToken(t, f, ada, authority.NewCredential{}),
		"session":      sessionOf(t, f, "ada"),
	}
	for range 3 {
		revokeAll(t, f, "ada")
		again := signedIn(t, f, "ada")
		after := map[string]*authority.Issued{
			"access token": accessToken(t, f, again),
			"API key":      apiKey(t, f, again, authority.NewCredential{}),
			"API token":    apiToken(t, f, again, authority.NewCredential{}),
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

func TestPasswordChangeDuringALoginVoidsWhatItGives(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.User(t, "ada", "correct horse")
	during := f.Login(t, "ada", "correct horse")
	_, err := f.UpdateUser(t.Context(), authority.Operator(), "ada", authority.UserPatch{Password: new(token.Secret("battery staple"))})
	must(t, err)
	issued, err := f.Issue(t.Context(), during, &authority.Request{Kind: token.KindAccess, Principal: during.Principal})
	must(t, err)
	wantDead(t, f, "an access token by the old password", issued)
	session, err := f.StartSession(t.Context(), during, nil)
	must(t, err)
	wantDead(t, f, "a session by the old password", session)
	stillDead(t, f, "a session by the old password", session)
	_, err = f.Authority.Login(t.Context(), authority.Credentials{Username: "ada", Password: "correct horse"})
	wantFault(t, "the old password", err, fault.BadCredentials, "")
	wantAlive(t, f, "an access token by the new one", f.AccessToken(t, "ada", "battery staple"))
}

// An API token has no end, and the log forgets: the row must say by itself that the
// token was void when it was stored.
func TestTokenStoredAfterRevokeAllStaysDeadWhenTheLogHasForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := authoritytest.New(t, authoritytest.Options{Dir: dir})
	ada := person(t, f, "ada")
	revokeAll(t, f, "ada")
	issued := apiToken(t, f, ada, authority.NewCredential{})
	wantDead(t, f, "at once", issued)
	f.Advance(31 * 24 * time.Hour)
	must(t, f.Store.Purge(t.Context(), f.Time()))
	later := authoritytest.New(t, authoritytest.Options{Dir: dir})
	later.Advance(31 * 24 * time.Hour)
	wantDead(t, later, "when the log has forgotten", issued)
}

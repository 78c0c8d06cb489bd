package browsertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	adminpages "github.com/bearerd/bearerd/internal/webui/admin"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/shadow"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/traffic"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/webui"
)

// studioIssuer is the issuer of the pages in a studio, and so what stands in their
// examples.
const studioIssuer = "https://auth.example.org"

// opening is when a studio's clock begins, and sitting is when its pages are looked at.
var (
	opening = time.Date(2026, 2, 2, 9, 0, 0, 0, time.UTC)
	sitting = time.Date(2026, 5, 12, 14, 30, 0, 0, time.UTC)
)

// studio serves the pages with a clock that stands still and numbers that are made
// up, so that they look the same each time.
type studio struct {
	*nodetest.Fixture
	t     *testing.T
	url   string
	admin string // the administrator's username
	user  string // that of the user whose pages are looked at

	shadow *shadow.Log // what report-only routes would have refused
}

// newStudio serves pages without anything on them but an administrator and a user.
func newStudio(t *testing.T, admin, user string, shown numbers) *studio {
	t.Helper()
	f := nodetest.New(t, nodetest.Options{At: opening, Settings: func(p *node.Settings) {
		p.Policy.Issuer, p.Policy.DefaultAudience = studioIssuer, studioIssuer
		p.Policy.Scopes = map[string]string{"read": "Read specimens", "write": "Add and change specimens", "export": "Download whole collections"}
		p.Policy.SessionMax = 200 * 24 * time.Hour
	}})
	origin, err := httpkit.NewCrossOrigin(studioIssuer)
	if err != nil {
		t.Fatal(err)
	}
	refused, err := shadow.New(shadow.Config{Store: f.Store, Now: f.Time})
	if err != nil {
		t.Fatal(err)
	}
	p := &webui.Pages{
		Passwords: true,
		SignIn:    f.Authenticator, Accounts: f.Accounts, Issuance: f.Issuance, Tokens: f.Tokens, Flows: f.Flows, Revoker: f.Revoker, Directory: f.Directory, Explainer: f.Explainer,
		Status: f.Follower.Status, Policy: f.Settings.Policy, Now: f.Time,
		CrossOrigin: origin, Cookies: httpkit.NewCookies("http://localhost"),
		SessionCookies: []string{"bearerd_session"}, Challenge: httpkit.Challenge{Realm: "studio"}, DeveloperPrefix: "6879-", Traffic: shown, Cluster: adminpages.Cluster{History: shown, Figures: figures},
		Shadow: refused, ReportOnly: []string{"/", "/api/"},
		Explorer: func() []byte { return []byte(`{}`) }, // it is looked at on the live server
	}
	mux := http.NewServeMux()
	p.Register(mux)
	server := httptest.NewServer(seenFromOutside(mux))
	t.Cleanup(server.Close)
	s := &studio{Fixture: f, t: t, url: server.URL, admin: admin, user: user, shadow: refused}
	s.must(s.person(user, ""))
	s.must(s.person(admin, "Morgan Okafor"))
	id := s.fillFor("{user}", admin)
	all := nodetest.Admin()
	all.User = id
	_, err = s.CreateBinding(t.Context(), caller.Operator(), all)
	s.must(err)
	return s
}

// Where requests of the studio's browser come from, and what they are called.
const (
	visitor   = "192.0.2.4"
	requestID = "01JV2Q4W8N"
)

// seenFromOutside returns each request the address and the name that it would have got
// on its way.
func seenFromOutside(next http.Handler) http.Handler {
	own := httpkit.Proxies{netip.MustParsePrefix("127.0.0.0/8")}
	o := httpkit.NewObserver(httpkit.ObserverConfig{
		Logger: slog.New(slog.DiscardHandler), Now: time.Now, Proxies: own,
		Context: func(ctx context.Context, e *httpkit.Event) context.Context {
			return audit.WithOrigin(ctx, audit.Origin{Address: e.ClientAddress(), RequestID: e.RequestID(), Agent: e.Agent()})
		},
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Forwarded-For", visitor)
		r.Header.Set(httpkit.HeaderRequestID, requestID)
		o.Wrap(next).ServeHTTP(w, r)
	})
}

// crowd stores tokens of the user's.
func (s *studio) crowd(n int) {
	owner := s.fillFor("{user}", s.user)
	what := []string{"nightly export", "lab notebook", "label printer", "herbarium dashboard with a name that is longer than a name should ever be", "R on the cluster", "git"}
	var ops []op.Op
	for i := range n {
		one := records.StoredToken{
			ID: fmt.Sprintf("%08x-0000-4000-8000-000000000000", i), Kind: token.KindAPIToken, Digest: token.Digest(strconv.Itoa(i)), Prefix: "bda_",
			Last4: fmt.Sprintf("%04x", i*7919%65536), Owner: owner, Name: what[i%len(what)] + " " + strconv.Itoa(i+1), Scope: []string{"read", "write", "export"}[:i%4%3],
			CreatedAt: opening.Add(time.Duration(i) * time.Minute),
		}
		if i%3 == 0 {
			one.LastUsedAt, one.LastUsedBy = sitting.Add(-time.Duration(i+1)*time.Minute), "192.0.2.17"
		}
		if i%2 == 0 {
			one.ExpiresAt = sitting.Add(time.Duration(i+1) * 13 * time.Hour)
		}
		ops = append(ops, op.AddToken{Token: one})
	}
	for some := range slices.Chunk(ops, 1000) {
		_, err := s.Store.Commit(s.t.Context(), op.Batch{Ops: some})
		s.must(err)
	}
}

// person makes a user.
func (s *studio) person(username, name string) error {
	n := identity.NewUser{Username: username, Name: name, Password: password}
	if len(username) < 30 {
		n.Email = username + "@example.org"
	}
	_, err := s.CreateUser(s.t.Context(), caller.Operator(), n)
	return err
}

// sit moves the clock to when the pages are looked at.
func (s *studio) sit() { s.Advance(sitting.Sub(s.Time())) }

// tab opens a tab in which somebody is signed in; nobody, when there is no username.
func (s *studio) tab(t *testing.T, username string) *tab {
	t.Helper()
	b := newTab(t, s.url)
	if username == "" {
		return b
	}
	session := s.SessionToken(t, username, password)
	hidden := true
	b.do(func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{
			Name: "bearerd_session", Value: session.Value.Reveal(), URL: s.url, HTTPOnly: &hidden,
		})
		return chromedp.Void{}, err
	})
	return b
}

func (s *studio) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// from is a context of a request from an address.
func (s *studio) from(address string) context.Context {
	return audit.WithOrigin(s.t.Context(), audit.Origin{Address: address, RequestID: requestID})
}

// token makes an API token of somebody's.
func (s *studio) token(username string, n credentials.NewCredential) *issuance.Issued {
	s.t.Helper()
	session, err := s.Session(s.t.Context(), s.SessionToken(s.t, username, password).Value.Reveal())
	s.must(err)
	issued, err := s.CreateAPIToken(s.from("192.0.2.17"), session, n)
	s.must(err)
	return issued
}

// use uses a token from an address.
func (s *studio) use(issued *issuance.Issued, address string) {
	s.t.Helper()
	_, err := s.Verify(s.from(address), issued.Value.Reveal(), verification.Requirements{})
	s.must(err)
	s.must(s.FlushUses(s.t.Context()))
}

// numbers are those of the charts: what happened in the steps that it knows, and
// nothing in the others.
type numbers func(step, steps int) traffic.Step

// Traffic returns the numbers of each step.
func (f numbers) Traffic(now time.Time, step time.Duration, steps int) ([]traffic.Step, error) {
	list := make([]traffic.Step, steps)
	for i := range list {
		list[i] = f(i, steps)
		list[i].From = now.Truncate(step).Add(time.Duration(i+1-steps) * step)
		list[i].Until = list[i].From.Add(step)
	}
	return list, nil
}

// Hours returns the numbers of each step.
func (f numbers) Hours(_ context.Context, step time.Duration, steps int) ([]traffic.Step, error) {
	return f.Traffic(time.Now(), step, steps)
}

// figures are those of a museum.
func figures(context.Context) (upkeep.CountedFigures, error) {
	return upkeep.CountedFigures{Began: time.Now(), Figures: upkeep.Figures{Users: 214, Live: 486, Expiring: 12, NeverUsed: 31, NeverExpires: 57, RevokedToday: 3}}, nil
}

// quiet is a node on which nothing happened; once, one on which a little did, once.
func quiet(int, int) traffic.Step { return traffic.Step{} }

func once(step, steps int) traffic.Step {
	if step != steps/3 {
		return traffic.Step{}
	}
	return traffic.Step{
		Issued: map[string]int64{"access": 1}, Verified: map[string]int64{"access": 1}, VerifyRefused: map[string]int64{"time": 1},
		Logins: map[string]int64{"ok": 1}, Revoked: map[string]int64{"token": 1}, Acknowledged: 1, AcknowledgedIn: 3 * time.Millisecond, SlowestBelow: 5 * time.Millisecond,
	}
}

// busy is a node with the tides of a working day.
func busy(step, steps int) traffic.Step {
	tide := 1 + math.Sin(4*math.Pi*float64(step)/float64(steps)-1)
	n := func(scale float64, phase int) int64 {
		return int64(scale * (0.4 + tide) * (1 + 0.3*math.Sin(float64(step*phase))))
	}
	t := traffic.Step{
		Issued:   map[string]int64{"access": n(40, 3), "api-token": n(2, 5), "task": n(12, 7), "refresh": n(6, 11), "session": n(5, 2), "api-key": n(1, 13)},
		Verified: map[string]int64{"access": n(5200, 5), "api-token": n(2100, 3), "task": n(400, 2)},
		VerifyRefused: map[string]int64{
			"time": n(14, 3), "revoked": n(5, 7), "signature": n(2, 9), "audience": n(3, 4), "scope": n(6, 6), "access": n(2, 8), "type": n(1, 10),
		},
		Logins: map[string]int64{"ok": n(9, 4), "failed": n(3, 9), "limited": n(0.7, 12)}, IssueRefused: map[string]int64{"invalid_scope": n(2, 5)},
		Revoked: map[string]int64{"token": n(3, 8)}, Acknowledged: n(3, 8),
	}
	t.AcknowledgedIn = time.Duration(t.Acknowledged) * time.Duration(n(9, 6)+2) * time.Millisecond
	t.SlowestBelow = time.Duration(n(30, 5)+12) * time.Millisecond
	return t
}

// newSample is a studio with what a museum of natural history has.
func newSample(t *testing.T) *studio {
	t.Helper()
	s := newStudio(t, "m.okafor", "a.lindqvist", busy)
	s.sampleAccess()
	for _, id := range []string{"0000-0002-1825-0097", "0000-0001-5109-3700"} {
		_, err := s.LinkUser(t.Context(), caller.Operator(), s.user, "orcid", id)
		s.must(err)
	}
	s.sampleTokens()
	s.sit()
	s.sampleEvents()
	s.sampleRefusals()
	return s
}

// sampleRefusals are of requests that report-only routes let go on.
func (s *studio) sampleRefusals() {
	s.t.Helper()
	for _, c := range []struct {
		times int
		shadow.Refusal
	}{
		{12, shadow.Refusal{Route: "/api/", Reason: "malformed or unknown token", Method: "GET", Path: "/api/specimens/4711", Status: 200}},
		{831, shadow.Refusal{Route: "/api/", Reason: "no token", Method: "GET", Path: "/api/specimens", Status: 401}},
		{3, shadow.Refusal{Route: "/api/", Reason: "no token, but other credentials", Method: "POST", Path: "/api/labels", Status: 201}},
		{2, shadow.Refusal{
			Route: "/api/", Reason: "the scope write is needed", TokenID: "6d0c5b1e-2f7a-4b39-9c55-0e8f6f1d2a47",
			Method: "PATCH", Path: "/api/specimens/4711", Status: 200,
		}},
	} {
		for range c.times {
			s.shadow.Refuse(c.Refusal)
		}
	}
	s.must(s.shadow.Write(s.t.Context()))
}

func (s *studio) sampleAccess() {
	s.t.Helper()
	d := apply.Desired{
		Collections: []records.Collection{
			{ID: 4, Name: "KU Fish Voucher Collection"},
			{ID: 32768, Name: "KU Fish Tissue Collection"},
			{ID: 65536, Name: "KU Herpetology"},
			{ID: 98304, Name: "KU Invertebrate Paleontology"},
		},
		Roles: []access.Role{
			{Name: "collection-admin", Permissions: []access.Permission{{Action: "*", Path: "/"}}},
			{Name: "curator", Permissions: []access.Permission{{Action: "access", Path: "/"}, {Action: "update", Path: "/specimens"}}},
			{Name: "batch-runner", Permissions: []access.Permission{{Action: "create", Path: "/task-tokens/TES"}}},
		},
		Clients: []identity.NewClient{
			{ID: "ci", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials}, Scopes: []string{"read"}},
			{
				ID: "portal", Secret: nodetest.ClientSecret, Scopes: []string{"read", "write", "offline_access"},
				Grants: []string{identity.GrantTypeTokenExchange, identity.GrantTypeRefreshToken}, Audiences: []string{"https://images.example.org"},
			},
			{ID: "field-tablet", Grants: []string{identity.GrantTypeDeviceCode, identity.GrantTypeRefreshToken}, Scopes: []string{"read", "write", "offline_access"}},
			{
				ID: "assistant", Name: "Museum assistant", Grants: []string{identity.GrantTypeAuthorizationCode, identity.GrantTypeRefreshToken},
				RedirectURIs: []string{"https://assistant.example.com/back"},
			},
		},
	}
	for _, u := range []struct{ username, name, groups string }{
		{"b.haddad", "Basma Haddad", "curators"},
		{"c.moreau", "Camille Moreau", "curators"},
		{"d.novak", "Dana Novák", "students"},
		{"e.suzuki", "Emi Suzuki", "students"},
		{"f.silva", "Felipe Silva", "batch"},
		{"g.ferrari", "Giulia Ferrari", ""},
		{"h.olsen", "Henrik Olsen", "curators"},
		{"importer", "Nightly importer", "batch"},
	} {
		n := identity.NewUser{Username: u.username, Name: u.name, Email: u.username + "@example.org"}
		if u.groups != "" {
			n.Groups = []string{u.groups}
		}
		d.Users = append(d.Users, apply.DesiredUser{NewUser: n, SetName: true, SetEmail: true, SetGroups: true})
	}
	_, _, err := s.Apply(s.t.Context(), caller.Operator(), d)
	s.must(err)
	s.sampleBindings()
}

func (s *studio) sampleBindings() {
	s.t.Helper()
	name, groups, off := "Astrid Lindqvist", []string{"curators", "fish"}, true
	_, err := s.UpdateUser(s.t.Context(), caller.Operator(), s.user, identity.UserPatch{Name: &name, Groups: &groups})
	s.must(err)
	_, err = s.UpdateUser(s.t.Context(), caller.Operator(), "g.ferrari", identity.UserPatch{Disabled: &off})
	s.must(err)
	u, err := s.Directory.User(s.t.Context(), caller.Operator(), s.user)
	s.must(err)
	for _, b := range []access.Binding{
		{User: u.ID, Role: "collection-admin", Path: "/collections/4"},
		{Group: "curators", Role: "curator", Path: "/collections/32768"},
		{Group: "curators", Permission: &access.Permission{Action: "access", Path: "/"}, Path: "/collections/4"},
		{Group: "students", Permission: &access.Permission{Action: "access", Path: "/collections/32768"}, Path: "/"},
		{Group: "batch", Role: "batch-runner", Path: "/"},
	} {
		_, err := s.CreateBinding(s.from("192.0.2.4"), caller.Operator(), b)
		s.must(err)
	}
}

// sampleTokens makes tokens in every state.
func (s *studio) sampleTokens() {
	s.t.Helper()
	day := int64(24 * time.Hour / time.Second)
	fish, tissue := int64(4), int64(32768)
	old := s.token(s.user, credentials.NewCredential{Name: "old export script", Scope: []string{"read"}, Lifetime: 60 * day})
	s.use(old, "192.0.2.17")
	s.Advance(30 * 24 * time.Hour)
	export := s.token(s.user, credentials.NewCredential{Name: "nightly export on lab-3", Scope: []string{"read", "export"}, Collection: &fish, Lifetime: 365 * day})
	lost := s.token(s.user, credentials.NewCredential{Name: "laptop that was lost", Scope: []string{"read", "write"}})
	s.use(lost, "198.51.100.23")
	s.Advance(8 * 24 * time.Hour)
	caller, err := s.Session(s.t.Context(), s.SessionToken(s.t, s.user, password).Value.Reveal())
	s.must(err)
	_, err = s.RevokeID(s.from("192.0.2.17"), caller.Waiting(revocation.WaitNone), lost.ID)
	s.must(err)
	s.Advance(sitting.Add(-25 * 24 * time.Hour).Sub(s.Time()))
	tablet := s.token(s.user, credentials.NewCredential{Name: "field tablet", Scope: []string{"read", "write"}, Collection: &tissue, Lifetime: 30 * day})
	board := s.token(s.user, credentials.NewCredential{Name: "Grafana dashboard", Scope: []string{"read"}})
	s.token(s.user, credentials.NewCredential{Name: "R notebook", Scope: []string{"read"}, Lifetime: 90 * day})
	_, err = s.CreateExchangeKey(s.from("192.0.2.17"), caller, credentials.NewCredential{Name: "batch jobs on TES", Lifetime: 29 * day})
	s.must(err)
	s.Advance(sitting.Add(-26 * time.Hour).Sub(s.Time()))
	s.use(tablet, "2001:db8:85a3::8a2e:370:7334")
	s.Advance(sitting.Add(-2 * time.Hour).Sub(s.Time()))
	s.use(export, "192.0.2.17")
	s.Advance(sitting.Add(-3 * time.Minute).Sub(s.Time()))
	s.use(board, "198.51.100.23")
}

// sampleEvents fills the audit log with what a morning brings.
func (s *studio) sampleEvents() {
	s.t.Helper()
	for i := range 6 {
		_, err := s.SignIn.Login(s.from(fmt.Sprintf("203.0.113.%d", 40+i)), signin.Credentials{Username: "b.haddad", Password: "a guess"})
		if !fault.Is(err, fault.BadCredentials) {
			s.t.Fatal(err)
		}
	}
	admin := s.Login(s.t, s.admin, password)
	for _, email := range []string{"d.novak@students.example.org", "d.novak@example.org"} {
		_, err := s.UpdateUser(s.from("192.0.2.4"), admin, "d.novak", identity.UserPatch{Email: &email})
		s.must(err)
	}
}

// device starts the device flow and returns the code that a person types.
func (s *studio) device(scope ...string) string {
	s.t.Helper()
	c, err := s.IdentifyClient(s.t.Context(), "field-tablet")
	s.must(err)
	start, err := s.StartDevice(s.t.Context(), c, scope, "")
	s.must(err)
	return start.UserCode
}

// accessToken returns an access token of somebody's.
func (s *studio) accessToken(username string) token.Secret {
	s.t.Helper()
	return s.AccessToken(s.t, username, password, "read").Value
}

// fill puts the id of the user into a path.
func (s *studio) fill(path string) string { return s.fillFor(path, s.user) }

func (s *studio) fillFor(path, username string) string {
	s.t.Helper()
	u, err := s.Directory.User(s.t.Context(), caller.Operator(), username)
	s.must(err)
	return strings.ReplaceAll(path, "{user}", u.ID)
}

func newCredential(name string) credentials.NewCredential {
	return credentials.NewCredential{Name: name, Scope: []string{"read"}}
}

// quoted is a text as JavaScript has it.
func quoted(text string) string {
	literal, _ := json.Marshal(text) // a text always has one
	return string(literal)
}

package webui_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/webui"
)

// scopes declares some.
func scopes(p *node.Settings) {
	p.Policy.Scopes = map[string]string{"read": "Read specimens", "write": "Write <specimens>"}
}

// living lists what a page of tokens shows above the dead ones.
func (a *answer) living() string {
	above, _, _ := strings.Cut(a.body, "<details")
	return above
}

func TestATokenIsMadeAndShownOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{Settings: scopes})
	s.Freeze()
	s.Collection(t, 4, "Fish & Co")
	s.Collection(t, 5, "Birds")
	s.User(t, "lis", "a third one", nodetest.May("access", "/collections/4"))
	b := s.signedIn(t, "lis", "a third one")
	b.get("/auth/tokens").want(http.StatusOK, "No tokens yet", "Read specimens", "Write &lt;specimens&gt;",
		`<option value="4">Fish &amp; Co (4)</option>`, "credentials").without("Birds", `value="admin">`)
	b.get("/auth/tokens").want(http.StatusOK, `value="admin" disabled>`, "needs an administrator, which you aren&#39;t",
		`value="introspect" disabled>`, "needs the permission introspect on /tokens, which you don&#39;t have")

	a := b.post("/auth/tokens", "name", " nightly <b>export</b> ", "scope", "read", "scope", "write", "collection", "4", "expires", "604800")
	a.want(http.StatusCreated, "nightly &lt;b&gt;export&lt;/b&gt;", "shown this once", "Fish &amp; Co (4)", "<code class=\"tag\">read</code>")
	value := a.value()
	a.want(http.StatusCreated, "Authorization: Bearer "+value+"&#34; &#34;"+nodetest.Issuer+"/auth/api/v1/me", "import urllib.request")
	if a.header.Get("Location") != "" {
		t.Error("the value is carried on by a redirect")
	}

	got, err := s.Verify(t.Context(), value, verification.Requirements{Scope: []string{"read", "write"}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "nightly <b>export</b>" || *got.Collection != 4 || got.Expiry.Sub(got.IssuedAt) != 7*24*time.Hour {
		t.Errorf("made %+v", got)
	}
	list := b.get("/auth/tokens").want(http.StatusOK, "nightly &lt;b&gt;export", "bda_…"+value[len(value)-4:], "expires in 7 days", "never")
	list.without(value, value[4:34])
}

func TestATokenWithoutWishesHasNoScopeAndNoEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	b := s.ada(t)
	for _, pairs := range [][]string{{"name", "n"}, {"name", "n", "expires", "never"}} {
		got, err := s.Verify(t.Context(), b.post("/auth/tokens", pairs...).want(http.StatusCreated).value(), verification.Requirements{})
		if err != nil || len(got.Scope) != 0 || got.Collection != nil || !got.Expiry.IsZero() {
			t.Errorf("%v: %+v %v", pairs, got, err)
		}
	}
}

func TestWhereNothingIsDeclaredAnyScopeMayBeTyped(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	b := s.ada(t)
	b.get("/auth/tokens").want(http.StatusOK, `id="scope-other"`)
	a := b.post("/auth/tokens", "name", "n", "scope", "credentials", "scope", "specimens:read x").want(http.StatusCreated)
	if _, err := s.Verify(t.Context(), a.value(), verification.Requirements{Scope: []string{"credentials", "specimens:read", "x"}}); err != nil {
		t.Error(err)
	}
	declared := newSite(t, nodetest.Options{Settings: scopes})
	declared.ada(t).get("/auth/tokens").want(http.StatusOK).without(`id="scope-other"`)
}

// A page offers the scope credentials, and a token that has it creates others, which end
// with it.
func TestATokenWithCredentialsCreatesOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{Settings: scopes})
	b := s.ada(t)
	b.get("/auth/tokens").want(http.StatusOK, `name="scope" value="credentials"`)
	value := b.post("/auth/tokens", "name", "maker", "scope", "credentials", "scope", "read", "expires", "604800").want(http.StatusCreated).value()
	maker, err := s.Bearer(t.Context(), value)
	if err != nil {
		t.Fatal(err)
	}
	child, err := s.CreateAPIToken(t.Context(), maker, issuance.NewCredential{Name: "child", Scope: []string{"read"}})
	if err != nil || !child.Expiry.Equal(maker.Token.Expiry) {
		t.Fatalf("an API token: %+v, %v", child, err)
	}
	if _, err := s.CreateExchangeKey(t.Context(), maker, issuance.NewCredential{}); err != nil {
		t.Errorf("an API key: %v", err)
	}
	b.get("/auth/tokens/"+child.ID+"/regenerate").want(http.StatusOK, "ends when it would have")
	b.get("/auth/tokens/"+maker.Token.ID+"/regenerate").want(http.StatusOK, "lives as long again")
	b.post("/auth/tokens/" + maker.Token.ID + "/revoke").want(http.StatusSeeOther)
	if _, err := s.Bearer(t.Context(), child.Value.Reveal()); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the child without its maker: %v", err)
	}
}

func TestAdministratorsAreOfferedTheirScope(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	s.User(t, "root", "power to root", nodetest.Admin())
	s.signedIn(t, "root", "power to root").get("/auth/tokens").want(http.StatusOK, `name="scope" value="admin"`)
}

func TestAFormThatIsWrongComesBackWithWhatWasTyped(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{Settings: func(p *node.Settings) {
		scopes(p)
		p.Policy.APITokenMax = 90 * 24 * time.Hour
	}})
	s.Collection(t, 4, "Fish")
	s.Collection(t, 5, "Birds")
	s.User(t, "lis", "a third one", nodetest.May("access", "/collections/4"))
	b := s.signedIn(t, "lis", "a third one")
	tomorrow := s.Time().UTC().Add(24 * time.Hour).Format("2006-01-02")
	for name, tt := range map[string]struct {
		pairs  []string
		status int
		texts  []string
	}{
		"no name":              {[]string{"scope", "read"}, 400, []string{"Give it a name", `value="read" checked`, `aria-describedby="name-hint name-error" aria-invalid="true"`}},
		"long name":            {[]string{"name", strings.Repeat("ü", 128)}, 400, []string{"1 to 255 bytes", "üüü"}},
		"control character":    {[]string{"name", "a\x01b"}, 400, []string{"control characters"}},
		"undeclared scope":     {[]string{"name", "mine", "scope", "delete"}, 400, []string{"The scope delete is not declared.", `value="delete"`, `value="mine"`}},
		"no scope at all":      {[]string{"name", "mine", "scope", `a"b`}, 400, []string{"RFC 6749", "a&#34;b"}},
		"a scope for clients":  {[]string{"name", "mine", "scope", "introspect"}, 400, []string{"The permission introspect on /tokens is needed"}},
		"another's collection": {[]string{"name", "mine", "collection", "5", "expires", "604800"}, 400, []string{"Choose a collection that you have access to.", `value="604800" checked`}},
		"a collection's name":  {[]string{"name", "mine", "collection", "Fish"}, 400, []string{"Choose a collection that you have access to."}},
		"never":                {[]string{"name", "mine", "expires", "never"}, 400, []string{"Tokens of this server expire, after 90 days at the latest."}},
		"too long":             {[]string{"name", "mine", "expires", "99999999"}, 400, []string{"the maximum is 7776000 seconds"}},
		"no lifetime":          {[]string{"name", "mine", "expires", "-1"}, 400, []string{"Choose one of these."}},
		"a date too far":       {[]string{"name", "mine", "expires", "date", "until", "2999-01-01"}, 400, []string{"the maximum is", `value="2999-01-01"`}},
		"a date that is over":  {[]string{"name", "mine", "expires", "date", "until", "2020-02-02"}, 400, []string{"That day is over."}},
		"no date":              {[]string{"name", "mine", "expires", "date"}, 400, []string{"Type a date as year-month-day"}},
		"nonsense for a date":  {[]string{"name", "mine", "expires", "date", "until", "soon"}, 400, []string{"Type a date", `value="soon"`}},
		"a date and a preset":  {[]string{"name", "mine", "expires", "604800", "until", tomorrow}, 400, []string{"or leave the date empty", `value="` + tomorrow + `"`}},
	} {
		a := b.post("/auth/tokens", tt.pairs...).want(tt.status, append(tt.texts, "No token was made.")...)
		if apiToken.MatchString(a.body) {
			t.Errorf("%s: a token was made", name)
		}
	}
	if got := s.Events(t, audit.Filter{Action: audit.TokenIssue}); len(got) > 0 && got[0].Outcome == audit.OK && got[0].Reason != "session" {
		t.Errorf("issued: %+v", got[0])
	}
	b.get("/auth/tokens").want(http.StatusOK, "No tokens yet")
}

func TestAnExpiryIsADayOrOneOfAFew(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	s.Freeze()
	b := s.ada(t)
	day := s.Time().UTC().Truncate(24 * time.Hour).Add(10 * 24 * time.Hour)
	for _, pairs := range [][]string{{"expires", "date", "until", day.Format("2006-01-02")}, {"until", day.Format("2006-01-02")}} {
		a := b.post("/auth/tokens", append(pairs, "name", "n")...).want(http.StatusCreated)
		got, err := s.Verify(t.Context(), a.value(), verification.Requirements{})
		if err != nil {
			t.Fatal(err)
		}
		if late := day.Add(24 * time.Hour).Sub(got.Expiry); late < 0 || late > 2*time.Second {
			t.Errorf("%v: expires %v, want the end of %v", pairs, got.Expiry, day)
		}
	}
}

func TestTheDeadAreListedWithTheReason(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	b := s.ada(t)
	b.post("/auth/tokens", "name", "short", "expires", "60").want(http.StatusCreated)
	b.post("/auth/tokens", "name", "long").want(http.StatusCreated)
	s.Advance(time.Minute)
	a := b.get("/auth/tokens").want(http.StatusOK, "Dead tokens", `<span class="badge">expired</span>`)
	if strings.Contains(a.living(), "short") || !strings.Contains(a.living(), "long") {
		t.Error("the dead stand among the living")
	}
}

func TestExchangeKeysAreListedToo(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	b := s.ada(t)
	c, err := s.Session(t.Context(), b.cookie("bearerd_session"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.CreateExchangeKey(t.Context(), c, issuance.NewCredential{})
	if err != nil {
		t.Fatal(err)
	}
	b.get("/auth/tokens").want(http.StatusOK, "API key", "jti "+key.ID[:8]+"…", "/auth/tokens/"+key.ID+"/revoke").
		without("/auth/tokens/"+key.ID+"/regenerate", "bds_")
	b.post("/auth/tokens/" + key.ID + "/revoke").leads("/auth/tokens?notice=revoked")
	asKey := verification.Requirements{Kinds: []token.Kind{token.KindExchangeKey}, AnyAudience: true}
	if _, err := s.Verify(t.Context(), key.Value.Reveal(), asKey); fault.Message(err) != token.ReasonRevoked {
		t.Errorf("the key lives: %v", err)
	}
}

func TestLastUseIsTold(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	b := s.ada(t)
	value := b.post("/auth/tokens", "name", "n").want(http.StatusCreated).value()
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.7"})
	if _, err := s.Verify(ctx, value, verification.Requirements{}); err != nil {
		t.Fatal(err)
	}
	if err := s.FlushUses(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.get("/auth/tokens").want(http.StatusOK, `<span class="address">192.0.2.7</span>`)
}

// idOf returns the id of the one living token on the page.
func (b *browser) idOf() string {
	b.t.Helper()
	_, rest, _ := strings.Cut(b.get("/auth/tokens").want(http.StatusOK).living(), `href="/auth/tokens/`)
	id, _, ok := strings.Cut(rest, "/")
	if !ok {
		b.t.Fatal("no token is listed")
	}
	return id
}

func TestRevokingSaysWhatStopsAndStopsIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	b := s.ada(t)
	value := b.post("/auth/tokens", "name", "n").want(http.StatusCreated).value()
	page := "/auth/tokens/" + b.idOf() + "/revoke"
	b.get(page).want(http.StatusOK, "Revoke “n”?", "It was never used", "made from it and still lives").without(value)
	if _, err := s.Verify(t.Context(), value, verification.Requirements{}); err != nil {
		t.Fatalf("a GET revoked it: %v", err)
	}
	b.post(page).leads("/auth/tokens?notice=revoked")
	if _, err := s.Verify(t.Context(), value, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("it lives: %v", err)
	}
	b.post(page).leads("/auth/tokens?notice=revoked")
	b.get(page).want(http.StatusOK, "is dead already", "revoked")
	b.get("/auth/tokens?notice=revoked").want(http.StatusOK, "The token is dead.", "Dead tokens")
}

func TestRegeneratingKeepsAllButTheValue(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{Settings: scopes}, func(p *webui.Pages) { p.Overlap = 2 * time.Hour })
	b := s.ada(t)
	old := b.post("/auth/tokens", "name", "n", "scope", "read").want(http.StatusCreated).value()
	page := "/auth/tokens/" + b.idOf() + "/regenerate"
	b.get(page).want(http.StatusOK, `value="7200" checked`, `value="0"`).without(old)
	b.post(page, "overlap", "x").want(http.StatusBadRequest, "Choose when the old value dies.")
	b.post(page, "overlap", "999999999999999999").want(http.StatusBadRequest, "number of seconds")
	a := b.post(page, "overlap", "3600").want(http.StatusCreated, "when this one is first used, and in 60 minutes at the latest")
	if a.value() == old {
		t.Fatal("the value is the old one")
	}
	for _, value := range []string{old, a.value()} {
		if _, err := s.Verify(t.Context(), value, verification.Requirements{Scope: []string{"read"}}); err != nil {
			t.Error(err)
		}
	}
	b.post(page, "overlap", "0").want(http.StatusConflict, "once")
	b.get("/auth/tokens").want(http.StatusOK).without(old, a.value())
}

func TestRegeneratingAtOnceEndsTheOldValue(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	b := s.ada(t)
	old := b.post("/auth/tokens", "name", "n").want(http.StatusCreated).value()
	page := "/auth/tokens/" + b.idOf() + "/regenerate"
	b.get(page).want(http.StatusOK, `value="0" checked`)
	b.post(page).want(http.StatusCreated, "dies at once")
	if _, err := s.Verify(t.Context(), old, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the old value: %v", err)
	}
	b.post(page).want(http.StatusConflict, "The token is dead already: regenerated.")
}

func TestAUserSeesAndTouchesOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	ada, eve := s.ada(t), s.signedIn(t, "eve", "battery staple")
	value := ada.post("/auth/tokens", "name", "adas own").want(http.StatusCreated).value()
	id := ada.idOf()
	eve.get("/auth/tokens").want(http.StatusOK).without("adas own", id)
	for _, page := range []string{"/auth/tokens/" + id + "/revoke", "/auth/tokens/" + id + "/regenerate", "/auth/tokens/nonsense/revoke"} {
		eve.get(page).want(http.StatusNotFound, "There is no such token.").without("adas own")
		eve.post(page).want(http.StatusNotFound).without("adas own")
	}
	if _, err := s.Verify(t.Context(), value, verification.Requirements{}); err != nil {
		t.Error(err)
	}
}

func TestRevokingEverythingEndsThisSessionToo(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	b, phone, eve := s.ada(t), s.ada(t), s.signedIn(t, "eve", "battery staple")
	value := b.post("/auth/tokens", "name", "n").want(http.StatusCreated).value()
	b.get("/auth/tokens/revoke-all").want(http.StatusOK, "You have 1 token that lives.")
	b.post("/auth/tokens/revoke-all").leads("/auth/login?notice=revoked-all")
	if _, err := s.Verify(t.Context(), value, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("a token lives: %v", err)
	}
	b.get("/auth/tokens").want(http.StatusSeeOther)
	phone.get("/auth/tokens").want(http.StatusSeeOther)
	eve.get("/auth/tokens").want(http.StatusOK)
	b.get("/auth/login?notice=revoked-all").want(http.StatusOK, "Every token and session of yours is dead.")
}

func TestAnotherSiteCanMakeAndRevokeNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{}, hypothesis)
	b := s.ada(t)
	value := b.post("/auth/tokens", "name", "n").want(http.StatusCreated).value()
	id := b.idOf()
	for _, path := range append([]string{"/auth/tokens/" + id + "/revoke", "/auth/tokens/" + id + "/regenerate"}, userForms...) {
		for _, foreign := range []with{header("Sec-Fetch-Site", "same-site"), header("Origin", "http://localhost:9999")} {
			a := b.do("POST", path, form("name", "x"), header("Content-Type", "application/x-www-form-urlencoded"), foreign)
			a.want(http.StatusForbidden)
			if apiToken.MatchString(a.body) {
				t.Errorf("%s made a token", path)
			}
		}
	}
	if _, err := s.Verify(t.Context(), value, verification.Requirements{}); err != nil {
		t.Error(err)
	}
	same := header("Origin", nodetest.Issuer)
	b.do("POST", "/auth/tokens/"+id+"/revoke", "", same).want(http.StatusSeeOther)
}

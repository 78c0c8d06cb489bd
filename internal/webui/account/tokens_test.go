package account_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/webui"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

func TestATokenIsMadeAndShownOnce(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Settings: webuitest.Scopes})
	s.Freeze()
	s.Collection(t, 4, "Fish & Co")
	s.Collection(t, 5, "Birds")
	s.User(t, "lis", "a third one", nodetest.May("access", "/collections/4"))
	b := s.SignedIn(t, "lis", "a third one")
	b.Get(t, "/auth/tokens").Is(http.StatusOK, "No tokens yet", `href="/auth/tokens/new"`)
	b.Get(t, "/auth/tokens/new").Is(http.StatusOK, "Read specimens", "Write &lt;specimens&gt;",
		`<option value="4">Fish &amp; Co (4)</option>`, "credentials").Lacks("Birds", `value="admin"`, `value="introspect"`, `value="revocations"`, `value="scim"`, "administrators only")

	a := b.Submit(t, "/auth/tokens", "name", " nightly <b>export</b> ", "scope", "read", "scope", "write", "collection", "4", "expires", "604800")
	a.Is(http.StatusCreated, "nightly &lt;b&gt;export&lt;/b&gt;", "shown only once", "Fish &amp; Co (4)", "<code class=\"tag\">read</code>")
	value := webuitest.ShownToken(t, a)
	a.Is(http.StatusCreated, "Authorization: Bearer "+value+"&#34; &#34;"+nodetest.Issuer+"/auth/api/v1/me", "import urllib.request")
	if a.Header.Get("Location") != "" {
		t.Error("the value is carried on by a redirect")
	}

	got, err := s.Verify(t.Context(), value, verification.Requirements{Scope: []string{"read", "write"}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "nightly <b>export</b>" || *got.Collection != 4 || got.Expiry.Sub(got.IssuedAt) != 7*24*time.Hour {
		t.Errorf("made %+v", got)
	}
	list := b.Get(t, "/auth/tokens").Is(http.StatusOK, "nightly &lt;b&gt;export", "bda_…"+value[len(value)-4:], "expires in 7 days", "never")
	list.Lacks(value, value[4:34])
}

func TestATokenWithoutWishesHasNoScopeAndNoEnd(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Ada(t)
	for _, pairs := range [][]string{{"name", "n"}, {"name", "n", "expires", "never"}} {
		got, err := s.Verify(t.Context(), webuitest.ShownToken(t, b.Submit(t, "/auth/tokens", pairs...).Is(http.StatusCreated)), verification.Requirements{})
		if err != nil || len(got.Scope) != 0 || got.Collection != nil || !got.Expiry.IsZero() {
			t.Errorf("%v: %+v %v", pairs, got, err)
		}
	}
}

// Networks are typed as people separate things; what is wrong comes back beside the field.
func TestATokenIsLimitedToTheNetworksThatWereTyped(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Settings: webuitest.Scopes})
	b := s.Ada(t)
	a := b.Submit(t, "/auth/tokens", "name", "n", "networks", " 192.0.2.128/25, 192.0.2.0/25\n2001:db8::/32 ").
		Is(http.StatusCreated, "<dt>Networks</dt>", ">192.0.2.0/24</code>", ">2001:db8::/32</code>")
	raw := webuitest.ShownToken(t, a)
	for address, accepted := range map[string]bool{"192.0.2.7": true, "2001:db8::7": true, "198.51.100.7": false} {
		_, err := s.Verify(t.Context(), raw, verification.Requirements{From: netip.MustParseAddr(address)})
		if (err == nil) != accepted {
			t.Errorf("from %s: %v", address, err)
		}
	}
	b.Get(t, "/auth/tokens").Is(http.StatusOK, ">192.0.2.0/24</code>")
	b.Get(t, "/auth/tokens/new?name=n&networks=192.0.2.0%2F24").Is(http.StatusOK, `aria-describedby="networks-hint"`, ", from 192.0.2.0/24 alone,")
	b.Submit(t, "/auth/tokens", "name", "n", "networks", "192.0.2.1/24").
		Is(http.StatusBadRequest, `value="192.0.2.1/24"`, `aria-describedby="networks-hint networks-error"`, "the network is 192.0.2.0/24")
}

func TestWhereNothingIsDeclaredAnyScopeMayBeTyped(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Ada(t)
	b.Get(t, "/auth/tokens/new").Is(http.StatusOK, `id="scope-other"`, `name="scope" value="credentials"`).
		Lacks(`value="introspect"`, `value="revocations"`, `value="scim"`, `value="admin"`)
	a := b.Submit(t, "/auth/tokens", "name", "n", "scope", "credentials", "scope", "specimens:read x").Is(http.StatusCreated)
	if _, err := s.Verify(t.Context(), webuitest.ShownToken(t, a), verification.Requirements{Scope: []string{"credentials", "specimens:read", "x"}}); err != nil {
		t.Error(err)
	}
	declared := webuitest.New(t, nodetest.Options{Settings: webuitest.Scopes})
	declared.Ada(t).Get(t, "/auth/tokens/new").Is(http.StatusOK).Lacks(`id="scope-other"`)
}

// A page offers the scope credentials, and a token that has it creates others, which end
// with it.
func TestATokenWithCredentialsCreatesOthers(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Settings: webuitest.Scopes})
	b := s.Ada(t)
	b.Get(t, "/auth/tokens/new").Is(http.StatusOK, `name="scope" value="credentials"`)
	value := webuitest.ShownToken(t, b.Submit(t, "/auth/tokens", "name", "maker", "scope", "credentials", "scope", "read", "expires", "604800").Is(http.StatusCreated))
	maker, err := s.Bearer(t.Context(), value)
	if err != nil {
		t.Fatal(err)
	}
	child, err := s.CreateAPIToken(t.Context(), maker, credentials.NewCredential{Name: "child", Scope: []string{"read"}})
	if err != nil || !child.Expiry.Equal(maker.Token.Expiry) {
		t.Fatalf("an API token: %+v, %v", child, err)
	}
	if _, err := s.CreateExchangeKey(t.Context(), maker, credentials.NewCredential{}); err != nil {
		t.Errorf("an API key: %v", err)
	}
	b.Get(t, "/auth/tokens/"+child.ID+"/regenerate").Is(http.StatusOK, ", and its expiry")
	b.Get(t, "/auth/tokens/"+maker.Token.ID+"/regenerate").Is(http.StatusOK, "its lifetime starts again")
	b.Submit(t, "/auth/tokens/"+maker.Token.ID+"/revoke").Is(http.StatusSeeOther)
	if _, err := s.Bearer(t.Context(), child.Value.Reveal()); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the child without its maker: %v", err)
	}
}

func TestAdministratorsAreOfferedTheirScope(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	s.User(t, "root", "power to root", nodetest.Admin())
	s.SignedIn(t, "root", "power to root").Get(t, "/auth/tokens/new").Is(http.StatusOK, `name="scope" value="admin"`)
}

func TestAFormThatIsWrongComesBackWithWhatWasTyped(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Settings: func(p *node.Settings) {
		webuitest.Scopes(p)
		p.Policy.APITokenMax = 90 * 24 * time.Hour
	}})
	s.Collection(t, 4, "Fish")
	s.Collection(t, 5, "Birds")
	s.User(t, "lis", "a third one", nodetest.May("access", "/collections/4"))
	b := s.SignedIn(t, "lis", "a third one")
	tomorrow := s.Time().UTC().Add(24 * time.Hour).Format("2006-01-02")
	for name, tt := range map[string]struct {
		pairs  []string
		status int
		texts  []string
	}{
		"no name":              {[]string{"scope", "read"}, 400, []string{"Enter a name", `value="read" checked`, `aria-describedby="name-hint name-error" aria-invalid="true"`}},
		"long name":            {[]string{"name", strings.Repeat("ü", 128)}, 400, []string{"1 to 255 bytes", "üüü"}},
		"control character":    {[]string{"name", "a\x01b"}, 400, []string{"control characters"}},
		"undeclared scope":     {[]string{"name", "mine", "scope", "delete"}, 400, []string{"The scope delete is not declared.", `value="delete"`, `value="mine"`}},
		"no scope at all":      {[]string{"name", "mine", "scope", `a"b`}, 400, []string{"RFC 6749", "a&#34;b"}},
		"a scope for clients":  {[]string{"name", "mine", "scope", "introspect"}, 400, []string{"The permission introspect on /tokens is needed"}},
		"another's collection": {[]string{"name", "mine", "collection", "5", "expires", "604800"}, 400, []string{"Choose a collection that you have access to.", `value="604800" checked`}},
		"a collection's name":  {[]string{"name", "mine", "collection", "Fish"}, 400, []string{"Choose a collection that you have access to."}},
		"never":                {[]string{"name", "mine", "expires", "never"}, 400, []string{"Choose an expiry of 90 days at most."}},
		"too long":             {[]string{"name", "mine", "expires", "99999999"}, 400, []string{"the maximum is 7776000 seconds"}},
		"no lifetime":          {[]string{"name", "mine", "expires", "-1"}, 400, []string{"Choose one of the options."}},
		"a date too far":       {[]string{"name", "mine", "expires", "date", "until", "2999-01-01"}, 400, []string{"the maximum is", `value="2999-01-01"`}},
		"a date that is over":  {[]string{"name", "mine", "expires", "date", "until", "2020-02-02"}, 400, []string{"This date is in the past."}},
		"no date":              {[]string{"name", "mine", "expires", "date"}, 400, []string{"Enter a date as year-month-day"}},
		"nonsense for a date":  {[]string{"name", "mine", "expires", "date", "until", "soon"}, 400, []string{"Enter a date", `value="soon"`}},
		"a date and a preset":  {[]string{"name", "mine", "expires", "604800", "until", tomorrow}, 400, []string{"or leave the date empty", `value="` + tomorrow + `"`}},
	} {
		a := b.Submit(t, "/auth/tokens", tt.pairs...).Is(tt.status, append(tt.texts, "No token was created.")...)
		if webuitest.ShowsToken(a) {
			t.Errorf("%s: a token was made", name)
		}
	}
	if got := s.Events(t, audit.Filter{Action: audit.TokenIssue}); len(got) > 0 && got[0].Outcome == audit.OK && got[0].Reason != "session" {
		t.Errorf("issued: %+v", got[0])
	}
	b.Get(t, "/auth/tokens").Is(http.StatusOK, "No tokens yet")
}

func TestAnExpiryIsADayOrOneOfAFew(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	s.Freeze()
	b := s.Ada(t)
	day := s.Time().UTC().Truncate(24 * time.Hour).Add(10 * 24 * time.Hour)
	for _, pairs := range [][]string{{"expires", "date", "until", day.Format("2006-01-02")}, {"until", day.Format("2006-01-02")}} {
		a := b.Submit(t, "/auth/tokens", append(pairs, "name", "n")...).Is(http.StatusCreated)
		got, err := s.Verify(t.Context(), webuitest.ShownToken(t, a), verification.Requirements{})
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
	s := webuitest.New(t, nodetest.Options{})
	b := s.Ada(t)
	b.Submit(t, "/auth/tokens", "name", "short", "expires", "60").Is(http.StatusCreated)
	b.Submit(t, "/auth/tokens", "name", "long").Is(http.StatusCreated)
	s.Advance(time.Minute)
	b.Get(t, "/auth/tokens").Is(http.StatusOK, "Ended tokens", "long", "1 token<").Lacks("short")
	b.Get(t, "/auth/tokens?state=ended").Is(http.StatusOK, "short", `<span class="badge">expired</span>`).Lacks("long", "/revoke\"")
	b.Get(t, "/auth/tokens?state=all").Is(http.StatusOK, "short", "long", "2 tokens")
}

func TestExchangeKeysAreListedToo(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Ada(t)
	c, err := s.Session(t.Context(), b.Cookie(t, "bearerd_session"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.CreateExchangeKey(t.Context(), c, credentials.NewCredential{})
	if err != nil {
		t.Fatal(err)
	}
	b.Get(t, "/auth/tokens").Is(http.StatusOK, "API key", "jti "+key.ID[:8]+"…", "/auth/tokens/"+key.ID+"/revoke").
		Lacks("/auth/tokens/"+key.ID+"/regenerate", "bds_")
	b.Submit(t, "/auth/tokens/"+key.ID+"/revoke").Leads("/auth/tokens?notice=revoked")
	asKey := verification.Requirements{Kinds: []token.Kind{token.KindExchangeKey}, AnyAudience: true}
	if _, err := s.Verify(t.Context(), key.Value.Reveal(), asKey); fault.Message(err) != token.ReasonRevoked {
		t.Errorf("the key lives: %v", err)
	}
}

func TestLastUseIsTold(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Ada(t)
	value := webuitest.ShownToken(t, b.Submit(t, "/auth/tokens", "name", "n").Is(http.StatusCreated))
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.7"})
	if _, err := s.Verify(ctx, value, verification.Requirements{}); err != nil {
		t.Fatal(err)
	}
	if err := s.FlushUses(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Get(t, "/auth/tokens").Is(http.StatusOK, `<span class="sub address">192.0.2.7</span>`)
}

func TestRevokingSaysWhatStopsAndStopsIt(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Ada(t)
	value := webuitest.ShownToken(t, b.Submit(t, "/auth/tokens", "name", "n").Is(http.StatusCreated))
	page := "/auth/tokens/" + webuitest.IDOf(t, b) + "/revoke"
	b.Get(t, page).Is(http.StatusOK, "Revoke “n”?", "It was never used", "created from it and is still valid").Lacks(value)
	if _, err := s.Verify(t.Context(), value, verification.Requirements{}); err != nil {
		t.Fatalf("a GET revoked it: %v", err)
	}
	b.Submit(t, page).Leads("/auth/tokens?notice=revoked")
	if _, err := s.Verify(t.Context(), value, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("it lives: %v", err)
	}
	b.Submit(t, page).Leads("/auth/tokens?notice=revoked")
	b.Get(t, page).Is(http.StatusOK, "has ended already", "revoked")
	b.Get(t, "/auth/tokens?notice=revoked").Is(http.StatusOK, "The token is revoked.", "Ended tokens")
}

func TestRegeneratingKeepsAllButTheValue(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Settings: webuitest.Scopes}, func(p *webui.Pages) { p.Overlap = 2 * time.Hour })
	b := s.Ada(t)
	old := webuitest.ShownToken(t, b.Submit(t, "/auth/tokens", "name", "n", "scope", "read").Is(http.StatusCreated))
	page := "/auth/tokens/" + webuitest.IDOf(t, b) + "/regenerate"
	b.Get(t, page).Is(http.StatusOK, `value="7200" checked`, `value="0"`).Lacks(old)
	b.Submit(t, page, "overlap", "x").Is(http.StatusBadRequest, "Choose when the old value stops working.")
	b.Submit(t, page, "overlap", "999999999999999999").Is(http.StatusBadRequest, "number of seconds")
	a := b.Submit(t, page, "overlap", "3600").Is(http.StatusCreated, "when this one is first used, and in 60 minutes at the latest")
	if webuitest.ShownToken(t, a) == old {
		t.Fatal("the value is the old one")
	}
	for _, value := range []string{old, webuitest.ShownToken(t, a)} {
		if _, err := s.Verify(t.Context(), value, verification.Requirements{Scope: []string{"read"}}); err != nil {
			t.Error(err)
		}
	}
	b.Submit(t, page, "overlap", "0").Is(http.StatusConflict, "once")
	b.Get(t, "/auth/tokens").Is(http.StatusOK).Lacks(old, webuitest.ShownToken(t, a))
}

func TestRegeneratingAtOnceEndsTheOldValue(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Ada(t)
	old := webuitest.ShownToken(t, b.Submit(t, "/auth/tokens", "name", "n").Is(http.StatusCreated))
	page := "/auth/tokens/" + webuitest.IDOf(t, b) + "/regenerate"
	b.Get(t, page).Is(http.StatusOK, `value="0" checked`)
	b.Submit(t, page).Is(http.StatusCreated, "stops working at once")
	if _, err := s.Verify(t.Context(), old, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the old value: %v", err)
	}
	b.Submit(t, page).Is(http.StatusConflict, "The token is no longer valid: regenerated.")
}

func TestAUserSeesAndTouchesOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	ada, eve := s.Ada(t), s.SignedIn(t, "eve", "battery staple")
	value := webuitest.ShownToken(t, ada.Submit(t, "/auth/tokens", "name", "adas own").Is(http.StatusCreated))
	id := webuitest.IDOf(t, ada)
	eve.Get(t, "/auth/tokens").Is(http.StatusOK).Lacks("adas own", id)
	for _, page := range []string{"/auth/tokens/" + id + "/revoke", "/auth/tokens/" + id + "/regenerate", "/auth/tokens/nonsense/revoke"} {
		eve.Get(t, page).Is(http.StatusNotFound, "There is no such token.").Lacks("adas own")
		eve.Submit(t, page).Is(http.StatusNotFound).Lacks("adas own")
	}
	if _, err := s.Verify(t.Context(), value, verification.Requirements{}); err != nil {
		t.Error(err)
	}
}

func TestRevokingEverythingEndsThisSessionToo(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b, phone, eve := s.Ada(t), s.Ada(t), s.SignedIn(t, "eve", "battery staple")
	value := webuitest.ShownToken(t, b.Submit(t, "/auth/tokens", "name", "n").Is(http.StatusCreated))
	b.Get(t, "/auth/tokens/revoke-all").Is(http.StatusOK, "You have 1 token.")
	b.Submit(t, "/auth/tokens/revoke-all").Leads("/auth/login?notice=revoked-all")
	if _, err := s.Verify(t.Context(), value, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("a token lives: %v", err)
	}
	b.Get(t, "/auth/tokens").Is(http.StatusSeeOther)
	phone.Get(t, "/auth/tokens").Is(http.StatusSeeOther)
	eve.Get(t, "/auth/tokens").Is(http.StatusOK)
	b.Get(t, "/auth/login?notice=revoked-all").Is(http.StatusOK, "All your tokens and sessions are revoked.")
}

func TestAnotherSiteCanMakeAndRevokeNothing(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{}, webuitest.DeveloperPage)
	b := s.Ada(t)
	value := webuitest.ShownToken(t, b.Submit(t, "/auth/tokens", "name", "n").Is(http.StatusCreated))
	id := webuitest.IDOf(t, b)
	for _, path := range []string{
		"/auth/tokens/" + id + "/revoke", "/auth/tokens/" + id + "/regenerate", "/auth/tokens", "/auth/tokens/revoke-all",
		"/auth/device", "/profile/developer", "/account/developer",
	} {
		for _, foreign := range []edgetest.Option{edgetest.Header("Sec-Fetch-Site", "same-site"), edgetest.Header("Origin", "http://localhost:9999")} {
			a := b.Do(t, "POST", path, edgetest.Form("name", "x"), edgetest.Header("Content-Type", "application/x-www-form-urlencoded"), foreign)
			a.Is(http.StatusForbidden)
			if webuitest.ShowsToken(a) {
				t.Errorf("%s made a token", path)
			}
		}
	}
	if _, err := s.Verify(t.Context(), value, verification.Requirements{}); err != nil {
		t.Error(err)
	}
	same := edgetest.Header("Origin", nodetest.Issuer)
	b.Do(t, "POST", "/auth/tokens/"+id+"/revoke", "", same).Is(http.StatusSeeOther)
}

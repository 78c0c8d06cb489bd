package verify_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/verify"
	"github.com/bearerd/bearerd/verify/verifytest"
)

func answers(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// An issuer that can't be used is refused by New, which says why; and a verifier
// that starts refusing says the same, and recovers when it can.
func TestAnIssuerThatCantBeUsedIsRefused(t *testing.T) {
	t.Parallel()
	const at = "/.well-known/oauth-authorization-server"
	other := httptest.NewServer(answers(200, `{"keys":[]}`))
	t.Cleanup(other.Close)
	weak := `{"keys":[{"kty":"RSA","alg":"RS256","use":"sig","kid":"x","e":"AQAB","n":"` + strings.Repeat("u", 172) + `"}]}`
	for name, c := range map[string]struct {
		do     func(*script)
		reason string
	}{
		"down":            {func(s *script) { s.handlers[at] = answers(503, "") }, "the metadata answered 503"},
		"no metadata":     {func(s *script) { s.handlers[at] = http.NotFound }, "the metadata answered 404"},
		"a page":          {func(s *script) { s.handlers[at] = answers(200, "<html>") }, "not JSON"},
		"huge":            {func(s *script) { s.handlers[at] = answers(200, strings.Repeat(" ", 300<<10)) }, "more than 262144 bytes"},
		"huge JWK Set":    {func(s *script) { s.jwks = strings.Repeat(" ", 300<<10) }, "more than 262144 bytes"},
		"another issuer":  {func(s *script) { s.extra = `"issuer":"https://evil.example.org"` }, "another issuer"},
		"issuer with a /": {func(s *script) { s.extra = `"issuer":"` + s.URL + `/"` }, "another issuer"},
		"no issuer":       {func(s *script) { s.extra = `"issuer":null` }, `"issuer" is missing`},
		"two issuers":     {func(s *script) { s.extra = `"issuer":"` + s.URL + `","issuer":"x"` }, "two members"},
		"ISSUER":          {func(s *script) { s.extra = `"ISSUER":"` + s.URL + `","issuer":1` }, `"issuer" is missing or of another type`},
		"plain http":      {func(s *script) { s.extra = `"jwks_uri":"http://keys.example.org/jwks"` }, "must be https"},
		"plain stream":    {func(s *script) { s.extra = `"revocations_endpoint":"http://keys.example.org/"` }, "must be https"},
		"no address":      {func(s *script) { s.extra = `"jwks_uri":"/jwks"` }, "not a URL with a host"},
		"no keys' place":  {func(s *script) { s.extra = `"jwks_uri":null` }, `"jwks_uri" is missing`},
		"no stream":       {func(s *script) { s.extra = `"revocations_endpoint":null` }, "set InsecureWithoutRevocation"},
		"no introspector": {func(s *script) { s.extra = `"introspection_endpoint":null` }, "no introspection_endpoint"},
		"no staleness":    {func(s *script) { s.extra = `"revocations_max_staleness":0` }, "no revocations_max_staleness"},
		"absurd":          {func(s *script) { s.extra = `"revocations_max_staleness":1e300` }, "revocations_max_staleness"},
		"negative":        {func(s *script) { s.extra = `"revocations_max_staleness":-1` }, "revocations_max_staleness"},
		"no keys":         {func(s *script) { s.jwks = `{"keys":[]}` }, "no key that can be used"},
		"foreign keys":    {func(s *script) { s.jwks = `{"keys":[{"kty":"oct","alg":"HS256","use":"sig"}]}` }, "no key that can be used"},
		"a weak key":      {func(s *script) { s.jwks = weak }, "bits"},
		"a private key": {func(s *script) {
			s.jwks = strings.Replace(s.jwks, "{", `{"keys2":[],`, 1)
			s.jwks = strings.Replace(s.jwks, `"kty"`, `"d":"x","kty"`, 1)
		}, "private member"},
		"keys elsewhere": {func(s *script) {
			s.handlers["/jwks"] = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }
		}, "a redirect that is not followed"},
		"token refused": {func(s *script) { s.handlers["/token"] = answers(401, `{"error":"invalid_client"}`) }, "answered 401 (invalid_client)"},
		"scope refused": {func(s *script) { s.handlers["/token"] = answers(400, `{"error":"invalid_scope"}`) }, "needs the scopes revocations and introspect"},
		"token of no life": {func(s *script) {
			s.handlers["/token"] = answers(200, `{"access_token":"x","token_type":"Bearer","expires_in":0}`)
		}, "no valid Bearer token"},
		"token of MAC": {func(s *script) {
			s.handlers["/token"] = answers(200, `{"access_token":"x","token_type":"MAC","expires_in":9}`)
		}, "no valid Bearer token"},
		"token with lines": {func(s *script) {
			s.handlers["/token"] = answers(200, `{"access_token":"x\r\ny","token_type":"Bearer","expires_in":9}`)
		}, "no valid Bearer token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			good := s.jwks
			c.do(s)
			_, err := verify.New(t.Context(), s.config())
			if err == nil || !strings.Contains(err.Error(), c.reason) || !strings.Contains(err.Error(), s.URL) {
				t.Fatalf("New: %v, want %q", err, c.reason)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the secret is in %q", err)
			}
			raw := s.sign(t)
			v := s.start(t, func(c *verify.Config) { c.StartRefusing = true })
			eventually(t, "a report", func() bool { return v.Health().Err != nil })
			if got := v.Health().Err.Error(); !strings.Contains(got, c.reason) {
				t.Errorf("Health: %q, want %q", got, c.reason)
			}
			if e := errorOf(t, judge(v, raw)); e.Status != http.StatusServiceUnavailable || e.RetryAfter <= 0 {
				t.Errorf("before there is an issuer: %v", e)
			}
			s.set(func() { s.extra, s.jwks = "", good; clear(s.handlers) })
			eventually(t, "a yes", func() bool { return judge(v, raw) == nil })
			if err := v.Health().Err; err != nil {
				t.Errorf("still reports %v", err)
			}
		})
	}
}

func TestConfigurationsThatCantBeMeantAreErrors(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	for name, c := range map[string]struct {
		change func(*verify.Config)
		reason string
	}{
		"nothing":          {func(c *verify.Config) { *c = verify.Config{} }, "Issuer is missing"},
		"no audience":      {func(c *verify.Config) { c.Audience = "" }, "Audience is missing"},
		"no client":        {func(c *verify.Config) { c.ClientID, c.ClientSecret = "", "" }, "ClientID is missing"},
		"no id":            {func(c *verify.Config) { c.ClientID = "" }, "both ClientID and its secret"},
		"no secret":        {func(c *verify.Config) { c.ClientSecret = "" }, "both ClientID and its secret"},
		"two secrets":      {func(c *verify.Config) { c.ClientSecretFile = "/x" }, "both set"},
		"no such file":     {func(c *verify.Config) { c.ClientSecret, c.ClientSecretFile = "", "/no/such" }, "ClientSecretFile"},
		"an empty file":    {func(c *verify.Config) { c.ClientSecret, c.ClientSecretFile = "", "/dev/null" }, "must hold 1 to"},
		"no such stale":    {func(c *verify.Config) { c.OnStale = 7 }, "OnStale"},
		"negative":         {func(c *verify.Config) { c.MaxStaleness = -1 }, "must not be negative"},
		"too short":        {func(c *verify.Config) { c.MaxStaleness = time.Second }, "less than the issuer's own"},
		"http":             {func(c *verify.Config) { c.Issuer = "http://auth.example.org" }, "InsecureAllowHTTP"},
		"no scheme":        {func(c *verify.Config) { c.Issuer = "auth.example.org" }, "not a URL with a host"},
		"ftp":              {func(c *verify.Config) { c.Issuer = "ftp://auth.example.org" }, "must be https"},
		"a query":          {func(c *verify.Config) { c.Issuer += "?x=y" }, "no user, query or fragment"},
		"a fragment":       {func(c *verify.Config) { c.Issuer += "#" }, "no user, query or fragment"},
		"a user":           {func(c *verify.Config) { c.Issuer = "https://u:s3cret@h" }, "no user, query or fragment"},
		"a JWT's prefix":   {func(c *verify.Config) { c.APITokenPrefix = "eyJ" }, "APITokenPrefix"},
		"no shared secret": {func(c *verify.Config) { c.SharedSecretFile = "/no/such" }, "SharedSecretFile"},
		"a long label":     {func(c *verify.Config) { c.Confirm = strings.Repeat("x", 101) }, "Confirm"},
		"a label of lines": {func(c *verify.Config) { c.Confirm = "a\nb" }, "Confirm"},
		"nothing to do":    {func(c *verify.Config) { c.Confirm, c.InsecureWithoutRevocation = "x", true }, "both set"},
		"a short secret":   {func(c *verify.Config) { c.SharedSecretFile = "/dev/null" }, "at least 32"},
	} {
		cfg := s.config()
		c.change(&cfg)
		_, err := verify.New(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", name, err, c.reason)
		}
	}
}

func TestNewEndsWithItsContextAndAnIssuerThatHangs(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.auto = false // no heartbeat ever comes
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := verify.New(ctx, s.config()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// An issuer with a path has its metadata before it (RFC 8414 §3.1) or beneath it.
func TestMetadataIsFoundWhereverThePathIs(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"/.well-known/oauth-authorization-server/auth", "/auth/.well-known/oauth-authorization-server"} {
		s := newScript(t)
		s.issuer = "http://127.0.0.1/auth"
		base := s.URL
		s.handlers[at] = func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"issuer":"http://127.0.0.1/auth","jwks_uri":"`+base+`/jwks","token_endpoint":"`+base+`/token",
				"introspection_endpoint":"`+base+`/introspect","revocations_endpoint":"`+base+`/stream","revocations_max_staleness":0.5}`)
		}
		v := s.start(t, func(c *verify.Config) { c.Issuer = s.issuer })
		wants(t, judge(v, s.sign(t)), yes)
	}
}

func TestASecretIsPrintedByNothing(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	c := s.config()
	var log strings.Builder
	logger := newTextLogger(&log)
	logger.Info("x", "config", c) //nolint:sloglint // as a user might
	for _, text := range []string{sprint("%v", c), sprint("%+v", c), sprint("%#v", c), sprint("%s", &c), log.String()} {
		if strings.Contains(text, "s3cret") || !strings.Contains(text, "api") {
			t.Errorf("%s", text)
		}
	}
}

func TestKeysAreFetchedForAnUnknownIDAtALimitedRate(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v := s.start(t)
	before := s.sets.Load()
	forged, err := token.GenerateKey(token.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	genuine := s.key
	s.key = forged
	for range 50 {
		wants(t, judge(v, s.sign(t)), malformed)
		forged.KID += "x"
		s.key = forged
	}
	if n := s.sets.Load() - before; n < 1 || n > 2 {
		t.Errorf("%d sets fetched for 50 forged ids", n)
	}
	// A key that came into use is found, when the rate allows.
	next, err := token.GenerateKey(token.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.jwks = setOf(t, genuine, next) })
	s.key = next
	raw := s.sign(t)
	eventually(t, "the new key", func() bool { return judge(v, raw) == nil })
}

func TestAFailedFetchKeepsTheKeys(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v := s.start(t)
	raw := s.sign(t)
	for _, broken := range []string{"", "{}", `{"keys":[]}`, strings.Repeat("x", 300<<10)} {
		s.set(func() { s.jwks = broken })
		other, err := token.GenerateKey(token.EdDSA)
		if err != nil {
			t.Fatal(err)
		}
		genuine := s.key
		s.key = other
		unknown := s.sign(t)
		s.key = genuine
		eventually(t, "a fetch", func() bool {
			e := errorOf(t, judge(v, unknown))
			return e.Status == http.StatusServiceUnavailable && v.Health().Err != nil
		})
		wants(t, judge(v, raw), yes)
		wants(t, judge(v, s.sign(t)), yes)
	}
}

func TestTheLogTellsWhenToFetchTheKeys(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v, c := s.begin(t, newBootClock(), 0)
	before, began, genuine := s.sets.Load(), time.Now(), s.key
	next, err := token.GenerateKey(token.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	old := s.sign(t)
	wants(t, judge(v, old), yes)
	s.set(func() { s.jwks = setOf(t, genuine, next) })
	c.entry(1, "key", "next")
	eventually(t, "the keys", func() bool { return v.Health().Keys == 2 })
	wants(t, judge(v, old), yes)
	s.key = next
	wants(t, judge(v, s.sign(t)), yes)

	// However often it says so, they are fetched once a second at most.
	for seq := range int64(50) {
		c.entry(2+seq, "key", "next")
	}
	applied(t, v, 51)
	if n := s.sets.Load() - before; n > 2+int64(time.Since(began)/time.Second) {
		t.Errorf("%d sets fetched in %s", n, time.Since(began))
	}

	// A key that was revoked is refused at once, whatever its tokens say.
	future := s.sign(t, func(c *token.Claims) { c.Seq = 52 })
	c.entry(52, "key", next.KID)
	applied(t, v, 52)
	wants(t, judge(v, future), revoked)
	wants(t, judge(v, old), yes)
}

// A key that is no longer shown verifies nothing, seen before or not; and one that is
// another under the same id is that other.
func TestAKeyThatIsNoLongerShownVerifiesNothing(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v, c := s.begin(t, newBootClock(), 0)
	raw := s.sign(t)
	wants(t, judge(v, raw), yes)
	other, err := token.GenerateKey(token.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.jwks = setOf(t, other) })
	c.entry(1, "key", "next")
	eventually(t, "the other key", func() bool { return judge(v, raw) != nil })
	wants(t, judge(v, raw), malformed)

	s.key = other
	raw = s.sign(t)
	wants(t, judge(v, raw), yes)
	swapped, err := token.GenerateKey(token.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	swapped.KID = other.KID
	s.set(func() { s.jwks = setOf(t, swapped) })
	c.entry(2, "key", "next")
	eventually(t, "the key that replaced it", func() bool { return judge(v, raw) != nil })
	wants(t, judge(v, raw), malformed)
}

func TestAKeyOfAnotherSortIsIgnoredAndReported(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.jwks = strings.Replace(s.jwks, `{"keys":[`, `{"keys":[{"kty":"EC","crv":"P-521","alg":"ES512","use":"sig","kid":"other"},`, 1)
	v := s.start(t)
	wants(t, judge(v, s.sign(t)), yes)
	if h := v.Health(); h.IgnoredKeys != 1 || h.Keys != 1 {
		t.Errorf("%d keys, %d ignored", h.Keys, h.IgnoredKeys)
	}
}

func TestWithoutRevocationIsSaidByName(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.extra = `"revocations_endpoint":null,"introspection_endpoint":null`
	v := s.start(t, func(c *verify.Config) { c.InsecureWithoutRevocation = true; c.ClientID, c.ClientSecret = "", "" })
	wants(t, judge(v, s.sign(t, func(c *token.Claims) { c.Seq = 99 })), yes)
	wants(t, judge(v, s.sign(t, func(c *token.Claims) { c.Audience = []string{"x"} })), wrongAud)
	wants(t, judge(v, verifytest.NewIssuer(t).APIToken(verifytest.Claims{})), malformed)
	if !v.Health().Ready {
		t.Error("not ready")
	}
}

func TestAClosedVerifierRefuses(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	c := issuer.Config()
	v, err := verify.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	seen, opaque := issuer.Token(verifytest.Claims{}), issuer.APIToken(verifytest.Claims{})
	wants(t, judge(v, seen), yes)
	v.Close()
	v.Close()
	wants(t, judge(v, seen), noNews)
	wants(t, judge(v, opaque), noNews)
	if v.Health().Ready {
		t.Error("ready")
	}
}

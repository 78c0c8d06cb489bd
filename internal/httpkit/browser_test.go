package httpkit_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// served answers 200, so that a preflight that got through is seen.
var served = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("served")) })

func crossOrigin(method string, headers map[string]string) *http.Request {
	r := httptest.NewRequest(method, "https://auth.example/x", nil)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return r
}

func TestCORSAnswersAPreflightOfAListedOrigin(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	httpkit.CORS([]string{"https://app.example"}, everywhere)(served).ServeHTTP(w, crossOrigin(http.MethodOptions, map[string]string{
		"Origin": "https://app.example", "Access-Control-Request-Method": "DELETE",
	}))
	want := http.Header{
		"Vary":                         {"Origin"},
		"Access-Control-Allow-Origin":  {"https://app.example"},
		"Access-Control-Allow-Methods": {"GET, HEAD, POST, PUT, PATCH, DELETE"},
		"Access-Control-Allow-Headers": {"authorization, content-type"},
		"Access-Control-Max-Age":       {"600"},
	}
	if diff := cmp.Diff(want, w.Header()); w.Code != http.StatusNoContent || w.Body.Len() != 0 || diff != "" {
		t.Errorf("status %d, body %q, (-want +got):\n%s", w.Code, w.Body, diff)
	}
}

func TestCORSNeverAllowsCookiesNorStrangers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		origins []string
		method  string
		headers map[string]string
		allowed string // Access-Control-Allow-Origin
		served  bool
	}{
		{"listed", []string{"https://a.example", "https://b.example"}, "GET", map[string]string{"Origin": "https://b.example"}, "https://b.example", true},
		{"any", []string{"*"}, "GET", map[string]string{"Origin": "https://b.example"}, "*", true},
		{"stranger", []string{"https://a.example"}, "GET", map[string]string{"Origin": "https://evil.example"}, "", true},
		{"longer", []string{"https://a.example"}, "GET", map[string]string{"Origin": "https://a.example.evil.example"}, "", true},
		{"other scheme", []string{"https://a.example"}, "GET", map[string]string{"Origin": "http://a.example"}, "", true},
		{"null", []string{"https://a.example"}, "GET", map[string]string{"Origin": "null"}, "", true},
		{"no origin", []string{"*"}, "GET", nil, "", true},
		{"stranger's preflight", []string{"https://a.example"}, "OPTIONS", map[string]string{
			"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT",
		}, "", true},
		{"OPTIONS that is no preflight", []string{"https://a.example"}, "OPTIONS", map[string]string{"Origin": "https://a.example"}, "https://a.example", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			httpkit.CORS(c.origins, everywhere)(served).ServeHTTP(w, crossOrigin(c.method, c.headers))
			h := w.Header()
			if got := h.Get("Access-Control-Allow-Origin"); got != c.allowed {
				t.Errorf("allowed origin %q, want %q", got, c.allowed)
			}
			if h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Vary") != "Origin" {
				t.Errorf("headers %v", h)
			}
			if got := w.Body.String() == "served"; got != c.served {
				t.Errorf("served %t", got)
			}
		})
	}
}

func TestNoOriginsMeanNoCORS(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	httpkit.CORS(nil, everywhere)(served).ServeHTTP(w, crossOrigin(http.MethodGet, map[string]string{"Origin": "https://a.example"}))
	if h := w.Header(); h.Get("Vary") != "" || h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("headers %v", h)
	}
}

func TestSecurityHeadersMayBeReplacedByAPage(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	httpkit.SecurityHeaders(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
	})).ServeHTTP(w, crossOrigin(http.MethodGet, nil))
	want := http.Header{
		"X-Content-Type-Options":  {"nosniff"},
		"X-Frame-Options":         {"DENY"},
		"Referrer-Policy":         {"no-referrer"},
		"Content-Security-Policy": {"default-src 'self'"},
	}
	if diff := cmp.Diff(want, w.Header()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCrossOriginCheck(t *testing.T) {
	t.Parallel()
	c, err := httpkit.NewCrossOrigin("https://public.example/base")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, method string
		headers      map[string]string
		pass         bool
	}{
		{"same origin", "POST", map[string]string{"Sec-Fetch-Site": "same-origin"}, true},
		{"typed by a person", "POST", map[string]string{"Sec-Fetch-Site": "none"}, true},
		{"no browser", "POST", nil, true},
		{"same host", "POST", map[string]string{"Origin": "https://auth.example"}, true},
		{"issuer behind a proxy that changed the host", "POST", map[string]string{"Origin": "https://public.example"}, true},
		{"safe from elsewhere", "GET", map[string]string{"Sec-Fetch-Site": "cross-site"}, true},
		{"other site", "POST", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, false},
		{"subdomain", "DELETE", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://x.auth.example"}, false},
		{"old browser", "PUT", map[string]string{"Origin": "https://evil.example"}, false},
		{"sandbox", "POST", map[string]string{"Origin": "null"}, false},
	} {
		err := c.Check(crossOrigin(tt.method, tt.headers))
		if (err == nil) != tt.pass || err != nil && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, issuer := range []string{"", "://", "localhost:8080"} {
		if _, err := httpkit.NewCrossOrigin(issuer); err == nil {
			t.Errorf("issuer %q was taken", issuer)
		}
	}
}

func TestCookiesAreSecureUnlessHTTPOnLoopback(t *testing.T) {
	t.Parallel()
	for issuer, secure := range map[string]bool{
		"https://auth.example":   true,
		"https://localhost":      true,
		"http://auth.example":    true,
		"http://192.168.0.1":     true,
		"http://localhost.evil":  true,
		"":                       true,
		"://":                    true,
		"http://localhost:8080":  false,
		"http://127.0.0.1":       false,
		"http://127.8.8.8:1/x":   false,
		"http://[::1]:8080/base": false,
	} {
		got := httpkit.NewCookies(issuer).Make("bearerd_session", "v", 90*time.Second)
		want := &http.Cookie{
			Name: "bearerd_session", Value: "v", Path: "/", MaxAge: 90, HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", issuer, diff)
		}
	}
	if !(httpkit.Cookies{}).Make("a", "b", 0).Secure {
		t.Error("the zero value makes insecure cookies")
	}
}

func TestExpireMakesABrowserForget(t *testing.T) {
	t.Parallel()
	got := httpkit.NewCookies("https://x.example").Expire("token").String()
	if want := "token=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// everywhere excepts nothing.
func everywhere(*http.Request) bool { return false }

func TestWhatIsExceptedIsPassedOnUnchanged(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	except := func(r *http.Request) bool { return r.Method == http.MethodOptions }
	httpkit.CORS([]string{"*"}, except)(served).ServeHTTP(w, crossOrigin(http.MethodOptions, map[string]string{
		"Origin": "https://a.example", "Access-Control-Request-Method": "PUT",
	}))
	if w.Header().Get("Access-Control-Allow-Origin") != "" || w.Header().Get("Vary") != "" {
		t.Errorf("%v", w.Header())
	}
}

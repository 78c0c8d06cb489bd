package httpkit_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
)

// sessions returns session tokens, by a name for each.
func sessions(t *testing.T, names ...string) map[string]string {
	t.Helper()
	forms, err := token.NewForms(token.PrefixAPIToken)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, name := range names {
		secret, _, err := forms.New(token.KindSession)
		if err != nil {
			t.Fatal(err)
		}
		values[name] = secret.Reveal()
	}
	return values
}

// TestASessionIsFoundAmongCookies: invalid and expired sessions don't hide a valid one,
// and of two valid ones neither counts.
func TestASessionIsFoundAmongCookies(t *testing.T) {
	t.Parallel()
	values := sessions(t, "ADA", "BOB", "DEAD", "DEAD2", "ONE", "TWO", "UNKNOWN")
	judge := func(_ context.Context, raw string) (string, error) {
		switch raw {
		case values["DEAD"], values["DEAD2"]:
			return "", fault.New(fault.InvalidToken, "expired")
		case values["UNKNOWN"]:
			return "", fault.New(fault.Unavailable, "no news")
		}
		for name, value := range values {
			if value == raw {
				return name, nil
			}
		}
		t.Errorf("%q was looked up", raw)
		return "", fault.New(fault.InvalidToken, "junk")
	}
	fill := strings.NewReplacer("ADA", values["ADA"], "BOB", values["BOB"], "DEAD2", values["DEAD2"], "DEAD", values["DEAD"], "ONE", values["ONE"],
		"TWO", values["TWO"], "UNKNOWN", values["UNKNOWN"], "SHORT", values["ADA"][:20], "MISTYPED", values["ADA"][:39]+"_")
	for _, tc := range []struct {
		cookies, want string
		found         bool
		kind          fault.Kind // of the error, where want is ""
	}{
		{"", "", false, 0},
		{"other=ADA", "", false, 0},
		{"sessionid=", "", false, 0},
		{"sessionid=junk", "", false, 0},
		{"sessionid=SHORT; bearerd_session=MISTYPED", "", false, 0},
		{"sessionid=ADA", "ADA", true, 0},
		{"bearerd_session=ADA", "ADA", true, 0},
		{`sessionid="ADA"`, "ADA", true, 0},
		{"sessionid=junk; sessionid=ADA", "ADA", true, 0},
		{"sessionid=; sessionid=ADA", "ADA", true, 0},
		{"sessionid=junk; bearerd_session=ADA", "ADA", true, 0},
		{"sessionid=DEAD; sessionid=ADA", "ADA", true, 0},
		{"sessionid=ADA; sessionid=DEAD", "ADA", true, 0},
		{"sessionid=ADA; sessionid=ADA; bearerd_session=ADA", "ADA", true, 0},
		{"sessionid=DEAD", "", true, fault.InvalidToken},
		{"sessionid=DEAD; sessionid=DEAD2", "", true, fault.InvalidToken},
		{"sessionid=BOB; sessionid=ADA", "", true, fault.Invalid},
		{"sessionid=BOB; bearerd_session=ADA", "", true, fault.Invalid},
		{"sessionid=BOB; sessionid=DEAD; sessionid=ADA", "", true, fault.Invalid},
		{"sessionid=ADA; sessionid=UNKNOWN", "", true, fault.Unavailable},
		{"sessionid=ADA; sessionid=BOB; sessionid=ONE; sessionid=TWO; sessionid=DEAD", "", true, fault.Invalid},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = []string{fill.Replace(tc.cookies)}
		got, found, err := httpkit.Session(r, []string{"sessionid", "bearerd_session"}, judge)
		if got != tc.want || found != tc.found || (err != nil) != (tc.kind != 0) || err != nil && fault.KindOf(err) != tc.kind {
			t.Errorf("%s: %q, %t, %v", tc.cookies, got, found, err)
		}
	}
}

func TestOnHTTPSNoOtherHostCanSetTheSessionCookie(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://museum.example.org": "__Host-bearerd_session", "https://museum.example.org/user": "__Host-bearerd_session",
		"http://localhost:8080": "bearerd_session", "http://museum.example.org": "__Host-bearerd_session",
	} {
		cookies := httpkit.NewCookies(issuer)
		name := cookies.SessionName()
		c := cookies.Make(name, "v", time.Hour)
		if name != want || strings.HasPrefix(name, "__Host-") && (!c.Secure || c.Path != "/" || c.Domain != "") {
			t.Errorf("%s: %v", issuer, c)
		}
	}
}

func TestSettingASessionForgetsThoseOfOtherNames(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	httpkit.NewCookies("https://x").SetSession(w, []string{"sessionid", "old"}, "v", time.Hour)
	got := w.Result().Cookies()
	if len(got) != 2 || got[0].Name != "sessionid" || got[0].Value != "v" || got[1].Name != "old" || got[1].MaxAge != -1 {
		t.Errorf("%v", got)
	}
}

func TestTokenCookiesLeaveOutWhatIsNoTokenAmongSeveral(t *testing.T) {
	t.Parallel()
	ada := sessions(t, "ADA")["ADA"]
	for cookies, want := range map[string]string{
		"": "", "token=junk": "junk", "token=junk; token=a.b.c": "a.b.c", "token=a.b.c; token=a.b.c": "a.b.c", "token=; token=" + ada: ada,
		"token=a.b.c; token=d.e.f": "a.b.c d.e.f", "token=junk; token=more": "",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = []string{cookies}
		if got := strings.Join(httpkit.TokenCookies(r, "token"), " "); got != want {
			t.Errorf("%s: %q, want %q", cookies, got, want)
		}
	}
}

package kit

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
)

const issuer = "https://auth.example"

func FuzzOwnPathLeadsNowhereElse(f *testing.F) {
	for _, seed := range []string{
		"/app", "//evil.example", `/\evil.example`, "/%5c/evil", "https://auth.example/x", "/\t/evil", "http:/x", "/..//x", "/a?b#c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, next string) {
		path := OwnPath(next, issuer)
		if path == "" {
			return
		}
		// As browsers read it: tabs and line ends dropped, backslashes slashes.
		read := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(path)
		if !strings.HasPrefix(read, "/") || strings.HasPrefix(read, "//") {
			t.Fatalf("%q leads to %q", next, path)
		}
		base, err := url.Parse(issuer)
		if err != nil {
			t.Fatal(err)
		}
		to, err := base.Parse(path)
		if err != nil || to.Host != base.Host || to.Scheme != base.Scheme {
			t.Fatalf("%q leads to %v %v", next, to, err)
		}
		if again := OwnPath(path, issuer); again != path {
			t.Fatalf("%.100q becomes %.100q, which becomes %.100q", next, path, again)
		}
	})
}

func TestANextKeyNeverSignedInThePast(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		state string
		after time.Duration
		want  string
	}{
		{"next", 6 * time.Minute, ">in 6 minutes<"},
		{"next", 0, ">any moment now<"},
		{"next", -time.Minute, ">any moment now<"},
		{"active", 0, ">just now<"},
		{"retired", -time.Hour, ">60 minutes ago<"},
	} {
		if got := string(due(tt.state, now.Add(tt.after), now)); !strings.Contains(got, tt.want) {
			t.Errorf("%s, %v: %s, want %s", tt.state, tt.after, got, tt.want)
		}
	}
}

func TestDurationsInWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "1 second", time.Second: "1 second", 1500 * time.Millisecond: "2 seconds", 90 * time.Second: "90 seconds",
		2 * time.Minute: "2 minutes", 14*time.Minute + time.Second: "15 minutes", 2 * time.Hour: "2 hours",
		25 * time.Hour: "25 hours", 48 * time.Hour: "2 days", 30 * Day: "30 days",
	} {
		if got := InWords(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// TestAFormIsMarkedByTheFieldAlone lets a form fail with messages that name other
// fields than the one at fault.
func TestAFormIsMarkedByTheFieldAlone(t *testing.T) {
	t.Parallel()
	for message, err := range map[string]*fault.Error{
		"username":             fault.New(fault.Invalid, "the email, password and name are fine").In("username"),
		"email":                fault.New(fault.Conflict, "qwertz").In("email"),
		"":                     fault.New(fault.Invalid, "the username is wrong"),
		"no field of the form": fault.New(fault.NotFound, "the username is wrong").In("secret"),
	} {
		var got State
		show := func(_ http.ResponseWriter, _ *Request, _ int, s State) error { got = s; return nil }
		forms := map[string]Action{"create": {
			Do:     func(*Request, url.Values) (Result, error) { return Result{}, err },
			Fields: FieldsNamed("username", "email"),
		}}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("do=create&username=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "text/html")
		if err := (&Site{}).RunForm(httptest.NewRecorder(), &Request{Request: r}, show, forms); err != nil {
			t.Fatal(err)
		}
		want := err.Field
		if want == "secret" {
			want = ""
		}
		if got.About != want || (want == "") != (got.General() != "") || want != "" && got.Error("create", want) == "" {
			t.Errorf("%q: the field %q is marked, and the form says %q", message, got.About, got.General())
		}
	}
}

package webui

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
		path := ownPath(next, issuer)
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
		if again := ownPath(path, issuer); again != path {
			t.Fatalf("%.100q becomes %.100q, which becomes %.100q", next, path, again)
		}
	})
}

func TestExpiryOffersWhatTheCeilingAllows(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		ceiling time.Duration
		want    string
		chosen  string
		latest  string
	}{
		"none":        {0, "604800 2592000 7776000 31536000 never", "2592000", ""},
		"90 days":     {90 * oneDay, "604800 2592000 7776000", "2592000", "2026-05-29"},
		"100 days":    {100 * oneDay, "604800 2592000 7776000 8640000", "2592000", "2026-06-08"},
		"10 days":     {10 * oneDay, "604800 864000", "864000", "2026-03-10"},
		"less than 7": {36 * time.Hour, "129600", "129600", "2026-03-02"},
	} {
		x := newExpiry(now, tt.ceiling)
		var values []string
		chosen := ""
		for _, c := range x.Choices {
			values = append(values, c.Value)
			if c.Chosen {
				chosen += c.Value
			}
		}
		if got := strings.Join(values, " "); got != tt.want || chosen != tt.chosen || x.Latest != tt.latest {
			t.Errorf("%s: %s, chosen %s, latest %s", name, got, chosen, x.Latest)
		}
	}
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
		25 * time.Hour: "25 hours", 48 * time.Hour: "2 days", 30 * oneDay: "30 days",
	} {
		if got := inWords(d); got != want {
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
		var got formState
		show := func(_ http.ResponseWriter, _ *request, _ int, s formState) error { got = s; return nil }
		forms := map[string]formAction{"create": {
			do:     func(*request, url.Values) (result, error) { return result{}, err },
			fields: fieldsNamed("username", "email"),
		}}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("do=create&username=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "text/html")
		if err := (&Pages{}).run(httptest.NewRecorder(), &request{Request: r}, show, forms); err != nil {
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

// Package museum_test puts the example behind bearerd in each way that it shows, and does
// what people and programs do with it.
package museum_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

const specimens = "/api/collections/4/specimens/"

// everyWay runs a test in each of the three ways, with identity headers and with
// assertions.
func everyWay(t *testing.T, test func(m *museum, mode string)) {
	t.Helper()
	for _, mode := range []string{"proxy", "nginx", "caddy"} {
		for _, assertion := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/assertion=%v", mode, assertion), func(t *testing.T) {
				t.Parallel()
				test(newMuseum(t, mode, assertion), mode)
			})
		}
	}
}

// TestWhatATokenOpensEndsWithIt follows a person who signs in at the application, creates
// tokens on bearerd's page without another password and revokes them there, and programs
// that use the tokens.
func TestWhatATokenOpensEndsWithIt(t *testing.T) {
	t.Parallel()
	everyWay(t, func(m *museum, mode string) {
		m.serve(mode)
		b := m.browse()
		b.signIn("ada", "test#password")
		b.want(answer{status: 200, body: b.look()}, 200, "Fish Voucher Collection", "Fish Tissue Collection")
		b.openTokens()
		reader := b.createToken("reader", "4", "read")
		writer := b.createToken("writer", "4", "read", "write")
		sessions := m.sessions()

		m.want(m.ask("GET", specimens, reader, ""), 200, "KU 1001", "KU 1002")
		added := `{"catalog_number": "KU 4711", "name": "Perca flavescens"}`
		m.want(m.ask("POST", specimens, reader, added), 403, "insufficient_scope", `scope="write"`)
		m.want(m.ask("DELETE", "/api/specimens/1/", reader, ""), 403, "insufficient_scope", `scope="write"`)
		m.want(m.ask("POST", specimens, writer, added), 201, `"catalogued_by": "ada"`)
		m.want(m.ask("GET", specimens, reader, ""), 200, "KU 4711")
		// ada curates the other collection too; the token doesn't reach it.
		m.want(m.ask("GET", "/api/collections/32768/specimens/", reader, ""), 403, "the token is for another one")
		m.want(m.ask("GET", "/api/specimens/3/", writer, ""), 404)
		m.want(m.ask("POST", "/api/collections/32768/specimens/", writer, added), 403, "the token is for another one")

		m.aThousand(reader)
		if now := m.sessions(); now != sessions {
			t.Errorf("%s sessions became %s", sessions, now)
		}
		b.revokeToken("reader")
		m.want(m.ask("GET", specimens, reader, ""), 401, "revoked")
		m.want(m.ask("GET", specimens, writer, ""), 200)
		b.revokeToken("writer")
		m.want(m.ask("GET", specimens, writer, ""), 401, "revoked")
		// Django's own session is not bearerd's to end.
		b.open("/collections/4/")
		m.want(answer{status: 200, body: b.look()}, 200, "KU 4711")
	})
}

// aThousand asks a thousand times with a token. No answer sets a cookie.
func (m *museum) aThousand(token string) {
	m.Helper()
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			for range 250 {
				a, err := m.try("GET", "/api/whoami/", token, "")
				if err != nil {
					return err
				}
				if a.status != 200 || a.header.Get("Set-Cookie") != "" {
					return fmt.Errorf("%d, %v: %s", a.status, a.header, a.body)
				}
			}
			return nil
		})
	}
	must(m.T, group.Wait())
}

// TestNobodyIsSomebodyElse sends what could make the application take a request for
// somebody else's.
func TestNobodyIsSomebodyElse(t *testing.T) {
	t.Parallel()
	everyWay(t, func(m *museum, mode string) {
		m.serve(mode)
		// A name that isn't ASCII arrives as it is.
		m.want(m.ask("GET", "/api/whoami/", m.create("Müller"), ""), 200, `"user": "M\u00fcller"`, `"collections": [4]`)
		// Identity that a client sends is nobody's, without a token and with one.
		forged := []string{"Remote-User", "admin", "X-Bearerd-Subject", "1", "X-Bearerd-Scope", "read write", "Bearerd-Assertion", "e30.e30.e30"}
		m.want(m.ask("GET", "/", "", "", forged...), 200, "Sign in to see your collections")
		token := m.create("ada")
		m.want(m.ask("GET", "/api/whoami/", token, "", forged...), 200, `"user": "ada"`, `"scope": ["read"]`)
		// A cookie of somebody else's session doesn't count beside a token.
		session := m.session("admin", "admin#password")
		m.want(m.ask("GET", "/", "", "", "Cookie", session), 200, "Signed in as admin")
		m.want(m.ask("GET", "/api/whoami/", token, "", "Cookie", session), 200, `"user": "ada"`)
		m.want(m.ask("GET", "/", token, "", "Cookie", session), 200, "Signed in as ada")
		// Changes by a session need Django's CSRF token, as before.
		m.want(m.ask("POST", "/collections/4/", "", "catalog_number=1&name=x", "Cookie", session, "Content-Type", "application/x-www-form-urlencoded"), 403)
	})
}

// session signs in with Django's own login, and returns the session's cookie.
func (m *museum) session(username, password string) string {
	m.Helper()
	page := m.ask("GET", "/login/", "", "")
	csrf := regexp.MustCompile(`csrftoken=([^;]+)`).FindStringSubmatch(strings.Join(page.header.Values("Set-Cookie"), "\n"))
	if csrf == nil {
		m.Fatalf("no CSRF token: %v", page.header)
	}
	form := "username=" + username + "&password=" + strings.ReplaceAll(password, "#", "%23") + "&csrfmiddlewaretoken=" + csrf[1]
	in := m.ask("POST", "/login/", "", form, "Cookie", "csrftoken="+csrf[1], "Content-Type", "application/x-www-form-urlencoded")
	session := regexp.MustCompile(`sessionid=[^;]+`).FindString(strings.Join(in.header.Values("Set-Cookie"), "\n"))
	if session == "" {
		m.Fatalf("no session: %d, %v", in.status, in.header)
	}
	return session
}

// TestThePrintedCommandsWork pastes what run.sh prints.
func TestThePrintedCommandsWork(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"proxy", "nginx", "caddy"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			m := newMuseum(t, mode, false)
			got := regexp.MustCompile(`(?m)^== .*\n`).Split(m.paste(m.serve(mode)), -1)[1:]
			want := []string{
				`"catalog_number": "KU 1001"`,
				`^HTTP/1.1 403 (?s:.*)insufficient_scope(?s:.*)scope="write"`,
				`^HTTP/1.1 403 (?s:.*)the token is for another one`,
				`"catalog_number": "KU 4711", "name": "Perca flavescens", "catalogued_by": "ada"`,
				`^HTTP/1.1 401 (?s:.*)error="invalid_token", error_description="revoked"`,
			}
			if len(got) != len(want) {
				t.Fatalf("%d steps, want %d:\n%s", len(got), len(want), got)
			}
			for i, w := range want {
				if !regexp.MustCompile(w).MatchString(got[i]) {
					t.Errorf("step %d does not match %s:\n%s", i+1, w, got[i])
				}
			}
		})
	}
}

// TestTheFiveCommandsOfTheREADMEWork runs them as a reader does, from nothing to the first
// request of a user whom the application has.
func TestTheFiveCommandsOfTheREADMEWork(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	must(t, err)
	m := newMuseum(t, "proxy", false)
	commands, printed := 0, ""
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		commands += strings.Count(block[1], "\n")
		if block[1] == "./run.sh proxy\n" {
			m.serve("proxy")
			continue
		}
		printed = m.paste(strings.ReplaceAll(block[1], "http://localhost:8080", m.url))
	}
	if commands != 5 || !strings.Contains(printed, `"catalog_number": "KU 1001"`) {
		t.Errorf("after %d commands it prints\n%s", commands, printed)
	}
}

// TestUsersAreKeptInStep changes users in Django and applies the file again: a user who is
// renamed keeps the token, one who is disabled or deleted loses it.
func TestUsersAreKeptInStep(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, "proxy", false)
	m.serve("proxy")
	ada, other := m.create("ada"), m.create("Müller")
	change := func(python string) {
		t.Helper()
		m.paste(`python3 manage.py shell -c "from django.contrib.auth.models import User; ` + python + `"
python3 manage.py bearerd_access >access.json
bearerd apply -f access.json --source museum --prune`)
	}
	change("User.objects.filter(username='ada').update(username='augusta')")
	m.want(m.ask("GET", "/api/whoami/", ada, ""), 200, `"user": "augusta"`)
	change("User.objects.filter(username='augusta').update(is_active=False)")
	m.want(m.ask("GET", "/api/whoami/", ada, ""), 401)
	m.want(m.ask("GET", "/api/whoami/", other, ""), 200)
}

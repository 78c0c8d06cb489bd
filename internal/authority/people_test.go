package authority_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// person makes a user without a password and signs them in by a session, which
// costs no password hash.
func person(tb testing.TB, f *authoritytest.Fixture, username string, bindings ...access.Binding) *authority.Caller {
	tb.Helper()
	f.User(tb, username, "", bindings...)
	return signedIn(tb, f, username)
}

// signedIn gives a user a new session.
func signedIn(tb testing.TB, f *authoritytest.Fixture, username string) *authority.Caller {
	tb.Helper()
	c, err := f.Session(tb.Context(), sessionOf(tb, f, username).Value.Reveal())
	must(tb, err)
	return c
}

func sessionOf(tb testing.TB, f *authoritytest.Fixture, username string) *authority.Issued {
	tb.Helper()
	issued, err := f.IssueFor(tb.Context(), authority.Operator(), username, &authority.Request{Kind: token.KindSession, Name: "session"})
	must(tb, err)
	return issued
}

// made issues a token made from what the caller presented.
func made(tb testing.TB, f *authoritytest.Fixture, c *authority.Caller, r authority.Request) *authority.Issued {
	tb.Helper()
	issued, err := ask(tb, f, c, r)
	must(tb, err)
	return issued
}

func ask(tb testing.TB, f *authoritytest.Fixture, c *authority.Caller, r authority.Request) (*authority.Issued, error) {
	tb.Helper()
	r.Parent = c.Token
	return f.Issue(tb.Context(), c, &r)
}

// accessToken makes an access token from the caller's session, with a scope.
func accessToken(tb testing.TB, f *authoritytest.Fixture, c *authority.Caller, scope ...string) *authority.Issued {
	tb.Helper()
	return made(tb, f, c, authority.Request{Kind: token.KindAccess, Scope: scope})
}

// bearer gives the caller who comes with a token.
func bearer(tb testing.TB, f *authoritytest.Fixture, issued *authority.Issued) *authority.Caller {
	tb.Helper()
	c, err := f.Bearer(tb.Context(), issued.Value.Reveal())
	must(tb, err)
	return c
}

// apiKey makes an API key from the caller's session.
func apiKey(tb testing.TB, f *authoritytest.Fixture, c *authority.Caller, n authority.NewCredential) *authority.Issued {
	tb.Helper()
	issued, err := f.CreateAPIKey(tb.Context(), c, n)
	must(tb, err)
	return issued
}

// apiToken makes an API token from the caller's session.
func apiToken(tb testing.TB, f *authoritytest.Fixture, c *authority.Caller, n authority.NewCredential) *authority.Issued {
	tb.Helper()
	if n.Name == "" {
		n.Name = "laptop"
	}
	issued, err := f.CreateAPIToken(tb.Context(), c, n)
	must(tb, err)
	return issued
}

// client makes a client and gives it as it has authenticated, or as it names
// itself when it has no secret.
func client(tb testing.TB, f *authoritytest.Fixture, n authority.NewClient) *authority.Caller {
	tb.Helper()
	_, _, err := f.CreateClient(tb.Context(), authority.Operator(), n, false)
	must(tb, err)
	return asClient(tb, f, n)
}

func asClient(tb testing.TB, f *authoritytest.Fixture, n authority.NewClient) *authority.Caller {
	tb.Helper()
	if n.Secret == "" {
		c, err := f.IdentifyClient(tb.Context(), n.ID)
		must(tb, err)
		return c
	}
	c, err := f.AuthenticateClient(tb.Context(), n.ID, n.Secret.Reveal())
	must(tb, err)
	return c
}

// verify judges a token as one that calls APIs.
func verify(tb testing.TB, f *authoritytest.Fixture, issued *authority.Issued) (*authority.Token, error) {
	tb.Helper()
	return f.Verify(tb.Context(), issued.Value.Reveal(), authority.Demand{})
}

// wantAlive fails unless the token is accepted.
func wantAlive(tb testing.TB, f *authoritytest.Fixture, what string, issued *authority.Issued) {
	tb.Helper()
	if _, err := f.Verify(tb.Context(), issued.Value.Reveal(), authority.Demand{Kinds: everyKind, AnyAudience: true}); err != nil {
		tb.Errorf("%s: %v; want it accepted", what, err)
	}
}

// wantDead fails unless the token is refused as revoked.
func wantDead(tb testing.TB, f *authoritytest.Fixture, what string, issued *authority.Issued) {
	tb.Helper()
	_, err := f.Verify(tb.Context(), issued.Value.Reveal(), authority.Demand{Kinds: everyKind, AnyAudience: true})
	wantFault(tb, what, err, fault.InvalidToken, "revoked")
}

var everyKind = []token.Kind{
	token.KindAccess, token.KindTask, token.KindAPIKey, token.KindAPIToken, token.KindRefresh, token.KindSession,
}

// wantFault fails unless the error is a fault of the kind, with the text in its message.
func wantFault(tb testing.TB, what string, err error, kind fault.Kind, text string) {
	tb.Helper()
	if !fault.Is(err, kind) || !strings.Contains(fault.Message(err), text) {
		tb.Errorf("%s: kind %d, %v; want kind %d with %q", what, fault.KindOf(err), err, kind, text)
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// withUser is a binding of that user, by username.
func withUser(username string, b access.Binding) access.Binding {
	b.User = username
	return b
}

// refusals counts what the audit log says was asked for and not done.
func refusals(tb testing.TB, f *authoritytest.Fixture) (n int) {
	tb.Helper()
	for _, e := range f.Events(tb, audit.Filter{Limit: audit.MaxLimit}) {
		if e.Outcome == audit.Refused {
			n++
		}
	}
	return n
}

func containsWord(list, word string) bool { return slices.Contains(strings.Fields(list), word) }

func second[T any](_ T, err error) error { return err }

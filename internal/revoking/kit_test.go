package revoking_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// person creates a user without a password and signs them in by a session, which
// costs no password hash.
func person(tb testing.TB, f *nodetest.Fixture, username string, bindings ...access.Binding) *caller.Caller {
	tb.Helper()
	f.User(tb, username, "", bindings...)
	return signedIn(tb, f, username)
}

// signedIn returns a user by a new session.
func signedIn(tb testing.TB, f *nodetest.Fixture, username string) *caller.Caller {
	tb.Helper()
	c, err := f.Session(tb.Context(), sessionOf(tb, f, username).Value.Reveal())
	must(tb, err)
	return c
}

func sessionOf(tb testing.TB, f *nodetest.Fixture, username string) *issuance.Issued {
	tb.Helper()
	issued, err := f.IssueFor(tb.Context(), caller.Operator(), username, &issuance.Request{Kind: token.KindSession, Name: "session"})
	must(tb, err)
	return issued
}

// made issues a token from what the caller presented.
func made(tb testing.TB, f *nodetest.Fixture, c *caller.Caller, r issuance.Request) *issuance.Issued {
	tb.Helper()
	r.Parent = c.Token
	issued, err := f.Issue(tb.Context(), c, &r)
	must(tb, err)
	return issued
}

// accessToken issues an access token from the caller's session, with a scope.
func accessToken(tb testing.TB, f *nodetest.Fixture, c *caller.Caller, scope ...string) *issuance.Issued {
	tb.Helper()
	return made(tb, f, c, issuance.Request{Kind: token.KindAccess, Scope: scope})
}

// bearer returns the caller who presents a token.
func bearer(tb testing.TB, f *nodetest.Fixture, issued *issuance.Issued) *caller.Caller {
	tb.Helper()
	c, err := f.Bearer(tb.Context(), issued.Value.Reveal())
	must(tb, err)
	return c
}

// apiKey creates an API key from the caller's session.
func apiKey(tb testing.TB, f *nodetest.Fixture, c *caller.Caller) *issuance.Issued {
	tb.Helper()
	issued, err := f.CreateAPIKey(tb.Context(), c, issuance.NewCredential{})
	must(tb, err)
	return issued
}

// apiToken creates an API token from the caller's session.
func apiToken(tb testing.TB, f *nodetest.Fixture, c *caller.Caller) *issuance.Issued {
	tb.Helper()
	issued, err := f.CreateAPIToken(tb.Context(), c, issuance.NewCredential{Name: "laptop"})
	must(tb, err)
	return issued
}

// client creates a client and returns it as it has authenticated, or as it names
// itself when it has no secret.
func client(tb testing.TB, f *nodetest.Fixture, n directory.NewClient) *caller.Caller {
	tb.Helper()
	_, _, err := f.CreateClient(tb.Context(), caller.Operator(), n, false)
	must(tb, err)
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
func verify(tb testing.TB, f *nodetest.Fixture, issued *issuance.Issued) (*verification.Token, error) {
	tb.Helper()
	return f.Verify(tb.Context(), issued.Value.Reveal(), verification.Requirements{})
}

// wantAlive fails unless the token is accepted.
func wantAlive(tb testing.TB, f *nodetest.Fixture, what string, issued *issuance.Issued) {
	tb.Helper()
	if _, err := f.Verify(tb.Context(), issued.Value.Reveal(), verification.Requirements{Kinds: everyKind, AnyAudience: true}); err != nil {
		tb.Errorf("%s: %v; want it accepted", what, err)
	}
}

// wantDead fails unless the token is refused as revoked.
func wantDead(tb testing.TB, f *nodetest.Fixture, what string, issued *issuance.Issued) {
	tb.Helper()
	_, err := f.Verify(tb.Context(), issued.Value.Reveal(), verification.Requirements{Kinds: everyKind, AnyAudience: true})
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

// refusals counts the requests that the audit log records as refused.
func refusals(tb testing.TB, f *nodetest.Fixture) (n int) {
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

var (
	operator  = caller.Operator()
	allGrants = []string{
		identity.GrantTypeClientCredentials, identity.GrantTypeRefreshToken, identity.GrantTypeTokenExchange, identity.GrantTypeDeviceCode,
	}
)

func taskSettings(s *node.Settings) {
	s.Policy.TaskMax = map[string]time.Duration{"TES": 96 * time.Hour}
}

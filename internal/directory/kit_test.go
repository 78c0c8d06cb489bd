package directory_test

import (
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

var operator = caller.Operator()

// person creates a user without a password and signs them in by a session, which
// costs no password hash.
func person(tb testing.TB, f *nodetest.Fixture, username string, bindings ...access.Binding) *caller.Caller {
	tb.Helper()
	f.User(tb, username, "", bindings...)
	return signedIn(tb, f, username)
}

// signedIn returns the user as the caller of a new session.
func signedIn(tb testing.TB, f *nodetest.Fixture, username string) *caller.Caller {
	tb.Helper()
	c, err := f.Session(tb.Context(), sessionOf(tb, f, username).Value.Reveal())
	must(tb, err)
	return c
}

func sessionOf(tb testing.TB, f *nodetest.Fixture, username string) *issuance.Issued {
	tb.Helper()
	issued, err := f.IssueFor(tb.Context(), operator, username, &issuance.Request{Kind: token.KindSession, Name: "session"})
	must(tb, err)
	return issued
}

// made issues a token made from what the caller presented.
func made(tb testing.TB, f *nodetest.Fixture, c *caller.Caller, r issuance.Request) *issuance.Issued {
	tb.Helper()
	issued, err := ask(tb, f, c, r)
	must(tb, err)
	return issued
}

func ask(tb testing.TB, f *nodetest.Fixture, c *caller.Caller, r issuance.Request) (*issuance.Issued, error) {
	tb.Helper()
	r.Parent = c.Token
	return f.Issue(tb.Context(), c, &r)
}

// accessToken creates an access token from the caller's session, with a scope.
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

// apiToken creates an API token from the caller's session.
func apiToken(tb testing.TB, f *nodetest.Fixture, c *caller.Caller, n issuance.NewCredential) *issuance.Issued {
	tb.Helper()
	if n.Name == "" {
		n.Name = "laptop"
	}
	issued, err := f.CreateAPIToken(tb.Context(), c, n)
	must(tb, err)
	return issued
}

// client creates a confidential client and returns it as the caller.
func client(tb testing.TB, f *nodetest.Fixture, n directory.NewClient) *caller.Caller {
	tb.Helper()
	_, _, err := f.CreateClient(tb.Context(), operator, n, false)
	must(tb, err)
	c, err := f.AuthenticateClient(tb.Context(), n.ID, n.Secret.Reveal())
	must(tb, err)
	return c
}

// verify verifies a token as one that calls APIs.
func verify(tb testing.TB, f *nodetest.Fixture, issued *issuance.Issued) (*verification.Token, error) {
	tb.Helper()
	return f.Verify(tb.Context(), issued.Value.Reveal(), verification.Requirements{})
}

// wantAlive reports an error unless the token is accepted.
func wantAlive(tb testing.TB, f *nodetest.Fixture, what string, issued *issuance.Issued) {
	tb.Helper()
	if _, err := f.Verify(tb.Context(), issued.Value.Reveal(), verification.Requirements{Kinds: everyKind, AnyAudience: true}); err != nil {
		tb.Errorf("%s: %v; want it accepted", what, err)
	}
}

// wantDead reports an error unless the token is refused as revoked.
func wantDead(tb testing.TB, f *nodetest.Fixture, what string, issued *issuance.Issued) {
	tb.Helper()
	_, err := f.Verify(tb.Context(), issued.Value.Reveal(), verification.Requirements{Kinds: everyKind, AnyAudience: true})
	wantFault(tb, what, err, fault.InvalidToken, "revoked")
}

var everyKind = []token.Kind{
	token.KindAccess, token.KindTask, token.KindAPIKey, token.KindAPIToken, token.KindRefresh, token.KindSession,
}

// wantFault reports an error unless the error is a fault of the kind, with the text in its message.
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

// withUser returns the binding for that user, by username.
func withUser(username string, b access.Binding) access.Binding {
	b.User = username
	return b
}

// refusals counts the refused requests in the audit log.
func refusals(tb testing.TB, f *nodetest.Fixture) (n int) {
	tb.Helper()
	for _, e := range f.Events(tb, audit.Filter{Limit: audit.MaxLimit}) {
		if e.Outcome == audit.Refused {
			n++
		}
	}
	return n
}

func second[T any](_ T, err error) error { return err }

var allGrants = []string{
	identity.GrantTypeClientCredentials, identity.GrantTypeRefreshToken, identity.GrantTypeTokenExchange, identity.GrantTypeDeviceCode,
}

// onPostgres is the prefix of the names of tests whose nodes are on PostgreSQL.
const onPostgres = "TestNodesOnPostgres/"

// twoNodes returns two nodes on one database.
func twoNodes(t *testing.T) (here, there *nodetest.Fixture) {
	t.Helper()
	o := nodetest.Options{Dir: t.TempDir(), Postgres: strings.HasPrefix(t.Name(), onPostgres)}
	return nodetest.New(t, o), nodetest.New(t, o)
}

// TestNodesOnPostgres runs tests of two nodes once more, on PostgreSQL, where their
// writes happen at the same time.
func TestNodesOnPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"applied files": TestApplyReachesEveryNode,
		"retired keys":  TestTheNextKeySignsEverywhereAtOnce,
	} {
		t.Run(name, test)
	}
}

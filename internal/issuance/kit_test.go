package issuance_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
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
	issued, err := ask(tb, f, c, r)
	must(tb, err)
	return issued
}

func ask(tb testing.TB, f *nodetest.Fixture, c *caller.Caller, r issuance.Request) (*issuance.Issued, error) {
	tb.Helper()
	r.Parent = c.Token
	return f.Issue(tb.Context(), c, &r)
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
func apiKey(tb testing.TB, f *nodetest.Fixture, c *caller.Caller, n issuance.NewCredential) *issuance.Issued {
	tb.Helper()
	issued, err := f.CreateAPIKey(tb.Context(), c, n)
	must(tb, err)
	return issued
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

// client creates a client and returns it as it has authenticated, or as it names
// itself when it has no secret.
func client(tb testing.TB, f *nodetest.Fixture, n directory.NewClient) *caller.Caller {
	tb.Helper()
	_, _, err := f.CreateClient(tb.Context(), caller.Operator(), n, false)
	must(tb, err)
	return asClient(tb, f, n)
}

func asClient(tb testing.TB, f *nodetest.Fixture, n directory.NewClient) *caller.Caller {
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

// byPassword returns ada as her password lets her in.
func byPassword(tb testing.TB, f *nodetest.Fixture) *caller.Caller {
	tb.Helper()
	p, err := f.Store.Principal(tb.Context(), records.Who{Username: "ada"})
	must(tb, err)
	return caller.ByPrincipal(&p)
}

// toRevoke returns the caller who presents a token that may revoke itself alone.
func toRevoke(tb testing.TB, f *nodetest.Fixture, issued *issuance.Issued) *caller.Caller {
	tb.Helper()
	c, err := f.BearerToRevoke(tb.Context(), issued.Value.Reveal())
	must(tb, err)
	return c
}

// withTaskTypes declares the task token types TES, with a ceiling of 96 hours, and FOO.
func withTaskTypes(s *node.Settings) {
	s.Policy.TaskMax = map[string]time.Duration{"TES": 96 * time.Hour, "FOO": 0}
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

// gate is a store that lets a test act at a point of somebody's look-up: when it
// is about to read, or has read and is about to return.
type gate struct {
	records.Store
	mu     sync.Mutex
	points map[string]func()
}

// through returns a gate, and the option that puts it in front of a fixture's store.
func through() (*gate, func(records.Store) records.Store) {
	g := &gate{points: map[string]func(){}}
	return g, func(s records.Store) records.Store { g.Store = s; return g }
}

// at has do run once, when that point is next reached.
func (g *gate) at(point string, do func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.points[point] = do
}

func (g *gate) pass(point string) {
	g.mu.Lock()
	do := g.points[point]
	delete(g.points, point)
	g.mu.Unlock()
	if do != nil {
		do()
	}
}

func (g *gate) Principal(ctx context.Context, who records.Who) (records.Principal, error) {
	g.pass("principal asked for")
	defer g.pass("principal read")
	return g.Store.Principal(ctx, who)
}

func (g *gate) TokenByDigest(ctx context.Context, digest [32]byte) (records.StoredToken, revocation.Seq, error) {
	g.pass("token asked for")
	defer g.pass("token read")
	return g.Store.TokenByDigest(ctx, digest)
}

func (g *gate) Commit(ctx context.Context, b records.Batch) (revocation.Seq, error) {
	g.pass("commit asked for")
	return g.Store.Commit(ctx, b)
}

// twoNodes share a database.
func twoNodes(t *testing.T) (here, there *nodetest.Fixture) {
	t.Helper()
	o := nodetest.Options{Dir: t.TempDir(), Postgres: strings.HasPrefix(t.Name(), onPostgres)}
	return nodetest.New(t, o), nodetest.New(t, o)
}

// onPostgres is the prefix of the names of tests whose nodes are on PostgreSQL.
const onPostgres = "TestNodesOnPostgres/"

// TestNodesOnPostgres runs the tests of two nodes once more, on PostgreSQL, where
// their writes happen at the same time.
func TestNodesOnPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"concurrent uses": TestOfConcurrentUsesOneIsAnswered,
		"a second use":    TestSecondUseIsNoticedOnAnotherNode,
		"device codes":    TestDeviceCodeIsUsedOnceHoweverManyTry,
		"regenerations":   TestOfConcurrentRegenerationsOneIsAnswered,
		"sole tokens":     TestASoleTokenIsOneAmongNodes,
	} {
		t.Run(name, test)
	}
}

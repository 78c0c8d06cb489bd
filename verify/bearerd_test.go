package verify_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/feed"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/oauth"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/verify"
)

// node is a bearerd: a real node, its endpoints and stream on a real database.
type node struct {
	*nodetest.Fixture
	url     *url.URL
	down    atomic.Bool
	stop    func()
	refused refusals
}

func newNode(t testing.TB, dir string) *node {
	t.Helper()
	n := &node{}
	n.Fixture = nodetest.New(t, nodetest.Options{Dir: dir, Meter: &n.refused})
	mux := http.NewServeMux()
	(&gateway.ForwardAuth{Gate: &gateway.Gate{
		Verifier: n.Verifier, Now: n.Time, Challenge: httpkit.Challenge{Realm: nodetest.Issuer},
	}}).Register(mux)
	(&oauth.Edge{
		SignIn: n.Authenticator, ClientAuth: n.ClientAuth, Issuance: n.Issuance, Flows: n.Flows, Assertions: n.Assertions, Revoker: n.Revoker, Verifier: n.Verifier,
		Applied: n.Ledger.Applied, JWKS: n.JWKS, Now: n.Time,
		Site: oauth.Site{
			Issuer: n.Settings.Policy.Issuer, DefaultAudience: n.Settings.Policy.DefaultAudience,
			Scopes: n.Settings.Policy.Scopes, Staleness: n.Settings.Staleness,
		},
		CacheTime: 5 * time.Minute,
	}).Register(mux)
	stream := &feed.Edge{
		Verifier: n.Verifier, Log: n.Follower, Tail: feed.Follow(n.Follower), Issuer: n.Settings.Policy.Issuer,
		Staleness: n.Settings.Staleness, Clock: n.Ledger.Clock, Confirming: n.Room, Settings: feed.Settings{APITokenPrefix: token.PrefixAPIToken},
	}
	stream.Register(mux)
	observer := httpkit.NewObserver(httpkit.ObserverConfig{Logger: slog.New(slog.DiscardHandler), Now: n.Time})
	server := httptest.NewServer(observer.Wrap(mux))
	n.url, _ = url.Parse(server.URL)
	n.stop = func() {
		n.down.Store(true)
		stream.EndStreams()
		server.CloseClientConnections()
	}
	t.Cleanup(func() {
		n.stop()
		server.Close()
	})
	return n
}

// balance sends each request to the next node that is up, as a load balancer does.
type balance struct {
	nodes []*node
	turn  atomic.Int64
}

func (b *balance) RoundTrip(r *http.Request) (*http.Response, error) {
	n := b.nodes[int(b.turn.Add(1))%len(b.nodes)]
	if n.down.Load() {
		n = b.nodes[int(b.turn.Add(1))%len(b.nodes)]
	}
	return route{n.url}.RoundTrip(r)
}

// cluster is some nodes on one database, and verifiers of their tokens.
type cluster struct {
	*node
	nodes []*node
}

func newCluster(t testing.TB, size int) *cluster {
	t.Helper()
	dir := t.TempDir()
	c := &cluster{}
	for range size {
		c.nodes = append(c.nodes, newNode(t, dir))
	}
	c.node = c.nodes[0]
	c.Client(t, "api", "introspect", "revocations")
	c.Collection(t, 4, "Fish")
	return c
}

func (c *cluster) config() verify.Config {
	return verify.Config{
		Issuer: nodetest.Issuer, Audience: nodetest.Issuer, ClientID: "api", ClientSecret: nodetest.ClientSecret,
		HTTPClient: &http.Client{Transport: &balance{nodes: c.nodes}},
	}
}

func (c *cluster) verifier(t testing.TB) *verify.Verifier {
	t.Helper()
	v, err := verify.New(t.Context(), c.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// ada signs in at the collection 4, which she may use, and gets tokens of both forms.
func (c *cluster) ada(t testing.TB) (user string, binding string, jwt, opaque string) {
	t.Helper()
	four := int64(4)
	u := c.User(t, "ada", "correct horse")
	b, err := c.CreateBinding(t.Context(), caller.Operator(), access.Binding{
		User: u.ID, Permission: &access.Permission{Action: access.ActionAccess, Path: "/"}, Path: access.CollectionPath(4),
	})
	if err != nil {
		t.Fatal(err)
	}
	jwt, opaque = c.tokens(t, &four)
	return u.ID, b.ID, jwt, opaque
}

func (c *cluster) tokens(t testing.TB, collection *int64) (jwt, opaque string) {
	t.Helper()
	login := c.Login(t, "ada", "correct horse", *collection)
	issued, err := c.Issue(t.Context(), login, &issuance.Request{Kind: token.KindAccess, Principal: login.Principal, Collection: collection})
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.StartSession(t.Context(), login, nil)
	if err != nil {
		t.Fatal(err)
	}
	caller, err := c.Session(t.Context(), session.Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateAPIToken(t.Context(), caller, credentials.NewCredential{Name: "laptop", Collection: collection})
	if err != nil {
		t.Fatal(err)
	}
	return issued.Value.Reveal(), made.Value.Reveal()
}

// What bearerd revokes is refused outside within max_staleness, and usually at
// once: by one node and by several, of tokens that were seen and of new ones.
func TestARevocationAtBearerdIsHonouredOutside(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"one node": 1, "three nodes": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for act, c := range map[string]struct {
				do          func(t *testing.T, c *cluster, user, binding, jwt, opaque string) error
				jwt, opaque string
			}{
				"the tokens": {func(t *testing.T, c *cluster, _, _, jwt, opaque string) error {
					for _, raw := range []string{jwt, opaque} {
						own, err := c.BearerToRevoke(t.Context(), raw)
						if err != nil {
							return err
						}
						if _, err := c.Revoke(t.Context(), own, revoking.Revocation{Token: raw}); err != nil {
							return err
						}
					}
					return nil
				}, revoked, revoked},
				"revoke all": {func(t *testing.T, c *cluster, user, _, _, _ string) error {
					_, err := c.RevokeAll(t.Context(), caller.Operator(), user)
					return err
				}, revoked, revoked},
				"a disabled user": {func(t *testing.T, c *cluster, user, _, _, _ string) error {
					yes := true
					_, err := c.UpdateUser(t.Context(), caller.Operator(), user, identity.UserPatch{Disabled: &yes})
					return err
				}, revoked, revoked},
				"lost access": {func(t *testing.T, c *cluster, _, binding, _, _ string) error {
					_, err := c.RemoveBinding(t.Context(), caller.Operator(), binding)
					return err
				}, noAccess, noAccess},
				"a retired key": {func(t *testing.T, c *cluster, _, _, _, _ string) error {
					key, err := c.Ring.Signing()
					if err != nil {
						return err
					}
					_, err = c.RetireKey(t.Context(), caller.Operator(), key.KID)
					return err
				}, revoked, yes},
			} {
				t.Run(act, func(t *testing.T) {
					t.Parallel()
					cl := newCluster(t, size)
					user, binding, jwt, opaque := cl.ada(t)
					v, unseen := cl.verifier(t), cl.verifier(t)
					for range 3 {
						wants(t, judge(v, jwt), yes)
						wants(t, judge(v, opaque), yes)
					}
					if err := c.do(t, cl, user, binding, jwt, opaque); err != nil {
						t.Fatal(err)
					}
					committed := time.Now()
					head := cl.Follower.Applied()
					if c.jwt != yes {
						notAfter(t, v, jwt, committed.Add(nodetest.DefaultSettings().Staleness))
					}
					for _, v := range []*verify.Verifier{v, unseen} {
						applied(t, v, head)
						eventually(t, "the lease", func() bool { return v.Health().Ready })
					}
					wants(t, judge(v, jwt), c.jwt)
					wants(t, judge(v, opaque), c.opaque)
					if e := errorOf(t, judge(unseen, jwt)); (e.Code == "") != (c.jwt == yes) {
						t.Errorf("unseen: %v", e)
					}
					if e := errorOf(t, judge(unseen, opaque)); (e.Code == "") != (c.opaque == yes) {
						t.Errorf("unseen: %v", e)
					}
				})
			}
		})
	}
}

// What was made from the old value of a regenerated token ends with the overlap outside
// too. Nothing happens at bearerd at that moment, and by its own expiry the token is
// valid for half an hour.
func TestTheEndOfAnOverlapIsHonouredOutside(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	_, _, _, old := c.ada(t)
	owner, err := c.Bearer(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := c.Exchange(t.Context(), issuance.Exchange{Subject: old})
	if err != nil {
		t.Fatal(err)
	}
	v := c.verifier(t)
	wants(t, judge(v, pair.Access.Value.Reveal()), yes)
	login := c.Login(t, "ada", "correct horse")
	session, err := c.StartSession(t.Context(), login, nil)
	if err != nil {
		t.Fatal(err)
	}
	ada, err := c.Session(t.Context(), session.Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Regenerate(t.Context(), ada, owner.Token.ID, 3); err != nil {
		t.Fatal(err)
	}
	head := c.Follower.Applied()
	applied(t, v, head)
	end := time.Now().Add(3 * time.Second)
	eventually(t, "the end of the overlap", func() bool { return time.Now().After(end) })
	eventually(t, "the lease", func() bool { return v.Health().Ready })
	wants(t, judge(v, pair.Access.Value.Reveal()), revoked)
	if c.Follower.Applied() != head {
		t.Error("something was written to the log at the end of the overlap")
	}
}

// notAfter waits until a token is refused, and checks that no acceptance began later than
// that. It returns when the first refusal began.
func notAfter(t testing.TB, v *verify.Verifier, raw string, latest time.Time) time.Time {
	t.Helper()
	for {
		asked := time.Now()
		if judge(v, raw) != nil {
			return asked
		}
		if asked.After(latest) {
			t.Fatalf("accepted %s too late", asked.Sub(latest))
		}
	}
}

// What a verifier outside says of a token is what bearerd itself says.
func TestBearerdAndAVerifierOutsideTellTheSame(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	_, _, jwt, opaque := c.ada(t)
	v := c.verifier(t)
	for _, raw := range []string{jwt, opaque} {
		inside, err := c.Verify(t.Context(), raw, verification.Requirements{})
		if err != nil {
			t.Fatal(err)
		}
		outside, err := v.Verify(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		if outside.ID != inside.ID || outside.Subject != inside.Subject || string(outside.Kind) != inside.Kind.String() ||
			*outside.Collection != *inside.Collection || !outside.Expiry.Equal(inside.Expiry) {
			t.Errorf("inside %+v, outside %+v", inside, outside)
		}
	}
	// A key that is made and signs at once is known as soon as the nodes show it.
	if err := c.RotateKeys(t.Context(), caller.Operator(), true); err != nil {
		t.Fatal(err)
	}
	four := int64(4)
	next, _ := c.tokens(t, &four)
	eventually(t, "the new key", func() bool { return judge(v, next) == nil })
	wants(t, judge(v, jwt), yes)
	// A client without the scope gets no verifier.
	c.Client(t, "stranger", "read")
	cfg := c.config()
	cfg.ClientID = "stranger"
	if _, err := verify.New(t.Context(), cfg); err == nil {
		t.Error("a client without the scopes may follow the log")
	}
}

// A node that goes away takes nothing with it: the stream goes on at another one.
func TestTheStreamMovesToAnotherNode(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	user, _, jwt, _ := c.ada(t)
	v := c.verifier(t)
	for _, n := range []*node{c.nodes[1], c.nodes[0]} {
		n.stop()
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			wants(t, judge(v, jwt), yes)
		}
		if n == c.nodes[1] {
			continue
		}
		eventually(t, "the end of the lease", func() bool { return judge(v, jwt) != nil })
		wants(t, judge(v, jwt), noNews)
	}
	_ = user
}

// A sequence of revocations at three nodes under load: no yes later than L after the
// revocation's commit.
func TestNoYesLaterThanTheStalenessAfterTheCommit(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	_, _, _, _ = c.ada(t)
	v := c.verifier(t)
	var worst time.Duration
	for i := range 9 {
		four := int64(4)
		jwt, opaque := c.tokens(t, &four)
		raw := []string{jwt, opaque}[i%2]
		wants(t, judge(v, raw), yes)
		n := c.nodes[i%3]
		own, err := n.BearerToRevoke(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Revoke(context.Background(), own, revoking.Revocation{Token: raw}); err != nil {
			t.Fatal(err)
		}
		committed := time.Now()
		last := notAfter(t, v, raw, committed.Add(nodetest.DefaultSettings().Staleness))
		worst = max(worst, last.Sub(committed))
	}
	t.Logf("refused %s after the commit at worst", worst)
}

package source_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// lookedUp is a store that counts the tokens and clients that are looked up.
type lookedUp struct {
	contract.Store
	tokens, principals atomic.Int64
}

func (s *lookedUp) TokenByDigest(ctx context.Context, digest [32]byte) (records.StoredToken, revocation.Seq, error) {
	s.tokens.Add(1)
	return s.Store.TokenByDigest(ctx, digest)
}

func (s *lookedUp) Principal(ctx context.Context, who records.Who) (records.Principal, error) {
	s.principals.Add(1)
	return s.Store.Principal(ctx, who)
}

// flooded is a node whose clock stands still, its store and its limits.
func flooded(t *testing.T, dir string) (*nodetest.Fixture, *lookedUp, *nodetest.LimitMeter) {
	t.Helper()
	counting, meter := &lookedUp{}, &nodetest.LimitMeter{}
	f := nodetest.New(t, nodetest.Options{Dir: dir, Meter: meter, Store: func(s contract.Store) contract.Store { counting.Store = s; return counting }})
	f.Freeze()
	return f, counting, meter
}

// junk is a value with a right checksum that bearerd never issued.
func junk(t *testing.T) string {
	t.Helper()
	forms, err := token.NewForms(token.PrefixAPIToken)
	nodetest.Must(t, err)
	value, _, err := forms.New(token.KindAPIToken)
	nodetest.Must(t, err)
	return value.Reveal()
}

func present(t *testing.T, f *nodetest.Fixture, raw, address string) error {
	t.Helper()
	_, err := f.Verify(audit.WithOrigin(t.Context(), audit.Origin{Address: address}), raw, verification.Requirements{})
	return err
}

func TestJunkThatIsSentAgainCostsOneLookUp(t *testing.T) {
	t.Parallel()
	f, store, _ := flooded(t, "")
	value := junk(t)
	for range 1000 {
		nodetest.WantFault(t, "junk", present(t, f, value, "192.0.2.1"), fault.InvalidToken, token.ReasonMalformed)
	}
	if n := store.tokens.Load(); n != 1 {
		t.Errorf("%d look-ups", n)
	}
	f.Advance(6 * time.Second)
	nodetest.WantFault(t, "junk", present(t, f, value, "192.0.2.1"), fault.InvalidToken, token.ReasonMalformed)
	if n := store.tokens.Load(); n != 2 {
		t.Errorf("%d look-ups after some seconds", n)
	}
}

// However much junk an address sends, the store is asked little. What this node knows is
// judged as ever; a token that it has not seen is neither accepted nor called bad.
func TestLookUpsForUnknownTokensAreLimited(t *testing.T) {
	t.Parallel()
	f, store, meter := flooded(t, "")
	ada := f.Person(t, "ada")
	seen, unseen := f.APIToken(t, ada, credentials.NewCredential{}), f.APIToken(t, ada, credentials.NewCredential{})
	nodetest.Must(t, present(t, f, seen.Value.Reveal(), "192.0.2.1"))
	before := store.tokens.Load()
	var limited error
	for range 2000 {
		if err := present(t, f, junk(t), "192.0.2.1"); !fault.Is(err, fault.InvalidToken) {
			limited = err
		}
	}
	nodetest.WantFault(t, "too much junk", limited, fault.Unavailable, "too many unknown tokens")
	if n := store.tokens.Load() - before; n != 300 || meter.Count(quota.LookUpAddress) != 1700 || fault.RetryAfter(limited) != 100*time.Millisecond {
		t.Errorf("%d look-ups, %d refusals counted, again after %v; want 300, 1,700, 100ms", n, meter.Count(quota.LookUpAddress), fault.RetryAfter(limited))
	}
	nodetest.Must(t, present(t, f, seen.Value.Reveal(), "192.0.2.1"))
	nodetest.WantFault(t, "a good token that was not seen here", present(t, f, unseen.Value.Reveal(), "192.0.2.1"), fault.Unavailable, "")
	nodetest.Must(t, present(t, f, unseen.Value.Reveal(), "192.0.2.2"))
	nodetest.Must(t, present(t, f, unseen.Value.Reveal(), "192.0.2.1")) // now it was
	f.Advance(100 * time.Millisecond)
	nodetest.WantFault(t, "one more", present(t, f, junk(t), "192.0.2.1"), fault.InvalidToken, "")
}

// A resource server asks about everybody's tokens: what strangers send it must not keep
// it from asking about good ones.
func TestIntrospectionByAClientIsNotLimited(t *testing.T) {
	t.Parallel()
	f, _, meter := flooded(t, "")
	f.Client(t, "rs")
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.1"})
	rs, err := f.AuthenticateClient(ctx, "rs", nodetest.ClientSecret)
	nodetest.Must(t, err)
	for range 1000 {
		if _, live, err := f.Introspect(ctx, rs, junk(t)); err != nil || live {
			t.Fatal(live, err)
		}
	}
	if _, live, err := f.Introspect(ctx, rs, f.APIToken(t, f.Person(t, "ada"), credentials.NewCredential{}).Value.Reveal()); err != nil || !live {
		t.Errorf("a good token: %t, %v", live, err)
	}
	if n := meter.Count(quota.LookUpAddress); n != 0 {
		t.Errorf("%d refusals", n)
	}
}

// A value that was refused a moment ago, and then was given a row, as an import does, is
// good after some seconds at the latest.
func TestAValueThatIsImportedIsGoodAfterSomeSeconds(t *testing.T) {
	t.Parallel()
	f, _, _ := flooded(t, "")
	ada := f.Person(t, "ada")
	value := junk(t)
	nodetest.WantFault(t, "before", present(t, f, value, "192.0.2.1"), fault.InvalidToken, "")
	_, err := f.Store.Commit(t.Context(), op.Batch{Ops: []op.Op{op.AddToken{Token: records.StoredToken{
		ID: uuid.NewString(), Kind: token.KindAPIToken, Digest: token.Digest(value), Owner: ada.ID(), Name: "imported",
		CreatedAt: f.Time(), Seq: f.Ledger.Applied(),
	}}}})
	nodetest.Must(t, err)
	f.Advance(5*time.Second + time.Millisecond)
	nodetest.Must(t, present(t, f, value, "192.0.2.1"))
}

// A node that refuses a flood of junk accepts what another node has just issued.
func TestATokenOfAnotherNodeIsAcceptedAtOnceInAFlood(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, _, _ := flooded(t, dir)
	there, _, _ := flooded(t, dir)
	ada := here.Person(t, "ada")
	for n := range 200 {
		nodetest.WantFault(t, "junk", present(t, there, junk(t), "192.0.2.1"), fault.InvalidToken, "")
		if n%20 == 0 {
			nodetest.Must(t, present(t, there, here.APIToken(t, ada, credentials.NewCredential{}).Value.Reveal(), "192.0.2.1"))
		}
	}
}

// A report of a thousand values is one query.
func TestAReportOfLeakedTokensIsOneLookUp(t *testing.T) {
	t.Parallel()
	f, store, _ := flooded(t, "")
	ada := f.Person(t, "ada")
	good := f.APIToken(t, ada, credentials.NewCredential{})
	values := make([]string, 1000)
	for i := range values {
		values[i] = junk(t)
	}
	values[500] = good.Value.Reveal()
	store.tokens.Store(0)
	before := f.Store.Queries()
	nodetest.Must(t, f.Leaked(audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.1"}), values))
	// The follower asks its own questions, and the revocation writes.
	if single, all := store.tokens.Load(), f.Store.Queries()-before; single != 0 || all > 100 {
		t.Errorf("%d look-ups of one token, %d queries in all", single, all)
	}
	f.WantDead(t, "the good one", good)
}

func TestLookUpsForUnknownClientsAreLimited(t *testing.T) {
	t.Parallel()
	f, store, _ := flooded(t, "")
	f.Client(t, "rs")
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.1"})
	nodetest.Must(t, nodetest.Second(f.AuthenticateClient(ctx, "rs", nodetest.ClientSecret)))
	before := store.principals.Load()
	for n := range 300 {
		nodetest.WantFault(t, "an unknown client", nodetest.Second(f.AuthenticateClient(ctx, fmt.Sprint("c", n), "secret")), fault.InvalidClient, "")
	}
	for range 100 {
		nodetest.WantFault(t, "one too many", nodetest.Second(f.IdentifyClient(ctx, "another")), fault.Unavailable, "")
	}
	if n := store.principals.Load() - before; n != 300 {
		t.Errorf("%d look-ups", n)
	}
	nodetest.Must(t, nodetest.Second(f.AuthenticateClient(ctx, "rs", nodetest.ClientSecret)))
}

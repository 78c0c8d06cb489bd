package source_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/source"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// shelf is a store with one row and one principal, which notes who was asked for.
type shelf struct {
	row       records.StoredToken
	principal records.Principal
	seq       revocation.Seq
	err       error
	asked     records.Who
	digest    [32]byte
	imported  [][]byte // what imported tokens were looked up by
}

func (s *shelf) Principal(_ context.Context, who records.Who) (records.Principal, error) {
	s.asked = who
	return s.principal, s.err
}

func (s *shelf) TokenByDigest(_ context.Context, digest [32]byte) (records.StoredToken, revocation.Seq, error) {
	s.digest = digest
	return s.row, s.seq, s.err
}

func (s *shelf) ImportedTokens(_ context.Context, digests [][]byte) ([]records.StoredToken, revocation.Seq, error) {
	s.imported = digests
	if s.err != nil || s.row.ID == "" {
		return nil, s.seq, s.err
	}
	return []records.StoredToken{s.row}, s.seq, nil
}

func newSource(t *testing.T, s *shelf, forms ...token.Forms) *source.Source {
	t.Helper()
	follower, err := revocation.NewFollower(revocation.Config{
		Log: &nodetest.CutLog{}, Ledger: revocation.NewLedger(revocation.BootClock, time.Now), Node: "n", Staleness: time.Second,
	})
	nodetest.Must(t, err)
	cfg := source.Config{Store: s, Follower: follower, DefaultAudience: "https://default.example"}
	for _, f := range forms {
		cfg.Forms = f
	}
	return source.New(cfg)
}

func TestARowBecomesFacts(t *testing.T) {
	t.Parallel()
	made, end, familyEnd := time.Unix(1000, 0), time.Unix(2000, 0), time.Unix(3000, 0)
	s := &shelf{seq: 12, row: records.StoredToken{
		ID: "id", Kind: token.KindRefresh, Owner: "ada", ClientID: "app", Name: "laptop", Scope: []string{"read"},
		Collection: new(int64(4)), Audience: "https://api.example", Chain: []string{"root"}, Family: "family", Replaces: "old",
		Seq: 7, CreatedAt: made, ExpiresAt: end, EndsAt: familyEnd,
	}}
	got, err := newSource(t, s).Opaque(t.Context(), "the value", nil)
	nodetest.Must(t, err)
	want := &verification.Token{
		ID: "id", Kind: token.KindRefresh, Subject: "ada", ClientID: "app", Name: "laptop", Scope: []string{"read"},
		Collection: new(int64(4)), Audience: []string{"https://api.example"}, Chain: []string{"root"}, Family: "family", Replaces: "old",
		Seq: 7, AsOf: 12, IssuedAt: made, Expiry: end, FamilyEnd: familyEnd,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(verification.Token{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s.digest != token.Digest("the value") {
		t.Error("it is looked up by something else than its digest")
	}
	s.row.Audience = ""
	got, err = newSource(t, s).Opaque(t.Context(), "the value", nil)
	if err != nil || len(got.Audience) != 1 || got.Audience[0] != "https://default.example" {
		t.Errorf("a row without an audience: %v, %v", got.Audience, err)
	}
}

// A row that says that its token has ended is reason enough, whatever the log has
// forgotten.
func TestAnEndedRowIsRevoked(t *testing.T) {
	t.Parallel()
	for why, want := range map[string]string{"regenerated": "regenerated", "": token.ReasonRevoked} {
		row := records.StoredToken{ID: "id", Kind: token.KindAPIToken, RevokedAt: time.Unix(1, 0), Reason: why}
		if got := source.TokenOf(row, 3); got.Ended != want || got.AsOf != 3 {
			t.Errorf("ended because %q: %q as of %d", why, got.Ended, got.AsOf)
		}
	}
	if got := source.TokenOf(records.StoredToken{Reason: "renewed, and still good for a while"}, 3); got.Ended != "" {
		t.Errorf("a living row: %q", got.Ended)
	}
}

// What nobody issued is refused like all that is none of ours; a store that can't be
// asked is no refusal.
func TestWhatTheStoreDoesNotKnow(t *testing.T) {
	t.Parallel()
	s := &shelf{err: records.ErrNoToken}
	_, err := newSource(t, s).Opaque(t.Context(), "x", nil)
	if r, refused := verification.RefusalOf(err); !refused || r.Reason != token.ReasonMalformed {
		t.Errorf("an unknown token: %v", err)
	}
	s.err = fault.New(fault.Unavailable, "connection refused")
	_, err = newSource(t, s).Opaque(t.Context(), "x", nil)
	if _, refused := verification.RefusalOf(err); refused || !fault.Is(err, fault.Unavailable) {
		t.Errorf("a store that is away: %v", err)
	}
	s.err = records.ErrNoUser
	if _, err = newSource(t, s).Subject(t.Context(), "", &verification.Token{Subject: "ada"}, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("a user who is gone: %v", err)
	}
}

func TestTheSubjectOfATokenIsAUserOrAClient(t *testing.T) {
	t.Parallel()
	grants := []access.Grant{{Action: "read", Path: "/x"}}
	four := int64(4)
	user := records.Principal{
		User:   &identity.User{ID: "1", Username: "ada", Name: "Ada", Email: "ada@example.org", Groups: []string{"staff"}, Disabled: true},
		Grants: grants, CollectionExists: true, Seq: 9,
	}
	for name, c := range map[string]struct {
		token     *verification.Token
		principal records.Principal
		asked     records.Who
		want      *verification.Subject
	}{
		"a user": {
			&verification.Token{Subject: "1", ClientID: "app"}, user,
			records.Who{UserID: "1", Collection: &four},
			&verification.Subject{
				ID: "1", Username: "ada", Name: "Ada", Email: "ada@example.org", Groups: []string{"staff"}, Disabled: true,
				Grants: grants, CollectionExists: true, Seq: 9,
			},
		},
		"a client": {
			&verification.Token{Subject: "ci", ClientID: "ci"},
			records.Principal{Client: &identity.Client{ID: "ci"}, Seq: 9},
			records.Who{ClientID: "ci", Collection: &four},
			&verification.Subject{ID: "ci", Client: true, Seq: 9},
		},
	} {
		s := &shelf{principal: c.principal}
		got, err := newSource(t, s).Subject(t.Context(), "", c.token, &four)
		nodetest.Must(t, err)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(c.asked, s.asked); diff != "" {
			t.Errorf("%s is asked for as (-want +got):\n%s", name, diff)
		}
	}
}

// live is a source of a node that asks the log only when it must.
func live(t *testing.T) (*nodetest.Still, *source.Source) {
	t.Helper()
	n := nodetest.NewStill(t, nodetest.Options{})
	return n, source.New(source.Config{Store: n.Store, Ring: n.Ring, Follower: n.Follower, DefaultAudience: nodetest.Issuer})
}

// add puts entries into the log of which the node hears nothing.
func add(t *testing.T, n *nodetest.Still, entries int) revocation.Seq {
	t.Helper()
	var seq revocation.Seq
	for range entries {
		var err error
		seq, err = n.Store.Commit(t.Context(), op.Batch{Log: []revocation.Entry{{What: revocation.Token, ID: uuid.NewString(), At: n.Time()}}})
		nodetest.Must(t, err)
	}
	return seq
}

func TestReachBringsTheLogUpToASequence(t *testing.T) {
	t.Parallel()
	n, s := live(t)
	seq := add(t, n, 3)
	if n.Ledger.Applied() >= seq {
		t.Fatal("the node heard of it by itself")
	}
	nodetest.Must(t, s.Reach(t.Context(), seq-1))
	if got := n.Ledger.Applied(); got != seq {
		t.Errorf("applied up to %d, want %d", got, seq)
	}
	err := s.Reach(t.Context(), seq+1)
	if r, refused := verification.RefusalOf(err); !refused || r.Reason != token.ReasonMalformed {
		t.Errorf("beyond the log: %v", err)
	}
	n.Log.Reads.Store(true)
	err = s.Reach(t.Context(), seq+1)
	if _, refused := verification.RefusalOf(err); refused || !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 {
		t.Errorf("when the log can't be read: %v", err)
	}
}

// A permit is a lease on what the log says now, for this request; it renews none for
// the others.
func TestAPermitAsksTheLog(t *testing.T) {
	t.Parallel()
	n, s := live(t)
	n.Pass(time.Minute)
	n.Log.Writes.Store(true) // so that asking makes no lease for all
	seq := add(t, n, 2)
	lease, err := s.Permit(t.Context(), "", nil)
	if err != nil || !lease.Holds() || n.Ledger.Applied() != seq {
		t.Errorf("%v; holds %t, applied up to %d, want %d", err, lease.Holds(), n.Ledger.Applied(), seq)
	}
	if n.Ledger.Lease().Holds() {
		t.Error("a permit is a lease for all")
	}
	n.Log.Reads.Store(true)
	if lease, err = s.Permit(t.Context(), "", nil); err == nil || lease.Holds() {
		t.Errorf("without the log: %v, holds %t", err, lease.Holds())
	}
}

func TestAnUnknownKeyIsLookedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := nodetest.New(t, nodetest.Options{Dir: dir})
	n := nodetest.NewStill(t, nodetest.Options{Dir: dir})
	s := source.New(source.Config{Store: n.Store, Ring: n.Ring, Follower: n.Follower, DefaultAudience: nodetest.Issuer})
	nodetest.Must(t, f.RotateKeys(t.Context(), caller.Operator(), true))
	kid := f.Signer(t)
	if _, known := s.Key(kid); known {
		t.Fatal("the other node knows the key by itself")
	}
	nodetest.Must(t, s.RefreshKeys(t.Context(), kid))
	if key, known := s.Key(kid); !known || key.Revoked {
		t.Errorf("the key of another node: %t, %+v", known, key)
	}
}

var errAny = errors.New("anything")

// An error of the store that nobody classified stays what it is: no refusal.
func TestOtherErrorsAreNoRefusals(t *testing.T) {
	t.Parallel()
	s := newSource(t, &shelf{err: errAny})
	_, err := s.Opaque(t.Context(), "x", nil)
	_, err2 := s.Subject(t.Context(), "", &verification.Token{Subject: "ada"}, nil)
	for _, err := range []error{err, err2} {
		if _, refused := verification.RefusalOf(err); refused || !errors.Is(err, errAny) {
			t.Errorf("%v", err)
		}
	}
}

// foreignX is the shape of values that begin with x.
type foreignX struct{}

func (foreignX) Foreign(raw string) (prefix string, ok bool) { return "", strings.HasPrefix(raw, "x") }

// A value of another system's shape is looked up among imported tokens alone, once, by
// every digest that such a token may have; any other among bearerd's own.
func TestAnotherSystemsValueIsLookedUpAmongImportedTokens(t *testing.T) {
	t.Parallel()
	forms, err := token.NewForms(token.PrefixAPIToken)
	nodetest.Must(t, err)
	s := &shelf{seq: 12, row: records.StoredToken{ID: "id", Kind: token.KindAPIToken, Owner: "ada", Import: 7}}
	src := newSource(t, s, forms.WithForeign(foreignX{}))
	got, err := src.Opaque(t.Context(), "x-value", nil)
	if err != nil || got.ID != "id" || got.AsOf != 12 {
		t.Errorf("got %v, %v", got, err)
	}
	if diff := cmp.Diff(token.ForeignDigests("x-value"), s.imported); diff != "" || s.digest != [32]byte{} {
		t.Errorf("looked up by %x, and by (-want +got):\n%s", s.digest, diff)
	}
	s.imported = nil
	if _, err := src.Opaque(t.Context(), "another", nil); err != nil || s.imported != nil || s.digest != token.Digest("another") {
		t.Errorf("another value: %v, by %x", err, s.imported)
	}
	s.row = records.StoredToken{}
	if _, err := src.Opaque(t.Context(), "x-unknown", nil); fault.KindOf(err) == fault.Unavailable {
		t.Errorf("an unknown value: %v", err)
	} else if r, refused := verification.RefusalOf(err); !refused || r.Reason != token.ReasonMalformed {
		t.Errorf("an unknown value: %v", err)
	}
}

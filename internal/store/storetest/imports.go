package storetest

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// imported returns the row of a token of another system.
func (s *Suite) imported(id, owner string) records.StoredToken {
	return records.StoredToken{
		ID: id, Kind: token.KindAPIToken, Digest: sha256.Sum256([]byte(id)), Prefix: "nbt_", Last4: "wxyz", Owner: owner,
		Name: "from elsewhere", Scope: []string{"read"}, Seq: 1, CreatedAt: s.now(),
	}
}

func testImports(t *testing.T, s *Suite) {
	s.do(t, op.CreateUser{User: identity.User{ID: "u1", Username: "Anna"}})
	long := s.imported("long", "u1")
	sum := sha512.Sum512([]byte("long"))
	long.Digest, long.SHA512 = [32]byte{}, sum[:]
	short := s.imported("short", "u1")
	digests := [][]byte{short.Digest[:], sum[:], make([]byte, 32)}

	nameless := s.imported("nameless", "u2")
	nameless.Last4 = ""

	const id = 42
	s.do(t, op.BeginImport{ID: id, At: s.now()})
	s.refuse(t, fault.Conflict, op.BeginImport{ID: 43, At: s.now()}) // one at a time
	stage := op.StageTokens{Import: id, At: s.now(), Tokens: []records.StoredToken{long, short}}
	s.do(t, stage)
	s.do(t, stage) // an answer that was lost
	other := s.open()
	unseen(t, other, short, digests, s.now())
	held, err := other.TokensHeld(t.Context(), digests)
	if err != nil || len(held) != 2 || held[0].Import != id {
		t.Errorf("the import itself sees %v, %v", held, err)
	}

	if found, err := s.store.ImportedByDigest(t.Context()); err != nil || found {
		t.Errorf("without their values: %v, %v", found, err)
	}
	s.do(t, op.PublishImport{ID: id})
	found, _, err := other.ImportedTokens(t.Context(), digests)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(found, func(a, b records.StoredToken) int { return len(a.ID) - len(b.ID) })
	long.Import, short.Import = id, id
	if diff := cmp.Diff([]records.StoredToken{long, short}, found); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	owned, err := other.APITokensAfter(t.Context(), "long", s.now(), 10)
	if err != nil || len(owned) != 1 || owned[0].Token.ID != "short" || owned[0].Username != "Anna" {
		t.Errorf("the export has %v, %v", owned, err)
	}
	s.refuse(t, fault.Conflict, stage)
	s.refuse(t, fault.Conflict, op.PublishImport{ID: id})
	s.do(t, op.BeginImport{ID: 44, At: s.now()}, op.StageTokens{Import: 44, At: s.now(), Tokens: []records.StoredToken{nameless}}, op.PublishImport{ID: 44})
	if found, err := s.store.ImportedByDigest(t.Context()); err != nil || !found {
		t.Errorf("without its value: %v, %v", found, err)
	}
	if _, err := other.ImportUnderWay(t.Context()); !fault.Is(err, fault.NotFound) {
		t.Errorf("an import is still under way: %v", err)
	}
	if err := other.DropImport(t.Context(), id); !fault.Is(err, fault.Conflict) {
		t.Errorf("a published import is dropped: %v", err)
	}
	if found, _, err := other.ImportedTokens(t.Context(), digests); err != nil || len(found) != 2 {
		t.Errorf("the tokens are gone: %v, %v", found, err)
	}
}

// unseen checks that nobody sees a token of an import that is under way.
func unseen(t *testing.T, other contract.Store, short records.StoredToken, digests [][]byte, now time.Time) {
	t.Helper()
	if found, _, err := other.ImportedTokens(t.Context(), digests); err != nil || len(found) > 0 {
		t.Errorf("an unpublished token is found by its digest: %v, %v", found, err)
	}
	if _, _, err := other.TokenByDigest(t.Context(), short.Digest); !fault.Is(err, fault.NotFound) {
		t.Errorf("likewise: %v", err)
	}
	if _, _, err := other.TokenByID(t.Context(), "short"); !fault.Is(err, fault.NotFound) {
		t.Errorf("or by its id: %v", err)
	}
	if found, _, err := other.TokensByID(t.Context(), []string{"short"}); err != nil || len(found) > 0 {
		t.Errorf("or by its id: %v, %v", found, err)
	}
	if page, err := other.StoredTokens(t.Context(), records.TokenQuery{Owner: "u1"}); err != nil || len(page.Items) > 0 {
		t.Errorf("or in a list: %v, %v", page.Items, err)
	}
	if owned, err := other.APITokensAfter(t.Context(), "", now, 10); err != nil || len(owned) > 0 {
		t.Errorf("or in an export: %v, %v", owned, err)
	}
}

// A token that bearerd issued is not found by a digest of another system's value.
func testImportedAlone(t *testing.T, s *Suite) {
	row := s.imported("own", "u1")
	s.do(t, op.AddToken{Token: row})
	if found, _, err := s.store.ImportedTokens(t.Context(), [][]byte{row.Digest[:]}); err != nil || len(found) > 0 {
		t.Errorf("found %v, %v", found, err)
	}
}

// Who is cut off while an import is under way has no live token afterwards, whether the
// token was stored before or after, and for as long as the row is there.
func testImportAndCutOffs(t *testing.T, s *Suite) {
	at := s.now()
	s.log(t, revocation.Entry{What: revocation.Subject, ID: "u0", At: at, Until: at.Add(time.Hour)})
	row := func(id, owner string) records.StoredToken {
		r := s.imported(id, owner)
		r.Seq = 1 // decided after the cut-off of u0
		return r
	}
	stage := func(tokens ...records.StoredToken) {
		s.do(t, op.StageTokens{Import: 7, At: at, Tokens: tokens})
	}
	s.do(t, op.BeginImport{ID: 7, At: at})
	stage(row("before", "u1"), row("earlier", "u0"))
	s.do(t, op.KillTokens{Owner: "u1", At: at, Reason: "revoked"})
	s.log(t, revocation.Entry{What: revocation.Subject, ID: "u1", At: at, Until: at.Add(time.Hour)})
	stage(row("after", "u1"), row("bystander", "u2"))
	s.do(t, op.PublishImport{ID: 7})
	for id, dead := range map[string]bool{"before": true, "after": true, "earlier": false, "bystander": false} {
		got, _, err := s.store.TokenByID(t.Context(), id)
		if err != nil || got.RevokedAt.IsZero() == dead {
			t.Errorf("%s: revoked at %v, %v", id, got.RevokedAt, err)
		}
	}
}

func testDropImport(t *testing.T, s *Suite) {
	own := s.imported("own", "u1")
	s.do(t, op.AddToken{Token: own})
	s.do(t, op.BeginImport{ID: 9, At: s.now()})
	var rows []records.StoredToken
	for i := range 1100 { // more than one step
		rows = append(rows, s.imported(fmt.Sprintf("i%d", i), "u1"))
	}
	s.do(t, op.StageTokens{Import: 9, At: s.now(), Tokens: rows})
	under, err := s.store.ImportUnderWay(t.Context())
	if err != nil || under.ID != 9 || !under.ActiveAt.Equal(s.now()) {
		t.Errorf("under way is %+v, %v", under, err)
	}
	// The housekeeping leaves one that works, and drops one that has done nothing for long.
	if err := s.store.Purge(t.Context(), s.now()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.ImportUnderWay(t.Context()); err != nil {
		t.Errorf("dropped while it was at work: %v", err)
	}
	s.pass(2 * time.Hour)
	if err := s.store.Purge(t.Context(), s.now()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.ImportUnderWay(t.Context()); !fault.Is(err, fault.NotFound) {
		t.Errorf("still under way: %v", err)
	}
	digest := rows[0].Digest
	if held, err := s.store.TokensHeld(t.Context(), [][]byte{digest[:]}); err != nil || len(held) > 0 {
		t.Errorf("still there: %v, %v", held, err)
	}
	if _, _, err := s.store.TokenByID(t.Context(), "own"); err != nil {
		t.Errorf("a token of bearerd's own went with it: %v", err)
	}
}

func testUsersByName(t *testing.T, s *Suite) {
	s.do(t, op.CreateUser{User: identity.User{ID: "u1", Username: "Anna"}}, op.CreateUser{User: identity.User{ID: "u2", Username: "bert", Disabled: true}})
	s.tick(t)
	found, seq, err := s.store.UsersByName(t.Context(), []string{" ANNA", "Bert", "nobody", ""})
	want := map[string]records.NamedUser{"anna": {ID: "u1", Username: "Anna"}, "bert": {ID: "u2", Username: "bert", Disabled: true}}
	if err != nil || seq != 1 {
		t.Errorf("as of %d, %v", seq, err)
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

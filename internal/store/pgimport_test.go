package store_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/token"
)

// A transaction that changes rows of an import while they are being deleted, as one does that
// revokes all of a user, makes the deletion of a chunk find fewer rows than there are. No
// token of the import may be left: without the import's row it would be accepted.
func TestADroppedImportLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	const rows = 1200
	dsn, stores := storekit.OnPostgres(t, 1, store.Options{Postgres: postgres.Limits{StatementTimeout: 20 * time.Second}})
	s := stores[0]
	var staged []records.StoredToken
	for i := range rows {
		id := fmt.Sprintf("t%04d", i)
		staged = append(staged, records.StoredToken{ID: id, Kind: token.KindAPIToken, Digest: sha256.Sum256([]byte(id)), Owner: "u1", CreatedAt: time.Now()})
	}
	_, err := s.Commit(t.Context(), op.Batch{Ops: []op.Op{
		op.BeginImport{ID: 7, At: time.Now()}, op.StageTokens{Import: 7, At: time.Now(), Tokens: staged},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := storekit.RawPostgres(t, dsn, nil)
	storekit.MustExec(t, c, "BEGIN")
	storekit.MustExec(t, c, "UPDATE tokens SET revoked_at = 1, reason = 'revoked' WHERE owner = 'u1'")
	dropped := make(chan error, 1)
	go func() { dropped <- s.DropImport(context.WithoutCancel(t.Context()), 7) }()
	watch := storekit.RawPostgres(t, dsn, nil)
	for storekit.Ask[int64](t, watch, "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'") == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	storekit.MustExec(t, c, "COMMIT")
	if err := <-dropped; err != nil {
		t.Fatal(err)
	}
	if n := storekit.Ask[int64](t, c, "SELECT count(*) FROM tokens"); n != 0 {
		t.Errorf("%d tokens of a dropped import are left, and their import's row is gone: %d rows", n, storekit.Ask[int64](t, c, "SELECT count(*) FROM imports"))
	}
}

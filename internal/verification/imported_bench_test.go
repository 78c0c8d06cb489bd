package verification_test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/foreign"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// BenchmarkBudgetVerifyImported verifies an API token of another system's shape that was
// imported, seen before. ratio is to an API token of bearerd's own, in turns in the same run,
// of the medians of the turns.
func BenchmarkBudgetVerifyImported(b *testing.B) {
	f := nodetest.New(b, nodetest.Options{Foreign: []foreign.Shape{{Name: "hex", Pattern: "[0-9a-f]{40}"}}})
	ada := f.User(b, "ada", "")
	own, err := f.IssueFor(b.Context(), caller.Operator(), "ada", &issuance.Request{Kind: token.KindAPIToken, Name: "own"})
	nodetest.Must(b, err)
	raw := hex.EncodeToString([]byte("twenty bytes of hex!"))
	row := records.StoredToken{
		ID: "01890a5d-ac96-774b-bcce-b302099a8057", Kind: token.KindAPIToken, Digest: token.Digest(raw), Owner: ada.ID, Name: "imported", Import: 7, CreatedAt: f.Time(),
	}
	_, err = f.Store.Commit(b.Context(), op.Batch{Ops: []op.Op{
		op.BeginImport{ID: 7, At: f.Time()}, op.StageTokens{Import: 7, At: f.Time(), Tokens: []records.StoredToken{row}}, op.PublishImport{ID: 7},
	}})
	nodetest.Must(b, err)
	const round = 1000
	turn := func(raw string) time.Duration {
		started := time.Now()
		for range round {
			if _, err := f.Verify(b.Context(), raw, verification.Requirements{}); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(started)
	}
	turn(raw)
	turn(own.Value.Reveal())
	var imported, control []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		imported, control = append(imported, turn(raw)), append(control, turn(own.Value.Reveal()))
	}
	b.ReportMetric(float64(median(imported))/float64(median(control)), "ratio")
	b.ReportMetric(float64(median(imported))/round, "ns/verify")
}

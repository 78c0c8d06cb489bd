package store_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/token"
)

func benchStore(b *testing.B) *store.Store {
	b.Helper()
	return storekit.Open(b, filepath.Join(b.TempDir(), "bearerd.db"), store.Options{})
}

// issued is what issuing a token without a row writes.
func issued(n int64) op.Batch {
	return op.Batch{Audit: []audit.Event{{
		At: time.Now().UTC(), Actor: "0b9f6f5a-6f3b-4c6e-9a7e-6d1d3b0c2f11", Action: audit.TokenIssue, Target: "0b9f6f5a-6f3b-4c6e-9a7e-6d1d3b0c2f11",
		TokenID: fmt.Sprintf("%08x-%04x-4c6e-9a7e-6d1d3b0c2f11", uint32(n*2654435761), n&0xffff), Address: "192.0.2.7", RequestID: fmt.Sprint(n), Outcome: audit.OK,
	}}}
}

// commits runs concurrent committers and returns commits a second.
func commits(b *testing.B, s *store.Store, committers, total int) float64 {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	begun := time.Now()
	for range committers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(total); n = next.Add(1) {
				if _, err := s.Commit(b.Context(), issued(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(total) / time.Since(begun).Seconds()
}

// BenchmarkCommit compares 64 committers with one: what sharing a transaction is worth.
func BenchmarkCommit(b *testing.B) {
	s := benchStore(b)
	var alone, together float64
	for b.Loop() {
		alone = commits(b, s, 1, 200)
		together = commits(b, s, 64, 20_000)
	}
	b.ReportMetric(alone, "alone/s")
	b.ReportMetric(together, "together/s")
	b.ReportMetric(together/alone, "ratio")
}

func BenchmarkPrincipal(b *testing.B) {
	s := benchStore(b)
	u := identity.User{ID: "id", Username: "name", Groups: []string{"a", "b"}}
	ops := []op.Op{
		op.CreateUser{User: u},
		op.CreateClient{Client: identity.Client{ID: "ci", Grants: []string{"client_credentials"}}},
		op.CreateRole{Role: access.Role{Name: "r", Permissions: []access.Permission{{Action: "*", Path: "/"}}}},
	}
	for n := range 4 {
		ops = append(ops, op.AddBinding{Binding: access.Binding{ID: fmt.Sprint(n), User: u.ID, Role: "r", Path: access.CollectionPath(int64(n))}})
	}
	if _, err := s.Commit(b.Context(), op.Batch{Ops: ops}); err != nil {
		b.Fatal(err)
	}
	for name, who := range map[string]records.Who{"User": {UserID: u.ID}, "Client": {ClientID: "ci"}} {
		b.Run(name, func(b *testing.B) {
			before := s.Queries()
			for b.Loop() {
				if _, err := s.Principal(b.Context(), who); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(s.Queries()-before)/float64(b.N), "queries/op")
		})
	}
}

func BenchmarkTokenByDigest(b *testing.B) {
	s := benchStore(b)
	one := records.StoredToken{ID: "t", Kind: token.KindAPIToken, Digest: [32]byte{1}, Scope: []string{"read"}, CreatedAt: time.Now()}
	if _, err := s.Commit(b.Context(), op.Batch{Ops: []op.Op{op.AddToken{Token: one}}}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := s.TokenByDigest(b.Context(), one.Digest); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEntries reads a long log as a node does when it starts.
func BenchmarkEntries(b *testing.B) {
	const total, page = 200_000, 5000
	s := benchStore(b)
	now := time.Now()
	for n := 0; n < total; n += page {
		var batch op.Batch
		for i := range page {
			batch.Log = append(batch.Log, revocation.Entry{What: revocation.Token, ID: fmt.Sprintf("%08x-%04x-4c6e-9a7e-6d1d3b0c2f11", uint32((n+i)*2654435761), i), At: now, Until: now.Add(time.Hour)})
		}
		if _, err := s.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		for after := revocation.Seq(0); after < total; {
			p, err := s.Entries(b.Context(), after, page)
			if err != nil {
				b.Fatal(err)
			}
			after = p.Entries[len(p.Entries)-1].Seq
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/total, "ns/entry")
}

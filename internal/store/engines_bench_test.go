package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/token"
)

// BenchmarkEngines compares SQLite with a PostgreSQL on this machine that writes to
// the disk as it does by default: an event that is recorded when a token is issued,
// an entry of the log, a stored token that is seen for the first time, and a user.
func BenchmarkEngines(b *testing.B) {
	for name, open := range map[string]func(b *testing.B) *store.Store{
		"SQLite":   benchStore,
		"Postgres": func(b *testing.B) *store.Store { return storekit.Open(b, pgtest.Start(b).DSN(), store.Options{}) },
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b)
			one := records.StoredToken{ID: "t", Kind: token.KindAPIToken, Digest: [32]byte{1}, Scope: []string{"read"}, CreatedAt: time.Now()}
			u := identity.User{ID: "id", Username: "name", Groups: []string{"a", "b"}}
			if _, err := s.Commit(b.Context(), op.Batch{Ops: []op.Op{op.AddToken{Token: one}, op.CreateUser{User: u}}}); err != nil {
				b.Fatal(err)
			}
			var n atomic.Int64
			for what, do := range map[string]func() error{
				"Issue":  func() error { return second(s.Commit(b.Context(), issued(n.Add(1)))) },
				"Append": func() error { return second(s.Commit(b.Context(), kill(fmt.Sprint(n.Add(1))))) },
				"Look": func() error {
					_, _, err := s.TokenByDigest(b.Context(), one.Digest)
					return err
				},
				"Principal": func() error { return second(s.Principal(b.Context(), records.Who{UserID: u.ID})) },
			} {
				b.Run(what, func(b *testing.B) {
					before := s.Queries()
					for b.Loop() {
						if err := do(); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(s.Queries()-before)/float64(b.N), "queries/op")
				})
				b.Run(what+"Together", func(b *testing.B) {
					b.SetParallelism(8)
					b.RunParallel(func(p *testing.PB) {
						for p.Next() {
							if err := do(); err != nil {
								b.Error(err)
								return
							}
						}
					})
				})
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// BenchmarkListen is the time from an append on one node to the wake of another.
func BenchmarkListen(b *testing.B) {
	dsn := pgtest.Start(b).DSN()
	here, there := storekit.Open(b, dsn, store.Options{}), storekit.Open(b, dsn, store.Options{})
	woken := make(chan struct{}, 1)
	go func() { _ = there.Listen(b.Context(), func() { woken <- struct{}{} }) }()
	<-woken
	for b.Loop() {
		if _, err := here.Commit(b.Context(), kill("x")); err != nil {
			b.Fatal(err)
		}
		<-woken
	}
}

package importing_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/importing"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/verification"
)

// Most systems have about as many owners as tokens: more than are looked up in one question.
func TestAFileOfManyOwners(t *testing.T) {
	t.Parallel()
	const owners = 2*records.MaxUsernames + 10
	f := nodetest.New(t, nodetest.Options{Foreign: shapes})
	var users []op.Op
	var file strings.Builder
	file.WriteString("value,owner\n")
	for n := range owners {
		users = append(users, op.CreateUser{User: identity.User{ID: fmt.Sprint("u", n), Username: fmt.Sprint("user", n)}})
		fmt.Fprintf(&file, "%s,user%d\n", hexValue(n), n)
	}
	_, err := f.Store.Commit(t.Context(), op.Batch{Ops: users})
	nodetest.Must(t, err)
	if r := must(t, newImporter(t, f), file.String()); r.Imported != owners {
		t.Errorf("%+v", r)
	}
	for _, n := range []int{0, records.MaxUsernames, owners - 1} {
		id, err := f.Identify(t.Context(), hexValue(n), verification.Requirements{})
		if err != nil || id.Subject.Username != fmt.Sprint("user", n) {
			t.Errorf("the token of user%d: %v, %v", n, id, err)
		}
	}
}

// answers is a store whose answers to a publication are lost.
type answers struct {
	journal.Store

	carryOut func(context.Context, op.Batch) error
}

func (a answers) Commit(ctx context.Context, b op.Batch) (revocation.Seq, error) {
	for _, o := range b.Ops {
		if _, publishes := o.(op.PublishImport); publishes {
			return 0, a.carryOut(ctx, b)
		}
	}
	return a.Store.Commit(ctx, b) //nolint:wrapcheck // it is the store's
}

// An import whose last answer is lost says what has become of it: it was imported when it was
// published, and it wasn't when another process has cleared it away in between.
func TestAnImportKnowsWhetherItWasPublished(t *testing.T) {
	t.Parallel()
	lost := fault.New(fault.Unavailable, "there is no answer")
	for name, c := range map[string]struct {
		published bool
		do        func(context.Context, *nodetest.Fixture, op.Batch) error
	}{
		"published": {true, func(ctx context.Context, f *nodetest.Fixture, b op.Batch) error {
			_, err := f.Store.Commit(ctx, b)
			if err != nil {
				return err //nolint:wrapcheck // the next one
			}
			return lost
		}},
		"published, and interrupted": {true, func(ctx context.Context, f *nodetest.Fixture, b op.Batch) error {
			_, err := f.Store.Commit(ctx, b)
			nodetest.Must(t, err)
			return context.Canceled
		}},
		"interrupted": {false, func(context.Context, *nodetest.Fixture, op.Batch) error { return context.Canceled }},
		"cleared away": {false, func(ctx context.Context, f *nodetest.Fixture, b op.Batch) error {
			under, err := f.Store.ImportUnderWay(ctx)
			if err == nil {
				nodetest.Must(t, f.Store.DropImport(ctx, under.ID))
				return lost
			}
			_, err = f.Store.Commit(ctx, b)
			return err //nolint:wrapcheck // it is the store's
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := nodetest.New(t, nodetest.Options{Foreign: shapes})
			f.User(t, "ada", "")
			j, err := journal.New(journal.Config{
				Store:    answers{f.Store, func(ctx context.Context, b op.Batch) error { return c.do(ctx, f, b) }},
				Follower: f.Follower, LastExpiry: f.Ring.LastExpiry, Now: f.Time, Clock: func() time.Duration { return 0 },
				Wait: revocation.WaitNone, Staleness: time.Second, LongestToken: time.Hour,
			})
			nodetest.Must(t, err)
			i := newImporter(t, f, func(cfg *importing.Config) { cfg.Journal = j })
			_, err = do(t.Context(), i, "value,owner\n"+hexValue(1)+",ada\n")
			_, refused := f.Identify(t.Context(), hexValue(1), verification.Requirements{})
			if (err == nil) != c.published || (refused == nil) != c.published {
				t.Errorf("the import says %v, the token is refused with %v", err, refused)
			}
			if _, err := f.Store.ImportUnderWay(t.Context()); !fault.Is(err, fault.NotFound) {
				t.Errorf("an import is left: %v", err)
			}
		})
	}
}

// An imported token is accepted from its networks alone.
func TestAnImportedTokenKeepsToItsNetworks(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Foreign: shapes})
	f.User(t, "ada", "")
	must(t, newImporter(t, f), "value,owner,networks\n"+hexValue(1)+",ada,\"192.0.2.0/24 2001:db8::/32\"\n")
	for from, accepted := range map[string]bool{"192.0.2.9": true, "2001:db8::1": true, "192.0.3.9": false, "2001:db9::1": false} {
		_, err := f.Identify(t.Context(), hexValue(1), verification.Requirements{From: netip.MustParseAddr(from)})
		if (err == nil) != accepted {
			t.Errorf("from %s: %v", from, err)
		}
	}
}

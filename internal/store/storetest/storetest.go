// Package storetest has the tests that every store must pass.
package storetest

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Fresh creates an empty database that is removed when the test ends, and returns a
// function that opens it: each call is another node on the same database, closed when the
// test ends.
type Fresh func(t *testing.T, now func() time.Time) (open func() contract.Store)

// Run runs every test of the suite on databases of its own.
func Run(t *testing.T, fresh Fresh) {
	t.Helper()
	run(t, fresh, false)
}

// RunOnProcessClock is Run for a store whose database has no clock of its own.
func RunOnProcessClock(t *testing.T, fresh Fresh) {
	t.Helper()
	run(t, fresh, true)
}

// outward are the tests of what is kept for others to read.
func outward() map[string]func(*testing.T, *Suite) {
	return map[string]func(*testing.T, *Suite){
		"Counts":        testCounts,
		"Census":        testCensus,
		"CensusClaim":   testCensusClaim,
		"Outbox":        testOutbox,
		"OutboxOfBatch": testOutboxIsOfTheBatch,
		"OutboxBounds":  testOutboxBounds,
		"Turns":         testTurns,
		"Networks":      testNetworks,
	}
}

// comingOver are the tests of what another system's tokens need.
func comingOver() map[string]func(*testing.T, *Suite) {
	return map[string]func(*testing.T, *Suite){
		"Imports":       testImports,
		"ImportedAlone": testImportedAlone,
		"ImportCutOffs": testImportAndCutOffs,
		"DropImport":    testDropImport,
		"Shadows":       testShadows,
		"ManyShadows":   testManyShadows,
		"Uses":          testUses,
		"ManyPlaces":    testUsesOfManyPlaces,
	}
}

// together are the tests of two nodes that act at the same time.
func together() map[string]func(*testing.T, *Suite) {
	return map[string]func(*testing.T, *Suite){
		"TwoNodesSpend": testTwoNodesSpend,
		"TwoNodesLinks": testTwoNodesLinks,
		"TwoTabs":       testTwoTabs,
		"TwoNodesKeys":  testTwoNodesKeys,
		"TwoNodesLog":   testTwoNodesLog,
		"TwoNodesGroup": testTwoNodesGroup,
		"TwoNodesUses":  testUsesOfManyNodes,

		"PassedConfirmations": testPassedConfirmations,
	}
}

func run(t *testing.T, fresh Fresh, processClock bool) {
	t.Helper()
	tests := map[string]func(*testing.T, *Suite){
		"Users":          testUsers,
		"Usernames":      testUsernames,
		"Owners":         testOwners,
		"Links":          testLinks,
		"Memberships":    testMemberships,
		"ByLink":         testByLink,
		"RequireLink":    testRequireLink,
		"PasswordLinks":  testPasswordLinks,
		"IfPassword":     testIfPassword,
		"OwnedUsers":     testOwnedUsers,
		"OwnedWindows":   testOwnedWindows,
		"Groups":         testGroups,
		"Documents":      testDocuments,
		"Spend":          testSpend,
		"SessionsOf":     testSessionsOf,
		"AuditNames":     testAuditNames,
		"UserList":       testUserList,
		"Principal":      testPrincipal,
		"Snapshot":       testSnapshot,
		"Decoy":          testDecoy,
		"Collections":    testCollections,
		"Roles":          testRoles,
		"Bindings":       testBindings,
		"Clients":        testClients,
		"Issuers":        testIssuers,
		"RotateSecret":   testRotateSecret,
		"Identifiers":    testIdentifiers,
		"Tokens":         testTokens,
		"TokenList":      testTokenList,
		"TokenFilters":   testTokenFilters,
		"ForgedCursors":  testForgedCursors,
		"UsernamesOf":    testUsernamesOf,
		"TokenDigests":   testTokensByDigest,
		"KillTokens":     testKillTokens,
		"SpendToken":     testSpendToken,
		"Siblings":       testSiblings,
		"ShortenToken":   testShortenToken,
		"LateHeirs":      testLateHeirs,
		"VoidTokens":     testVoidTokens,
		"Replaces":       testReplaces,
		"Touch":          testTouch,
		"UsersByName":    testUsersByName,
		"Devices":        testDevices,
		"DeviceBounds":   testDeviceBounds,
		"Notices":        testNotices,
		"Attempts":       testAttempts,
		"AccountFails":   testAccountFailures,
		"Addresses":      testKnownAddresses,
		"SigningKeys":    testSigningKeys,
		"Batches":        testBatches,
		"Log":            testLog,
		"Purge":          testPurge,
		"LongPurge":      testLongPurge,
		"PurgeAhead":     testPurgeAhead,
		"ClockOffset":    testClockOffset,
		"Nodes":          testNodes,
		"Audit":          testAudit,
		"AuditTimes":     testAuditTimes,
		"AuditCounts":    testAuditCounts,
		"AuditKept":      testAuditRetention,
		"Times":          testTimes,
		"Cancelled":      testCancelled,
		"KillEverything": testKillEverything,
	}
	maps.Copy(tests, outward())
	maps.Copy(tests, comingOver())
	maps.Copy(tests, lists())
	maps.Copy(tests, together())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &Suite{processClock: processClock}
			s.set(start)
			s.open = fresh(t, s.now)
			s.store = s.open()
			test(t, s)
		})
	}
}

// start is when every test begins.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// Suite is what a test uses: a store, further ones on the same database, and a clock that
// the test sets.
type Suite struct {
	store contract.Store
	open  func() contract.Store
	clock atomic.Pointer[time.Time]

	processClock bool // the database has no clock but the process's
}

func (s *Suite) now() time.Time       { return *s.clock.Load() }
func (s *Suite) set(t time.Time)      { s.clock.Store(&t) }
func (s *Suite) pass(d time.Duration) { s.set(s.now().Add(d)) }

// do commits operations that must succeed.
func (s *Suite) do(t *testing.T, ops ...op.Op) {
	t.Helper()
	if _, err := s.store.Commit(t.Context(), op.Batch{Ops: ops}); err != nil {
		t.Fatalf("%T: %v", ops[0], err)
	}
}

// refuse commits operations that must fail with that kind of fault.
func (s *Suite) refuse(t *testing.T, kind fault.Kind, ops ...op.Op) {
	t.Helper()
	_, err := s.store.Commit(t.Context(), op.Batch{Ops: ops})
	wantFault(t, err, kind)
}

// wantFault fails the test unless err has a fault of that kind in its chain.
func wantFault(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Fatalf("got %v (kind %d), want a fault of kind %d", err, fault.KindOf(err), kind)
	}
	if !fault.Is(fmt.Errorf("wrapped: %w", err), kind) {
		t.Fatalf("%v lost its kind when wrapped", err)
	}
}

// same fails the test unless two values are equal; empty and nil lists count as equal.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s: (-want +got)\n%s", what, diff)
	}
}

// must returns a result and fails the test on an error.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func user(n int) identity.User {
	return identity.User{
		ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n), Username: fmt.Sprintf("user%03d", n), Name: fmt.Sprintf("User %d", n),
		Email: fmt.Sprintf("user%d@example.org", n), Groups: []string{"curators", "staff"}, PasswordHash: passhash.Hash(fmt.Sprint("hash", n)),
	}
}

func entry(what revocation.What, id string) revocation.Entry {
	return revocation.Entry{What: what, ID: id, Until: start.Add(24 * time.Hour), At: start}
}

func event(target string) audit.Event {
	return audit.Event{At: start, Actor: audit.ActorSystem, Action: audit.TokenRevoke, Target: target, Outcome: audit.OK}
}

// principal reads a user by id.
func (s *Suite) principal(ctx context.Context, id string) (records.Principal, error) {
	return s.store.Principal(ctx, records.Who{UserID: id})
}

package store

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/store/engine"
)

// Raise is by how much a restored log goes up.
const Raise = raise

// Alter runs a pragma on the connection that writes.
func (s *Store) Alter(ctx context.Context, pragma string) error {
	return s.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		return c.Script(ctx, pragma)
	})
}

// Panicking is a plan that fails as no plan should.
func Panicking([]keyring.Key) ([]keyring.Key, error) { panic("a plan with a mistake") }

// PurgeUses looks through so many rows for uses of tokens that have ended.
func (s *Store) PurgeUses(ctx context.Context, end time.Time, rows int) error {
	return s.purgeUses(ctx, end, rows)
}

// WalkUsesFrom has the next purge begin at a key.
func (s *Store) WalkUsesFrom(key int64) { s.usesWalk.Store(key) }

// Lookups are the statements that must be served by an index, by name.
func Lookups() map[string]string {
	all := map[string]string{
		"touch":       touch,
		"advanceHead": advanceHead, "selectEntries": selectEntries, "newestEntry": newestEntry,
		"deleteNode": deleteNode, "dropNode": dropNode,
		"purgeEntries":   purgeEntries,
		"purgeEvents":    purgeEvents,
		"shadowExamples": shadowExamples, "setExamples": setExamples, "selectShadows": selectShadows, "purgeShadows": purgeShadows,
		"usesOf": usesOf(usesChunk), "withUses": withUses(usesChunk), "walkUses": walkUses, "deleteUses": deleteUses,
		"selectCounts": selectCounts, "purgeCounts": purgeCounts, "countUsers": countUsers, "countTokens": countTokens, "claimCensus": claimCensus, "setFigures": setFigures,
		"dueNotices": dueNotices, "deleteNotice": deleteNotice, "postponeNotice": postponeNotice, "trimOld": trimOld, "trimMany": trimMany, "purgeNotices": purgeNotices,
		"seeNetwork": seeNetwork, "otherNetwork": otherNetwork, "trimNetworks": trimNetworks, "knownNetwork": knownNetwork,
	}
	maps.Copy(all, eventLookups())
	return all
}

// eventLookups are the statements of the audit log.
func eventLookups() map[string]string {
	all := map[string]string{"eventTime": selectEventTime}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, f := range map[string]audit.Filter{
		"All": {}, "Actor": {Actor: "x"}, "Target": {Target: "x"}, "Token": {TokenID: "x"}, "Action": {Action: "x"}, "Refused": {Outcome: audit.Refused},
		"FromOne": {Address: "192.0.2.1"}, "FromFew": {Address: "192.0.2.0/24"}, "Since": {Since: now}, "Until": {Until: now}, "ActorSince": {Actor: "x", Since: now},
	} {
		f.Cursor = 1
		l, err := newEventList(f)
		if err != nil {
			panic(err)
		}
		all["events"+name], _ = l.horizon()
		for i, by := range slices.Concat(l.equal, l.ranges) {
			all["events"+name+strconv.Itoa(i)], _ = l.count(by)
		}
	}
	return all
}

// Pragma reads a pragma of the connection that writes.
func (s *Store) Pragma(ctx context.Context, name string) (value string) {
	_ = s.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		return c.Row(ctx, "PRAGMA "+name, nil, &value)
	})
	return value
}

// Session are the settings of every session of PostgreSQL.
func Session(p Postgres) map[string]string { return p.withDefaults().session() }

// CheckServer judges a server of PostgreSQL by what it says of itself.
func CheckServer(version int, encoding string, standby, readOnly bool) error {
	return server{version: version, encoding: encoding, standby: standby, readOnly: readOnly}.check(nil)
}

// Queued is how many batches wait for a group of PostgreSQL, or for SQLite's writer.
func (s *Store) Queued() int {
	if db, ok := s.db.(*sqliteDB); ok {
		return len(db.queue)
	}
	db, ok := s.db.(*postgresDB)
	if !ok {
		return 0
	}
	db.committer.mu.Lock()
	defer db.committer.mu.Unlock()
	return db.committer.queued
}

// Relied are the settings that a connection must have.
func Relied() []string { return slices.Clone(relied) }

// Sole asks a question of one row, on a connection of the store.
func (s *Store) Sole(ctx context.Context, text string, dest ...any) error {
	return s.db.Read(ctx, func(ctx context.Context, c engine.Conn) error { return c.Row(ctx, text, nil, dest...) })
}

// Statements are all that are prepared, by name, with those of Lookups.
func Statements() map[string]string {
	all := Lookups()
	maps.Copy(all, map[string]string{
		"upsertNode": upsertNode, "insertEvent": insertEvent,
		"raisePurged": raisePurged, "seqOfHead": seqOfHead,
	})
	return all
}

// Hurried returns options by which each step of a start waits for so long only.
func Hurried(o Options, wait time.Duration) Options {
	o.startTimeout = wait
	return o
}

// Alone runs a statement as a migration is run, after its context has ended.
func (s *Store) Alone(ctx context.Context, text string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return s.alone(ctx, func(ctx context.Context, c engine.Conn) error {
		cancel()
		return c.Script(ctx, text)
	})
}

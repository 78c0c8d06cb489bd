package store

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// Raise is by how much a restored log goes up.
const Raise = raise

// Alter runs a pragma on the connection that writes.
func (s *Store) Alter(ctx context.Context, pragma string) error {
	return s.write(ctx, func(ctx context.Context, c conn) error {
		return c.script(ctx, pragma)
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
		"principalByID": principalByID, "principalByUsername": principalByUsername, "principalByClient": principalByClient,
		"selectGrants": selectGrants, "selectOneUser": selectOneUser, "lockUser": lockUser, "updateUserRow": updateUserRow, "rehash": rehash,
		"deleteUser": deleteUser, "deleteGroup": deleteGroup, "principalByLink": principalByLink, "deleteLink": deleteLink, "sessionsOf": sessionsOf, "sessionsOfOwner": sessionsOfOwner, "isSpent": isSpent, "selectCode": selectCode, "spendCode": spendCode, "purgeCodes": purgeCodes, "selectConsent": selectConsent, "forgetConsent": forgetConsent, "purgeSpent": purgeSpent, "purgePasswordLinks": purgePasswordLinks, "userExists": userExists, "isSpentSince": isSpentSince,
		"otherCollection": otherCollection, "renameCollection": renameCollection, "deleteCollection": deleteCollection,
		"deleteBindingsFrom": deleteBindingsFrom, "setPermissions": setPermissions, "deleteRole": deleteRole, "roleExists": roleExists,
		"deleteBinding": deleteBinding, "selectUserBindings": selectUserBindings, "selectGroupBindings": selectGroupBindings, "selectRootGroups": selectRootGroups,
		"selectReachingBindings": selectReachingBindings,
		"updateClientRow":        updateClientRow, "setClientSecret": setClientSecret, "deleteClient": deleteClient,
		"tokenByDigest": tokenByDigest, "tokenByID": tokenByID, "tokensByDigest": tokensBy("digest", fewDigests), "allTokens": allTokens, "ownersTokens": ownersTokens,
		"clientsTokens": clientsTokens, "ownerThroughOne": ownerThroughOne, "spendOne": spendOne, "killByID": killByID,
		"killByOwner": killByOwner, "killByClient": killByClient, "touch": touch,
		"advanceHead": advanceHead, "selectEntries": selectEntries, "newestEntry": newestEntry,
		"deleteNode": deleteNode, "dropNode": dropNode,
		"scopeListed": scopeListed, "linksOfUser": linksOfUser, "linksOfSource": linksOfSource,
		"selectAttempts": selectAttempts, "purgeEntries": purgeEntries, "purgeExpired": purgeExpired, "purgeRevoked": purgeRevoked,
		"purgeAttempts": purgeAttempts, "purgeEvents": purgeEvents, "purgeAddresses": purgeAddresses, "selectAccount": selectAccount,
		"deleteAttempt": deleteAttempt, "deleteAttempts": deleteAttempts, "selectAddress": selectAddress, "forgetAddresses": forgetAddresses, "shortenOne": shortenOne, "shortenHeirs": shortenHeirs, "deviceByDigest": deviceByDigest, "deviceByUserCode": deviceByUserCode,
		"decideDevice": decideDevice, "waitingDevices": waitingDevices, "waitingOfClient": waitingOfClient, "spendDevice": spendDevice, "purgeDevices": purgeDevices,
		"cutOffSince": cutOffSince, "expiringTokens": expiringTokens, "claimNotice": claimNotice, "unclaimNotice": unclaimNotice,
		"shadowExamples": shadowExamples, "setExamples": setExamples, "selectShadows": selectShadows, "purgeShadows": purgeShadows,
		"touchImport": touchImport, "clearImport": clearImport, "deleteImport": deleteImport, "ownedTokens": ownedTokens, "cutOffsSince": cutOffsSince,
		"usesOf": usesOf(fewDigests), "withUses": withUses(fewDigests), "walkUses": walkUses, "deleteUses": deleteUses,
		"tokensHeld": tokensHeld(fewDigests), "usersByName": usersByName(fewDigests),
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

// OwnedLookups are the statements of lists of what a source provisions.
func OwnedLookups() map[string]string {
	all := map[string]string{"users": selectOwnedUsers, "part": selectOwnedPart, "groups": selectOwnedGroups, "count of groups": countOwnedGroups, "members": selectMembers}
	for name, condition := range map[string]string{
		"user by id": ownedByID, "user by name": ownedByName, "user by external id": ownedByExternal,
	} {
		f := ownedFilter{args: []any{"hr"}}
		f.is(condition, "x")
		all[name] = f.statement(selectOwnedUser)
	}
	for name, condition := range map[string]string{
		"group by id": groupByID, "group by name": groupByName, "group by external id": groupByExternal, "group by member": groupByMember,
	} {
		f := ownedFilter{args: []any{"hr"}}
		f.is(condition, "x")
		all[name] = f.statement(selectGroup)
	}
	return all
}

// ListLookups are the statements of lists: each order and filter has an index.
func ListLookups() map[string]string {
	all := map[string]string{}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, q := range map[string]records.TokenQuery{
		"newest": {Order: records.NewestFirst, Kinds: []token.Kind{token.KindAPIToken}}, "valid": {State: records.ValidOnly},
		"oldest": {Order: records.OldestFirst}, "by expiry": {Order: records.ExpiryFirst}, "by name": {Order: records.ByName},
		"expiring": {ExpiresBy: now.Add(time.Hour)}, "never used": {NeverUsed: true}, "with a scope": {Scope: "read"}, "searched": {Search: "lap"},
		"an owner's": {Owner: "ada", State: records.ValidOnly}, "a client's": {ClientID: "app", NeverUsed: true}, "an owner's by name": {Owner: "ada", Order: records.ByName},
	} {
		q.Now = now
		l, err := newTokenList(q)
		if err != nil {
			panic(err)
		}
		all["tokens, "+name], _ = l.page(nil, 101)
		all["tokens, total, "+name], _ = l.total()
		if !l.sort {
			all["tokens, after, "+name], _ = l.page(&tokenPlace{int64(1), "x"}, 101)
		}
	}
	for name, q := range map[string]records.UserQuery{
		"all": {}, "after": {After: "ada"}, "from the end": {Descending: true}, "disabled": {Disabled: new(true)}, "searched": {Search: "x"},
	} {
		l := &userList{UserQuery: q, search: q.Search}
		all["users, "+name], _ = l.walked(101, records.MaxTotal)
		all["users, total, "+name], _ = l.counted(101)
	}
	return all
}

// Pragma reads a pragma of the connection that writes.
func (s *Store) Pragma(ctx context.Context, name string) (value string) {
	_ = s.write(ctx, func(ctx context.Context, c conn) error {
		return c.row(ctx, "PRAGMA "+name, nil, &value)
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
	if db, ok := s.engine.(*sqliteDB); ok {
		return len(db.queue)
	}
	db, ok := s.engine.(*postgresDB)
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
	return s.read(ctx, func(ctx context.Context, c conn) error { return c.row(ctx, text, nil, dest...) })
}

// Statements are all that are prepared, by name, with those of Lookups.
func Statements() map[string]string {
	all := Lookups()
	maps.Copy(all, map[string]string{
		"insertUser": insertUser, "insertGroup": insertGroup, "insertCollection": insertCollection, "insertRole": insertRole,
		"insertBinding": insertBinding, "insertClient": insertClient, "insertToken": insertToken, "insertAncestor": insertAncestor,
		"insertDevice": insertDevice, "upsertKey": upsertKey, "upsertNode": upsertNode, "addAttempt": addAttempt, "insertEvent": insertEvent,
		"raisePurged": raisePurged, "selectHead": selectHead,
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
	return s.alone(ctx, func(ctx context.Context, c conn) error {
		cancel()
		return c.script(ctx, text)
	})
}

// SearchedUsers is how many users are looked at for a page of a search.
const SearchedUsers = searchedUsers

package store

import (
	"context"
	"maps"
	"slices"

	"github.com/bearerd/bearerd/internal/keyring"
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

// Lookups are the statements that must be served by an index, by name.
func Lookups() map[string]string {
	return map[string]string{
		"principalByID": principalByID, "principalByUsername": principalByUsername, "principalByClient": principalByClient,
		"selectGrants": selectGrants, "selectOneUser": selectOneUser, "lockUser": lockUser, "updateUserRow": updateUserRow, "rehash": rehash,
		"deleteUser": deleteUser, "deleteGroup": deleteGroup, "principalByLink": principalByLink, "deleteLink": deleteLink, "liveSessions": liveSessions, "isSpent": isSpent, "selectCode": selectCode, "spendCode": spendCode, "purgeCodes": purgeCodes, "selectConsent": selectConsent, "forgetConsent": forgetConsent, "purgeSpent": purgeSpent, "purgePasswordLinks": purgePasswordLinks, "userExists": userExists, "selectUsers": selectUsers, "isSpentSince": isSpentSince,
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
		"eventsOfAll": eventsOfAll, "eventsOfActor": eventsOfActor, "eventsOfTarget": eventsOfTarget, "eventsOfToken": eventsOfToken,
		"selectAttempts": selectAttempts, "purgeEntries": purgeEntries, "purgeExpired": purgeExpired, "purgeRevoked": purgeRevoked,
		"purgeAttempts": purgeAttempts, "purgeEvents": purgeEvents, "purgeAddresses": purgeAddresses, "selectAccount": selectAccount,
		"deleteAttempt": deleteAttempt, "deleteAttempts": deleteAttempts, "selectAddress": selectAddress, "forgetAddresses": forgetAddresses, "shortenOne": shortenOne, "shortenHeirs": shortenHeirs, "deviceByDigest": deviceByDigest, "deviceByUserCode": deviceByUserCode,
		"decideDevice": decideDevice, "waitingDevices": waitingDevices, "waitingOfClient": waitingOfClient, "spendDevice": spendDevice, "purgeDevices": purgeDevices,
		"cutOffSince": cutOffSince, "expiringTokens": expiringTokens, "claimNotice": claimNotice, "unclaimNotice": unclaimNotice,
		"shadowExamples": shadowExamples, "setExamples": setExamples, "selectShadows": selectShadows, "purgeShadows": purgeShadows,
		"touchImport": touchImport, "clearImport": clearImport, "ownedTokens": ownedTokens, "cutOffsSince": cutOffsSince,
		"tokensHeld": tokensHeld(fewDigests), "usersByName": usersByName(fewDigests),
	}
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

// Queued is how many batches wait for a group of PostgreSQL.
func (s *Store) Queued() int {
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

package tokens

import (
	"maps"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// Lookups are the statements that must be served by an index, by name.
func Lookups() map[string]string {
	return map[string]string{
		"sessionsOf":       sessionsOf,
		"sessionsOfOwner":  sessionsOfOwner,
		"isSpent":          isSpent,
		"selectCode":       selectCode,
		"spendCode":        spendCode,
		"purgeCodes":       purgeCodes,
		"selectConsent":    selectConsent,
		"forgetConsent":    forgetConsent,
		"purgeSpent":       purgeSpent,
		"isSpentSince":     isSpentSince,
		"tokenByDigest":    tokenByDigest,
		"tokenByID":        tokenByID,
		"tokensByDigest":   tokensBy("digest", fewDigests),
		"allTokens":        allTokens,
		"ownersTokens":     ownersTokens,
		"clientsTokens":    clientsTokens,
		"ownerThroughOne":  ownerThroughOne,
		"spendOne":         spendOne,
		"killByID":         killByID,
		"killByOwner":      killByOwner,
		"killByClient":     killByClient,
		"purgeExpired":     purgeExpired,
		"purgeRevoked":     purgeRevoked,
		"shortenOne":       shortenOne,
		"shortenHeirs":     shortenHeirs,
		"deviceByDigest":   deviceByDigest,
		"deviceByUserCode": deviceByUserCode,
		"decideDevice":     decideDevice,
		"waitingDevices":   waitingDevices,
		"waitingOfClient":  waitingOfClient,
		"spendDevice":      spendDevice,
		"purgeDevices":     purgeDevices,
		"cutOffSince":      cutOffSince,
		"expiringTokens":   expiringTokens,
		"claimNotice":      claimNotice,
		"unclaimNotice":    unclaimNotice,
		"touchImport":      touchImport,
		"clearImport":      clearImport,
		"deleteImport":     deleteImport,
		"ownedTokens":      ownedTokens,
		"cutOffsSince":     cutOffsSince,
		"tokensHeld":       tokensHeld(fewDigests),
	}
}

// Statements are all that are prepared, by name, with those of Lookups.
func Statements() map[string]string {
	all := Lookups()
	maps.Copy(all, map[string]string{
		"insertToken":    insertToken,
		"insertAncestor": insertAncestor,
		"insertDevice":   insertDevice,
	})
	return all
}

// TokensListLookups are the statements of lists: each order and filter has an index.
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
	return all
}

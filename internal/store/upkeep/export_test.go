package upkeep

import (
	"context"
	"time"
)

// Lookups are the statements that must be served by an index, by name.
func Lookups() map[string]string {
	return map[string]string{
		"shadowExamples": shadowExamples,
		"setExamples":    setExamples,
		"selectShadows":  selectShadows,
		"purgeShadows":   purgeShadows,
		"usesOf":         usesOf(usesChunk),
		"withUses":       withUses(usesChunk),
		"walkUses":       walkUses,
		"deleteUses":     deleteUses,
		"selectCounts":   selectCounts,
		"purgeCounts":    purgeCounts,
		"countUsers":     countUsers,
		"countTokens":    countTokens,
		"claimCensus":    claimCensus,
		"setFigures":     setFigures,
		"dueNotices":     dueNotices,
		"deleteNotice":   deleteNotice,
		"postponeNotice": postponeNotice,
		"trimOld":        trimOld,
		"trimMany":       trimMany,
		"purgeNotices":   purgeNotices,
		"seeNetwork":     seeNetwork,
		"otherNetwork":   otherNetwork,
		"trimNetworks":   trimNetworks,
		"knownNetwork":   knownNetwork,
	}
}

// PurgeSome looks through so many rows for uses of tokens that have ended.
func (u *Uses) PurgeSome(ctx context.Context, end time.Time, rows int) error {
	return u.purgeUses(ctx, end, rows)
}

// WalkFrom has the next purge begin at a key.
func (u *Uses) WalkFrom(key int64) { u.walk.Store(key) }

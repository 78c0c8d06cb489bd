// Package tokens keeps stored tokens: their lists, what ends them and what they are derived
// from, imports of another system's tokens, and the device codes and authorization codes that
// tokens are issued for.
package tokens

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

// Tokens reads stored tokens and what they are issued for, and imports tokens.
type Tokens struct {
	Stored
	Imports
	Codes
}

// New returns the tokens of a database.
func New(db engine.DB) *Tokens { return &Tokens{Stored{db}, Imports{db}, Codes{db}} }

// Stored reads stored tokens, and records their last uses.
type Stored struct{ db engine.DB }

// Imports reads and clears imports of another system's tokens.
type Imports struct{ db engine.DB }

// Codes reads device codes, and what the authorization code grant keeps.
type Codes struct{ db engine.DB }

// CarryOut does an operation on stored tokens and what they are issued for. It reports
// whether the operation is one.
func CarryOut(ctx context.Context, c engine.Conn, o op.Op) (done bool, err error) {
	switch o := o.(type) {
	case op.AddToken:
		return true, addToken(ctx, c, o)
	case op.SpendToken:
		return true, spendToken(ctx, c, o)
	case op.SpendAgain:
		return true, spendTokenAgain(ctx, c, o)
	case op.ShortenToken:
		return true, shorten(ctx, c, o)
	case op.KillTokens:
		return true, killTokens(ctx, c, o)
	case op.KillEverything:
		return true, killEverything(ctx, c, o)
	case op.Spend:
		return true, spend(ctx, c, o)
	case op.EndSourced:
		return true, endSourced(ctx, c, o)
	case op.ClaimNotice:
		return true, claim(ctx, c, o)
	case op.BeginImport:
		return true, query.UnlessConflict(ctx, c, "another import is under way", beginImport, o.ID, column.Micros(o.At))
	case op.StageTokens:
		return true, stageTokens(ctx, c, o)
	case op.PublishImport:
		return true, query.MustChange(ctx, c, errNoImport, publishImport, o.ID)
	}
	return carryOutOnCode(ctx, c, o)
}

// carryOutOnCode does an operation on codes and consents, and reports whether it is one.
func carryOutOnCode(ctx context.Context, c engine.Conn, o op.Op) (done bool, err error) {
	switch o := o.(type) {
	case op.AddDevice:
		return true, addDevice(ctx, c, o)
	case op.DecideDevice:
		return true, decide(ctx, c, o)
	case op.SpendDevice:
		return true, query.UnlessConflict(ctx, c, "the device code was used already", spendDevice, o.Digest[:], string(records.DeviceApproved))
	case op.AddCode:
		return true, addCode(ctx, c, o.Code)
	case op.SpendCode:
		return true, useCode(ctx, c, o)
	case op.KnowDocument:
		return true, knowDocumentKeys(ctx, c, o)
	case op.RememberConsent:
		return true, remember(ctx, c, o.Consent)
	case op.ForgetConsent:
		return true, c.Post(ctx, forgetConsent, o.UserID, o.ClientID)
	}
	return false, nil
}

const (
	purgeExpired = `DELETE FROM tokens
WHERE id IN (SELECT id FROM tokens WHERE expires_at > 0 AND expires_at <= $1 ORDER BY expires_at LIMIT 500)`
	purgeRevoked = `DELETE FROM tokens
WHERE id IN (SELECT id FROM tokens WHERE revoked_at > 0 AND revoked_at <= $1 ORDER BY revoked_at LIMIT 500)`
)

// keptDead is how long an ended token stays listed.
const keptDead = 90 * 24 * time.Hour

// Purging returns the steps that delete what is due.
func Purging(end query.Passed) []query.Step {
	dead := end.Tokens - keptDead.Microseconds()
	return []query.Step{
		query.Purging(purgeExpired, dead),
		query.Purging(purgeRevoked, dead),
		query.Purging(purgeDevices, end.Rest),
		query.Purging(purgeSpent, end.Rest),
		query.Purging(purgeDocuments, end.Rest),
		query.Purging(purgeCodes, end.Rest-keptCode.Microseconds()),
	}
}

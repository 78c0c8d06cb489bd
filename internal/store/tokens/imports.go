package tokens

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
	"github.com/bearerd/bearerd/internal/token"
)

const (
	beginImport   = `INSERT INTO imports (id, one, active_at, ended) VALUES ($1, 1, $2, 0) ON CONFLICT DO NOTHING`
	touchImport   = `UPDATE imports SET active_at = $2 WHERE id = $1 AND ended = 0`
	publishImport = `DELETE FROM imports WHERE id = $1 AND ended = 0`
	endImport     = `UPDATE imports SET ended = 1 WHERE id = $1`
	clearImport   = `DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE import_id = $1 AND import_id > 0 LIMIT 500)`
	deleteImport  = `DELETE FROM imports WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM tokens WHERE import_id = $1 AND import_id > 0)`
	importLeft    = `SELECT 1 FROM imports WHERE id = $1`
	byDigestAlone = `SELECT 1 FROM tokens WHERE import_id > 0 AND last4 = '' LIMIT 1`
	underWay      = `SELECT id, active_at FROM imports`

	stageInto = `INSERT INTO tokens (id, kind, digest, prefix, last4, owner, client_id, name, scope, collection, chain,
    family, seq, created_at, expires_at, last_used_at, last_used_by, revoked_at, reason, audience, replaces, ends_at, import_id, networks)
VALUES `

	// The cut-offs since then: of users, and of everything.
	cutOffsSince = `SELECT what, id, seq FROM log_entries WHERE seq > $1 AND what IN ($2, $3)`

	ownedTokens = selectStored + `, COALESCE(u.username, '') FROM tokens t LEFT JOIN users u ON u.id = t.owner
WHERE t.id > $1 AND t.kind = $2 AND t.revoked_at = 0 AND (t.expires_at = 0 OR t.expires_at > $3)` + Published + `
ORDER BY t.id LIMIT $4`
)

// keptImport is how long an import may do nothing before its tokens are deleted.
const keptImport = time.Hour

var errNoImport = fault.New(fault.Conflict, "the import is no longer under way")

func stageTokens(ctx context.Context, c engine.Conn, o op.StageTokens) error {
	n, err := c.Exec(ctx, touchImport, o.Import, column.Micros(o.At))
	if err != nil {
		return err
	}
	if n == 0 || o.Import <= 0 {
		return errNoImport
	}
	ended, err := cutOffOwners(ctx, c, o.Tokens)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(o.Tokens, stagedRows) {
		args := make([]any, 0, stagedFields*len(some))
		for _, t := range some {
			if seq := max(ended[t.Owner], ended[revocation.EverythingID]); seq > t.Seq {
				t.RevokedAt, t.Reason = o.At, token.ReasonRevoked
			}
			digest := t.SHA512
			if digest == nil {
				digest = t.Digest[:]
			}
			args = append(args, t.ID, t.Kind.String(), digest, t.Prefix, t.Last4, t.Owner, t.Name, column.List(&t.Scope), t.Collection,
				t.Seq, column.Micros(t.CreatedAt), column.Micros(t.ExpiresAt), column.Micros(t.LastUsedAt), column.Micros(t.RevokedAt), t.Reason, o.Import, column.Networks(&t.Networks))
		}
		if err := c.Post(ctx, stageText(len(some)), args...); err != nil {
			return err
		}
	}
	return nil
}

// Rows of one statement. SQLite journals the pages of each statement by itself, so that one
// for many rows costs less than many; the driver's cost of a parameter grows with their
// number.
const (
	stagedRows   = 10
	stagedFields = 17
)

// stageText returns the statement that stores so many rows. A row that is there already, of
// a commit whose answer was lost, stays.
func stageText(rows int) string {
	var text strings.Builder
	text.WriteString(stageInto)
	for row := range rows {
		if row > 0 {
			text.WriteString(", ")
		}
		n := 0
		for _, r := range stageRow {
			if r != '?' {
				text.WriteRune(r)
				continue
			}
			n++
			text.WriteString("$" + strconv.Itoa(row*stagedFields+n))
		}
	}
	text.WriteString(` ON CONFLICT (id) DO NOTHING`)
	return text.String()
}

// stageRow is one row of that statement.
const stageRow = `(?, ?, ?, ?, ?, ?, '', ?, ?, ?, '[]', '', ?, ?, ?, ?, '', ?, ?, '', '', 0, ?, ?)`

// cutOffOwners returns the latest cut-off of each user, and of everything, since the
// earliest of the tokens was decided. As a rule there is none.
func cutOffOwners(ctx context.Context, c engine.Conn, tokens []records.StoredToken) (map[string]revocation.Seq, error) {
	if len(tokens) == 0 {
		return nil, nil
	}
	first := tokens[0].Seq
	for _, t := range tokens {
		first = min(first, t.Seq)
	}
	ended := map[string]revocation.Seq{}
	args := []any{first, string(revocation.Subject), string(revocation.Everything)}
	err := c.Each(ctx, cutOffsSince, args, func(scan engine.Scanner) error {
		var what, id string
		var seq revocation.Seq
		err := scan(&what, &id, &seq)
		ended[id] = max(ended[id], seq)
		return err
	})
	return ended, err
}

// ImportedTokens finds those imported tokens, including ended ones, that have one of the
// digests, in one query, and returns the log's sequence of the same snapshot.
func (i *Imports) ImportedTokens(ctx context.Context, digests [][]byte) ([]records.StoredToken, revocation.Seq, error) {
	keys := make([]any, len(digests))
	for i := range digests {
		keys[i] = digests[i]
	}
	found, seq, err := byKeys(ctx, i.db, "digest", keys)
	imported := found[:0]
	for _, t := range found {
		if t.Import != 0 {
			imported = append(imported, t)
		}
	}
	return imported, seq, err
}

// TokensHeld finds who has tokens of the digests, including those of an import that is
// under way.
func (i *Imports) TokensHeld(ctx context.Context, digests [][]byte) ([]records.HeldToken, error) {
	if len(digests) == 0 {
		return nil, nil
	}
	if len(digests) > records.MaxDigests {
		return nil, fault.New(fault.Invalid, "at most %d tokens are looked up at a time", records.MaxDigests)
	}
	args := make([]any, records.MaxDigests)
	for i := range args {
		args[i] = digests[min(i, len(digests)-1)]
	}
	return query.All(ctx, i.db, func(scan engine.Scanner) (h records.HeldToken, err error) {
		return h, scan(column.Bytes(&h.Digest), &h.ID, &h.Owner, &h.Import)
	}, tokensHeld(len(args)), args...)
}

// tokensHeld returns the query for that many digests.
func tokensHeld(n int) string {
	return `SELECT digest, id, owner, import_id FROM tokens WHERE digest IN (` + query.Numbered(n) + `)`
}

// ImportedByDigest reports whether any token was imported without its value: nothing of
// that is known, its last characters neither.
func (i *Imports) ImportedByDigest(ctx context.Context) (found bool, err error) {
	err = i.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		found, err = query.Exists(ctx, c, byDigestAlone)
		return err
	})
	return found, err
}

// ImportUnderWay returns the import that is under way.
func (i *Imports) ImportUnderWay(ctx context.Context) (found records.Import, err error) {
	err = i.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		return query.OrNotFound(c.Row(ctx, underWay, nil, &found.ID, column.Time(&found.ActiveAt)), "no import is under way")
	})
	return found, err
}

// DropImport ends an import that is under way and deletes its tokens, in small steps. Its row
// is deleted last, and only when no token is left, because that would publish it.
func (i *Imports) DropImport(ctx context.Context, id int64) error {
	err := i.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		n, err := c.Exec(ctx, endImport, id)
		if err == nil && n == 0 {
			return errNoImport // it was published
		}
		return err
	})
	if err != nil {
		return err
	}
	for left := true; left; {
		if err := query.Purge(ctx, i.db, query.Purging(clearImport, id)); err != nil {
			return err
		}
		err := i.db.Write(ctx, func(ctx context.Context, c engine.Conn) (err error) {
			if _, err = c.Exec(ctx, deleteImport, id); err == nil {
				left, err = query.Exists(ctx, c, importLeft, id)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// DropStale drops an import that has done nothing for long: its process has ended.
func (i *Imports) DropStale(ctx context.Context, now int64) error {
	found, err := i.ImportUnderWay(ctx)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case column.Micros(found.ActiveAt) > now-keptImport.Microseconds():
		return nil
	}
	if err := i.DropImport(ctx, found.ID); !fault.Is(err, fault.Conflict) {
		return err
	}
	return nil // it was published, or another node drops it
}

// APITokensAfter returns live API tokens with their owners, by id.
func (i *Imports) APITokensAfter(ctx context.Context, after string, now time.Time, limit int) ([]records.OwnedToken, error) {
	return query.All(ctx, i.db, func(scan engine.Scanner) (o records.OwnedToken, err error) {
		return o, scan(append(tokenFields(&o.Token), &o.Username)...)
	}, ownedTokens, after, token.KindAPIToken.String(), column.Micros(now), query.PageSize(limit))
}

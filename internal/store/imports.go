package store

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
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
WHERE t.id > $1 AND t.kind = $2 AND t.revoked_at = 0 AND (t.expires_at = 0 OR t.expires_at > $3)` + published + `
ORDER BY t.id LIMIT $4`
)

// keptImport is how long an import may do nothing before its tokens are deleted.
const keptImport = time.Hour

var errNoImport = fault.New(fault.Conflict, "the import is no longer under way")

// carryOutOnImport does the operations of an import.
func carryOutOnImport(ctx context.Context, c conn, o op.Op) error {
	switch o := o.(type) {
	case op.BeginImport:
		return unlessConflict(ctx, c, "another import is under way", beginImport, o.ID, micros(o.At))
	case op.PublishImport:
		n, err := c.exec(ctx, publishImport, o.ID)
		if err == nil && n == 0 {
			return errNoImport
		}
		return err
	case op.StageTokens:
		return stageTokens(ctx, c, o)
	}
	return nil
}

func stageTokens(ctx context.Context, c conn, o op.StageTokens) error {
	n, err := c.exec(ctx, touchImport, o.Import, micros(o.At))
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
			args = append(args, t.ID, t.Kind.String(), digest, t.Prefix, t.Last4, t.Owner, t.Name, listOf(&t.Scope), t.Collection,
				t.Seq, micros(t.CreatedAt), micros(t.ExpiresAt), micros(t.LastUsedAt), micros(t.RevokedAt), t.Reason, o.Import, networksOf(&t.Networks))
		}
		if err := c.post(ctx, stageText(len(some)), args...); err != nil {
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
func cutOffOwners(ctx context.Context, c conn, tokens []records.StoredToken) (map[string]revocation.Seq, error) {
	if len(tokens) == 0 {
		return nil, nil
	}
	first := tokens[0].Seq
	for _, t := range tokens {
		first = min(first, t.Seq)
	}
	ended := map[string]revocation.Seq{}
	args := []any{first, string(revocation.Subject), string(revocation.Everything)}
	err := c.each(ctx, cutOffsSince, args, func(scan scanner) error {
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
func (s *Store) ImportedTokens(ctx context.Context, digests [][]byte) ([]records.StoredToken, revocation.Seq, error) {
	keys := make([]any, len(digests))
	for i := range digests {
		keys[i] = digests[i]
	}
	found, seq, err := s.tokens(ctx, "digest", keys)
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
func (s *Store) TokensHeld(ctx context.Context, digests [][]byte) ([]records.HeldToken, error) {
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
	return query(ctx, s, func(scan scanner) (h records.HeldToken, err error) {
		return h, scan(blob{&h.Digest}, &h.ID, &h.Owner, &h.Import)
	}, tokensHeld(len(args)), args...)
}

// tokensHeld returns the query for that many digests.
func tokensHeld(n int) string {
	return `SELECT digest, id, owner, import_id FROM tokens WHERE digest IN (` + numbered(n) + `)`
}

// UsersByName finds users by their usernames, in any spelling, and returns the log's
// sequence of the same snapshot.
func (s *Store) UsersByName(ctx context.Context, names []string) (map[string]records.NamedUser, revocation.Seq, error) {
	if len(names) > records.MaxUsernames {
		return nil, 0, fault.New(fault.Invalid, "at most %d users are looked up at a time", records.MaxUsernames)
	}
	args := make([]any, records.MaxUsernames)
	for i := range args {
		args[i] = ""
		if i < len(names) {
			args[i] = identity.FoldName(names[i])
		}
	}
	text := usersByName(len(args))
	found := map[string]records.NamedUser{}
	var seq revocation.Seq
	err := s.read(ctx, func(ctx context.Context, c conn) error {
		clear(found)
		return c.each(ctx, text, args, func(scan scanner) error {
			var u records.NamedUser
			var folded string
			err := scan(&u.ID, &u.Username, truth{&u.Disabled}, &folded, &seq)
			found[folded] = u
			return err
		})
	})
	return found, seq, err
}

// usersByName returns the query for that many names.
func usersByName(n int) string {
	return `SELECT id, username, disabled, folded, (SELECT seq FROM log_head WHERE one = 1) FROM users
WHERE folded IN (` + numbered(n) + `) AND folded <> '' AND apart = ''`
}

// ImportedByDigest reports whether any token was imported without its value: nothing of
// that is known, its last characters neither.
func (s *Store) ImportedByDigest(ctx context.Context) (found bool, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		found, err = exists(ctx, c, byDigestAlone)
		return err
	})
	return found, err
}

// numbered returns that many parameters, with commas between.
func numbered(n int) string {
	var text strings.Builder
	for i := range n {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString("$" + strconv.Itoa(i+1))
	}
	return text.String()
}

// ImportUnderWay returns the import that is under way.
func (s *Store) ImportUnderWay(ctx context.Context) (i records.Import, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		return orNotFound(c.row(ctx, underWay, nil, &i.ID, stamp{&i.ActiveAt}), "no import is under way")
	})
	return i, err
}

// DropImport ends an import that is under way and deletes its tokens, in small steps. Its row
// is deleted last, and only when no token is left, because that would publish it.
func (s *Store) DropImport(ctx context.Context, id int64) error {
	err := s.write(ctx, func(ctx context.Context, c conn) error {
		n, err := c.exec(ctx, endImport, id)
		if err == nil && n == 0 {
			return errNoImport // it was published
		}
		return err
	})
	if err != nil {
		return err
	}
	for left := true; left; {
		if err := s.purgeBy(ctx, purging(clearImport, id)); err != nil {
			return err
		}
		err := s.write(ctx, func(ctx context.Context, c conn) (err error) {
			if _, err = c.exec(ctx, deleteImport, id); err == nil {
				left, err = exists(ctx, c, importLeft, id)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dropStaleImport drops an import that has done nothing for long: its process has ended.
func (s *Store) dropStaleImport(ctx context.Context, now int64) error {
	i, err := s.ImportUnderWay(ctx)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case micros(i.ActiveAt) > now-keptImport.Microseconds():
		return nil
	}
	if err := s.DropImport(ctx, i.ID); !fault.Is(err, fault.Conflict) {
		return err
	}
	return nil // it was published, or another node drops it
}

// APITokensAfter returns live API tokens with their owners, by id.
func (s *Store) APITokensAfter(ctx context.Context, after string, now time.Time, limit int) ([]records.OwnedToken, error) {
	return query(ctx, s, func(scan scanner) (o records.OwnedToken, err error) {
		return o, scan(append(tokenFields(&o.Token), &o.Username)...)
	}, ownedTokens, after, token.KindAPIToken.String(), micros(now), pageSize(limit))
}

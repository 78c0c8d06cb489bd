package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

const (
	selectStored = `SELECT t.id, t.kind, t.digest, t.prefix, t.last4, t.owner, t.client_id, t.name, t.scope, t.collection,
    t.chain, t.family, t.seq, t.created_at, t.expires_at, t.last_used_at, t.last_used_by, t.revoked_at, t.reason,
    t.audience, t.replaces, t.ends_at, t.issued_for, t.source, t.source_session, t.authenticated_at, t.granted, t.networks, t.description,
    t.import_id`

	// A token of an import that is under way is not found.
	published = ` AND NOT EXISTS (SELECT 1 FROM imports i WHERE i.id = t.import_id)`

	tokenByDigest = selectStored + `, (SELECT seq FROM log_head WHERE one = 1) FROM tokens t WHERE t.digest = $1` + published
	tokenByID     = selectStored + `, (SELECT seq FROM log_head WHERE one = 1) FROM tokens t WHERE t.id = $1` + published

	// Newest first, after a place; $3 says whether $4 to $11 narrow the kinds.
	inOrder = published + ` AND (t.created_at, t.id) < ($1, $2)
    AND ($3 = 0 OR t.kind IN ($4, $5, $6, $7, $8, $9, $10, $11))
ORDER BY t.created_at DESC, t.id DESC LIMIT $12`

	allTokens       = selectStored + ` FROM tokens t WHERE 1 = 1` + inOrder
	ownersTokens    = selectStored + ` FROM tokens t WHERE t.owner = $13` + inOrder
	clientsTokens   = selectStored + ` FROM tokens t WHERE t.client_id = $13` + inOrder
	live            = ` AND t.source = $1 AND t.source <> '' AND t.revoked_at = 0 AND (t.expires_at = 0 OR t.expires_at > $3)`
	sessionsOf      = selectStored + ` FROM tokens t WHERE t.source_session = $2` + live
	sessionsOfOwner = selectStored + ` FROM tokens t WHERE t.owner = $2` + live

	ownerThroughOne = selectStored + ` FROM tokens t WHERE t.owner = $13 AND t.client_id = $14` + inOrder

	insertToken = `INSERT INTO tokens (id, kind, digest, prefix, last4, owner, client_id, name, scope, collection, chain,
    family, seq, created_at, expires_at, last_used_at, last_used_by, revoked_at, reason,
    audience, replaces, ends_at, issued_for, source, source_session, authenticated_at, granted, networks, description)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29) ON CONFLICT DO NOTHING`
	insertAncestor = `INSERT INTO token_ancestors (ancestor, token_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`

	shortenedTo = `SELECT expires_at FROM tokens WHERE id = $1 AND expires_at > 0 AND revoked_at = 0 AND reason <> ''`

	cutOffSince = `SELECT 1 FROM log_entries WHERE what = $1 AND id = $2 AND seq > $3 LIMIT 1`

	alive = ` AND revoked_at = 0 AND (expires_at = 0 OR expires_at > $2)`

	spendOne    = `UPDATE tokens SET revoked_at = $2, reason = $3 WHERE id = $1` + alive
	spendAgain  = `UPDATE tokens SET last_used_by = last_used_by WHERE id = $1 AND reason = $2 AND revoked_at >= $3`
	spentHeir   = `SELECT 1 FROM tokens WHERE issued_for = $1 AND reason = $2 LIMIT 1`
	lockOrigin  = `UPDATE tokens SET last_used_by = last_used_by WHERE id = (SELECT issued_for FROM tokens WHERE id = $1 AND issued_for <> '')`
	endSiblings = `UPDATE tokens SET revoked_at = $2, reason = $3
WHERE issued_for = (SELECT issued_for FROM tokens WHERE id = $1 AND issued_for <> '') AND id <> $1` + alive
	shortenOne   = `UPDATE tokens SET expires_at = $3, reason = $4 WHERE id = $1` + alive + ` AND (expires_at = 0 OR expires_at >= $3)`
	shortenHeirs = `UPDATE tokens SET ends_at = $3, expires_at = CASE WHEN expires_at = 0 OR expires_at > $3 THEN $3 ELSE expires_at END
WHERE id IN (SELECT token_id FROM token_ancestors WHERE ancestor = $1)` + alive + ` AND (ends_at = 0 OR ends_at > $3)`
	killByID = `UPDATE tokens SET revoked_at = $2, reason = $3
WHERE id IN (SELECT $1 UNION ALL SELECT token_id FROM token_ancestors WHERE ancestor = $1)` + alive
	killByOwner  = `UPDATE tokens SET revoked_at = $2, reason = $3 WHERE owner = $1` + alive
	killByClient = `UPDATE tokens SET revoked_at = $2, reason = $3 WHERE client_id = $1` + alive
	killAll      = `UPDATE tokens SET revoked_at = $1, reason = $2 WHERE revoked_at = 0 AND (expires_at = 0 OR expires_at > $1)`

	touch = `UPDATE tokens SET last_used_at = $2, last_used_by = $3 WHERE id = $1 AND last_used_at < $2`
)

// kind reads and writes a token's kind by its name.
type kind struct{ to *token.Kind }

// Scan implements sql.Scanner. A kind of a later version is token.KindUnknown, which is
// never accepted.
func (k kind) Scan(value any) error {
	text, err := textOf(value)
	*k.to, _ = token.ParseKind(text)
	return err
}

// digest scans the SHA-256 of what has one.
type digest struct{ to *[sha256.Size]byte }

// Scan implements sql.Scanner.
func (d digest) Scan(value any) error {
	var long []byte
	err := storedDigest{d.to, &long}.Scan(value)
	if err == nil && long != nil {
		return errNoDigest
	}
	return err
}

// storedDigest scans the digest of a token that has one: its SHA-256, or of an imported
// one its SHA-512.
type storedDigest struct {
	to   *[sha256.Size]byte
	long *[]byte
}

var errNoDigest = fault.New(fault.Internal, "a stored digest is not one")

// Scan implements sql.Scanner.
func (d storedDigest) Scan(value any) error {
	*d.to, *d.long = [sha256.Size]byte{}, nil
	b, ok := value.([]byte)
	switch {
	case value == nil:
	case ok && len(b) == sha256.Size:
		copy(d.to[:], b)
	case ok && len(b) == sha512.Size:
		*d.long = bytes.Clone(b)
	default:
		return errNoDigest
	}
	return nil
}

func tokenFields(t *records.StoredToken) []any {
	return []any{
		&t.ID,
		kind{&t.Kind},
		storedDigest{&t.Digest, &t.SHA512},
		&t.Prefix, &t.Last4, &t.Owner, &t.ClientID, &t.Name, listOf(&t.Scope), &t.Collection,
		listOf(&t.Chain), &t.Family, &t.Seq,
		stamp{&t.CreatedAt},
		stamp{&t.ExpiresAt},
		stamp{&t.LastUsedAt},
		&t.LastUsedBy,
		stamp{&t.RevokedAt},
		&t.Reason, &t.Audience, &t.Replaces,
		stamp{&t.EndsAt},
		&t.IssuedFor, &t.SignIn.Source, &t.SignIn.Session,
		stamp{&t.SignIn.At},
		truth{&t.Granted},
		networksOf(&t.Networks),
		&t.Description,
		&t.Import,
	}
}

// TokenByDigest finds a stored token, even an ended one, by the SHA-256 of its value, and
// returns the log's sequence of the same snapshot. If there is none, the error is
// fault.NotFound.
func (s *Store) TokenByDigest(ctx context.Context, digest [32]byte) (records.StoredToken, revocation.Seq, error) {
	return s.token(ctx, tokenByDigest, digest[:])
}

// TokensByDigest finds those stored tokens, including ended ones, that have one of the
// digests, in one query, and returns the log's sequence of the same snapshot. More than
// records.MaxDigests are fault.Invalid.
func (s *Store) TokensByDigest(ctx context.Context, digests [][32]byte) ([]records.StoredToken, revocation.Seq, error) {
	keys := make([]any, len(digests))
	for i := range digests {
		keys[i] = digests[i][:]
	}
	return s.tokens(ctx, "digest", keys)
}

// TokensByID finds those stored tokens, including ended ones, that have one of the public
// ids, as TokensByDigest does.
func (s *Store) TokensByID(ctx context.Context, ids []string) ([]records.StoredToken, revocation.Seq, error) {
	keys := make([]any, len(ids))
	for i := range ids {
		keys[i] = ids[i]
	}
	return s.tokens(ctx, "id", keys)
}

// tokens finds the tokens whose column has one of the keys.
func (s *Store) tokens(ctx context.Context, column string, keys []any) (tokens []records.StoredToken, seq revocation.Seq, err error) {
	switch n := len(keys); {
	case n == 0:
		return nil, 0, nil
	case n > records.MaxDigests:
		return nil, 0, fault.New(fault.Invalid, "at most %d tokens are looked up at a time", records.MaxDigests)
	}
	// Each length of the list is another statement to prepare, so the list is filled up
	// with the last key.
	length := records.MaxDigests
	if len(keys) <= fewDigests {
		length = fewDigests
	}
	args := make([]any, length)
	for i := range args {
		args[i] = keys[min(i, len(keys)-1)]
	}
	tokens, err = query(ctx, s, func(scan scanner) (t records.StoredToken, err error) {
		return t, scan(append(tokenFields(&t), &seq)...)
	}, tokensBy(column, length), args...)
	return tokens, seq, err
}

const fewDigests = 32

// tokensBy returns the query for that many keys.
func tokensBy(column string, n int) string {
	var text strings.Builder
	text.WriteString(selectStored + `, (SELECT seq FROM log_head WHERE one = 1) FROM tokens t WHERE t.` + column + ` IN ($1`)
	for i := 2; i <= n; i++ {
		text.WriteString(", $" + strconv.Itoa(i))
	}
	return text.String() + ")" + published
}

// TokenByID finds a stored token by its public id, as TokenByDigest does.
func (s *Store) TokenByID(ctx context.Context, id string) (records.StoredToken, revocation.Seq, error) {
	return s.token(ctx, tokenByID, id)
}

func (s *Store) token(ctx context.Context, text string, key any) (t records.StoredToken, seq revocation.Seq, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.row(ctx, text, []any{key}, append(tokenFields(&t), &seq)...)
		return orNotFound(err, "no such token")
	})
	if err != nil {
		return records.StoredToken{}, 0, err
	}
	return t, seq, nil
}

// StoredTokens lists tokens. New tokens don't move the pages. An invalid cursor is
// fault.Invalid.
func (s *Store) StoredTokens(ctx context.Context, q records.TokenQuery) (records.Page[records.StoredToken], error) {
	if q.State != records.AnyState || q.NeverUsed || !q.ExpiresBy.IsZero() || q.Scope != "" || q.Search != "" || q.Order > records.NewestFirst {
		return s.tokenPage(ctx, q)
	}
	after, err := readPlace(q.After)
	if err != nil {
		return records.Page[records.StoredToken]{}, err
	}
	limit := pageSize(q.Limit)
	kinds := []any{"", "", "", "", "", "", "", ""} // there are no more than eight
	for i, k := range q.Kinds[:min(len(q.Kinds), len(kinds))] {
		kinds[i] = k.String()
	}
	text, args := allTokens, append([]any{after.at, after.id, flag(len(q.Kinds) > 0)}, kinds...)
	args = append(args, limit+1)
	switch {
	case q.Owner != "" && q.ClientID != "":
		text, args = ownerThroughOne, append(args, q.Owner, q.ClientID)
	case q.Owner != "":
		text, args = ownersTokens, append(args, q.Owner)
	case q.ClientID != "":
		text, args = clientsTokens, append(args, q.ClientID)
	}
	tokens, err := query(ctx, s, func(scan scanner) (t records.StoredToken, err error) {
		return t, scan(tokenFields(&t)...)
	}, text, args...)
	if err != nil {
		return records.Page[records.StoredToken]{}, err
	}
	return paged(tokens, limit, func(t records.StoredToken) string {
		return seal(tokenCursor, strconv.FormatInt(micros(t.CreatedAt), 10)+":"+t.ID)
	}), nil
}

// SessionsOf returns live sessions by how they began, the oldest first.
func (s *Store) SessionsOf(ctx context.Context, q records.SessionQuery, now time.Time) ([]records.StoredToken, error) {
	text, of := sessionsOf, q.Session
	switch {
	case (q.Session == "") == (q.Owner == ""):
		return nil, fault.New(fault.Invalid, "sessions are those of one session of a source, or of a user")
	case q.Owner != "":
		text, of = sessionsOfOwner, q.Owner
	}
	sessions, err := query(ctx, s, scanStored, text, q.Source, of, micros(now))
	slices.SortFunc(sessions, func(a, b records.StoredToken) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return sessions, err
}

// Touch records last uses that are later than the recorded ones. A token that no longer
// exists is skipped. Many uses take several transactions, so that others get their turn.
func (s *Store) Touch(ctx context.Context, uses []records.Use) error {
	// In a fixed order, or two nodes that touch the same tokens could deadlock.
	uses = slices.SortedFunc(slices.Values(uses), func(a, b records.Use) int { return cmp.Compare(a.ID, b.ID) })
	for chunk := range slices.Chunk(uses, touchChunk) {
		if err := s.engine.touch(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

const touchChunk = 500

// addToken stores a token. A token that is based on something that was revoked before
// this transaction is stored as revoked, because the log's entry will be purged one day.
func addToken(ctx context.Context, c conn, o op.AddToken) error {
	t := o.Token
	void, err := revokedInLog(ctx, c, t)
	if err != nil {
		return err
	}
	if void && t.RevokedAt.IsZero() {
		t.RevokedAt, t.Reason = t.CreatedAt, token.ReasonRevoked
	}
	for _, id := range t.Chain {
		// Not later than the tokens of its chain: one of them may have been shortened
		// since this token was decided.
		err := c.each(ctx, shortenedTo, []any{id}, func(scan scanner) error {
			var end time.Time
			if err := scan(stamp{&end}); err != nil {
				return err
			}
			if t.ExpiresAt.IsZero() || end.Before(t.ExpiresAt) {
				t.ExpiresAt = end
			}
			if t.Family != "" && (t.EndsAt.IsZero() || end.Before(t.EndsAt)) {
				t.EndsAt = end
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	var digest any // NULL for a token without one, so that none is found by it
	if t.Digest != [32]byte{} {
		digest = t.Digest[:]
	}
	err = unlessConflict(ctx, c, "a token of that id, value or predecessor exists already", insertToken, t.ID, t.Kind.String(), digest,
		t.Prefix, t.Last4, t.Owner, t.ClientID, t.Name, listOf(&t.Scope), t.Collection, listOf(&t.Chain), t.Family, t.Seq,
		micros(t.CreatedAt), micros(t.ExpiresAt), micros(t.LastUsedAt), t.LastUsedBy, micros(t.RevokedAt), t.Reason,
		t.Audience, t.Replaces, micros(t.EndsAt), t.IssuedFor, t.SignIn.Source, t.SignIn.Session, micros(t.SignIn.At), flag(t.Granted), networksOf(&t.Networks), t.Description)
	if err != nil {
		return err
	}
	for _, ancestor := range append([]string{t.Family}, t.Chain...) {
		if ancestor == "" {
			continue
		}
		if err := c.post(ctx, insertAncestor, ancestor, t.ID); err != nil {
			return err
		}
	}
	return nil
}

// revokedInLog reports whether the log says of a token's owner, its client or a client of its chain, or of everything,
// that what was decided as of the token's sequence is void, or has killed what it was
// made from, or whether the source's session that it began from has ended.
func revokedInLog(ctx context.Context, c conn, t records.StoredToken) (bool, error) {
	void, err := exists(ctx, c, cutOffSince, string(revocation.Subject), t.Owner, t.Seq)
	if !void && err == nil && t.ClientID != "" {
		void, err = exists(ctx, c, cutOffSince, string(revocation.Client), t.ClientID, t.Seq)
	}
	if !void && err == nil {
		void, err = exists(ctx, c, cutOffSince, string(revocation.Everything), revocation.EverythingID, t.Seq)
	}
	if !void && err == nil {
		void, err = endedAtSource(ctx, c, t.SignIn)
	}
	for _, link := range t.Chain { // a refresh token's family is its last link
		if void || err != nil {
			break
		}
		if client, ok := token.LinkedClient(link); ok {
			void, err = exists(ctx, c, cutOffSince, string(revocation.Client), client, t.Seq)
			continue
		}
		void, err = exists(ctx, c, cutOffSince, string(revocation.Token), link, 0)
	}
	return void, err
}

// spendToken spends a token. A second use of the token that it was issued for waits,
// because both transactions lock that token's row first: the later one sees what the
// other did.
func spendToken(ctx context.Context, c conn, o op.SpendToken) error {
	if o.Siblings != "" {
		if err := c.post(ctx, lockOrigin, o.ID); err != nil {
			return err
		}
	}
	err := unlessConflict(ctx, c, "the token is no longer valid", spendOne, o.ID, micros(o.At), o.Reason)
	if err != nil || o.Siblings == "" {
		return err
	}
	return c.post(ctx, endSiblings, o.ID, micros(o.At), o.Siblings)
}

func spendTokenAgain(ctx context.Context, c conn, o op.SpendAgain) error {
	n, err := c.exec(ctx, spendAgain, o.ID, o.Reason, micros(o.Since))
	if err != nil {
		return err
	}
	used, err := exists(ctx, c, spentHeir, o.ID, o.Reason)
	if err == nil && (n == 0 || used) {
		return fault.New(fault.Conflict, "the token can't be used again")
	}
	return err
}

func killTokens(ctx context.Context, c conn, o op.KillTokens) error {
	at := micros(o.At)
	for _, id := range o.IDs {
		if err := c.post(ctx, killByID, id, at, o.Reason); err != nil {
			return err
		}
	}
	if o.Owner != "" {
		if err := c.post(ctx, killByOwner, o.Owner, at, o.Reason); err != nil {
			return err
		}
	}
	if o.ClientID == "" {
		return nil
	}
	return c.post(ctx, killByClient, o.ClientID, at, o.Reason)
}

const (
	expiringTokens = selectStored + ` FROM tokens t
WHERE t.expires_at > 0 AND t.expires_at > $1 AND t.expires_at <= $2 AND t.revoked_at = 0 AND t.noticed_at = 0 AND t.reason = '' AND t.kind IN ($3, $4)` + published + `
ORDER BY t.expires_at LIMIT $5`
	claimNotice   = `UPDATE tokens SET noticed_at = $2 WHERE id = $1 AND noticed_at = 0`
	unclaimNotice = `UPDATE tokens SET noticed_at = 0 WHERE id = $1`
)

// Expiring returns live API tokens and keys that end after now and not later than before,
// and whose owners have not been notified, those that end first.
func (s *Store) Expiring(ctx context.Context, now, before time.Time, limit int) ([]records.StoredToken, error) {
	return query(ctx, s, func(scan scanner) (t records.StoredToken, err error) {
		return t, scan(tokenFields(&t)...)
	}, expiringTokens, micros(now), micros(before), token.KindAPIToken.String(), token.KindExchangeKey.String(), limit)
}

package tokens

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
	"github.com/bearerd/bearerd/internal/token"
)

const (
	selectStored = `SELECT t.id, t.kind, t.digest, t.prefix, t.last4, t.owner, t.client_id, t.name, t.scope, t.collection,
    t.chain, t.family, t.seq, t.created_at, t.expires_at, t.last_used_at, t.last_used_by, t.revoked_at, t.reason,
    t.audience, t.replaces, t.ends_at, t.issued_for, t.source, t.source_session, t.authenticated_at, t.granted, t.networks, t.description,
    t.import_id`

	// Published is the condition of a query of tokens t that a token is not one of an import that
	// is under way: such a token is not found.
	Published = ` AND NOT EXISTS (SELECT 1 FROM imports i WHERE i.id = t.import_id)`

	tokenByDigest = selectStored + `, (SELECT seq FROM log_head WHERE one = 1) FROM tokens t WHERE t.digest = $1` + Published
	tokenByID     = selectStored + `, (SELECT seq FROM log_head WHERE one = 1) FROM tokens t WHERE t.id = $1` + Published

	// Newest first, after a place; $3 says whether $4 to $11 narrow the kinds.
	inOrder = Published + ` AND (t.created_at, t.id) < ($1, $2)
    AND ($3 = 0 OR t.kind IN ($4, $5, $6, $7, $8, $9, $10, $11))
ORDER BY t.created_at DESC, t.id DESC LIMIT $12`

	allTokens       = selectStored + ` FROM tokens t WHERE 1 = 1` + inOrder
	ownersTokens    = selectStored + ` FROM tokens t WHERE t.owner = $13` + inOrder
	clientsTokens   = selectStored + ` FROM tokens t WHERE t.client_id = $13` + inOrder
	live            = ` AND t.source = $1 AND t.source <> '' AND t.revoked_at = 0 AND (t.expires_at = 0 OR t.expires_at > $3)`
	sessionsOf      = selectStored + ` FROM tokens t WHERE t.source_session = $2` + live
	sessionsOfOwner = selectStored + ` FROM tokens t WHERE t.owner = $2` + live

	ownerThroughOne = selectStored + ` FROM tokens t WHERE t.owner = $13 AND t.client_id = $14` + inOrder
)

// kind reads and writes a token's kind by its name.
type kind struct{ to *token.Kind }

// Scan implements sql.Scanner. A kind of a later version is token.KindUnknown, which is
// never accepted.
func (k kind) Scan(value any) error {
	text, err := column.TextOf(value)
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
		&t.Prefix, &t.Last4, &t.Owner, &t.ClientID, &t.Name, column.List(&t.Scope), &t.Collection,
		column.List(&t.Chain), &t.Family, &t.Seq,
		column.Time(&t.CreatedAt),
		column.Time(&t.ExpiresAt),
		column.Time(&t.LastUsedAt),
		&t.LastUsedBy,
		column.Time(&t.RevokedAt),
		&t.Reason, &t.Audience, &t.Replaces,
		column.Time(&t.EndsAt),
		&t.IssuedFor, &t.SignIn.Source, &t.SignIn.Session,
		column.Time(&t.SignIn.At),
		column.Bool(&t.Granted),
		column.Networks(&t.Networks),
		&t.Description,
		&t.Import,
	}
}

// TokenByDigest finds a stored token, even an ended one, by the SHA-256 of its value, and
// returns the log's sequence of the same snapshot. If there is none, the error is
// fault.NotFound.
func (s *Stored) TokenByDigest(ctx context.Context, digest [32]byte) (records.StoredToken, revocation.Seq, error) {
	return s.token(ctx, tokenByDigest, digest[:])
}

// TokensByDigest finds those stored tokens, including ended ones, that have one of the
// digests, in one query, and returns the log's sequence of the same snapshot. More than
// records.MaxDigests are fault.Invalid.
func (s *Stored) TokensByDigest(ctx context.Context, digests [][32]byte) ([]records.StoredToken, revocation.Seq, error) {
	keys := make([]any, len(digests))
	for i := range digests {
		keys[i] = digests[i][:]
	}
	return byKeys(ctx, s.db, "digest", keys)
}

// TokensByID finds those stored tokens, including ended ones, that have one of the public
// ids, as TokensByDigest does.
func (s *Stored) TokensByID(ctx context.Context, ids []string) ([]records.StoredToken, revocation.Seq, error) {
	keys := make([]any, len(ids))
	for i := range ids {
		keys[i] = ids[i]
	}
	return byKeys(ctx, s.db, "id", keys)
}

// byKeys finds the tokens whose column has one of the keys.
func byKeys(ctx context.Context, db engine.DB, column string, keys []any) (tokens []records.StoredToken, seq revocation.Seq, err error) {
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
	tokens, err = query.All(ctx, db, func(scan engine.Scanner) (t records.StoredToken, err error) {
		return t, scan(append(tokenFields(&t), &seq)...)
	}, tokensBy(column, length), args...)
	return tokens, seq, err
}

const fewDigests = 32

// tokensBy returns the query for that many keys.
func tokensBy(column string, n int) string {
	return selectStored + `, (SELECT seq FROM log_head WHERE one = 1) FROM tokens t WHERE t.` + column + ` IN (` + query.Numbered(n) + ")" + Published
}

// TokenByID finds a stored token by its public id, as TokenByDigest does.
func (s *Stored) TokenByID(ctx context.Context, id string) (records.StoredToken, revocation.Seq, error) {
	return s.token(ctx, tokenByID, id)
}

func (s *Stored) token(ctx context.Context, text string, key any) (t records.StoredToken, seq revocation.Seq, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		err := c.Row(ctx, text, []any{key}, append(tokenFields(&t), &seq)...)
		return query.OrNotFound(err, "no such token")
	})
	if err != nil {
		return records.StoredToken{}, 0, err
	}
	return t, seq, nil
}

// tokenCursor names the cursors of the newest tokens first.
const tokenCursor = "token:"

// place is a position in a list that is ordered by time and id, newest first.
type place struct {
	at int64
	id string
}

// readPlace reads a cursor; the empty one is before the newest.
func readPlace(cursor string) (place, error) {
	if cursor == "" {
		return place{at: math.MaxInt64}, nil
	}
	text, err := query.Unseal(tokenCursor, cursor)
	if err != nil {
		return place{}, err
	}
	at, id, ok := strings.Cut(text, ":")
	us, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil {
		return place{}, query.ErrCursor
	}
	return place{us, id}, nil
}

// StoredTokens lists tokens. New tokens don't move the pages. An invalid cursor is
// fault.Invalid.
func (s *Stored) StoredTokens(ctx context.Context, q records.TokenQuery) (records.Page[records.StoredToken], error) {
	if q.State != records.AnyState || q.NeverUsed || !q.ExpiresBy.IsZero() || q.Scope != "" || q.Search != "" || q.Order > records.NewestFirst {
		return s.tokenPage(ctx, q)
	}
	after, err := readPlace(q.After)
	if err != nil {
		return records.Page[records.StoredToken]{}, err
	}
	limit := query.PageSize(q.Limit)
	kinds := []any{"", "", "", "", "", "", "", ""} // there are no more than eight
	for i, k := range q.Kinds[:min(len(q.Kinds), len(kinds))] {
		kinds[i] = k.String()
	}
	text, args := allTokens, append([]any{after.at, after.id, column.Flag(len(q.Kinds) > 0)}, kinds...)
	args = append(args, limit+1)
	switch {
	case q.Owner != "" && q.ClientID != "":
		text, args = ownerThroughOne, append(args, q.Owner, q.ClientID)
	case q.Owner != "":
		text, args = ownersTokens, append(args, q.Owner)
	case q.ClientID != "":
		text, args = clientsTokens, append(args, q.ClientID)
	}
	tokens, err := query.All(ctx, s.db, func(scan engine.Scanner) (t records.StoredToken, err error) {
		return t, scan(tokenFields(&t)...)
	}, text, args...)
	if err != nil {
		return records.Page[records.StoredToken]{}, err
	}
	return query.Page(tokens, limit, func(t records.StoredToken) string {
		return query.Seal(tokenCursor, strconv.FormatInt(column.Micros(t.CreatedAt), 10)+":"+t.ID)
	}), nil
}

// SessionsOf returns live sessions by how they began, the oldest first.
func (s *Stored) SessionsOf(ctx context.Context, q records.SessionQuery, now time.Time) ([]records.StoredToken, error) {
	text, of := sessionsOf, q.Session
	switch {
	case (q.Session == "") == (q.Owner == ""):
		return nil, fault.New(fault.Invalid, "sessions are those of one session of a source, or of a user")
	case q.Owner != "":
		text, of = sessionsOfOwner, q.Owner
	}
	sessions, err := query.All(ctx, s.db, scanStored, text, q.Source, of, column.Micros(now))
	slices.SortFunc(sessions, func(a, b records.StoredToken) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return sessions, err
}

// Touch records last uses that are later than the recorded ones. A token that no longer
// exists is skipped. Many uses take several transactions, so that others get their turn.
func (s *Stored) Touch(ctx context.Context, uses []records.Use) error {
	// In a fixed order, or two nodes that touch the same tokens could deadlock.
	uses = slices.SortedFunc(slices.Values(uses), func(a, b records.Use) int { return cmp.Compare(a.ID, b.ID) })
	for chunk := range slices.Chunk(uses, touchChunk) {
		if err := s.db.Touch(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

const touchChunk = 500

const (
	expiringTokens = selectStored + ` FROM tokens t
WHERE t.expires_at > 0 AND t.expires_at > $1 AND t.expires_at <= $2 AND t.revoked_at = 0 AND t.noticed_at = 0 AND t.reason = '' AND t.kind IN ($3, $4)` + Published + `
ORDER BY t.expires_at LIMIT $5`
	claimNotice   = `UPDATE tokens SET noticed_at = $2 WHERE id = $1 AND noticed_at = 0`
	unclaimNotice = `UPDATE tokens SET noticed_at = 0 WHERE id = $1`
)

// Expiring returns live API tokens and keys that end after now and not later than before,
// and whose owners have not been notified, those that end first.
func (s *Stored) Expiring(ctx context.Context, now, before time.Time, limit int) ([]records.StoredToken, error) {
	return query.All(ctx, s.db, func(scan engine.Scanner) (t records.StoredToken, err error) {
		return t, scan(tokenFields(&t)...)
	}, expiringTokens, column.Micros(now), column.Micros(before), token.KindAPIToken.String(), token.KindExchangeKey.String(), limit)
}

// Package source answers the questions of package verification from this node's store and
// key ring.
package source

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/cache"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Store is what the source reads.
type Store interface {
	Principal(ctx context.Context, who records.Who) (records.Principal, error)
	TokenByDigest(ctx context.Context, digest [32]byte) (records.StoredToken, revocation.Seq, error)
	ImportedTokens(ctx context.Context, digests [][]byte) ([]records.StoredToken, revocation.Seq, error)
}

// Limits of the memory of values that are no tokens: in bytes, and for how long each is
// kept.
const (
	unknownCache   = 512 << 10
	typicalUnknown = 40
	unknownFor     = 5 * time.Second
)

// storeTimeout is how long a question to the log may take while a request waits.
const storeTimeout = 900 * time.Millisecond

// Config configures a source. All fields must be set.
type Config struct {
	Store           Store
	Forms           token.Forms
	Ring            *keyring.Ring
	Follower        *revocation.Follower
	DefaultAudience string // of opaque tokens that name none

	Quota *quota.Quota // of look-ups that find nothing; nil: not limited
}

// Source answers from the store. It implements verification.Source.
type Source struct {
	cfg     Config
	unknown *cache.Cache[struct{}] // values that were not found recently, by digest
}

var _ verification.Source = (*Source)(nil)

// New returns a source.
func New(cfg Config) *Source {
	return &Source{cfg: cfg, unknown: cache.New(cache.Config[struct{}]{
		Budget: unknownCache, Typical: typicalUnknown, MaxAge: unknownFor,
		Cost: func(key string, _ struct{}) int64 { return int64(len(key)) },
	})}
}

// Forms returns what opaque tokens look like.
func (s *Source) Forms() (token.Forms, error) { return s.cfg.Forms, nil }

// Key returns the key of that id from the ring.
func (s *Source) Key(kid string) (token.VerificationKey, bool) { return s.cfg.Ring.Find(kid) }

// RefreshKeys reads the ring again for a key that another node may have made.
func (s *Source) RefreshKeys(ctx context.Context, kid string) error {
	return s.cfg.Ring.RefreshUnknown(ctx, kid)
}

// Opaque reads the row of an opaque token. The checksum of a token is public, so anybody
// can create values that only the store can recognise as no tokens. A value that was not
// found is refused from memory for some seconds, and for an address that sends many of
// them nothing is looked up until it has waited (package quota). Another system's token
// has a shape and no checksum: the same holds for any value of that shape.
//
// The memory never hides an existing token. A value leaves bearerd after its row was
// committed, and every reading that begins later finds that row, on every node. So a
// value that was not found can belong to a token that exists now only if somebody
// presented its 178 random bits before bearerd returned them to anybody. In two cases a
// value that was presented before gets a row: an import from another system, after which
// the value is refused for some seconds longer; and a restored database, which ends the
// ledger's epoch and so this memory.
func (s *Source) Opaque(ctx context.Context, raw string, known *verification.Token) (*verification.Token, error) {
	digest := token.Digest(raw)
	ledger := s.cfg.Follower.Ledger()
	key := string(strconv.AppendUint(digest[:], ledger.Epoch(), 10)) // the epoch as of before the reading
	if known == nil {
		if _, ok := s.unknown.Get(key, ledger.Now()); ok {
			return nil, token.Malformed()
		}
		if err := s.cfg.Quota.LookUp(ctx); err != nil {
			return nil, err
		}
	}
	row, twins, seq, err := s.find(ctx, raw, digest)
	if fault.Is(err, fault.NotFound) {
		s.cfg.Quota.NotFound(ctx)
		s.unknown.Put(key, struct{}{}, ledger.Now())
		return nil, token.Malformed()
	}
	if err != nil {
		return nil, err
	}
	t := tokenOf(row, seq, s.cfg.DefaultAudience)
	t.Twins, t.Chain = twins, slices.Concat(t.Chain, twins)
	return t, nil
}

// find reads the row of an opaque token, by one look-up. A value of another system's is
// found among the imported tokens alone, by any of the digests that such a token may have.
func (s *Source) find(ctx context.Context, raw string, digest [32]byte) (row records.StoredToken, twins []string, seq revocation.Seq, err error) {
	o, err := s.cfg.Forms.Parse(raw)
	if err != nil || !o.Foreign {
		row, seq, err = s.cfg.Store.TokenByDigest(ctx, digest)
		return row, nil, seq, err
	}
	rows, seq, err := s.cfg.Store.ImportedTokens(ctx, token.ForeignDigests(raw))
	if err == nil {
		row, twins, err = one(rows)
	}
	return row, twins, seq, err
}

// one returns the row of a value that may have several: an import can't know of a value and
// a digest that they are of the same token. The row that was imported first counts. It
// has ended when any of them has, and revoking one of the others revokes it. A value with
// rows of two owners is refused.
func one(rows []records.StoredToken) (first records.StoredToken, twins []string, err error) {
	if len(rows) == 0 {
		return records.StoredToken{}, nil, records.ErrNoToken
	}
	rows = slices.SortedFunc(slices.Values(rows), func(a, b records.StoredToken) int { return cmp.Compare(a.ID, b.ID) })
	first = rows[0]
	for _, row := range rows[1:] {
		if row.Owner != first.Owner {
			return records.StoredToken{}, nil, records.ErrNoToken
		}
		twins = append(twins, row.ID)
		if first.RevokedAt.IsZero() {
			first.RevokedAt, first.Reason = row.RevokedAt, cmp.Or(row.Reason, first.Reason)
		}
	}
	return first, twins, nil
}

// Subject reads a user with their bindings, or a client, in one snapshot.
func (s *Source) Subject(ctx context.Context, _ string, t *verification.Token, collection *int64) (*verification.Subject, error) {
	who := records.Who{UserID: t.Subject, Collection: collection}
	if t.OfClient() {
		who = records.Who{ClientID: t.Subject, Collection: collection}
	}
	p, err := s.cfg.Store.Principal(ctx, who)
	if err != nil {
		return nil, err
	}
	return SubjectOf(&p), nil
}

// Permit asks the log for one request, and confirms where nodes must.
func (s *Source) Permit(ctx context.Context, _ string, _ *verification.Token) (revocation.Lease, error) {
	return s.cfg.Follower.Permit(ctx)
}

// Reach asks the log. A sequence that it has not reached was not assigned by this log.
func (s *Source) Reach(ctx context.Context, seq revocation.Seq) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.cfg.Follower.CatchUp(ctx); err != nil {
		return fault.Wrap(err, fault.Unavailable, "the revocation log can't be read now").Retry(time.Second)
	}
	if seq > s.cfg.Follower.Ledger().Applied() {
		return token.Malformed()
	}
	return nil
}

// TokenOf returns the facts about a stored token as of a sequence of the log.
func TokenOf(row records.StoredToken, seq revocation.Seq) *verification.Token {
	return verification.Index(tokenOf(row, seq, ""))
}

func tokenOf(row records.StoredToken, seq revocation.Seq, defaultAudience string) *verification.Token {
	t := &verification.Token{
		Kind: row.Kind, ID: row.ID, Subject: row.Owner, ClientID: row.ClientID, Name: row.Name,
		Audience: []string{defaultAudience}, Scope: row.Scope, Collection: row.Collection,
		Chain: row.Chain, Networks: row.Networks, IssuedAt: row.CreatedAt, Expiry: row.ExpiresAt, Seq: row.Seq,
		AsOf: seq, Replaces: row.Replaces, Family: row.Family, FamilyEnd: row.EndsAt,
		SignedIn: row.SignIn.At, VouchedBy: row.SignIn.Source, Granted: row.Granted,
	}
	if row.Audience != "" {
		t.Audience = []string{row.Audience}
	}
	if !row.RevokedAt.IsZero() {
		t.Ended = row.Reason
		if t.Ended == "" {
			t.Ended = token.ReasonRevoked
		}
	}
	return t
}

// SubjectOf returns what verification needs to know about a principal.
func SubjectOf(p *records.Principal) *verification.Subject {
	s := &verification.Subject{ID: p.Subject(), Seq: p.Seq, CollectionExists: p.CollectionExists, Grants: p.Grants}
	if p.User == nil {
		s.Client = true
		return s
	}
	s.Disabled = p.User.Disabled
	s.Username, s.Name, s.Email, s.Groups = p.User.Username, p.User.Name, p.User.Email, p.User.Groups
	return s
}

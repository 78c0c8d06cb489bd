package verification

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Requirements are what a resource asks of a token. The zero value asks for a token
// that calls APIs, with the default audience.
type Requirements struct {
	Audience    string // "": the default audience
	AnyAudience bool   // the audience is not judged (RFC 7662: the caller judges it)
	Scope       []string
	Collection  *int64
	Action      string // with Path: a permission that the user must have
	Path        access.Path
	Kinds       []token.Kind // nil: those that call APIs
	Despite     string       // a token that the source ended for this reason is not refused for it: the caller judges it
	// SessionCollection limits a session to the collection that it was started for, as a
	// token is limited to its own.
	SessionCollection bool
	// From is the address that the token is used from; zero: what Config.AddressOf returns.
	From netip.Addr
	// AnyNetwork leaves the token's networks unjudged: the caller judges them, or needs not.
	AnyNetwork bool

	onlyRevocation bool      // only whether the token was revoked is checked
	at             time.Time // the time to judge by; zero: now
}

// The kinds that are accepted where Requirements name none. A session is presented in a
// cookie and an exchange key to be traded; neither calls an API.
var apiKinds = []token.Kind{token.KindAccess, token.KindTask, token.KindAPIToken}

// APIKinds returns the kinds of token that call APIs.
func APIKinds() []token.Kind { return slices.Clone(apiKinds) }

const (
	// sourceTimeout is how long a decision without a lease waits for the source.
	sourceTimeout = 900 * time.Millisecond
	// attempts limits how often a decision starts over because the log changed, and how
	// often an issuer's node that is behind is asked again.
	attempts = 6
	// behindPause, times the square of the attempt, is the pause before a node that is
	// behind is asked again. It catches up in milliseconds.
	behindPause = 10 * time.Millisecond
)

var (
	errNoLease = fault.After(fault.Unavailable, time.Second, "this service has no recent news of the revocation log and can't accept tokens now")
	// errBehind is the error of a reading that is older than the entries that are applied
	// here.
	errBehind = fault.After(fault.Unavailable, time.Second, "the issuer's nodes don't agree yet")
)

// Identity is who presented a token that was accepted.
type Identity struct {
	Token   *Token
	Subject *Subject
	AsOf    revocation.Seq // as of which the token was accepted
}

// ID returns the subject; "" for nobody.
func (id *Identity) ID() string {
	if id == nil {
		return ""
	}
	return id.Subject.ID
}

// TokenID returns the public id of the token; "" for nobody.
func (id *Identity) TokenID() string {
	if id == nil {
		return ""
	}
	return id.Token.ID
}

// Identify decides as Verify does and returns who presented the token. A token whose
// owner no longer exists is refused as revoked.
func (v *Verifier) Identify(ctx context.Context, raw string, r Requirements) (*Identity, error) {
	asOf := v.ledger.Applied()
	t, err := v.Verify(ctx, raw, r)
	if err != nil {
		return nil, err
	}
	return v.identity(ctx, t, asOf)
}

// Verify decides whether a token may do what it was presented for, by every check,
// in their order, on every call. The error is a fault of kind InvalidToken or
// InsufficientScope whose message is the reason, or Unavailable when this process
// may not answer. It never writes.
func (v *Verifier) Verify(ctx context.Context, raw string, r Requirements) (*Token, error) {
	t, err := v.examine(ctx, raw, &r)
	if err != nil {
		return nil, v.refused(err)
	}
	v.cfg.Meter.Verified(t.Kind)
	if t.jwt == nil {
		v.cfg.Uses.note(ctx, t, r.at)
	}
	return t, nil
}

// examine makes every check under a lease that held from before the first look into
// the log until after the last (doc.go, "A decision"). Beside the refusal of a token
// whose facts are known it returns them.
func (v *Verifier) examine(ctx context.Context, raw string, r *Requirements) (*Token, error) {
	if len(raw) > token.MaxBytes {
		return nil, token.Malformed()
	}
	r.at = v.ledger.Now()
	t, known := v.facts.kept(raw, r.at)
	if !known {
		var err error
		if t, err = v.facts.read(ctx, raw, nil); err != nil {
			return nil, err
		}
		r.at = v.ledger.Now() // asking the source may have taken long
	}
	if v.cfg.InsecureWithoutRevocation {
		return t, v.judge(ctx, raw, t, r)
	}
	// t1: what is looked up from here on is true as of no earlier than this lease's instant.
	lease := v.ledger.Lease()
	for range attempts {
		var err error
		if v.facts.outdated(t) {
			if t, err = v.facts.current(ctx, raw, t); err != nil {
				return t, err
			}
		}
		if err = v.Reach(ctx, t.Seq); err != nil {
			return t, err
		}
		err = v.judge(ctx, raw, t, r)
		switch {
		case err != nil && final(err):
			return t, err
		case v.ledger.ForgottenAfter(r.at): // the kill may be among what was forgotten
		case lease.Holds(): // t2: the last look into the log was before this
			return t, err
		default:
			if lease = v.ledger.Lease(); lease.Holds() {
				break
			}
			if lease, err = permit(ctx, v.cfg.Source, raw, t); err != nil {
				return t, err
			}
		}
		r.at = v.ledger.Now()
	}
	return t, errBehind
}

// final reports whether a refusal holds whatever the log says: no later entry makes a
// token valid that was revoked, has expired or is for another audience. Access may be
// granted again.
func final(err error) bool {
	r, refused := RefusalOf(err)
	return refused && r.Check != token.CheckAccess
}

// Reach returns when this process has applied the log up to a sequence. It asks for the
// entries that it has not received. The error is that of Source.Reach.
func (v *Verifier) Reach(ctx context.Context, seq revocation.Seq) error {
	if seq <= v.ledger.Applied() {
		return nil
	}
	return v.cfg.Source.Reach(ctx, seq)
}

// permit returns a lease for one request alone. Where the source neither has one nor
// refuses the token, the error is Unavailable.
func permit(ctx context.Context, source Source, raw string, t *Token) (revocation.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, sourceTimeout)
	defer cancel()
	lease, err := source.Permit(ctx, raw, t)
	if _, refused := RefusalOf(err); err == nil || refused || fault.Is(err, fault.Unavailable) {
		return lease, err
	}
	return lease, fault.Wrap(err, fault.Unavailable, "%s", errNoLease.Message).Retry(time.Second)
}

// judge makes the checks that follow the signature, in the order of token.Checks, as of
// r.at. A verifier without revocation makes those of the claims only.
func (v *Verifier) judge(ctx context.Context, raw string, t *Token, r *Requirements) error {
	// The key is looked up once: whether it is known is a check of the signature, whether it
	// was revoked is judged with the other revocations, after what the claims say.
	revoked := t.Ended != "" && t.Ended != r.Despite
	if t.jwt != nil {
		key, known := v.cfg.Source.Key(t.KID)
		if !known && !r.onlyRevocation {
			return token.CheckSignature.Refuse()
		}
		revoked = key.Revoked || v.log.CutOff(t.names.SigningKey) > 0
	}
	if !r.onlyRevocation {
		if err := v.judgeClaims(t, r); err != nil {
			return err
		}
	}
	if v.cfg.InsecureWithoutRevocation {
		return v.judgeNetwork(ctx, t, r)
	}
	if revoked || v.log.Revokes(&t.names, t.Seq) || v.log.Ended(&t.names, r.at) {
		return token.CheckRevoked.Refuse()
	}
	if r.onlyRevocation {
		return nil
	}
	if t.Networks != nil {
		if err := v.judgeNetwork(ctx, t, r); err != nil {
			return err
		}
	}
	for _, name := range r.Scope {
		if t.Kind != token.KindSession && !slices.Contains(t.Scope, name) { // a session has every scope
			return token.Refuse(token.CheckScope, "the scope "+name+" is needed")
		}
	}
	for attempt := range attempts {
		err := v.facts.judgeAccess(ctx, raw, t, r)
		if !errors.Is(err, errBehind) {
			return err
		}
		select {
		case <-time.NewTimer(time.Duration(attempt*attempt) * behindPause).C:
		case <-ctx.Done():
			return errBehind
		}
	}
	return errBehind
}

// judgeNetwork checks the address that a token is used from. Where it is not known, a
// token that is limited to networks is refused.
func (v *Verifier) judgeNetwork(ctx context.Context, t *Token, r *Requirements) error {
	if r.AnyNetwork {
		return nil
	}
	return token.JudgeNetwork(t.Networks, v.from(ctx, r))
}

// from returns the address that a token is used from; zero when it is not known.
func (v *Verifier) from(ctx context.Context, r *Requirements) netip.Addr {
	if r.From.IsValid() || v.cfg.AddressOf == nil {
		return r.From
	}
	return v.cfg.AddressOf(ctx)
}

// judgeClaims checks type, issuer, times and audience. The issuer of an opaque token is
// the source, which has said what it is.
func (v *Verifier) judgeClaims(t *Token, r *Requirements) error {
	kinds, audience := r.Kinds, r.Audience
	if kinds == nil {
		kinds = apiKinds
	}
	if audience == "" {
		audience = v.cfg.DefaultAudience
	}
	switch {
	case !slices.Contains(kinds, t.Kind):
		return token.CheckType.Refuse()
	case t.jwt != nil:
		if err := t.jwt.Validate(token.Expectation{
			Type: typeOf(t.Kind), Issuer: v.cfg.Issuer, Audience: audience, Now: r.at, AnyAudience: r.AnyAudience,
		}); err != nil {
			return err
		}
	case !t.Expiry.IsZero() && !r.at.Before(t.Expiry):
		return token.CheckTime.Refuse()
	}
	if len(t.Audience) == 0 || !r.AnyAudience && !token.HasAudience(t.Audience, audience) {
		return token.CheckAudience.Refuse() // it may have no audience at all
	}
	return nil
}

// typeOf returns the `typ` that a JWT of a kind must have (RFC 9068 §2.1).
func typeOf(k token.Kind) string {
	if k == token.KindExchangeKey {
		return token.TypeExchangeKey
	}
	return token.TypeAccess
}

// Revoked reports whether a token is revoked: it is void, or the log says that it or what
// it was made from ends, and that time has come by the clock of this process.
func (v *Verifier) Revoked(t *Token) bool { return v.Void(t) || v.log.Ended(&t.names, v.ledger.Now()) }

// Void reports whether a token is revoked whatever the time is, so that there is nothing
// left to revoke: by its source, by the log up to the sequence applied here, or with the
// key that signed it. A token whose end was written ahead is void only once there is a
// kill. No clock is involved: every process that has applied the same entries returns the
// same.
func (v *Verifier) Void(t *Token) bool {
	return t.Ended != "" || v.signedByRevoked(t) || v.RevokedInLog(t)
}

// signedByRevoked reports whether the key that signed a token was revoked, at any time: a
// thief of the private key can write any sequence into a token. The key ring of the node
// that retired the key knows it first, then the log.
func (v *Verifier) signedByRevoked(t *Token) bool {
	if t.jwt == nil {
		return false
	}
	key, _ := v.cfg.Source.Key(t.KID)
	return key.Revoked || v.log.CutOff(t.names.SigningKey) > 0
}

// RevokedInLog reports whether the log itself, up to the sequence applied here, revokes
// a token with everything that was made from it, so that there is nothing left to
// append.
func (v *Verifier) RevokedInLog(t *Token) bool { return v.log.Revokes(&t.names, t.Seq) }

// refused counts a refusal and puts it into the words of RFC 6750 §3.1.
func (v *Verifier) refused(err error) error {
	r, ok := RefusalOf(err)
	if !ok {
		return err
	}
	v.cfg.Meter.VerifyRefused(r.Check)
	if r.Check == token.CheckScope || r.Check == token.CheckAccess {
		return fault.Wrap(r, fault.InsufficientScope, "%s", r.Reason)
	}
	return fault.Wrap(r, fault.InvalidToken, "%s", r.Reason)
}

// RefusalOf returns the refusal in an error, if it is one.
func RefusalOf(err error) (*token.Refusal, bool) { return errors.AsType[*token.Refusal](err) }

// Uses collects last uses of opaque tokens until a batch of them is written, so that
// verifying never writes. It is bounded: past the limit, the uses of further tokens are
// left out of the batch.
type Uses struct {
	addressOf func(context.Context) string
	replaced  chan struct{} // has a value while TakeReplaced has something

	mu       sync.Mutex
	pending  map[string]Use
	replaces map[string]bool // ids of tokens whose successors were used
}

// Use is one last use of a token.
type Use struct {
	ID, Address string
	At          time.Time
}

const (
	maxPendingUses = 10_000
	useGrain       = 30 * time.Second // a token's use is noted at most this often
)

// NewUses returns an empty collection. addressOf returns the client's address of a
// request; "" when it is not known.
func NewUses(addressOf func(context.Context) string) *Uses {
	return &Uses{
		addressOf: addressOf, replaced: make(chan struct{}, 1),
		pending: map[string]Use{}, replaces: map[string]bool{},
	}
}

// note remembers that an opaque token was used. A nil Uses remembers nothing.
func (u *Uses) note(ctx context.Context, t *Token, now time.Time) {
	if u == nil {
		return
	}
	last := t.used.Load()
	if now.Unix()-last < int64(useGrain/time.Second) || !t.used.CompareAndSwap(last, now.Unix()) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, known := u.pending[t.ID]; known || len(u.pending) < maxPendingUses {
		u.pending[t.ID] = Use{ID: t.ID, Address: u.addressOf(ctx), At: now}
	}
	if t.Replaces != "" && len(u.replaces) < maxPendingUses {
		u.replaces[t.Replaces] = true
		select {
		case u.replaced <- struct{}{}:
		default:
		}
	}
}

// Take returns the uses noted since the last call.
func (u *Uses) Take() []Use {
	u.mu.Lock()
	defer u.mu.Unlock()
	batch := slices.Collect(maps.Values(u.pending))
	clear(u.pending)
	return batch
}

// Replaced returns a channel that receives when TakeReplaced has something.
func (u *Uses) Replaced() <-chan struct{} { return u.replaced }

// TakeReplaced returns the ids of tokens whose successors were used since the last
// call.
func (u *Uses) TakeReplaced() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	ids := slices.Collect(maps.Keys(u.replaces))
	clear(u.replaces)
	return ids
}

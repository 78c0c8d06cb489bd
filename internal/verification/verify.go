package verification

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Requirements are what a resource asks of a token. The zero value asks for a token
// that calls APIs, with the default audience.
type Requirements struct {
	Audience   string // "": the default audience
	Scope      []string
	Collection *int64
	Action     string // with Path: a permission that the user must have
	Path       access.Path
	Kinds      []token.Kind // nil: those that call APIs
	Despite    string       // a token that the source ended for this reason is not refused for it: the caller judges it
	// From is the address that the token is used from; zero: what Config.AddressOf returns.
	From netip.Addr
	// Route is where the request goes, for what is noted of the token's use; "": to bearerd.
	Route string

	AnyAudience bool // the audience is not judged (RFC 7662: the caller judges it)
	// SessionCollection limits a session to the collection that it was started for, as a
	// token is limited to its own.
	SessionCollection bool
	// AnyNetwork skips the check of the token's networks: the caller makes it, or doesn't
	// need it.
	AnyNetwork bool
	// SafeMethod is set when the method of the request to Route changes nothing.
	SafeMethod     bool
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

// Name returns the username; "" for a client and for nobody.
func (id *Identity) Name() string {
	if id == nil {
		return ""
	}
	return id.Subject.Username
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
	return v.identity(ctx, raw, t, asOf)
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
	if t.lines != nil {
		v.noteUse(t, &r)
	}
	return t, nil
}

// examine makes a decision in the steps of doc.go, "A decision": every check is made
// under a lease that held from before the first look into the log until after the last.
// Beside the refusal of a token whose facts are known it returns them.
func (v *Verifier) examine(ctx context.Context, raw string, r *Requirements) (*Token, error) {
	t, at, err := v.facts.find(ctx, raw) // step 1
	if err != nil {
		return nil, err
	}
	r.at = at
	// Step 2, t1: what is looked up from here on is true as of no earlier than this lease's
	// instant.
	lease := v.ledger.Lease()
	for range attempts {
		if t, err = v.facts.catchUp(ctx, raw, t); err != nil { // step 3
			return t, err
		}
		err = v.judge.check(ctx, raw, t, r) // step 4
		switch {
		case v.cfg.InsecureWithoutRevocation, err != nil && final(err):
			return t, err
		case v.ledger.ForgottenAfter(r.at): // the kill may be among what was forgotten
		case lease.Holds(): // step 5, t2: the last look into the log was before this
			return t, err
		default: // step 6
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

// Reach returns when this process has applied the log up to a sequence. It asks for the
// entries that it has not received. The error is that of Source.Reach.
func (v *Verifier) Reach(ctx context.Context, seq revocation.Seq) error {
	return v.facts.reach(ctx, seq)
}

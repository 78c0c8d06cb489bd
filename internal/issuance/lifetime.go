package issuance

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

const maxLifetimeDigits = 18

// ParseLifetime parses the lifetime in a request: a decimal integer of seconds greater
// than 0, of at most 18 digits, with no sign, space, fraction or leading zero. An empty
// text is fault.Invalid: don't call it when no lifetime is asked for.
func ParseLifetime(s string) (int64, error) {
	bad := fault.New(fault.Invalid, "the lifetime must be a positive integer of seconds").In("expires_in")
	if s == "" || len(s) > maxLifetimeDigits || s[0] == '0' {
		return 0, bad
	}
	n := int64(0)
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, bad
		}
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

// lifetime decides the token's lifetime in seconds; 0 means that it doesn't expire. The
// ceiling and the parent are two checks: a default is shortened to what both allow, an
// explicit lifetime that is too long is refused with the maximum.
func (p Policy) lifetime(r *Request, right access.TaskRight, now int64) (int64, error) {
	ttl, ceiling := kindRules[r.Kind].lifetimes(p, r.TaskType)
	if r.Usual > 0 {
		ttl = min(r.Usual, ceiling)
	}
	if r.trusted != nil && r.trusted.Rule.TTL > 0 {
		ceiling = min(ceiling, seconds(r.trusted.Rule.TTL))
		ttl = ceiling
	}
	asked := r.Lifetime
	if asked > ceiling {
		if !r.Cap {
			return 0, fault.New(fault.Invalid, "the lifetime is above the ceiling; the maximum is %d seconds", ceiling).In("expires_in")
		}
		if r.Kind == token.KindTask && !right.Any {
			return 0, fault.New(fault.Forbidden, "the lifetime granted is above the ceiling of this task token type").In("expires_in")
		}
		asked = ceiling
	}
	remaining, bounded := r.remaining(now)
	switch {
	case bounded && remaining <= 0:
		return 0, fault.New(fault.InvalidToken, token.ReasonExpired)
	case asked == 0 && bounded && (ttl == 0 || remaining < ttl):
		return remaining, nil
	case asked == 0:
		return ttl, nil
	case bounded && asked > remaining && r.Cap && kindRules[r.Kind].credential:
		return remaining, nil
	case bounded && asked > remaining && r.actor == nil && r.Parent.Kind == token.KindExchangeKey:
		return 0, fault.Wrap(&OutlivesError{remaining}, fault.Invalid,
			"the token would expire after the provided API key does; the maximum is %d seconds", remaining).In("expires_in")
	case bounded && asked > remaining:
		return 0, fault.Wrap(&OutlivesError{remaining}, fault.Invalid,
			"the token would outlive what it is made from; the maximum is %d seconds", remaining).In("expires_in")
	}
	return asked, nil
}

// remaining returns how many seconds are left of what the token is made from, of the
// actor's token, or of the token whose expiry it keeps, and whether that limits the
// lifetime.
func (r *Request) remaining(now int64) (int64, bool) {
	var end time.Time
	switch {
	case r.renews != nil && r.renews.KeepsEnd:
		end = r.renews.ExpiresAt
	case r.renews != nil || !r.hasParent():
	case r.Parent.Kind == token.KindRefresh:
		end = r.Parent.FamilyEnd // its own expiry limits its use, not what is made from it
	default:
		end = r.Parent.Expiry
	}
	if r.actor != nil && (end.IsZero() || r.actor.Token.Expiry.Before(end)) {
		end = r.actor.Token.Expiry
	}
	return end.Unix() - now, !end.IsZero()
}

// taskRight checks that the type of a task token is on the operator's list, and that the
// user may have such a token with the lifetime that was asked for.
func (p Policy) taskRight(r *Request) (access.TaskRight, error) {
	if r.Kind != token.KindTask {
		return access.TaskRight{}, nil
	}
	if _, ok := p.TaskMax[r.TaskType]; !ok {
		return access.TaskRight{}, fault.Wrap(ErrTaskType, fault.InvalidTarget, "unknown task token type")
	}
	if r.Principal.User == nil {
		return access.TaskRight{}, fault.New(fault.Forbidden, "task tokens are for users")
	}
	right := access.TaskRights(r.Principal.Grants, r.TaskType)
	switch {
	case right.Any:
		return right, nil
	case len(right.Exact) == 0:
		return right, fault.Wrap(ErrTaskPermission, fault.Forbidden, "no permission to have task tokens of this type")
	case r.Lifetime == 0:
		return right, fault.Wrap(ErrLifetime, fault.Forbidden, "a lifetime must be asked for: %s", listSeconds(right.Exact))
	case !right.Allows(r.Lifetime):
		return right, fault.Wrap(ErrLifetime, fault.Forbidden, "only these lifetimes are granted: %s; the maximum is %d seconds",
			listSeconds(right.Exact), slices.Max(right.Exact))
	}
	return right, nil
}

// OutlivesError is the cause of a refusal of a lifetime that ends after the token's
// parent expires.
type OutlivesError struct{ Max int64 } // seconds until the parent expires

// Error implements error.
func (e *OutlivesError) Error() string { return fmt.Sprintf("%d seconds are left", e.Max) }

// The causes of a refusal of a task token: its type is not on the operator's list, or the
// user has no permission for it.
var (
	ErrTaskType       = errors.New("the type is not on the operator's list")
	ErrTaskPermission = errors.New("the user lacks the permission to have the type")
)

// ErrLifetime is the cause of a refusal of a task token whose type is granted, but with
// other lifetimes than the one asked for. Protocols differ in their error for that.
var ErrLifetime = errors.New("the type is granted, with another lifetime")

func listSeconds(all []int64) string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(texts, ", ")
}

package issuance

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/bearerd/bearerd/internal/token"
)

// Policy is what the operator has configured about tokens.
type Policy struct {
	Issuer           string
	DefaultAudience  string
	AccessTTL        time.Duration
	AccessMax        time.Duration
	ExchangeKeyMax   time.Duration
	APITokenMax      time.Duration // 0: no ceiling
	APITokenOverlap  time.Duration // how long the old value stays valid where the request names no overlap
	RefreshIdle      time.Duration
	RefreshGrace     time.Duration // how long after its use a refresh token may be used again; 0: not at all
	SessionMax       time.Duration
	Fresh            time.Duration            // how recent the sign-in of a session must be for a token with a built-in scope, and to regenerate one; 0: any
	TaskMax          map[string]time.Duration // ceiling of each task token type; 0: that of access tokens
	Scopes           map[string]string        // declared scopes with their descriptions; none: any name
	Resources        []Resource               // that grants are for; none: the issuer, with the default audience
	AuthorizationMax time.Duration            // how long a grant may last
	Profile          Profile                  // what the deployment's verifiers read in addition to bearerd's own claims
}

func (p Policy) check() error {
	switch {
	case p.Issuer == "" || p.DefaultAudience == "":
		return errors.New("issuance: issuer and default audience must be set")
	case p.AccessTTL <= 0 || p.AccessMax < p.AccessTTL:
		return errors.New("issuance: access token lifetimes must be positive, ttl at most max_ttl")
	case p.ExchangeKeyMax <= 0 || p.APITokenMax < 0 || p.RefreshIdle <= 0 || p.RefreshGrace < 0 || p.SessionMax <= 0 || p.Fresh < 0 || p.AuthorizationMax <= 0:
		return errors.New("issuance: lifetimes must be positive")
	}
	if _, clash := p.TaskMax[p.DefaultAudience]; clash {
		return fmt.Errorf("issuance: the task token type %q is the default audience too", p.DefaultAudience)
	}
	return nil
}

// Longest returns the longest lifetime of any JWT, and never less than the longest
// default.
func (p Policy) Longest() time.Duration {
	longest := max(30*24*time.Hour, p.AccessMax, p.ExchangeKeyMax)
	for _, d := range p.TaskMax {
		longest = max(longest, d)
	}
	return longest
}

// Unbounded is a ceiling for kinds that have none: no lifetime in seconds that
// fits a time.Duration is above it.
const Unbounded = int64(math.MaxInt64 / time.Second)

// kindRule is how a kind of token differs from the others.
type kindRule struct {
	typ    string // the JWT's typ; "" for opaque kinds
	stored bool   // a row is kept
	// credential is set for kinds that users create themselves: with a session, which is
	// no parent and only limits the collection, or with a token of the scope credentials,
	// which is the parent.
	credential bool
	// lifetimes returns the default and the ceiling in seconds; default 0: no expiry.
	lifetimes func(p Policy, taskType string) (ttl, ceiling int64)
	// parents are the kinds that it may be made from; a password is KindUnknown.
	parents []token.Kind
}

var kindRules = map[token.Kind]kindRule{
	token.KindAccess: {
		typ:       token.TypeAccess,
		lifetimes: func(p Policy, _ string) (int64, int64) { return seconds(p.AccessTTL), seconds(p.AccessMax) },
		parents: []token.Kind{
			token.KindUnknown, token.KindSession, token.KindExchangeKey, token.KindAPIToken,
			token.KindAccess, token.KindRefresh, token.KindClientSecret, token.KindGrant,
		},
	},
	token.KindTask: {
		typ: token.TypeAccess,
		lifetimes: func(p Policy, taskType string) (int64, int64) {
			ceiling := p.TaskMax[taskType]
			if ceiling == 0 {
				ceiling = p.AccessMax
			}
			return seconds(ceiling), seconds(ceiling)
		},
		parents: []token.Kind{token.KindExchangeKey, token.KindAPIToken, token.KindAccess},
	},
	token.KindExchangeKey: {
		typ: token.TypeExchangeKey, stored: true, credential: true,
		lifetimes: func(p Policy, _ string) (int64, int64) { return seconds(p.ExchangeKeyMax), seconds(p.ExchangeKeyMax) },
		parents:   []token.Kind{token.KindSession, token.KindAccess, token.KindAPIToken},
	},
	token.KindAPIToken: {
		stored: true, credential: true,
		lifetimes: func(p Policy, _ string) (int64, int64) {
			if p.APITokenMax == 0 {
				return 0, Unbounded
			}
			return seconds(p.APITokenMax), seconds(p.APITokenMax)
		},
		parents: []token.Kind{token.KindSession, token.KindAccess, token.KindAPIToken},
	},
	token.KindGrant: {
		stored: true, credential: true,
		lifetimes: func(p Policy, _ string) (int64, int64) {
			return seconds(p.AuthorizationMax), seconds(p.AuthorizationMax)
		},
		parents: []token.Kind{token.KindSession},
	},
	token.KindSession: {
		stored:    true,
		lifetimes: func(p Policy, _ string) (int64, int64) { return seconds(p.SessionMax), seconds(p.SessionMax) },
		parents:   []token.Kind{token.KindUnknown},
	},
}

// Stored reports whether a row is kept of tokens of a kind.
func Stored(kind token.Kind) bool { return kindRules[kind].stored }

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

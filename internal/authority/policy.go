package authority

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// Policy is what the operator decides.
type Policy struct {
	Issuer          string
	DefaultAudience string
	AccessTTL       time.Duration
	AccessMax       time.Duration
	APIKeyMax       time.Duration
	APITokenMax     time.Duration // 0: no ceiling
	APITokenOverlap time.Duration // how long a regenerated one lives on, where nobody says
	RefreshIdle     time.Duration
	SessionMax      time.Duration
	TaskMax         map[string]time.Duration // ceiling of each task token type; 0: that of access tokens
	Scopes          map[string]string        // declared scopes with their descriptions; none: any name
	Limits          identity.Limits
	Staleness       time.Duration // L: how long a node may say yes without news of the log
	Wait            bool          // acts that take something back wait for every node
}

func (p Policy) check() error {
	switch {
	case p.Issuer == "" || p.DefaultAudience == "":
		return errors.New("authority: issuer and default audience must be set")
	case p.AccessTTL <= 0 || p.AccessMax < p.AccessTTL:
		return errors.New("authority: access token lifetimes must be positive, ttl at most max_ttl")
	case p.APIKeyMax <= 0 || p.APITokenMax < 0 || p.RefreshIdle <= 0 || p.SessionMax <= 0:
		return errors.New("authority: lifetimes must be positive")
	case p.Staleness <= 0:
		return errors.New("authority: max_staleness must be positive")
	}
	if _, clash := p.TaskMax[p.DefaultAudience]; clash {
		return fmt.Errorf("authority: the task token type %q is the default audience too", p.DefaultAudience)
	}
	return p.Limits.Validate()
}

// unbounded is a ceiling for kinds that have none: no lifetime in seconds that
// fits a time.Duration is above it.
const unbounded = int64(math.MaxInt64 / time.Second)

// kindRule is what a kind of token differs in.
type kindRule struct {
	typ    string // the JWT's typ; "" for opaque kinds
	stored bool   // a row is kept
	rooted bool   // it has no parent: what it was made with only bounds its scope and collection
	// lifetimes gives default and ceiling in seconds; default 0: no expiry.
	lifetimes func(p Policy, taskType string) (ttl, ceiling int64)
	// parents are the kinds it may be made from; a password is KindUnknown.
	parents []token.Kind
}

var kindRules = map[token.Kind]kindRule{
	token.KindAccess: {
		typ:       token.TypeAccess,
		lifetimes: func(p Policy, _ string) (int64, int64) { return seconds(p.AccessTTL), seconds(p.AccessMax) },
		parents: []token.Kind{
			token.KindUnknown, token.KindSession, token.KindAPIKey, token.KindAPIToken,
			token.KindAccess, token.KindRefresh, token.KindClientSecret,
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
		parents: []token.Kind{token.KindAPIKey, token.KindAPIToken, token.KindAccess},
	},
	token.KindAPIKey: {
		typ: token.TypeAPIKey, stored: true, rooted: true,
		lifetimes: func(p Policy, _ string) (int64, int64) { return seconds(p.APIKeyMax), seconds(p.APIKeyMax) },
		parents:   []token.Kind{token.KindSession, token.KindAccess},
	},
	token.KindAPIToken: {
		stored: true, rooted: true,
		lifetimes: func(p Policy, _ string) (int64, int64) {
			if p.APITokenMax == 0 {
				return 0, unbounded
			}
			return seconds(p.APITokenMax), seconds(p.APITokenMax)
		},
		parents: []token.Kind{token.KindSession, token.KindAccess},
	},
	token.KindSession: {
		stored:    true,
		lifetimes: func(p Policy, _ string) (int64, int64) { return seconds(p.SessionMax), seconds(p.SessionMax) },
		parents:   []token.Kind{token.KindUnknown},
	},
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// longest is how long any JWT may live, and never below the longest default.
func (p Policy) longest() time.Duration {
	longest := max(30*24*time.Hour, p.AccessMax, p.APIKeyMax)
	for _, d := range p.TaskMax {
		longest = max(longest, d)
	}
	return longest
}

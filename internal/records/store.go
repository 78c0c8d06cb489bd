package records

import (
	"github.com/bearerd/bearerd/internal/identity"
)

// MaxDigests is how many tokens TokensByDigest and TokensByID find at a time.
const MaxDigests = 1000

// AttemptKey returns the key of the failures of an account from one address. Those of
// the account from everywhere have the account itself for a key.
func AttemptKey(account, address string) string { return account + "@" + address }

// AccountFailures are failures of an account.
type AccountFailures struct {
	identity.Failures

	Everywhere bool   // of the account from everywhere
	Address    string // otherwise: from where; "" when that is not known
}

// MaxNames is how many usernames are looked up at a time.
const MaxNames = 2000

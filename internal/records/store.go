package records

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Store keeps everything. Every method is one transaction: what does not exist is
// a fault of kind NotFound, a store that can't be reached or written is one of kind
// Unavailable, and nothing is half done.
type Store interface {
	Directory
	PasswordLinks
	Lists
	Things
	Provisioning
	Tokens
	Imports
	Shadows
	Confirmations
	Attempts
	Devices
	Authorizations
	Issuers
	Uses
	AuditLog
	Log
	keyring.Store
	Committer
	Purger
	Traffic
	Census
	Outbox
}

// Committer writes.
type Committer interface {
	// Commit carries out a batch: all of it, durably, or nothing. It returns the
	// sequence of the batch's last log entry, 0 when the batch has none.
	Commit(ctx context.Context, b Batch) (revocation.Seq, error)
}

// Log is the revocation log and the list of nodes that honour it.
type Log interface {
	revocation.Log
	// Settle commits something, as durably as Commit does, and returns the head of the
	// log that its transaction saw: every entry up to it is then as durable too, also
	// one that somebody else committed and whose commit was cut off.
	Settle(ctx context.Context) (revocation.Seq, error)
	// Nodes returns what each registered node has confirmed of the log, as the database
	// has it that Page.Origin names; "" is any. Unavailable when another one is reached.
	Nodes(ctx context.Context, origin string) ([]revocation.Confirmation, error)
	// DropNode removes a node from that list if its entry there is still this one.
	DropNode(ctx context.Context, said revocation.Confirmation) error
	// LogEntry returns the newest live entry about an id, and whether there is one.
	LogEntry(ctx context.Context, what revocation.What, id string) (revocation.Entry, bool, error)
}

// ClientScopes reads the scopes that clients list.
type ClientScopes interface {
	// ScopeListed reports whether a client lists a scope.
	ScopeListed(ctx context.Context, name string) (bool, error)
}

// AuditLog reads the audit log.
type AuditLog interface {
	// AuditPage returns a page of the events that match, newest first. At most MaxTotal
	// events are looked at for it.
	AuditPage(ctx context.Context, f audit.Filter) (audit.Page, error)
	// AuditEvents returns the events of the first page of AuditPage.
	AuditEvents(ctx context.Context, f audit.Filter) ([]audit.Event, error)
}

// Purger deletes what no longer matters.
type Purger interface {
	// Purge deletes what no longer matters at now: log entries whose Until has
	// passed, tokens that ended more than 90 days ago, old attempts.
	Purge(ctx context.Context, now time.Time) error
	// PurgeAudit deletes the audit events that are older than retention at now.
	PurgeAudit(ctx context.Context, now time.Time, retention time.Duration) error
	// ClockOffset returns how far the process's wall clock is ahead of the store's;
	// negative when it is behind.
	ClockOffset(ctx context.Context) (time.Duration, error)
}

// Directory reads users, clients, collections, roles and bindings.
type Directory interface {
	// Principal reads what a decision about somebody rests on, in one snapshot.
	Principal(ctx context.Context, who Who) (Principal, error)
	// DecoyHash returns the password hash of the user whose id follows decoy
	// (the first user's after the last; empty when there are no users), so that
	// a login with an unknown username takes the time that a real one does.
	DecoyHash(ctx context.Context, decoy string) (identity.PasswordHash, error)
	// Users returns users by username, Limit at a time, after a cursor. A page of a search
	// may have fewer users, and others after it.
	Users(ctx context.Context, q UserQuery) (Page[identity.User], error)
	Collections(ctx context.Context) ([]Collection, error)
	Roles(ctx context.Context) ([]access.Role, error)
	// Bindings returns the bindings of a user (groups' ones included when asked), or all.
	Bindings(ctx context.Context, q BindingQuery) ([]access.Binding, error)
	Clients(ctx context.Context) ([]identity.Client, error)
	ClientScopes
	// Links returns the links of a user or a source, by source and external id; none where the
	// query names neither.
	Links(ctx context.Context, q LinkQuery) ([]Link, error)
	// LinkedUsers returns users by the external id of their link, Limit at a time, after a
	// cursor.
	LinkedUsers(ctx context.Context, q LinkedQuery) (Page[LinkedUser], error)
}

// PasswordLinks reads the links with which users set a password.
type PasswordLinks interface {
	// PasswordLink finds a link by the SHA-256 of its secret part, one that has expired too.
	PasswordLink(ctx context.Context, digest [32]byte) (PasswordLink, error)
}

// MaxDigests is how many tokens TokensByDigest and TokensByID find at a time.
const MaxDigests = 1000

// Tokens reads stored tokens: everything but access and task tokens.
type Tokens interface {
	// TokenByDigest finds a stored token by the SHA-256 of its value.
	TokenByDigest(ctx context.Context, digest [32]byte) (StoredToken, revocation.Seq, error)
	// TokensByDigest finds those stored tokens that have one of the digests, at most
	// MaxDigests, as of one sequence.
	TokensByDigest(ctx context.Context, digests [][32]byte) ([]StoredToken, revocation.Seq, error)
	// TokensByID finds those stored tokens that have one of the public ids, likewise.
	TokensByID(ctx context.Context, ids []string) ([]StoredToken, revocation.Seq, error)
	// TokenByID finds a stored token by its public id.
	TokenByID(ctx context.Context, id string) (StoredToken, revocation.Seq, error)
	// StoredTokens lists tokens. A page of a filtered list may have fewer tokens than its
	// limit, and others after it: so many are looked at for one page, and no more.
	StoredTokens(ctx context.Context, q TokenQuery) (Page[StoredToken], error)
	// SessionsOf returns live sessions by how they began, the oldest first.
	SessionsOf(ctx context.Context, q SessionQuery, now time.Time) ([]StoredToken, error)
	// Expiring returns live API tokens and keys that end between two instants and whose
	// owners have not been notified, those that end first.
	Expiring(ctx context.Context, now, before time.Time, limit int) ([]StoredToken, error)
	// Touch writes a batch of last uses.
	Touch(ctx context.Context, uses []Use) error
}

// AttemptKey returns the key of the failures of an account from one address. Those of
// the account from everywhere have the account itself for a key.
func AttemptKey(account, address string) string { return account + "@" + address }

// AccountFailures are failures of an account.
type AccountFailures struct {
	identity.Failures

	Everywhere bool   // of the account from everywhere
	Address    string // otherwise: from where; "" when that is not known
}

// Lists reads what is shown with a list: how long it is, and the names of the users in it.
type Lists interface {
	// TokenTotal counts the tokens that a query asks for, on all pages, up to MaxTotal.
	TokenTotal(ctx context.Context, q TokenQuery) (Total, error)
	// UserTotal counts the users that a query asks for, likewise.
	UserTotal(ctx context.Context, q UserQuery) (Total, error)
	// Usernames returns the usernames of those of at most MaxNames subjects who are users.
	Usernames(ctx context.Context, subjects []string) (map[string]string, error)
}

// MaxNames is how many usernames are looked up at a time.
const MaxNames = 2000

// Attempts counts failed logins under keys (an account's, an address's), and knows
// from where accounts signed in.
type Attempts interface {
	// Failures reads the counts of the keys in the windows that are open at now.
	Failures(ctx context.Context, keys []string, now time.Time) ([]identity.Failures, error)
	// RecordFailure adds one to each key, opening a window where none is open,
	// and returns the counts after it.
	RecordFailure(ctx context.Context, keys []string, now time.Time, window time.Duration) ([]identity.Failures, error)
	// AccountFailures returns the open counts of an account: of all that AttemptKey
	// returns for it, the highest first.
	AccountFailures(ctx context.Context, account string, now time.Time) ([]AccountFailures, error)
	// KnownAddress returns when an account last signed in from an address, by what
	// KnowAddress stored; zero for never.
	KnownAddress(ctx context.Context, account, address string) (time.Time, error)
}

// Devices reads device codes (RFC 8628) that wait, by the digest of the code or by
// the code that the user types.
type Devices interface {
	Device(ctx context.Context, digest [32]byte) (Device, error)
	DeviceByUserCode(ctx context.Context, userCode string) (Device, error)
}

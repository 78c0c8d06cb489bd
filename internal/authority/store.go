package authority

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Store keeps the facts. Every method is one transaction. What does not exist is
// a fault of kind NotFound, a store that can't be reached or written is one of
// kind Unavailable, and nothing is half done.
type Store interface {
	Directory
	Tokens
	Attempts
	Devices
	keyring.Store
	revocation.Log

	// Commit carries out a batch: all of it, durably, or nothing. It gives the
	// sequence of the batch's last log entry, 0 when it has none.
	Commit(ctx context.Context, b Batch) (revocation.Seq, error)
	// AuditEvents gives the events that match, newest first.
	AuditEvents(ctx context.Context, f audit.Filter) ([]audit.Event, error)
	// Nodes gives what each registered node has confirmed of the log.
	Nodes(ctx context.Context) ([]revocation.Confirmation, error)
	// DropNode takes a node off that list if the list still says this of it.
	DropNode(ctx context.Context, said revocation.Confirmation) error
	// LogEntry finds the newest live entry about an id, and whether there is one.
	LogEntry(ctx context.Context, what revocation.What, id string) (revocation.Entry, bool, error)
	// Purge deletes what no longer matters at that instant: log entries that
	// have run out, dead tokens past their 90 days, old attempts.
	Purge(ctx context.Context, now time.Time) error
}

// Directory reads users, clients, collections, roles and bindings.
type Directory interface {
	// Principal reads what a decision about somebody rests on, in one snapshot.
	Principal(ctx context.Context, who Who) (Principal, error)
	// DecoyHash gives the password hash of the user whose id follows decoy
	// (the first user's after the last; empty when there are no users), so that
	// a login with an unknown username takes the time that a real one does.
	DecoyHash(ctx context.Context, decoy string) (identity.PasswordHash, error)
	// Users gives users by username, Limit at a time, after a cursor.
	Users(ctx context.Context, q UserQuery) (Page[identity.User], error)
	Collections(ctx context.Context) ([]Collection, error)
	Roles(ctx context.Context) ([]access.Role, error)
	// Bindings gives the bindings of a user (groups' ones included when asked), or all.
	Bindings(ctx context.Context, q BindingQuery) ([]access.Binding, error)
	Clients(ctx context.Context) ([]identity.Client, error)
}

// Tokens reads stored tokens: everything but access and task tokens.
type Tokens interface {
	// TokenByDigest finds a stored token by the SHA-256 of its value.
	TokenByDigest(ctx context.Context, digest [32]byte) (StoredToken, revocation.Seq, error)
	// TokenByID finds a stored token by its public id.
	TokenByID(ctx context.Context, id string) (StoredToken, revocation.Seq, error)
	// StoredTokens lists tokens, newest first, dead ones included.
	StoredTokens(ctx context.Context, q TokenQuery) (Page[StoredToken], error)
	// Expiring gives living API tokens and keys that end between two instants and
	// of which nobody was told, those that end first.
	Expiring(ctx context.Context, now, before time.Time, limit int) ([]StoredToken, error)
	// Touch writes a batch of last uses.
	Touch(ctx context.Context, uses []Use) error
}

// Attempts counts failed logins under opaque keys (an account's, an address's).
type Attempts interface {
	// Failures reads the counts of the keys in the windows that are open at now.
	Failures(ctx context.Context, keys []string, now time.Time) ([]identity.Failures, error)
	// RecordFailure adds one to each key, opening a window where none is open,
	// and gives the counts after it.
	RecordFailure(ctx context.Context, keys []string, now time.Time, window time.Duration) ([]identity.Failures, error)
}

// Devices reads device codes (RFC 8628) that wait, by the digest of the code or by
// the code that the user types.
type Devices interface {
	Device(ctx context.Context, digest [32]byte) (Device, error)
	DeviceByUserCode(ctx context.Context, userCode string) (Device, error)
}

// Who names somebody: exactly one of the first three is set. Collection also
// asks whether that collection exists.
type Who struct {
	UserID, Username, ClientID string
	Collection                 *int64
}

// Principal is somebody a token can speak for, as read in one snapshot of the
// store: a user with groups and effective grants, or a client.
type Principal struct {
	User             *identity.User
	Client           *identity.Client
	Grants           []access.Grant
	CollectionExists bool           // of Who.Collection
	Seq              revocation.Seq // the log's sequence in that snapshot
}

// Subject is the `sub` of tokens that speak for the principal.
func (p *Principal) Subject() string {
	if p.User != nil {
		return p.User.ID
	}
	if p.Client != nil {
		return p.Client.ID
	}
	return ""
}

// May decides an action on a path, from the grants alone. A disabled user may nothing.
func (p *Principal) May(action string, path access.Path) access.Decision {
	if p.User == nil || p.User.Disabled {
		return access.Decision{}
	}
	return access.Decide(p.Grants, action, path)
}

// Collection is a data set that tokens can be bound to.
type Collection struct {
	ID   int64
	Name string
}

// StoredToken is what is kept of a token that has a row: never its value.
type StoredToken struct {
	ID         string
	Kind       token.Kind
	Digest     [32]byte // SHA-256 of the value; zero for API keys, which are found by id
	Prefix     string
	Last4      string
	Owner      string // subject
	ClientID   string
	Name       string
	Scope      []string
	Collection *int64
	Audience   string // of refresh tokens: that of the access tokens made from it; else ""
	Chain      []string
	Family     string // of refresh tokens: what dies together
	Replaces   string // of an API token: the id of the one whose value it renewed
	Seq        revocation.Seq
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	EndsAt     time.Time // of refresh tokens: when the family ends at the latest; zero: never
	LastUsedAt time.Time // zero: never used
	LastUsedBy string    // the address of the last use
	RevokedAt  time.Time // zero: alive
	Reason     string    // why it is dead
}

// Use is one last use of a stored token, kept in memory until a batch is written.
type Use struct {
	ID, Address string
	At          time.Time
}

// Page is a slice of a list and the cursor of the next; "" when there is none.
type Page[T any] struct {
	Items []T
	Next  string
}

// UserQuery asks for users whose username, name or email contains Search.
type UserQuery struct {
	Search, After string
	Limit         int
}

// BindingQuery asks for the bindings of a user, or of a group, or for all.
type BindingQuery struct {
	User       string
	WithGroups bool // also those of the user's groups
	Group      string
}

// TokenQuery asks for stored tokens; the zero value asks for everybody's.
type TokenQuery struct {
	Owner, ClientID string
	Kinds           []token.Kind // none: every kind
	After           string
	Limit           int
}

// Batch is one business fact: its operations, what the log says of it, and the
// audit events that record it, in one transaction.
type Batch struct {
	Ops   []Op
	Log   []revocation.Entry // Seq is given by the store
	Audit []audit.Event
}

// Op is one operation of a batch. The store knows every one; an op that can't be
// done (it exists already, it names what doesn't exist) fails the whole batch.
type Op interface{ op() }

// The operations. A field of type pointer is left alone when nil.
type (
	// CreateUser adds a user. Conflict when id or username exists.
	CreateUser struct{ User identity.User }
	// UpdateUser changes what is set.
	UpdateUser struct {
		ID           string
		Name, Email  *string
		Groups       *[]string
		Disabled     *bool
		PasswordHash *identity.PasswordHash
	}
	// Rehash replaces a password hash if it is still the old one.
	Rehash struct {
		ID       string
		Old, New identity.PasswordHash
	}
	// RemoveUser removes a user with their bindings; their tokens stay listed.
	RemoveUser struct{ ID string }
	// CreateCollection adds a collection. Conflict when id or name exists.
	CreateCollection struct{ Collection Collection }
	// UpdateCollection renames a collection.
	UpdateCollection struct{ Collection Collection }
	// RemoveCollection removes a collection with the bindings that give something
	// at or beneath it alone.
	RemoveCollection struct{ ID int64 }
	// CreateRole adds a role. Conflict when the name exists.
	CreateRole struct{ Role access.Role }
	// UpdateRole replaces a role's permissions.
	UpdateRole struct{ Role access.Role }
	// RemoveRole removes a role with the bindings that give it.
	RemoveRole struct{ Name string }
	// AddBinding adds a binding. Conflict when an equal one exists; Invalid when
	// the user or role doesn't.
	AddBinding struct{ Binding access.Binding }
	// RemoveBinding removes a binding.
	RemoveBinding struct{ ID string }
	// CreateClient adds a client. Conflict when the id exists.
	CreateClient struct{ Client identity.Client }
	// UpdateClient replaces a client; its secret only when SecretDigest is set.
	UpdateClient struct{ Client identity.Client }
	// RemoveClient removes a client.
	RemoveClient struct{ ID string }
	// AddToken stores a token.
	AddToken struct{ Token StoredToken }
	// SpendToken marks one living token as dead, once. Conflict when it is not
	// alive any more: somebody else was faster.
	SpendToken struct {
		ID     string
		At     time.Time
		Reason string
	}
	// ShortenToken gives one living token an end no later than its own, which Reason
	// explains; what is stored of what was made from it ends no later either.
	// Conflict when it is not alive at Now, or ends earlier.
	ShortenToken struct {
		ID             string
		Now, ExpiresAt time.Time
		Reason         string
	}
	// KillTokens marks living stored tokens as dead: those with the ids, those
	// whose chain or family is one of the ids, and those of the owner or client.
	KillTokens struct {
		IDs             []string
		Owner, ClientID string
		At              time.Time
		Reason          string
	}
	// ClaimNotice says that a token's owner is being told of its end: Conflict when
	// that was said before. A zero At takes it back.
	ClaimNotice struct {
		ID string
		At time.Time
	}
	// AddDevice stores a device code. Conflict when one of the codes exists.
	AddDevice struct{ Device Device }
	// PollDevice notes that a device asked.
	PollDevice struct {
		Digest [32]byte
		At     time.Time
	}
	// DecideDevice writes state, subject and sequence of a device that is pending
	// and has not run out at Now; Conflict otherwise.
	DecideDevice struct {
		Device Device
		Now    time.Time
	}
	// SpendDevice deletes an approved device code, once; Conflict when it is gone.
	SpendDevice struct{ Digest [32]byte }
	// ChangeKeys changes signing keys by a plan over what is stored.
	ChangeKeys struct {
		Plan func(stored []keyring.Key) ([]keyring.Key, error)
	}
)

func (CreateUser) op()       {}
func (UpdateUser) op()       {}
func (Rehash) op()           {}
func (RemoveUser) op()       {}
func (CreateCollection) op() {}
func (UpdateCollection) op() {}
func (RemoveCollection) op() {}
func (CreateRole) op()       {}
func (UpdateRole) op()       {}
func (RemoveRole) op()       {}
func (AddBinding) op()       {}
func (RemoveBinding) op()    {}
func (CreateClient) op()     {}
func (UpdateClient) op()     {}
func (RemoveClient) op()     {}
func (AddToken) op()         {}
func (SpendToken) op()       {}
func (ShortenToken) op()     {}
func (KillTokens) op()       {}
func (ClaimNotice) op()      {}
func (AddDevice) op()        {}
func (PollDevice) op()       {}
func (DecideDevice) op()     {}
func (SpendDevice) op()      {}
func (ChangeKeys) op()       {}

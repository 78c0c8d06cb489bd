package contract

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/uses"
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
	Commit(ctx context.Context, b op.Batch) (revocation.Seq, error)
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

// Directory reads users, clients, collections, roles and bindings.
type Directory interface {
	// Principal reads what a decision about somebody rests on, in one snapshot.
	Principal(ctx context.Context, who records.Who) (records.Principal, error)
	// DecoyHash returns the password hash of the user whose id follows decoy
	// (the first user's after the last; empty when there are no users), so that
	// a login with an unknown username takes the time that a real one does.
	DecoyHash(ctx context.Context, decoy string) (passhash.Hash, error)
	// Users returns users by username, Limit at a time, after a cursor. A page of a search
	// may have fewer users, and others after it.
	Users(ctx context.Context, q records.UserQuery) (records.Page[identity.User], error)
	Collections(ctx context.Context) ([]records.Collection, error)
	Roles(ctx context.Context) ([]access.Role, error)
	// Bindings returns the bindings of a user (groups' ones included when asked), or all.
	Bindings(ctx context.Context, q records.BindingQuery) ([]access.Binding, error)
	Clients(ctx context.Context) ([]identity.Client, error)
	ClientScopes
	// Links returns the links of a user or a source, by source and external id; none where the
	// query names neither.
	Links(ctx context.Context, q records.LinkQuery) ([]records.Link, error)
	// LinkedUsers returns users by the external id of their link, Limit at a time, after a
	// cursor.
	LinkedUsers(ctx context.Context, q records.LinkedQuery) (records.Page[records.LinkedUser], error)
}

// ClientScopes reads the scopes that clients list.
type ClientScopes interface {
	// ScopeListed reports whether a client lists a scope.
	ScopeListed(ctx context.Context, name string) (bool, error)
}

// Lists reads what is shown with a list: how long it is, and the names of the users in it.
type Lists interface {
	// TokenTotal counts the tokens that a query asks for, on all pages, up to MaxTotal.
	TokenTotal(ctx context.Context, q records.TokenQuery) (records.Total, error)
	// UserTotal counts the users that a query asks for, likewise.
	UserTotal(ctx context.Context, q records.UserQuery) (records.Total, error)
	// Usernames returns the usernames of those of at most MaxNames subjects who are users.
	Usernames(ctx context.Context, subjects []string) (map[string]string, error)
}

// Things reads the lists that access is decided from, a page at a time. A page of a
// search may have fewer items than its limit, and others after it: at most MaxTotal
// things are looked at for a page. A wrong cursor is fault.Invalid.
type Things interface {
	// CollectionPage lists collections by their ids; a search looks at the id and the name.
	CollectionPage(ctx context.Context, q records.ThingQuery) (records.CountedPage[records.Collection], error)
	// RolePage lists roles by their names; a search looks at the name and the permissions.
	RolePage(ctx context.Context, q records.ThingQuery) (records.CountedPage[access.Role], error)
	// ClientPage lists clients by their ids; a search looks at the id and the name.
	ClientPage(ctx context.Context, q records.ThingQuery) (records.CountedPage[identity.Client], error)
	// IssuerPage lists trusted issuers by their names; a search looks at the name and the iss.
	IssuerPage(ctx context.Context, q records.ThingQuery) (records.CountedPage[records.Issuer], error)
	// BindingPage lists bindings; a search looks at the group, the role, the permission and
	// the path.
	BindingPage(ctx context.Context, q records.BindingListQuery) (records.CountedPage[access.Binding], error)
	// CollectionNames returns the names of those of at most MaxNames ids that are collections.
	CollectionNames(ctx context.Context, ids []int64) (map[int64]string, error)
	// Collection returns the collection that has an id.
	Collection(ctx context.Context, id int64) (records.Collection, error)
	// RolesNamed returns those of at most MaxNames names that are roles.
	RolesNamed(ctx context.Context, names []string) ([]access.Role, error)
}

// Tokens reads stored tokens: everything but access and task tokens.
type Tokens interface {
	// TokenByDigest finds a stored token by the SHA-256 of its value.
	TokenByDigest(ctx context.Context, digest [32]byte) (records.StoredToken, revocation.Seq, error)
	// TokensByDigest finds those stored tokens that have one of the digests, at most
	// MaxDigests, as of one sequence.
	TokensByDigest(ctx context.Context, digests [][32]byte) ([]records.StoredToken, revocation.Seq, error)
	// TokensByID finds those stored tokens that have one of the public ids, likewise.
	TokensByID(ctx context.Context, ids []string) ([]records.StoredToken, revocation.Seq, error)
	// TokenByID finds a stored token by its public id.
	TokenByID(ctx context.Context, id string) (records.StoredToken, revocation.Seq, error)
	// StoredTokens lists tokens. A page of a filtered list may have fewer tokens than its
	// limit, and others after it: so many are looked at for one page, and no more.
	StoredTokens(ctx context.Context, q records.TokenQuery) (records.Page[records.StoredToken], error)
	// SessionsOf returns live sessions by how they began, the oldest first.
	SessionsOf(ctx context.Context, q records.SessionQuery, now time.Time) ([]records.StoredToken, error)
	// Expiring returns live API tokens and keys that end between two instants and whose
	// owners have not been notified, those that end first.
	Expiring(ctx context.Context, now, before time.Time, limit int) ([]records.StoredToken, error)
	// Touch writes a batch of last uses.
	Touch(ctx context.Context, uses []records.Use) error
}

// Imports reads and clears imports of another system's tokens. They are written by
// BeginImport, StageTokens and PublishImport.
type Imports interface {
	// ImportedTokens finds those imported tokens that have one of the digests, at most
	// MaxDigests SHA-256 or SHA-512 sums, as of one sequence. Those of an import that is
	// under way are not found.
	ImportedTokens(ctx context.Context, digests [][]byte) ([]records.StoredToken, revocation.Seq, error)
	// TokensHeld finds the owners of tokens with such digests, including those of an
	// import that is under way.
	TokensHeld(ctx context.Context, digests [][]byte) ([]records.HeldToken, error)
	// UsersByName finds users by username, at most MaxUsernames, as of one sequence: the result
	// has each by its folded name (identity.FoldName).
	UsersByName(ctx context.Context, names []string) (map[string]records.NamedUser, revocation.Seq, error)
	// ImportedByDigest reports whether any token was imported without its value.
	ImportedByDigest(ctx context.Context) (bool, error)
	// ImportUnderWay returns the import that is under way. NotFound when there is none.
	ImportUnderWay(ctx context.Context) (records.Import, error)
	// DropImport ends an import that is under way and deletes its tokens. What was deleted
	// stays deleted when ctx ends.
	DropImport(ctx context.Context, id int64) error
	// APITokensAfter returns API tokens with their owners by id, Limit at a time, after an
	// id: what is live at now.
	APITokensAfter(ctx context.Context, after string, now time.Time, limit int) ([]records.OwnedToken, error)
}

// Provisioning reads what a source owns that provisions users and groups by itself.
type Provisioning interface {
	// OwnedUsers returns users of an owner in the order of their ids.
	OwnedUsers(ctx context.Context, q records.OwnedQuery) (records.Window[records.OwnedUser], error)
	// UsersByID returns those users that have one of the ids, at most MaxUserIDs.
	UsersByID(ctx context.Context, ids []string) ([]identity.User, error)
	// OwnedGroups returns groups of an owner in the order of their ids, each with its
	// members where the query asks for them, all in one snapshot. With members, groups may be
	// fewer than the query's limit: those together have at most MaxGroupMembers. The error of
	// a group that has more is fault.TooLarge.
	OwnedGroups(ctx context.Context, q records.GroupQuery) (records.Window[records.Group], error)
}

// PasswordLinks reads the links with which users set a password.
type PasswordLinks interface {
	// PasswordLink finds a link by the SHA-256 of its secret part, one that has expired too.
	PasswordLink(ctx context.Context, digest [32]byte) (records.PasswordLink, error)
}

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
	AccountFailures(ctx context.Context, account string, now time.Time) ([]records.AccountFailures, error)
	// KnownAddress returns when an account last signed in from an address, by what
	// KnowAddress stored; zero for never.
	KnownAddress(ctx context.Context, account, address string) (time.Time, error)
}

// Devices reads device codes (RFC 8628) that wait, by the digest of the code or by
// the code that the user types.
type Devices interface {
	Device(ctx context.Context, digest [32]byte) (records.Device, error)
	DeviceByUserCode(ctx context.Context, userCode string) (records.Device, error)
}

// Authorizations reads what the authorization code grant keeps.
type Authorizations interface {
	// Code finds a code by the SHA-256 of its value, used ones too, with its grant.
	Code(ctx context.Context, digest [32]byte) (records.Code, records.StoredToken, revocation.Seq, error)
	// Consent returns what a user has allowed a client for an audience.
	Consent(ctx context.Context, userID, clientID, audience string) (records.Consent, error)
	// DocumentKeys returns the keys of a client that nobody registered, as its document
	// had them when somebody last allowed it something; none where it has none.
	DocumentKeys(ctx context.Context, clientID string) (identity.ClientKeys, error)
}

// Issuers reads the issuers that are trusted.
type Issuers interface {
	// Issuers returns all of them by name.
	Issuers(ctx context.Context) ([]records.Issuer, error)
	// IssuerOf returns the one whose JWTs have that iss.
	IssuerOf(ctx context.Context, iss string) (records.Issuer, error)
}

// AuditLog reads the audit log.
type AuditLog interface {
	// AuditPage returns a page of the events that match, newest first. At most MaxTotal
	// events are looked at for it.
	AuditPage(ctx context.Context, f audit.Filter) (audit.Page, error)
	// AuditEvents returns the events of the first page of AuditPage.
	AuditEvents(ctx context.Context, f audit.Filter) ([]audit.Event, error)
}

// Uses keeps what stored tokens were used for.
type Uses interface {
	// AddUses adds to what is kept of API tokens, API keys and grants. An id of anything
	// else is skipped.
	AddUses(ctx context.Context, noted []uses.Noted) error
	// TokenUses returns what is kept about one token, the latest use first.
	TokenUses(ctx context.Context, id uses.ID) ([]records.TokenUse, error)
}

// Shadows keeps what report-only routes would have refused.
type Shadows interface {
	// AddShadows adds to the counts, and keeps the latest examples.
	AddShadows(ctx context.Context, seen []upkeep.Shadow) error
	// ShadowList returns them by route, reason and token, Limit at a time, after a cursor.
	ShadowList(ctx context.Context, after string, limit int) (records.Page[upkeep.Shadow], error)
}

// Confirmations passes confirmations on from node to node.
type Confirmations interface {
	// PassConfirmations stores a batch for the nodes on the list, and returns those that are
	// not on it.
	PassConfirmations(ctx context.Context, b upkeep.PassedBatch) (unknown []string, err error)
	// TakeConfirmations returns what was passed on to a node, once.
	TakeConfirmations(ctx context.Context, node string) ([]upkeep.PassedConfirmation, error)
}

// Traffic keeps what nodes counted, hour by hour.
type Traffic interface {
	// SetCounts stores what a node has counted so far in some hours, in place of what it
	// stored of the same hour and name before.
	SetCounts(ctx context.Context, node string, counts []upkeep.HourCount) error
	// Counts returns the sums over all nodes of the hours that begin at since or later and
	// before until, by hour and name.
	Counts(ctx context.Context, since, until time.Time) ([]upkeep.HourCount, error)
	// PurgeCounts deletes the counts of hours that began before an instant.
	PurgeCounts(ctx context.Context, before time.Time) error
}

// Census counts users and tokens, a part at a time.
type Census interface {
	// CountUsers counts some users, and returns where the next part begins; zero after the
	// last.
	CountUsers(ctx context.Context, p upkeep.CensusPart) (upkeep.Figures, upkeep.Cursor, error)
	// CountTokens counts some tokens, likewise.
	CountTokens(ctx context.Context, p upkeep.CensusPart) (upkeep.Figures, upkeep.Cursor, error)
	// ClaimCensus reports whether the caller must count; if so, it records that a count
	// begins now.
	ClaimCensus(ctx context.Context, claim upkeep.CensusClaim) (bool, error)
	// SetFigures stores the figures that were counted last.
	SetFigures(ctx context.Context, f upkeep.CountedFigures) error
	// Figures returns them.
	Figures(ctx context.Context) (upkeep.CountedFigures, error)
}

// Outbox keeps notices until they are sent. AddNotice adds them.
type Outbox interface {
	// TakeTurn reports whether the node may send to the receiver until the turn ends: it
	// may already, or nobody may now.
	TakeTurn(ctx context.Context, t upkeep.Turn) (bool, error)
	// DueNotices returns notices that are due.
	DueNotices(ctx context.Context, q upkeep.DueQuery) ([]upkeep.Outgoing, error)
	// SettleNotices deletes notices that were sent or never will be, and puts off others.
	SettleNotices(ctx context.Context, done []int64, later []upkeep.Postponed) error
	// TrimNotices deletes what is beyond the bounds, and returns how many notices that were.
	TrimNotices(ctx context.Context, b upkeep.OutboxBounds) (int64, error)
	// PurgeNotices deletes what has been waiting since before an instant, for any receiver.
	PurgeNotices(ctx context.Context, before time.Time) error
	// WaitingNotices counts what waits for a receiver.
	WaitingNotices(ctx context.Context, receiver string, limit int) (upkeep.Waiting, error)
	// KnownNetworks returns those of the places that SeeNetwork has stored before.
	KnownNetworks(ctx context.Context, places []upkeep.Place) ([]upkeep.Place, error)
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

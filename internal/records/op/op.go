package op

import (
	"crypto/sha256"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Batch is one business fact: its operations, what the log says of it, and the
// audit events that record it, in one transaction.
type Batch struct {
	Ops   []Op
	Log   []revocation.Entry // the store sets Seq
	Audit []audit.Event

	// Origin names the database that the batch was decided from (revocation.Page). It is
	// committed in that one or not at all: Unavailable. "": in any.
	Origin string
}

// Op is one operation of a batch. The store knows every one; an op that can't be
// done (it exists already, it names what doesn't exist) fails the whole batch.
type Op interface{ op() }

// The operations. A field of type pointer is left alone when nil.
type (
	// CreateUser adds a user. Conflict when the id exists, or somebody with a username
	// that folds to the same (identity.FoldName).
	CreateUser struct{ User identity.User }
	// UpdateUser changes what is set. Groups are all that the user is in, whoever set them:
	// a membership that stays keeps who set it. Conflict when somebody else has the
	// username and, with IfPassword, when the password hash is a different one. A new
	// hash ends the links with which the user could set a password.
	UpdateUser struct {
		ID                string
		Username          *string
		Name, Email       *string
		Groups            *[]string
		Disabled          *bool
		Owner             *string
		PasswordHash      *passhash.Hash
		IfPassword        *passhash.Hash
		PasswordChangedAt *time.Time
		NewPassword       bool // the password differs from the one before; this is not stored
	}
	// SetGroups replaces the memberships of a user that a source has set, and no others;
	// "" are those that administrators have set. A membership that somebody else has set
	// stays theirs.
	SetGroups struct {
		ID     string
		Source string
		Groups []string
	}
	// AdoptUser makes a source the owner of a user whom nobody owns. Conflict when somebody
	// does.
	AdoptUser struct{ ID, Owner string }
	// DescribeUser changes what is set of the further details that a source has of a
	// user. NotFound when there is no such user.
	DescribeUser struct {
		ID       string
		Person   *records.Person // but for Inactive
		Inactive *bool
	}
	// CreateGroup adds a source's group, without members. Conflict when the source has one
	// of that name in any case.
	CreateGroup struct{ Group records.Group }
	// UpdateGroup changes what is set of a source's group, and removes and adds members.
	// With a new name, all whom the source has put into the group are in the group of
	// that name instead. A membership that somebody else has set stays theirs. Users who
	// don't exist are left out. Conflict in the field "version" when the group has a
	// different version.
	UpdateGroup struct {
		ID               string
		Version          int64
		Name, ExternalID *string
		Add, Remove      []string // users, by id
	}
	// RemoveGroup removes a source's group with the memberships that the source set.
	// Conflict in the field "version" when the group has a different version.
	RemoveGroup struct {
		ID      string
		Version int64
	}
	// AddLink links a user to who they are for a source. Conflict when that is linked;
	// Invalid when the user doesn't exist.
	AddLink struct{ Link records.Link }
	// RemoveLink removes a link.
	RemoveLink struct{ Source, ExternalID string }
	// RequireLink changes nothing. Conflict unless the user is linked to one of the
	// sources. Another batch that requires it of the same user waits for this one, so
	// that of two links that are removed at the same time one stays.
	RequireLink struct {
		UserID  string
		Sources []string
	}
	// AddPasswordLink stores a link with which its user sets a password, in place of an
	// earlier one. Invalid when the user doesn't exist.
	AddPasswordLink struct{ Link records.PasswordLink }
	// SpendPasswordLink uses up such a link, once. Conflict when there is none that has not
	// expired at Now.
	SpendPasswordLink struct {
		Digest [sha256.Size]byte
		Now    time.Time
	}
	// Spend uses up something that can be used once, and remembers that until Until. The
	// error is Else, or Conflict where Else is nil, when it has been used up already.
	Spend struct {
		Once  records.Once
		Until time.Time
		Else  error
	}
	// EndSourced remembers, for LogoutKept, that a source has ended a session of its own or,
	// without Session, what it had said of a person until At: a session that would begin
	// from that is stored as revoked. Doing it twice is no error.
	EndSourced struct {
		Source, Session, Person string
		At                      time.Time
	}
	// Rehash replaces a password hash if it is still the old one.
	Rehash struct {
		ID       string
		Old, New passhash.Hash
	}
	// RemoveUser removes a user with their bindings; their tokens stay listed.
	RemoveUser struct{ ID string }
	// CreateCollection adds a collection. Conflict when id or name exists.
	CreateCollection struct{ Collection records.Collection }
	// UpdateCollection renames a collection.
	UpdateCollection struct{ Collection records.Collection }
	// RemoveCollection removes a collection with the bindings that grant something only
	// at or beneath it.
	RemoveCollection struct{ ID int64 }
	// CreateRole adds a role. Conflict when the name exists.
	CreateRole struct{ Role access.Role }
	// UpdateRole replaces a role's permissions.
	UpdateRole struct{ Role access.Role }
	// RemoveRole removes a role with the bindings that grant it.
	RemoveRole struct{ Name string }
	// AddBinding adds a binding. Conflict when an equal one exists; Invalid when
	// the user or role doesn't.
	AddBinding struct{ Binding access.Binding }
	// RemoveBinding removes a binding.
	RemoveBinding struct{ ID string }
	// CreateClient adds a client. Conflict when the id exists.
	CreateClient struct{ Client identity.Client }
	// UpdateClient replaces a client; its secret only when SecretDigest is set, and then
	// the one before it ends at once. With keys the secret ends.
	UpdateClient struct{ Client identity.Client }
	// RotateSecret replaces a client's secret. The present one stays valid until OldUntil
	// (zero: it ends at once); the one before it ends at once.
	RotateSecret struct {
		ID           string
		SecretDigest []byte
		OldUntil     time.Time
	}
	// RemoveClient removes a client.
	RemoveClient struct{ ID string }
	// AddIssuer adds a trusted issuer. Conflict when one of that name or iss exists.
	AddIssuer struct{ Issuer records.Issuer }
	// RemoveIssuer removes a trusted issuer of a version. Conflict when it has another one.
	RemoveIssuer struct{ Name, Version string }
	// AddToken stores a token, with an end no later than those of the tokens in its chain
	// that were shortened.
	AddToken struct{ Token records.StoredToken }
	// BeginImport begins an import of tokens. Conflict while another one is under way.
	BeginImport struct {
		ID int64
		At time.Time
	}
	// StageTokens stores tokens of an import, which nobody sees until it is published; one
	// whose owner the log has cut off since it was decided is stored as revoked. Conflict
	// when the import is not under way.
	StageTokens struct {
		Import int64
		At     time.Time
		Tokens []records.StoredToken
	}
	// PublishImport lets all tokens of an import be seen at once. Conflict when the import
	// is not under way.
	PublishImport struct{ ID int64 }
	// SpendToken marks one live token as ended, once. Conflict when it has already ended:
	// another request was faster. With Siblings, the other live tokens that were issued
	// for the same use of a refresh token end too, for the reason Siblings.
	SpendToken struct {
		ID       string
		At       time.Time
		Reason   string
		Siblings string
	}
	// SpendAgain is another use of a token that was spent for Reason at Since or later:
	// Conflict when it was not, or when one of those that were issued for it has been spent
	// for Reason. Nothing is changed, but nobody else can spend one of them in between.
	SpendAgain struct {
		ID     string
		Since  time.Time
		Reason string
	}
	// ShortenToken sets an expiry for one live token that is no later than its own, with
	// the reason; stored tokens that were created from it end no later either.
	// Conflict when it is not live at Now, or ends earlier.
	ShortenToken struct {
		ID             string
		Now, ExpiresAt time.Time
		Reason         string
	}
	// KillTokens marks live stored tokens as revoked: those with the ids, those
	// whose chain or family is one of the ids, and those of the owner or client.
	KillTokens struct {
		IDs             []string
		Owner, ClientID string
		At              time.Time
		Reason          string
		Session         string // the subject, where the first of the ids is a session; nothing depends on it here
	}
	// KillEverything marks every live stored token as revoked, and deletes every device
	// code.
	KillEverything struct {
		At     time.Time
		Reason string
	}
	// ClaimNotice records that a token's owner is notified of its expiry: Conflict when
	// that is recorded already. A zero At clears it.
	ClaimNotice struct {
		ID string
		At time.Time
	}
	// AddDevice stores a device code. Conflict when one of the codes exists. Limited when
	// Most codes, or MostOfClient codes of the same client, have not expired at Now;
	// until the first of them expires. 0 is no bound.
	AddDevice struct {
		Device             records.Device
		Now                time.Time
		Most, MostOfClient int
	}
	// DecideDevice writes state, subject and sequence of a device that is pending
	// and has not run out at Now; Conflict otherwise.
	DecideDevice struct {
		Device records.Device
		Now    time.Time
	}
	// SpendDevice deletes an approved device code, once; Conflict when it is gone.
	SpendDevice struct{ Digest [32]byte }
	// AddCode stores an authorization code.
	AddCode struct{ Code records.Code }
	// SpendCode uses up an authorization code that has not expired at At, once; Conflict
	// when it was used.
	SpendCode struct {
		Digest [32]byte
		At     time.Time
	}
	// RememberConsent remembers what a user has allowed, in place of what was remembered
	// for the same client and audience.
	RememberConsent struct{ Consent records.Consent }
	// KnowDocument remembers, at least until Until, the keys of a client that nobody
	// registered; without keys, that it has none any more.
	KnowDocument struct {
		ClientID string
		Keys     identity.ClientKeys
		Until    time.Time
	}
	// ForgetConsent forgets what a user has allowed a client; "": all clients.
	ForgetConsent struct{ UserID, ClientID string }
	// ClearFailures forgets the failures counted under a key or, with Account, every
	// count of that account.
	ClearFailures struct{ Key, Account string }
	// KnowAddress notes that an account signed in from an address: its digest. The latest
	// addresses of each account are kept.
	KnowAddress struct {
		Account, Address string
		At               time.Time
	}
	// ForgetAddresses forgets from where an account signed in.
	ForgetAddresses struct{ Account string }
	// ChangeKeys changes signing keys by a plan over what is stored.
	ChangeKeys struct {
		Plan func(stored []keyring.Key) ([]keyring.Key, error)
	}
)

func (CreateUser) op()        {}
func (UpdateUser) op()        {}
func (Rehash) op()            {}
func (RemoveUser) op()        {}
func (SetGroups) op()         {}
func (AdoptUser) op()         {}
func (DescribeUser) op()      {}
func (CreateGroup) op()       {}
func (UpdateGroup) op()       {}
func (RemoveGroup) op()       {}
func (AddLink) op()           {}
func (RemoveLink) op()        {}
func (Spend) op()             {}
func (EndSourced) op()        {}
func (CreateCollection) op()  {}
func (UpdateCollection) op()  {}
func (RemoveCollection) op()  {}
func (CreateRole) op()        {}
func (UpdateRole) op()        {}
func (RemoveRole) op()        {}
func (AddBinding) op()        {}
func (RemoveBinding) op()     {}
func (CreateClient) op()      {}
func (UpdateClient) op()      {}
func (RotateSecret) op()      {}
func (RemoveClient) op()      {}
func (AddIssuer) op()         {}
func (RemoveIssuer) op()      {}
func (AddToken) op()          {}
func (BeginImport) op()       {}
func (StageTokens) op()       {}
func (PublishImport) op()     {}
func (SpendToken) op()        {}
func (SpendAgain) op()        {}
func (ShortenToken) op()      {}
func (KillTokens) op()        {}
func (KillEverything) op()    {}
func (ClaimNotice) op()       {}
func (AddDevice) op()         {}
func (DecideDevice) op()      {}
func (SpendDevice) op()       {}
func (ClearFailures) op()     {}
func (KnowAddress) op()       {}
func (ForgetAddresses) op()   {}
func (ChangeKeys) op()        {}
func (RequireLink) op()       {}
func (AddPasswordLink) op()   {}
func (SpendPasswordLink) op() {}
func (AddCode) op()           {}
func (SpendCode) op()         {}
func (RememberConsent) op()   {}
func (ForgetConsent) op()     {}
func (KnowDocument) op()      {}

type (
	// AddNotice adds a notice to the outbox of each receiver.
	AddNotice struct {
		Notice upkeep.Notice
		Due    []upkeep.Due
	}
	// SeeNetwork remembers that an API token or API key was used from a network; of each
	// token the latest NetworksKept are remembered. Where the token was used from others
	// before, and not from this one, the notice is added.
	SeeNetwork struct {
		Place  upkeep.Place
		At     time.Time
		Notice AddNotice
	}
)

func (AddNotice) op()  {}
func (SeeNetwork) op() {}

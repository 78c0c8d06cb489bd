package audit

import "slices"

// Actions. Their names are part of the audit log's format and never change.
const (
	TokenIssue      = "token.issue"      // a token was issued, or refused
	TokenRefuse     = "token.refuse"     // a token that was presented was not accepted where that is logged
	TokenExchange   = "token.exchange"   // a token was traded for another
	TokenRegenerate = "token.regenerate" // an API token got a new value
	TokenRevoke     = "token.revoke"
	TokenReuse      = "token.reuse" // a refresh token was used twice and its family revoked

	Login     = "login"
	Logout    = "logout"
	RevokeAll = "revoke-all" // every token and session of the target was revoked; of everybody if the target is *

	DeviceApprove = "device.approve"
	DeviceDeny    = "device.deny"

	UserCreate   = "user.create"
	UserUpdate   = "user.update"
	UserRename   = "user.rename" // the username was changed
	UserRemove   = "user.remove"
	UserDisable  = "user.disable"
	UserEnable   = "user.enable"
	UserPassword = "user.password" // the password was changed; not the rehash at a login
	UserUnlock   = "user.unlock"   // failed sign-ins were forgotten
	UserAccess   = "user.access"   // direct bindings of a user at a path were removed
	UserLink     = "user.link"     // a user was linked to an account at a source
	UserUnlink   = "user.unlink"
	// UserPasswordLink is that somebody created a link with which the user sets a password.
	UserPasswordLink = "user.password-link" // #nosec G101 -- the name of an action

	GroupCreate = "group.create" // a source that provisions created a group; the target is its name
	GroupUpdate = "group.update"
	GroupRemove = "group.remove"

	CollectionCreate = "collection.create"
	CollectionUpdate = "collection.update"
	CollectionRemove = "collection.remove"

	RoleCreate = "role.create"
	RoleUpdate = "role.update"
	RoleRemove = "role.remove"

	BindingCreate = "binding.create"
	BindingUpdate = "binding.update"
	BindingRemove = "binding.remove"

	ClientCreate       = "client.create"
	ClientUpdate       = "client.update"
	ClientSecret       = "client.secret" // the client got a new secret
	ClientRemove       = "client.remove"
	ClientAuthenticate = "client.authenticate" // only when it failed

	IssuerCreate = "issuer.create"
	IssuerUpdate = "issuer.update" // the tokens that were issued by changed rules are revoked
	IssuerRemove = "issuer.remove"

	KeyCreate   = "key.create"
	KeyActivate = "key.activate"
	KeyRotate   = "key.rotate"
	KeyRetire   = "key.retire"

	TokenImport  = "token.import"  // all tokens of a file, the target; how many is the remark
	LeakedReport = "leaked.report" // a token reported as leaked was revoked; the target is its owner
	Apply        = "apply"
	Backup       = "backup"
)

var actions = []string{
	TokenIssue, TokenRefuse, TokenExchange, TokenRegenerate, TokenRevoke, TokenReuse,
	Login, Logout, RevokeAll,
	DeviceApprove, DeviceDeny,
	UserCreate, UserUpdate, UserRename, UserRemove, UserDisable, UserEnable, UserPassword, UserUnlock, UserAccess, UserLink, UserUnlink, UserPasswordLink,
	GroupCreate, GroupUpdate, GroupRemove,
	CollectionCreate, CollectionUpdate, CollectionRemove,
	RoleCreate, RoleUpdate, RoleRemove,
	BindingCreate, BindingUpdate, BindingRemove,
	ClientCreate, ClientUpdate, ClientSecret, ClientRemove, ClientAuthenticate,
	IssuerCreate, IssuerUpdate, IssuerRemove,
	KeyCreate, KeyActivate, KeyRotate, KeyRetire,
	TokenImport, LeakedReport, Apply, Backup,
}

// Actions lists every action, related ones side by side.
func Actions() []string { return slices.Clone(actions) }

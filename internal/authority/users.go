package authority

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// NewUser is a user to be made. With neither a password nor a hash, no password
// lets them in.
type NewUser struct {
	Username, Name, Email string
	Groups                []string
	Disabled              bool
	Password              token.Secret
	PasswordHash          identity.PasswordHash // of another system; see identity.ParseHash
}

// UserPatch is a change of a user; nil leaves a member as it is.
type UserPatch struct {
	Name, Email  *string
	Groups       *[]string
	Disabled     *bool
	Password     *token.Secret
	PasswordHash *identity.PasswordHash
}

// CreateUser adds a user and gives them their id.
func (a *Authority) CreateUser(ctx context.Context, c *Caller, n NewUser) (identity.User, error) {
	if err := a.admit(ctx, c, audit.UserCreate, n.Username); err != nil {
		return identity.User{}, err
	}
	one, u, err := a.createUserAct(ctx, n)
	if err != nil {
		return identity.User{}, err
	}
	_, err = a.administer(ctx, c, one)
	return u, err
}

func (a *Authority) createUserAct(ctx context.Context, n NewUser) (act, identity.User, error) {
	u := identity.User{
		ID: uuid.NewString(), Username: n.Username, Name: n.Name, Email: n.Email,
		Groups: n.Groups, Disabled: n.Disabled, PasswordHash: n.PasswordHash,
	}
	if _, err := uuid.Parse(n.Username); err == nil {
		return act{}, u, fault.New(fault.Invalid, "a username can't have the form of a subject id").In("username")
	}
	if err := u.Validate(); err != nil {
		return act{}, u, err
	}
	if err := checkHash(n.PasswordHash); err != nil {
		return act{}, u, err
	}
	if n.Password != "" {
		hash, err := a.hash(ctx, n.Password)
		if err != nil {
			return act{}, u, err
		}
		u.PasswordHash = hash
	}
	return act{action: audit.UserCreate, target: u.ID, remark: u.Username, ops: []Op{CreateUser{u}}}, u, nil
}

// checkHash refuses a hash that no password could be checked against; none is fine.
func checkHash(h identity.PasswordHash) error {
	if h == "" {
		return nil
	}
	_, err := identity.ParseHash(h.Reveal())
	return err
}

func (a *Authority) hash(ctx context.Context, password token.Secret) (identity.PasswordHash, error) {
	if err := identity.ValidatePassword(password.Reveal()); err != nil {
		return "", err
	}
	return a.Hasher.Hash(ctx, password.Reveal())
}

// UpdateUser changes a user, named by subject or username, and gives the new
// state. A changed password and disabling void every token and session; changed
// groups make access be decided anew.
func (a *Authority) UpdateUser(ctx context.Context, c *Caller, ref string, p UserPatch) (identity.User, error) {
	if err := a.admit(ctx, c, audit.UserUpdate, ref); err != nil {
		return identity.User{}, err
	}
	u, err := a.user(ctx, ref)
	if err != nil {
		return identity.User{}, err
	}
	acts, u, err := a.updateUserActs(ctx, u, p)
	if err != nil || len(acts) == 0 {
		return u, err
	}
	_, err = a.administer(ctx, c, acts...)
	return u, err
}

// updateUserActs gives the changes that a patch makes to a user; none when it
// says what is so already.
func (a *Authority) updateUserActs(ctx context.Context, u identity.User, p UserPatch) ([]act, identity.User, error) {
	op := UpdateUser{ID: u.ID, Name: p.Name, Email: p.Email, Groups: p.Groups, Disabled: p.Disabled, PasswordHash: p.PasswordHash}
	u = patched(u, p)
	if err := u.Validate(); err != nil {
		return nil, u, err
	}
	if p.PasswordHash != nil {
		if err := checkHash(*p.PasswordHash); err != nil {
			return nil, u, err
		}
	}
	if p.Password != nil {
		hash, err := a.hash(ctx, *p.Password)
		if err != nil {
			return nil, u, err
		}
		op.PasswordHash = &hash
	}
	if op == (UpdateUser{ID: u.ID}) {
		return nil, u, nil
	}
	one := act{action: userAction(op), target: u.ID, remark: u.Username, ops: []Op{op}}
	if op.PasswordHash != nil || p.Disabled != nil && *p.Disabled {
		reason := "account disabled"
		if op.PasswordHash != nil {
			reason = "password changed"
		}
		all := a.revokeAll(u.ID, reason)
		one.ops, one.log = append(one.ops, all.Ops...), all.Log
	}
	one.log = append(one.log, a.cutOff(revocation.Access, u.ID))
	return []act{one}, u, nil
}

func patched(u identity.User, p UserPatch) identity.User {
	if p.Name != nil {
		u.Name = *p.Name
	}
	if p.Email != nil {
		u.Email = *p.Email
	}
	if p.Groups != nil {
		u.Groups = *p.Groups
	}
	if p.Disabled != nil {
		u.Disabled = *p.Disabled
	}
	return u
}

func userAction(op UpdateUser) string {
	switch {
	case op.Disabled != nil && *op.Disabled:
		return audit.UserDisable
	case op.Disabled != nil:
		return audit.UserEnable
	case op.PasswordHash != nil:
		return audit.UserPassword
	}
	return audit.UserUpdate
}

// RemoveUser removes a user with their bindings; what was issued to them is void.
func (a *Authority) RemoveUser(ctx context.Context, c *Caller, ref string) (Receipt, error) {
	if err := a.admit(ctx, c, audit.UserRemove, ref); err != nil {
		return Receipt{}, err
	}
	u, err := a.user(ctx, ref)
	if err != nil {
		return Receipt{}, err
	}
	return a.administer(ctx, c, a.removeUserAct(u))
}

func (a *Authority) removeUserAct(u identity.User) act {
	all := a.revokeAll(u.ID, "account removed")
	return act{
		action: audit.UserRemove, target: u.ID, remark: u.Username,
		ops: append([]Op{RemoveUser{u.ID}}, all.Ops...), log: all.Log,
	}
}

// User gives a user by subject or username: oneself, or anybody to administrators.
func (a *Authority) User(ctx context.Context, c *Caller, ref string) (identity.User, error) {
	p, err := a.UserPrincipal(ctx, c, ref)
	if err != nil {
		return identity.User{}, err
	}
	return *p.User, nil
}

// user reads a user by subject or username.
func (a *Authority) user(ctx context.Context, ref string) (identity.User, error) {
	p, err := a.principalBy(ctx, ref)
	if err != nil {
		return identity.User{}, err
	}
	return *p.User, nil
}

func (a *Authority) principalBy(ctx context.Context, ref string) (*Principal, error) {
	if identity.ValidateUsername(ref) != nil {
		return nil, errNoUser // not every store takes every text
	}
	who := Who{Username: ref}
	if _, err := uuid.Parse(ref); err == nil {
		who = Who{UserID: ref}
	}
	p, err := a.Store.Principal(ctx, who)
	if fault.Is(err, fault.NotFound) || err == nil && p.User == nil {
		return nil, errNoUser
	}
	return &p, err
}

var errNoUser = fault.New(fault.NotFound, "there is no such user")

// UserPrincipal gives a user, by subject or username, with what they may do: oneself,
// or anybody to administrators.
func (a *Authority) UserPrincipal(ctx context.Context, c *Caller, ref string) (*Principal, error) {
	if !c.is(ref) {
		if err := c.requireAdmin(); err != nil {
			return nil, err
		}
	}
	return a.principalBy(ctx, ref)
}

// UserList lists users, to administrators.
func (a *Authority) UserList(ctx context.Context, c *Caller, q UserQuery) (Page[identity.User], error) {
	if err := c.requireAdmin(); err != nil {
		return Page[identity.User]{}, err
	}
	return a.Store.Users(ctx, q)
}

// UserAccess tells what a user may do, each grant with the binding it comes from:
// one's own, or anybody's to administrators.
func (a *Authority) UserAccess(ctx context.Context, c *Caller, ref string) ([]access.Grant, error) {
	p, err := a.UserPrincipal(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	return p.Grants, nil
}

// RemoveAccess removes every direct binding of a user at and beneath a path,
// through roles too, and tells what still grants something there: a group's, or
// one at a wider path.
func (a *Authority) RemoveAccess(ctx context.Context, c *Caller, ref string, at access.Path) (removed, remaining []access.Binding, err error) {
	if err := a.admit(ctx, c, audit.UserAccess, ref); err != nil {
		return nil, nil, err
	}
	u, err := a.user(ctx, ref)
	if err != nil {
		return nil, nil, err
	}
	removed, remaining, err = a.bindingsAt(ctx, u.ID, at)
	if err != nil {
		return nil, nil, err
	}
	if len(removed) == 0 {
		return removed, remaining, a.settled(ctx, a.waits(ctx))
	}
	one := act{
		action: audit.UserAccess, target: u.ID, remark: "removed at " + string(at),
		log: []revocation.Entry{a.cutOff(revocation.Access, u.ID)},
	}
	for _, b := range removed {
		one.ops = append(one.ops, RemoveBinding{b.ID})
	}
	_, err = a.administer(ctx, c, one)
	return removed, remaining, err
}

// bindingsAt sorts a user's bindings into those that removing access at a path
// takes away and those that go on granting something there.
func (a *Authority) bindingsAt(ctx context.Context, userID string, at access.Path) (removed, remaining []access.Binding, err error) {
	bindings, err := a.Store.Bindings(ctx, BindingQuery{User: userID, WithGroups: true})
	if err != nil {
		return nil, nil, err
	}
	list, err := a.Store.Roles(ctx)
	if err != nil {
		return nil, nil, err
	}
	roles := make(map[string]access.Role, len(list))
	for _, r := range list {
		roles[r.Name] = r
	}
	removed, remaining = access.Remove(bindings, roles, at)
	return removed, remaining, nil
}

// validateLabel checks a name that people give to something.
func validateLabel(what, s string) error {
	if s == "" || len(s) > 255 || !utf8.ValidString(s) || strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fault.New(fault.Invalid, "%s has 1 to 255 bytes of text, with no space at either end and no control characters", what).In("name")
	}
	return nil
}

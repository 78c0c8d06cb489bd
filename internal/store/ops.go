package store

import (
	"context"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

const (
	insertUser = `INSERT INTO users (id, username, folded, name, email, disabled, owner, password_hash, password_changed_at, search)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`
	// The users whose name folds to the same, or has the same spelling and is not folded
	// yet.
	otherOfName = `SELECT username FROM users WHERE folded = $1 AND folded <> '' AND id <> $3
UNION ALL SELECT username FROM users WHERE username = $2 AND id <> $3 LIMIT 1`
	selectOneUser = selectUser + ` FROM users u WHERE u.id = $1`
	// Changes nothing, but makes other transactions that change the user wait.
	lockUser      = `UPDATE users SET name = name WHERE id = $1`
	updateUserRow = `UPDATE users SET name = $2, email = $3, disabled = $4, password_hash = $5, search = $6, owner = $7, password_changed_at = $8,
    replaced_hash = CASE WHEN password_hash = $5 THEN replaced_hash ELSE '' END WHERE id = $1`
	renameUser  = `UPDATE users SET username = $2, folded = $3, apart = '' WHERE id = $1`
	rehash      = `UPDATE users SET password_hash = $3, replaced_hash = $4 WHERE id = $1 AND password_hash = $2`
	deleteUser  = `DELETE FROM users WHERE id = $1`
	insertGroup = `INSERT INTO user_groups (user_id, group_name, set_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	deleteGroup = `DELETE FROM user_groups WHERE user_id = $1 AND group_name = $2`

	insertCollection = `INSERT INTO collections (id, name, owner) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	otherCollection  = `SELECT 1 FROM collections WHERE name = $2 AND id <> $1`
	renameCollection = `UPDATE collections SET name = $2 WHERE id = $1`
	deleteCollection = `DELETE FROM collections WHERE id = $1`
	// $1 to $3 are a path and the bounds of what is beneath it; $4 is its parent, $5 to
	// $7 the same for the parent: a permission refers to its binding's path.
	deleteBindingsFrom = `DELETE FROM bindings WHERE path = $1 OR path >= $2 AND path < $3
    OR path = '/' AND (action_path = $1 OR action_path >= $2 AND action_path < $3)
    OR path = $4 AND (action_path = $5 OR action_path >= $6 AND action_path < $7)`

	insertRole     = `INSERT INTO roles (name, permissions, owner) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	setPermissions = `UPDATE roles SET permissions = $2 WHERE name = $1`
	deleteRole     = `DELETE FROM roles WHERE name = $1`

	userExists    = `SELECT 1 FROM users WHERE id = $1`
	roleExists    = `SELECT 1 FROM roles WHERE name = $1`
	insertBinding = `INSERT INTO bindings (id, user_id, group_name, role, action, action_path, path, owner)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`
	deleteBinding = `DELETE FROM bindings WHERE id = $1`

	insertClient = `INSERT INTO clients (id, secret_digest, grants, scopes, audiences, exchange_from, owner, name, redirect_uris, jwks, jwks_uri)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`
	updateClientRow = `UPDATE clients SET grants = $2, scopes = $3, audiences = $4, exchange_from = $5, name = $6, redirect_uris = $7,
    jwks = $8, jwks_uri = $9 WHERE id = $1`
	setClientSecret = `UPDATE clients SET secret_digest = $2, old_secret_digest = $3, old_secret_until = 0 WHERE id = $1`
	// A public client has no previous secret to keep.
	rotateSecret = `UPDATE clients SET secret_digest = $2,
    old_secret_digest = CASE WHEN CAST($3 AS BIGINT) > 0 THEN secret_digest ELSE $4 END,
    old_secret_until = CASE WHEN length(secret_digest) > 0 THEN CAST($3 AS BIGINT) ELSE 0 END WHERE id = $1`
	deleteClient = `DELETE FROM clients WHERE id = $1`
)

// taken returns a Conflict about a field.
func taken(field string, err error) error {
	if fault.Is(err, fault.Conflict) {
		return fault.In(field, err)
	}
	return err
}

// unlessConflict runs a statement that changes no row in case of a conflict, such as an
// insert of a row that exists.
func unlessConflict(ctx context.Context, c conn, conflict, text string, args ...any) error {
	return mustChange(ctx, c, fault.New(fault.Conflict, "%s", conflict), text, args...)
}

// change runs an update or delete of one thing.
func change(ctx context.Context, c conn, missing, text string, args ...any) error {
	return mustChange(ctx, c, fault.New(fault.NotFound, "%s", missing), text, args...)
}

// mustChange runs a statement, and returns the error none if it changes no row.
func mustChange(ctx context.Context, c conn, none error, text string, args ...any) error {
	n, err := c.exec(ctx, text, args...)
	if err == nil && n == 0 {
		return none
	}
	return err
}

func createUser(ctx context.Context, c conn, u identity.User) error {
	if err := usernameFree(ctx, c, u.ID, u.Username); err != nil {
		return err
	}
	err := taken("username", unlessConflict(ctx, c, userExistsAlready, insertUser, u.ID, u.Username, identity.FoldName(u.Username), u.Name, u.Email,
		flag(u.Disabled), u.Owner, u.PasswordHash.Reveal(), micros(u.PasswordChangedAt), searchText(u.Username, u.Name, u.Email)))
	if err != nil {
		return err
	}
	return replaceGroups(ctx, c, u.ID, "", nil, u.Groups)
}

const userExistsAlready = "a user of that name exists already"

// usernameFree checks that no other user has the name, in any spelling.
func usernameFree(ctx context.Context, c conn, id, username string) error {
	other, found := "", false
	err := c.each(ctx, otherOfName, []any{identity.FoldName(username), username, id}, func(scan scanner) error {
		found = true
		return scan(&other)
	})
	switch {
	case err != nil || !found:
		return err
	case other == username:
		return fault.New(fault.Conflict, "%s", userExistsAlready).In("username")
	}
	return fault.New(fault.Conflict, "%s, as %q", userExistsAlready, other).In("username")
}

// replaceGroups removes the memberships that are not wanted and adds those that are new.
func replaceGroups(ctx context.Context, c conn, id, source string, had, want []string) error {
	for _, g := range had {
		if slices.Contains(want, g) {
			continue
		}
		if err := c.post(ctx, deleteGroup, id, g); err != nil {
			return err
		}
	}
	for _, g := range want {
		if err := c.post(ctx, insertGroup, id, g, source); err != nil {
			return err
		}
	}
	return nil
}

// lockedUser reads a user, and makes other transactions that change the user wait.
func lockedUser(ctx context.Context, c conn, id string) (u identity.User, err error) {
	if err := c.post(ctx, lockUser, id); err != nil {
		return u, err
	}
	err = c.row(ctx, selectOneUser, []any{id}, userFields(&u)...)
	return u, orNotFound(err, noSuchUser)
}

func setGroups(ctx context.Context, c conn, o op.SetGroups) error {
	u, err := lockedUser(ctx, c, o.ID)
	if err != nil {
		return err
	}
	return replaceGroups(ctx, c, o.ID, o.Source, u.GroupsSetBy(o.Source), o.Groups)
}

func updateUser(ctx context.Context, c conn, o op.UpdateUser) error {
	u, err := lockedUser(ctx, c, o.ID)
	if err != nil {
		return err
	}
	if o.IfPassword != nil && u.PasswordHash != *o.IfPassword {
		return fault.New(fault.Conflict, "the password was changed at the same time")
	}
	if err := rename(ctx, c, &u, o.Username); err != nil {
		return err
	}
	if o.PasswordHash != nil {
		if err := c.post(ctx, deletePasswordLinks, u.ID); err != nil {
			return err
		}
	}
	set(&u.Name, o.Name)
	set(&u.Email, o.Email)
	set(&u.Disabled, o.Disabled)
	set(&u.Owner, o.Owner)
	set(&u.PasswordHash, o.PasswordHash)
	set(&u.PasswordChangedAt, o.PasswordChangedAt)
	_, err = c.exec(ctx, updateUserRow, u.ID, u.Name, u.Email, flag(u.Disabled), u.PasswordHash.Reveal(),
		searchText(u.Username, u.Name, u.Email), u.Owner, micros(u.PasswordChangedAt))
	if err != nil || o.Groups == nil {
		return err
	}
	return replaceGroups(ctx, c, u.ID, "", u.Groups, *o.Groups)
}

// rename changes a user's name, or its spelling.
func rename(ctx context.Context, c conn, u *identity.User, to *string) error {
	if to == nil || *to == u.Username {
		return nil
	}
	if err := usernameFree(ctx, c, u.ID, *to); err != nil {
		return err
	}
	u.Username = *to
	_, err := c.exec(ctx, renameUser, u.ID, u.Username, identity.FoldName(u.Username))
	return taken("username", err)
}

func addLink(ctx context.Context, c conn, o op.AddLink) error {
	l := o.Link
	if err := named(ctx, c, "user", userExists, l.UserID); err != nil {
		return err
	}
	return taken("external_id", unlessConflict(ctx, c, "that external id is linked already", insertLink, l.Source, l.ExternalID, l.UserID, micros(l.LinkedAt)))
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

const collectionExists = "a collection of that id or name exists already"

// nameFree checks that no other collection has the name.
func nameFree(ctx context.Context, c conn, one records.Collection) error {
	found, err := exists(ctx, c, otherCollection, one.ID, one.Name)
	if err == nil && found {
		return fault.New(fault.Conflict, "%s", collectionExists).In("name")
	}
	return err
}

func removeCollection(ctx context.Context, c conn, o op.RemoveCollection) error {
	whole := string(access.CollectionPath(o.ID))
	parent, last := whole[:strings.LastIndexByte(whole, '/')], whole[strings.LastIndexByte(whole, '/'):]
	// '0' is the character after '/', so what begins with path and a slash is between.
	if err := c.post(ctx, deleteBindingsFrom, whole, whole+"/", whole+"0", parent, last, last+"/", last+"0"); err != nil {
		return err
	}
	return change(ctx, c, "no such collection", deleteCollection, o.ID)
}

func addBinding(ctx context.Context, c conn, o op.AddBinding) error {
	b := o.Binding
	if err := named(ctx, c, "user", userExists, b.User); err != nil {
		return err
	}
	if err := named(ctx, c, "role", roleExists, b.Role); err != nil {
		return err
	}
	var p access.Permission
	if b.Permission != nil {
		p = *b.Permission
	}
	return unlessConflict(ctx, c, "such a binding exists already", insertBinding, b.ID, null(b.User), null(b.Group), null(b.Role),
		null(p.Action), null(string(p.Path)), string(b.Path), b.Owner)
}

// named checks that a thing exists, if one is named.
func named(ctx context.Context, c conn, what, text, name string) error {
	if name == "" {
		return nil
	}
	found, err := exists(ctx, c, text, name)
	if err == nil && !found {
		return fault.New(fault.Invalid, "the %s doesn't exist", what).In(what)
	}
	return err
}

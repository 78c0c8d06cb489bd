package people

import (
	"context"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
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
)

func createUser(ctx context.Context, c engine.Conn, u identity.User) error {
	if err := usernameFree(ctx, c, u.ID, u.Username); err != nil {
		return err
	}
	err := query.Taken("username", query.UnlessConflict(ctx, c, userExistsAlready, insertUser, u.ID, u.Username, identity.FoldName(u.Username), u.Name, u.Email,
		column.Flag(u.Disabled), u.Owner, u.PasswordHash.Reveal(), column.Micros(u.PasswordChangedAt), searchText(u.Username, u.Name, u.Email)))
	if err != nil {
		return err
	}
	return replaceGroups(ctx, c, u.ID, "", nil, u.Groups)
}

const userExistsAlready = "a user of that name exists already"

// usernameFree checks that no other user has the name, in any spelling.
func usernameFree(ctx context.Context, c engine.Conn, id, username string) error {
	other, found := "", false
	err := c.Each(ctx, otherOfName, []any{identity.FoldName(username), username, id}, func(scan engine.Scanner) error {
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
func replaceGroups(ctx context.Context, c engine.Conn, id, source string, had, want []string) error {
	for _, g := range had {
		if slices.Contains(want, g) {
			continue
		}
		if err := c.Post(ctx, deleteGroup, id, g); err != nil {
			return err
		}
	}
	for _, g := range want {
		if err := c.Post(ctx, insertGroup, id, g, source); err != nil {
			return err
		}
	}
	return nil
}

// lockedUser reads a user, and makes other transactions that change the user wait.
func lockedUser(ctx context.Context, c engine.Conn, id string) (u identity.User, err error) {
	if err := c.Post(ctx, lockUser, id); err != nil {
		return u, err
	}
	err = c.Row(ctx, selectOneUser, []any{id}, userFields(&u)...)
	return u, query.OrNotFound(err, noSuchUser)
}

func setGroups(ctx context.Context, c engine.Conn, o op.SetGroups) error {
	u, err := lockedUser(ctx, c, o.ID)
	if err != nil {
		return err
	}
	return replaceGroups(ctx, c, o.ID, o.Source, u.GroupsSetBy(o.Source), o.Groups)
}

func updateUser(ctx context.Context, c engine.Conn, o op.UpdateUser) error {
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
		if err := c.Post(ctx, deletePasswordLinks, u.ID); err != nil {
			return err
		}
	}
	set(&u.Name, o.Name)
	set(&u.Email, o.Email)
	set(&u.Disabled, o.Disabled)
	set(&u.Owner, o.Owner)
	set(&u.PasswordHash, o.PasswordHash)
	set(&u.PasswordChangedAt, o.PasswordChangedAt)
	_, err = c.Exec(ctx, updateUserRow, u.ID, u.Name, u.Email, column.Flag(u.Disabled), u.PasswordHash.Reveal(),
		searchText(u.Username, u.Name, u.Email), u.Owner, column.Micros(u.PasswordChangedAt))
	if err != nil || o.Groups == nil {
		return err
	}
	return replaceGroups(ctx, c, u.ID, "", u.Groups, *o.Groups)
}

// rename changes a user's name, or its spelling.
func rename(ctx context.Context, c engine.Conn, u *identity.User, to *string) error {
	if to == nil || *to == u.Username {
		return nil
	}
	if err := usernameFree(ctx, c, u.ID, *to); err != nil {
		return err
	}
	u.Username = *to
	_, err := c.Exec(ctx, renameUser, u.ID, u.Username, identity.FoldName(u.Username))
	return query.Taken("username", err)
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// searchText is what containing is looked for in.
func searchText(username, name, email string) string {
	return strings.ToLower(username + "\n" + name + "\n" + email)
}

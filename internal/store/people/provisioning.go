package people

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	ownedColumns = selectUser + `,
    coalesce((SELECT min(l.external_id) FROM user_links l WHERE l.user_id = u.id AND l.source = u.owner), ''),
    coalesce(p.given_name, ''), coalesce(p.family_name, ''), coalesce(p.email_type, ''), coalesce(p.inactive, 0)`

	// In which part of an owner's users a place is, how many are before that part, and how
	// many there are at all.
	selectOwnedPart = `SELECT c.part, c.before, c.total FROM (
    SELECT part, CAST(sum(n) OVER (ORDER BY part) AS BIGINT) - n AS before, CAST(sum(n) OVER () AS BIGINT) AS total FROM owned_users WHERE owner = $1
) c WHERE c.before <= $2 ORDER BY c.part DESC LIMIT 1`
	selectOwnedUsers = ownedColumns + ` FROM (
    SELECT x.id FROM users x WHERE x.owner = $1 AND x.owner <> '' AND x.id >= $2 ORDER BY x.id LIMIT $3 OFFSET $4
) i JOIN users u ON u.id = i.id LEFT JOIN source_users p ON p.user_id = u.id ORDER BY u.id`
	// Each of these finds one user, or those whose names are the same.
	selectOwnedUser = ownedColumns + ` FROM users u LEFT JOIN source_users p ON p.user_id = u.id WHERE u.owner = $1 AND u.owner <> ''`

	countOwnedGroups  = `SELECT count(*) FROM source_groups g WHERE g.owner = $1`
	selectGroup       = `SELECT g.id, g.owner, g.name, g.external_id, g.version FROM source_groups g WHERE g.owner = $1`
	selectOwnedGroups = selectGroup + ` ORDER BY g.id LIMIT $2 OFFSET $3`
	selectMembers     = `SELECT u.id, u.username FROM user_groups m JOIN users u ON u.id = m.user_id
WHERE m.set_by = $1 AND m.set_by <> '' AND m.group_name = $2 AND u.owner = $1 ORDER BY u.id LIMIT $3`

	adoptUser        = `UPDATE users SET owner = $2 WHERE id = $1`
	insertSourceUser = `INSERT INTO source_users (user_id, given_name, family_name, email_type, inactive) VALUES ($1, '', '', '', 0) ON CONFLICT DO NOTHING`
	describePerson   = `UPDATE source_users SET given_name = $2, family_name = $3, email_type = $4 WHERE user_id = $1`
	describeInactive = `UPDATE source_users SET inactive = $2 WHERE user_id = $1`

	insertSourceGroup = `INSERT INTO source_groups (id, owner, name, folded, external_id, version) VALUES ($1, $2, $3, $4, $5, 1) ON CONFLICT DO NOTHING`
	touchSourceGroup  = `UPDATE source_groups SET version = version + 1 WHERE id = $1 AND version = $2`
	selectSourceGroup = `SELECT g.id, g.owner, g.name, g.external_id, g.version FROM source_groups g WHERE g.id = $1`
	otherSourceGroup  = `SELECT 1 FROM source_groups WHERE owner = $1 AND folded = $2 AND id <> $3`
	updateSourceGroup = `UPDATE source_groups SET name = $2, folded = $3, external_id = $4 WHERE id = $1`
	deleteSourceGroup = `DELETE FROM source_groups WHERE id = $1`
	// Users whom somebody else has put into the group too stay in it.
	copyMembers = `INSERT INTO user_groups (user_id, group_name, set_by)
SELECT user_id, $3, set_by FROM user_groups WHERE set_by = $1 AND group_name = $2 ON CONFLICT DO NOTHING`
	removeMembers = `DELETE FROM user_groups WHERE set_by = $1 AND group_name = $2`
	// Users who have been removed meanwhile are in no group.
	insertMember = `INSERT INTO user_groups (user_id, group_name, set_by) SELECT id, $2, $1 FROM users WHERE id = $3 ON CONFLICT DO NOTHING`
	removeMember = `DELETE FROM user_groups WHERE set_by = $1 AND group_name = $2 AND user_id = $3`
)

// The conditions of a filter, in which ? stands for the value.
const (
	ownedByID       = `u.id = ?`
	ownedByName     = `u.folded = ? AND u.folded <> ''`
	ownedByExternal = `u.id = (SELECT l.user_id FROM user_links l WHERE l.source = $1 AND l.external_id = ?)`
	groupByID       = `g.id = ?`
	groupByName     = `g.folded = ?`
	groupByExternal = `g.external_id = ? AND g.external_id <> ''`
	groupByMember   = `EXISTS (
    SELECT 1 FROM user_groups m JOIN users u ON u.id = m.user_id WHERE m.user_id = ? AND m.group_name = g.name AND m.set_by = $1 AND u.owner = $1)`
)

// ownedFilter is what is asked for of an owner, as conditions each of which is answered by an
// index.
type ownedFilter struct {
	where []string
	args  []any
}

// is adds a condition; "" is any value.
func (f *ownedFilter) is(condition, value string) {
	if value == "" {
		return
	}
	f.args = append(f.args, value)
	f.where = append(f.where, strings.Replace(condition, "?", "$"+strconv.Itoa(len(f.args)), 1))
}

func (f *ownedFilter) statement(text string) string {
	return text + " AND " + strings.Join(f.where, " AND ") + " ORDER BY 1"
}

// windowOf returns a part of a list that was read as a whole.
func windowOf[T any](all []T, skip, limit int) records.Window[T] {
	w := records.Window[T]{Total: len(all)}
	if limit > 0 && skip < len(all) {
		w.Items = all[skip:min(len(all), skip+limit)]
	}
	return w
}

func scanOwned(scan engine.Scanner) (u records.OwnedUser, err error) {
	return u, scan(append(userFields(&u.User), &u.ExternalID, &u.Person.GivenName, &u.Person.FamilyName, &u.Person.EmailType, column.Bool(&u.Person.Inactive))...)
}

// OwnedUsers returns users of an owner in the order of their ids.
func (p *People) OwnedUsers(ctx context.Context, q records.OwnedQuery) (w records.Window[records.OwnedUser], err error) {
	folded := identity.FoldName(q.Username)
	if q.Username != "" && folded == "" {
		return w, nil // no user has such a name
	}
	f := ownedFilter{args: []any{q.Owner}}
	f.is(ownedByID, q.ID)
	f.is(ownedByName, folded)
	f.is(ownedByExternal, q.ExternalID)
	if len(f.where) > 0 {
		found, err := query.All(ctx, p.db, scanOwned, f.statement(selectOwnedUser), f.args...)
		return windowOf(found, q.Skip, q.Limit), err
	}
	err = p.db.Snapshot(ctx, func(ctx context.Context, c engine.Conn) error {
		w = records.Window[records.OwnedUser]{}
		var part string
		var before int
		err := c.Row(ctx, selectOwnedPart, []any{q.Owner, q.Skip}, &part, &before, &w.Total)
		switch {
		case errors.Is(err, sql.ErrNoRows): // the owner has no users
			return nil
		case err != nil || q.Limit <= 0 || q.Skip >= w.Total:
			return err
		}
		w.Items, err = query.List(ctx, c, scanOwned, selectOwnedUsers, q.Owner, part, q.Limit, q.Skip-before)
		return err
	})
	return w, err
}

// OwnedGroups returns groups of an owner in the order of their ids.
func (p *People) OwnedGroups(ctx context.Context, q records.GroupQuery) (w records.Window[records.Group], err error) {
	folded := identity.FoldName(q.Name)
	if q.Name != "" && folded == "" {
		return w, nil
	}
	f := ownedFilter{args: []any{q.Owner}}
	f.is(groupByID, q.ID)
	f.is(groupByName, folded)
	f.is(groupByExternal, q.ExternalID)
	f.is(groupByMember, q.Member)
	err = p.db.Snapshot(ctx, func(ctx context.Context, c engine.Conn) error {
		w, err = ownedGroups(ctx, c, f, q)
		if err != nil || !q.Members {
			return err
		}
		w.Items, err = withMembers(ctx, c, w.Items)
		return err
	})
	return w, err
}

func scanSourceGroup(scan engine.Scanner) (g records.Group, err error) {
	return g, scan(sourceGroupFields(&g)...)
}

func ownedGroups(ctx context.Context, c engine.Conn, f ownedFilter, q records.GroupQuery) (w records.Window[records.Group], err error) {
	if len(f.where) > 0 {
		found, err := query.List(ctx, c, scanSourceGroup, f.statement(selectGroup), f.args...)
		return windowOf(found, q.Skip, q.Limit), err
	}
	if err := c.Row(ctx, countOwnedGroups, f.args, &w.Total); err != nil || q.Limit <= 0 {
		return w, err
	}
	w.Items, err = query.List(ctx, c, scanSourceGroup, selectOwnedGroups, q.Owner, q.Limit, q.Skip)
	return w, err
}

// withMembers returns groups with their members: as many as have records.MaxGroupMembers
// together, and one at least.
func withMembers(ctx context.Context, c engine.Conn, all []records.Group) ([]records.Group, error) {
	read := 0
	for i := range all {
		g := &all[i]
		members, err := query.List(ctx, c, func(scan engine.Scanner) (m records.Member, err error) { return m, scan(&m.ID, &m.Username) },
			selectMembers, g.Owner, g.Name, records.MaxGroupMembers+1)
		switch read += len(members); {
		case err != nil:
			return nil, err
		case read > records.MaxGroupMembers && i > 0:
			return all[:i], nil
		case read > records.MaxGroupMembers:
			return nil, fault.New(fault.TooLarge, "the group %q has more than %d members: it can be read without them", g.Name, records.MaxGroupMembers).In("members")
		}
		g.Members = members
	}
	return all, nil
}

func sourceGroupFields(g *records.Group) []any {
	return []any{&g.ID, &g.Owner, &g.Name, &g.ExternalID, &g.Version}
}

func adopt(ctx context.Context, c engine.Conn, o op.AdoptUser) error {
	u, err := lockedUser(ctx, c, o.ID)
	switch {
	case err != nil:
		return err
	case u.Owner != "":
		return fault.New(fault.Conflict, "the user is maintained by a source").In("owner")
	}
	return c.Post(ctx, adoptUser, o.ID, o.Owner)
}

func describe(ctx context.Context, c engine.Conn, o op.DescribeUser) error {
	found, err := query.Exists(ctx, c, userExists, o.ID)
	switch {
	case err != nil:
		return err
	case !found:
		return errNoSuchUser
	}
	if err := c.Post(ctx, insertSourceUser, o.ID); err != nil {
		return err
	}
	if p := o.Person; p != nil {
		if err := c.Post(ctx, describePerson, o.ID, p.GivenName, p.FamilyName, p.EmailType); err != nil {
			return err
		}
	}
	if o.Inactive == nil {
		return nil
	}
	return c.Post(ctx, describeInactive, o.ID, column.Flag(*o.Inactive))
}

const groupExists = "a group of that name exists already"

func createGroup(ctx context.Context, c engine.Conn, g records.Group) error {
	return query.Taken("name", query.UnlessConflict(ctx, c, groupExists, insertSourceGroup, g.ID, g.Owner, g.Name, identity.FoldName(g.Name), g.ExternalID))
}

// lockedGroup reads a group that has a version, raises the version, and makes other
// transactions that change the group wait.
func lockedGroup(ctx context.Context, c engine.Conn, id string, version int64) (g records.Group, err error) {
	n, err := c.Exec(ctx, touchSourceGroup, id, version)
	if err != nil {
		return g, err
	}
	if err := c.Row(ctx, selectSourceGroup, []any{id}, sourceGroupFields(&g)...); err != nil {
		return g, query.OrNotFound(err, "there is no such group")
	}
	if n == 0 {
		return g, fault.New(fault.Conflict, "the group was changed meanwhile").In("version")
	}
	return g, nil
}

func updateGroup(ctx context.Context, c engine.Conn, o op.UpdateGroup) error {
	g, err := lockedGroup(ctx, c, o.ID, o.Version)
	if err != nil {
		return err
	}
	old := g.Name
	set(&g.Name, o.Name)
	set(&g.ExternalID, o.ExternalID)
	if g.Name != old {
		if err := moveMembers(ctx, c, g, old); err != nil {
			return err
		}
	}
	if o.Name != nil || o.ExternalID != nil {
		if err := c.Post(ctx, updateSourceGroup, g.ID, g.Name, identity.FoldName(g.Name), g.ExternalID); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(slices.Values(o.Remove)) {
		if err := c.Post(ctx, removeMember, g.Owner, g.Name, id); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(slices.Values(o.Add)) {
		if err := c.Post(ctx, insertMember, g.Owner, g.Name, id); err != nil {
			return err
		}
	}
	return nil
}

// moveMembers moves those whom its source has put into a group to the group's new name.
func moveMembers(ctx context.Context, c engine.Conn, g records.Group, old string) error {
	found, err := query.Exists(ctx, c, otherSourceGroup, g.Owner, identity.FoldName(g.Name), g.ID)
	switch {
	case err != nil:
		return err
	case found:
		return fault.New(fault.Conflict, "%s", groupExists).In("name")
	}
	if err := c.Post(ctx, copyMembers, g.Owner, old, g.Name); err != nil {
		return err
	}
	return c.Post(ctx, removeMembers, g.Owner, old)
}

func removeGroup(ctx context.Context, c engine.Conn, o op.RemoveGroup) error {
	g, err := lockedGroup(ctx, c, o.ID, o.Version)
	if err != nil {
		return err
	}
	if err := c.Post(ctx, removeMembers, g.Owner, g.Name); err != nil {
		return err
	}
	return c.Post(ctx, deleteSourceGroup, g.ID)
}

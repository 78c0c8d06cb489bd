package registry

import (
	"context"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/people"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	insertBinding = `INSERT INTO bindings (id, user_id, group_name, role, action, action_path, path, owner)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`
	deleteBinding = `DELETE FROM bindings WHERE id = $1`

	selectBinding = `SELECT b.id, coalesce(b.user_id, ''), coalesce(b.group_name, ''), coalesce(b.role, ''),
    coalesce(b.action, ''), coalesce(b.action_path, ''), b.path, b.owner`

	// A user's own bindings and those of the user's groups, each by its index.
	selectGrants = selectBinding + `, coalesce(r.permissions, '[]')
FROM bindings b LEFT JOIN roles r ON r.name = b.role WHERE b.user_id = $1
UNION ALL
` + selectBinding + `, coalesce(r.permissions, '[]')
FROM user_groups g JOIN bindings b ON b.group_name = g.group_name LEFT JOIN roles r ON r.name = b.role
WHERE g.user_id = $1 ORDER BY 7, 1`

	selectOneBinding    = selectBinding + ` FROM bindings b WHERE b.id = $1`
	selectUserBindings  = selectBinding + ` FROM bindings b WHERE b.user_id = $1 ORDER BY b.path, b.id`
	selectGroupBindings = selectBinding + ` FROM bindings b WHERE b.group_name = $1 ORDER BY b.path, b.id`
	selectRootGroups    = selectBinding + ` FROM bindings b WHERE b.path = '/' AND b.group_name IS NOT NULL`
	selectBindings      = selectBinding + ` FROM bindings b ORDER BY b.path, b.id`

	selectReachingBindings = selectBinding + ` FROM bindings b WHERE b.user_id = $1
UNION ALL
` + selectBinding + ` FROM user_groups g JOIN bindings b ON b.group_name = g.group_name
WHERE g.user_id = $1 ORDER BY 7, 1`
)

// bindingRow is a binding as its columns have it.
type bindingRow struct {
	access.Binding
	action string
	path   access.Path // of the action
}

func (b *bindingRow) fields() []any {
	return []any{&b.ID, &b.User, &b.Group, &b.Role, &b.action, &b.path, &b.Path, &b.Owner}
}

func (b *bindingRow) binding() access.Binding {
	if b.action != "" {
		b.Permission = &access.Permission{Action: b.action, Path: b.path}
	}
	return b.Binding
}

// grants returns the grants of a user's bindings and those of the user's groups.
func grants(ctx context.Context, c engine.Conn, userID string) ([]access.Grant, error) {
	rows, err := query.List(ctx, c, func(scan engine.Scanner) ([]access.Grant, error) {
		var b bindingRow
		var role access.Role
		if err := scan(append(b.fields(), column.List(&role.Permissions))...); err != nil {
			return nil, err
		}
		role.Name = b.Role
		return access.Expand(b.binding(), role), nil
	}, selectGrants, userID)
	var all []access.Grant
	for _, row := range rows {
		all = append(all, row...)
	}
	return all, err
}

// Bindings returns the bindings that the query asks for, in the order of their
// paths.
func (r *Registry) Bindings(ctx context.Context, q records.BindingQuery) ([]access.Binding, error) {
	text, args := selectBindings, []any(nil)
	switch {
	case q.ID != "":
		text, args = selectOneBinding, []any{q.ID}
	case q.User != "" && q.WithGroups:
		text, args = selectReachingBindings, []any{q.User}
	case q.User != "":
		text, args = selectUserBindings, []any{q.User}
	case q.RootGroups:
		text = selectRootGroups
	case q.Group != "":
		text, args = selectGroupBindings, []any{q.Group}
	}
	return query.All(ctx, r.db, func(scan engine.Scanner) (access.Binding, error) {
		var b bindingRow
		err := scan(b.fields()...)
		return b.binding(), err
	}, text, args...)
}

func addBinding(ctx context.Context, c engine.Conn, o op.AddBinding) error {
	b := o.Binding
	if err := people.MustExist(ctx, c, b.User); err != nil {
		return err
	}
	if err := query.Named(ctx, c, "role", roleExists, b.Role); err != nil {
		return err
	}
	var p access.Permission
	if b.Permission != nil {
		p = *b.Permission
	}
	return query.UnlessConflict(ctx, c, "such a binding exists already", insertBinding, b.ID, column.Null(b.User), column.Null(b.Group), column.Null(b.Role),
		column.Null(p.Action), column.Null(string(p.Path)), string(b.Path), b.Owner)
}

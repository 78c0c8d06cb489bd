package manage

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/wiring"
)

// roles are the commands about roles.
type roles struct{ *local.Database }

func (p roles) group() *cobra.Command {
	return cli.Group("role", "List, create, change and delete roles",
		`List, create, change and delete roles. A role is a named set of permissions; a
binding grants it to a user or a group (see "bearerd binding").`,
		p.list(), p.show(), p.create(), p.update(), p.delete())
}

// permissionFlag reads permissions, each written as an action and a path.
type permissionFlag struct{ list *[]access.Permission }

// Set adds a permission.
func (f permissionFlag) Set(s string) error {
	parts := strings.Fields(s)
	if len(parts) != 2 {
		return fmt.Errorf(`%q is not an action and a path with a space between them, such as "access /collections/4"`, s)
	}
	permission := access.Permission{Action: parts[0], Path: access.Path(parts[1])}
	if err := permission.Validate(); err != nil {
		return fmt.Errorf("%q: %w", s, err)
	}
	*f.list = append(*f.list, permission)
	return nil
}

// Type names the value in usage lines.
func (permissionFlag) Type() string { return "PERMISSION" }

// String returns the permissions as they are written.
func (f permissionFlag) String() string {
	if f.list == nil {
		return ""
	}
	return permissionsText(*f.list)
}

func permissionsText(list []access.Permission) string {
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = p.Action + " " + string(p.Path)
	}
	return strings.Join(texts, ", ")
}

func permissionsFlag(cmd *cobra.Command, list *[]access.Permission) {
	cmd.Flags().Var(permissionFlag{list}, "permission", "a `PERMISSION`: an action and a path, such as \"access /\"; can be repeated")
}

func (p roles) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List roles",
		Args:  cli.Takes(),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, _ []string) error {
			roles, err := i.Directory.RoleList(ctx, caller.Operator())
			if err != nil {
				return err
			}
			return p.Show(cli.Listed(cli.Rendered(roles, adminapi.RoleOf)), func(w io.Writer) {
				rows := make([][]string, len(roles))
				for i, r := range roles {
					rows[i] = []string{r.Name, permissionsText(r.Permissions), r.Owner}
				}
				cli.Table(w, "NAME\tPERMISSIONS\tOWNER", rows)
			})
		}),
	}
}

// find returns the role of that name.
func (p roles) find(ctx context.Context, i *wiring.Instance, name string) (access.Role, error) {
	roles, err := i.Directory.RoleList(ctx, caller.Operator())
	if err != nil {
		return access.Role{}, err
	}
	at := slices.IndexFunc(roles, func(r access.Role) bool { return r.Name == name })
	if at < 0 {
		return access.Role{}, p.Missing(ctx, i, local.NounRole, name)
	}
	return roles[at], nil
}

func (p roles) show() *cobra.Command {
	return p.About(local.NounRole, &cobra.Command{
		Use:   "show ROLE",
		Short: "Show one role",
		Args:  cli.Takes("ROLE"),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			r, err := p.find(ctx, i, args[0])
			if err != nil {
				return err
			}
			return p.print(r)
		}),
	})
}

func (p roles) print(r access.Role) error {
	return p.Show(adminapi.RoleOf(r), func(w io.Writer) {
		cli.Fields(w, "name", r.Name, "permissions", cli.OrDash(permissionsText(r.Permissions)), "owner", r.Owner)
	})
}

func (p roles) create() *cobra.Command {
	var r access.Role
	cmd := &cobra.Command{
		Use:   "create NAME --permission \"ACTION PATH\"…",
		Short: "Create a role",
		Long: `Create a role. The paths of its permissions are relative to the path at which a
binding grants it: "access /" granted at /collections/4 is access to that
collection.`,
		Example: `  bearerd role create reader --permission "access /"
  bearerd role create batch --permission "access /collections/4" --permission "create /task-tokens/TES"`,
		Args: cli.Takes("NAME"),
		RunE: p.OnDatabase(local.Needs{Creates: true}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			r.Name = args[0]
			if err := i.Directory.CreateRole(ctx, caller.Operator(), r); err != nil {
				return err
			}
			p.Say("role %s is created", r.Name)
			return p.Show(adminapi.RoleOf(r), cli.Silent)
		}),
	}
	permissionsFlag(cmd, &r.Permissions)
	cli.Require(cmd, "permission")
	return cmd
}

func (p roles) update() *cobra.Command {
	var permissions []access.Permission
	cmd := p.About(local.NounRole, &cobra.Command{
		Use:   "update ROLE --permission \"ACTION PATH\"…",
		Short: "Replace the permissions of a role",
		Long: `Replace the permissions of a role. Everyone who has the role has the new ones at
once, and no longer those that are left out.`,
		Example: `  bearerd role update reader --permission "access /" --permission "read /"`,
		Args:    cli.Takes("ROLE"),
		RunE: p.OnDatabase(local.Needs{Waits: true}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			r, err := p.find(ctx, i, args[0])
			if err != nil {
				return err
			}
			r.Permissions = permissions
			if err := i.Directory.UpdateRole(ctx, caller.Operator(), r); err != nil {
				return err
			}
			p.Say("role %s has new permissions", r.Name)
			return p.Show(adminapi.RoleOf(r), cli.Silent)
		}),
	})
	permissionsFlag(cmd, &permissions)
	cli.Require(cmd, "permission")
	local.WaitFlag(cmd)
	return cmd
}

func (p roles) delete() *cobra.Command {
	return p.Revokes(p.About(local.NounRole, &cobra.Command{
		Use:   "delete ROLE",
		Short: "Delete a role, with the bindings that grant it",
		Args:  cli.Takes("ROLE"),
	}), "role %s is deleted, with the bindings that granted it; %s", func(i *wiring.Instance) local.Operation { return i.Directory.RemoveRole })
}

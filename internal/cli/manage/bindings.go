package manage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/wiring"
)

// bindings are the commands about bindings.
type bindings struct{ *local.Database }

func (p bindings) group() *cobra.Command {
	return cli.Group("binding", "List, create and delete bindings",
		`List, create and delete bindings. A binding grants a user or a group a role or a
permission at a path, and at everything under it.`,
		p.list(), p.show(), p.create(), p.delete())
}

// bindingsOf returns bindings as the management API shows them.
func bindingsOf(ctx context.Context, i *wiring.Instance, list []access.Binding) ([]adminapi.Binding, error) {
	var subjects []string
	for _, b := range list {
		if b.User != "" {
			subjects = append(subjects, b.User)
		}
	}
	names, err := i.Directory.Usernames(ctx, caller.Operator(), subjects)
	return cli.Rendered(list, func(b access.Binding) adminapi.Binding { return adminapi.BindingOf(b, names) }), err
}

// text returns the text of a member, and "" for null.
func text(member *string) string {
	if member == nil {
		return ""
	}
	return *member
}

// bindingRow returns a binding as a line of a table.
func bindingRow(b adminapi.Binding) []string {
	who := "group " + text(b.Group)
	if b.UserID != nil {
		who = "user " + text(b.User)
	}
	what := "role " + text(b.Role)
	if b.Permission != nil {
		what = b.Permission.Action + " " + string(b.Permission.Path)
	}
	return []string{who, what, string(b.Path), b.Owner, b.ID}
}

func (p bindings) list() *cobra.Command {
	var q records.BindingQuery
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List bindings",
		Args:  cli.Takes(),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, _ []string) error {
			list, err := i.Directory.BindingList(ctx, caller.Operator(), q)
			if err != nil {
				return p.AboutFlag(ctx, i, local.NounUser, q.User, err)
			}
			all, err := bindingsOf(ctx, i, list)
			if err != nil {
				return err
			}
			return p.Show(cli.Listed(all), func(w io.Writer) {
				cli.Table(w, "WHO\tMAY\tAT\tOWNER\tID", cli.Rendered(all, bindingRow))
			})
		}),
	}
	cmd.Flags().StringVar(&q.User, "user", "", "only those of this `USER`")
	cmd.Flags().StringVar(&q.Group, "group", "", "only those of this `GROUP`")
	cli.Exclusive(cmd, "user", "group")
	p.FlagAbout(cmd, "user", local.NounUser)
	p.FlagAbout(cmd, "group", local.NounGroup)
	return cmd
}

func (p bindings) show() *cobra.Command {
	return p.About(local.NounBinding, &cobra.Command{
		Use:   "show BINDING",
		Short: "Show one binding",
		Args:  cli.Takes("BINDING"),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			b, err := i.Directory.Binding(ctx, caller.Operator(), args[0])
			if err != nil {
				return err
			}
			return p.print(ctx, i, b)
		}),
	})
}

func (p bindings) print(ctx context.Context, i *wiring.Instance, b access.Binding) error {
	all, err := bindingsOf(ctx, i, []access.Binding{b})
	if err != nil {
		return err
	}
	row := bindingRow(all[0])
	return p.Show(all[0], func(w io.Writer) {
		cli.Fields(w, "who", row[0], "may", row[1], "at", row[2], "owner", row[3], "id", row[4])
	})
}

func (p bindings) create() *cobra.Command {
	var b access.Binding
	var permissions []access.Permission
	path := string(access.Root)
	cmd := &cobra.Command{
		Use:   "create --user USER|--group GROUP --role ROLE|--permission \"ACTION PATH\"",
		Short: "Grant a user or a group a role or a permission",
		Long: `Grant a user or a group a role or a permission at a path, and at everything under
it. The id of the binding is printed to standard output.`,
		Example: `  bearerd binding create --user spadmin --role collection-admin --path /collections/4
  bearerd binding create --group curators --permission "access /collections/4"
  bearerd binding create --user ada --permission "* /"`,
		Args: cli.Takes(),
		RunE: p.OnDatabase(local.Needs{Creates: true}, func(ctx context.Context, i *wiring.Instance, _ []string) error {
			if len(permissions) > 1 {
				return hint.Add(errors.New("a binding grants one permission"), "create a role of several, or several bindings")
			}
			for k := range permissions {
				b.Permission = &permissions[k]
			}
			var err error
			if b.Path, err = access.ParsePath(path); err != nil {
				return fmt.Errorf("--path %q: %w", path, err)
			}
			made, err := i.Directory.CreateBinding(ctx, caller.Operator(), b)
			if err != nil {
				return err
			}
			all, err := bindingsOf(ctx, i, []access.Binding{made})
			if err != nil {
				return err
			}
			row := bindingRow(all[0])
			p.Say("%s has %s at %s", row[0], row[1], row[2])
			return p.Show(all[0], func(w io.Writer) { _, _ = fmt.Fprintln(w, made.ID) })
		}),
	}
	f := cmd.Flags()
	f.StringVar(&b.User, "user", "", "the `USER` to grant it to")
	f.StringVar(&b.Group, "group", "", "the `GROUP` to grant it to")
	f.StringVar(&b.Role, "role", "", "the `ROLE` to grant")
	f.Var(permissionFlag{&permissions}, "permission", "the `PERMISSION` to grant: an action and a path, such as \"access /\"")
	f.StringVar(&path, "path", path, "the `PATH` to grant it at")
	cli.RequireOne(cmd, "user", "group")
	cli.RequireOne(cmd, "role", "permission")
	p.FlagAbout(cmd, "user", local.NounUser)
	p.FlagAbout(cmd, "group", local.NounGroup)
	p.FlagAbout(cmd, "role", local.NounRole)
	return cmd
}

func (p bindings) delete() *cobra.Command {
	return p.Revokes(p.About(local.NounBinding, &cobra.Command{
		Use:   "delete BINDING",
		Short: "Delete a binding",
		Long:  `Delete a binding. What it granted is refused at once. BINDING is its id.`,
		Args:  cli.Takes("BINDING"),
	}), "binding %s is deleted; %s", func(i *wiring.Instance) local.Operation { return i.Directory.RemoveBinding })
}

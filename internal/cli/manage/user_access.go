package manage

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/decision"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/wiring"
)

func (p users) access() *cobra.Command {
	var action, path, remove string
	cmd := p.About(local.NounUser, &cobra.Command{
		Use:   "access USER",
		Short: "Show what a user may do and why, or remove access",
		Long: `Show what a user may do, and the binding that each permission comes from.

With --action and --path, show whether the user may do that action there, and why;
the exit code is 3 when they may not.
With --remove, remove every direct binding of the user at and under that path,
including those with a role, and show what still grants access there: a group, or a
binding at a wider path.`,
		Example: `  bearerd user access spadmin
  bearerd user access spadmin --action access --path /collections/4
  bearerd user access spadmin --remove /collections/4`,
		Args: cli.Takes("USER"),
		RunE: p.OnDatabase(local.Needs{Waits: true}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			switch {
			case remove != "":
				ref := args[0]
				at, err := access.ParsePath(remove)
				if err != nil {
					return err
				}
				removed, remaining, err := i.Directory.RemoveAccess(ctx, caller.Operator(), ref, at)
				if err != nil {
					return err
				}
				for _, b := range removed {
					p.Say("removed %s", local.DescribeBinding(b))
				}
				if len(removed) == 0 {
					p.Say("%s has no direct binding at or under %s", ref, at)
				}
				for _, b := range remaining {
					p.Say("still granted: %s", local.DescribeBinding(b))
				}
				return p.showRemoved(ctx, i, removed, remaining)
			case action != "":
				action, err := access.ParseAction(action)
				if err != nil {
					return err
				}
				at, err := access.ParsePath(path)
				if err != nil {
					return err
				}
				x, err := i.Explainer.ExplainUser(ctx, caller.Operator(), args[0], action, at)
				if err != nil {
					return err
				}
				return decision.Show(ctx, p.Database, i, x)
			}
			grants, err := i.Directory.UserAccess(ctx, caller.Operator(), args[0])
			if err != nil {
				return err
			}
			return p.Show(cli.Listed(decision.GrantsOf(grants)), func(w io.Writer) { decision.GrantTable(w, grants) })
		}),
	})
	cmd.Flags().StringVar(&action, "action", "", "the `ACTION` to check")
	cmd.Flags().StringVar(&path, "path", "", "the `PATH` to check it at")
	cmd.Flags().StringVar(&remove, "remove", "", "remove access at and under this `PATH`")
	cli.Together(cmd, "action", "path")
	cli.Exclusive(cmd, "action", "remove")
	local.WaitFlag(cmd)
	return cmd
}

// showRemoved shows which bindings were removed and which still grant something there, as the
// management API does.
func (p users) showRemoved(ctx context.Context, i *wiring.Instance, removed, remaining []access.Binding) error {
	var out struct {
		Removed   []adminapi.Binding `json:"removed"`
		Remaining []adminapi.Binding `json:"remaining"`
	}
	var err error
	if out.Removed, err = bindingsOf(ctx, i, removed); err != nil {
		return err
	}
	if out.Remaining, err = bindingsOf(ctx, i, remaining); err != nil {
		return err
	}
	return p.Show(out, cli.Silent)
}

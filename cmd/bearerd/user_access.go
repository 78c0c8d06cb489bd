package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
)

func (p *program) userAccessCommand() *cobra.Command {
	var action, path, remove string
	cmd := &cobra.Command{
		Use:   "access USER",
		Short: "Show what a user may do and why, or remove access",
		Long: `Show what a user may do, and the binding that each permission comes from.

With --action and --path, show whether the user may do that action there, and why.
With --remove, remove every direct binding of the user at and beneath that path,
including those with a role, and show what still grants access there: a group, or a
binding at a wider path.`,
		Example: `  bearerd user access spadmin
  bearerd user access spadmin --action access --path /collections/4
  bearerd user access spadmin --remove /collections/4`,
		Args: takes("USER"),
		RunE: p.onDatabase(needs{waits: true}, func(ctx context.Context, i *instance, args []string) error {
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
				out := struct {
					Removed   []bindingJSON `json:"removed"`
					Remaining []bindingJSON `json:"remaining"`
				}{bindingsOf(removed), bindingsOf(remaining)}
				for _, b := range out.Removed {
					p.say("removed %s", b.inWords())
				}
				if len(removed) == 0 {
					p.say("%s has no direct binding at or beneath %s", ref, at)
				}
				for _, b := range out.Remaining {
					p.say("still granted: %s", b.inWords())
				}
				return p.show(out, silent)
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
				return p.showExplanation(ctx, i, x)
			}
			grants, err := i.Directory.UserAccess(ctx, caller.Operator(), args[0])
			if err != nil {
				return err
			}
			return p.show(listed(grantsOf(grants)), func(w io.Writer) { grantTable(w, grants) })
		}),
	}
	cmd.Flags().StringVar(&action, "action", "", "the `ACTION` to check")
	cmd.Flags().StringVar(&path, "path", "", "the `PATH` to check it at")
	cmd.Flags().StringVar(&remove, "remove", "", "remove access at and beneath this `PATH`")
	cmd.MarkFlagsRequiredTogether("action", "path")
	cmd.MarkFlagsMutuallyExclusive("action", "remove")
	waitFlag(cmd)
	return cmd
}

// bindingJSON is a binding as the management API shows it.
type bindingJSON struct {
	ID         string          `json:"id"`
	User       string          `json:"user,omitempty"`
	Group      string          `json:"group,omitempty"`
	Role       string          `json:"role,omitempty"`
	Permission *permissionJSON `json:"permission,omitempty"`
	Path       string          `json:"path"`
}

type permissionJSON struct {
	Action string `json:"action"`
	Path   string `json:"path"`
}

func bindingsOf(list []access.Binding) []bindingJSON {
	out := make([]bindingJSON, len(list))
	for i, b := range list {
		out[i] = bindingJSON{ID: b.ID, User: b.User, Group: b.Group, Role: b.Role, Path: string(b.Path)}
		if b.Permission != nil {
			out[i].Permission = &permissionJSON{b.Permission.Action, string(b.Permission.Path)}
		}
	}
	return out
}

// inWords returns in words what a binding grants.
func (b bindingJSON) inWords() string {
	what, from := "role "+b.Role, ""
	if b.Permission != nil {
		what = b.Permission.Action + " " + b.Permission.Path
	}
	if b.Group != "" {
		from = ", by the group " + b.Group
	}
	return fmt.Sprintf("%s at %s%s", what, b.Path, from)
}

package main

import (
	"context"

	"github.com/bearerd/bearerd/internal/caller"

	"github.com/spf13/cobra"
)

func (p *program) revokeAllCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke-all USER",
		Short: "Revoke every token and session of a user",
		Long: `Revoke every token and session of a user that was issued until now. The user can
sign in again at once; to prevent that, see "bearerd user disable".`,
		Args: takes("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd, needs{waits: true}, func(ctx context.Context, i *instance) error {
				r, err := i.Revoker.RevokeAllOf(ctx, caller.Operator(), args[0])
				if err != nil {
					return err
				}
				p.say("every token and session of %s is revoked; %s", args[0], i.reach(r))
				return p.show(acknowledged(r), silent)
			})
		},
	}
	waitFlag(cmd)
	return cmd
}

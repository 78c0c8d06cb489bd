package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/token"
)

func (p *program) tokenCreateCommand() *cobra.Command {
	var n wanted
	var name string
	cmd := &cobra.Command{
		Use:   "create USER --name NAME",
		Short: "Create an API token for a user",
		Long: `Create an API token for a user: an opaque token that is valid until it is revoked or
expires. It is printed to standard output, only once.`,
		Example: `  bearerd token create spadmin --name "nightly export" --scope read --expires-in 720h`,
		Args:    takes("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := n.request(cmd, token.KindAPIToken)
			if err != nil {
				return err
			}
			r.Name = name
			return p.with(cmd, needs{}, func(ctx context.Context, i *instance) error {
				return p.issue(ctx, i, args[0], r)
			})
		},
	}
	n.flags(cmd)
	cmd.Flags().StringVar(&name, "name", "", "the token's `NAME`, shown to its owner")
	_ = cmd.MarkFlagRequired("name")
	return cmd
}

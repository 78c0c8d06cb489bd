package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

func (p *program) clientListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List OAuth clients",
		Args:  takes(),
		RunE: p.onDatabase(needs{}, func(ctx context.Context, i *instance, _ []string) error {
			clients, err := i.Directory.ClientList(ctx, caller.Operator())
			if err != nil {
				return err
			}
			return p.show(listed(rendered(clients, adminapi.ClientOf)), func(w io.Writer) {
				rows := make([][]string, len(clients))
				for i, c := range clients {
					kind := "confidential"
					if c.Public() {
						kind = "public"
					}
					rows[i] = []string{c.ID, kind, strings.Join(c.Grants, ","), strings.Join(c.Scopes, " "), strings.Join(c.Audiences, " ")}
				}
				table(w, "ID\tKIND\tGRANTS\tSCOPES\tAUDIENCES", rows)
			})
		}),
	}
}

func (p *program) clientCreateCommand() *cobra.Command {
	var n directory.NewClient
	var public bool
	var file string
	cmd := &cobra.Command{
		Use:   "create ID",
		Short: "Create an OAuth client",
		Long: `Create an OAuth client with a new secret, which is printed to standard output, only
once. With --secret-file the secret is read; a public client has none.`,
		Example: `  SECRET=$(bearerd client create ci --grant client_credentials --scope read)`,
		Args:    takes("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n.ID = args[0]
			if file != "" {
				secret, err := p.readSecret("client secret", file)
				if err != nil {
					return err
				}
				n.Secret = secret
			}
			return p.with(cmd, needs{creates: true}, func(ctx context.Context, i *instance) error {
				c, made, err := i.Directory.CreateClient(ctx, caller.Operator(), n, !public)
				if err != nil {
					return err
				}
				p.say("client %s is created", c.ID)
				return p.showClient(c, made)
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&n.Grants, "grant", nil, "a `GRANT` type that it may use; can be repeated")
	f.StringSliceVar(&n.Scopes, "scope", nil, "a `SCOPE` that its tokens may have; can be repeated")
	f.StringSliceVar(&n.Audiences, "audience", nil, "an `AUDIENCE` that it may ask for; can be repeated")
	f.BoolVar(&public, "public", false, "create a client without a secret")
	clientSecretFlag(cmd, &file)
	cmd.MarkFlagsMutuallyExclusive("public", "secret-file")
	return cmd
}

func clientSecretFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "secret-file", "", "read the secret from this `FILE`, - for standard input, instead of creating one")
}

// showClient prints a secret that was made, alone, or the client as JSON.
func (p *program) showClient(c identity.Client, made token.Secret) error {
	out := adminapi.ClientOf(c)
	out.Secret = made.Reveal()
	return p.show(out, func(w io.Writer) {
		if out.Secret != "" {
			_, _ = fmt.Fprintln(w, out.Secret)
		}
	})
}

func (p *program) clientSecretCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "secret ID",
		Short: "Create a new client secret, and revoke the client's tokens",
		Long: `Create a new secret for an OAuth client and print it to standard output, only once.
The old secret stops working at once, and the client's tokens are revoked.`,
		Args: takes("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var given token.Secret
			if file != "" {
				var err error
				if given, err = p.readSecret("client secret", file); err != nil {
					return err
				}
			}
			return p.with(cmd, needs{waits: true}, func(ctx context.Context, i *instance) error {
				c, made, err := i.replaceSecret(ctx, args[0], given)
				if err != nil {
					return err
				}
				p.say("client %s has a new secret; its tokens are revoked", c.ID)
				return p.showClient(c, made)
			})
		},
	}
	clientSecretFlag(cmd, &file)
	waitFlag(cmd)
	return cmd
}

func (p *program) clientRemoveCommand() *cobra.Command {
	return p.revocation(&cobra.Command{
		Use:   "remove ID",
		Short: "Remove an OAuth client, and revoke its tokens",
		Args:  takes("ID"),
	}, "client %s is removed, and its tokens are revoked; %s", func(i *instance) revokes { return i.Directory.RemoveClient })
}

// replaceSecret sets a new secret of a client, made here when none is given.
func (i *instance) replaceSecret(ctx context.Context, id string, given token.Secret) (identity.Client, token.Secret, error) {
	if given == "" {
		made, err := i.Directory.RenewClientSecret(ctx, caller.Operator(), id)
		if err != nil {
			return identity.Client{}, "", err
		}
		c, err := i.Directory.Client(ctx, caller.Operator(), id)
		return c, made, err
	}
	c, err := i.Directory.Client(ctx, caller.Operator(), id)
	if err != nil {
		return c, "", err
	}
	c, err = i.Directory.UpdateClient(ctx, caller.Operator(), directory.NewClient{
		ID: c.ID, Grants: c.Grants, Scopes: c.Scopes, Audiences: c.Audiences, Secret: given,
	})
	return c, "", err
}

package manage

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/wiring"
)

// clients are the commands about OAuth clients.
type clients struct{ *local.Database }

func (p clients) group() *cobra.Command {
	return cli.Group("client", "List, create and delete OAuth clients",
		`List, create and delete OAuth clients. bearerd creates a client's secret and shows
it only once, or reads it from a file; it is never an argument.`,
		p.list(), p.show(), p.create(), p.secret(), p.delete())
}

func (p clients) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List OAuth clients",
		Args:  cli.Takes(),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, _ []string) error {
			clients, err := i.Directory.ClientList(ctx, caller.Operator())
			if err != nil {
				return err
			}
			all := cli.Rendered(clients, func(c identity.Client) adminapi.Client { return adminapi.ClientOf(c, i.Now()) })
			return p.Show(cli.Listed(all), func(w io.Writer) {
				rows := make([][]string, len(all))
				for i, c := range all {
					rows[i] = []string{
						c.ID, kindOfClient(c), strings.Join(c.Grants, ","), strings.Join(c.Scopes, " "), strings.Join(c.Audiences, " "), strings.Join(c.ExchangeFrom, " "),
					}
				}
				cli.Table(w, "ID\tKIND\tGRANTS\tSCOPES\tAUDIENCES\tEXCHANGES TOKENS OF", rows)
			})
		}),
	}
}

func (p clients) show() *cobra.Command {
	return p.About(local.NounClient, &cobra.Command{
		Use:   "show CLIENT",
		Short: "Show one OAuth client",
		Args:  cli.Takes("CLIENT"),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			found, err := i.Directory.Client(ctx, caller.Operator(), args[0])
			if err != nil {
				return err
			}
			c := adminapi.ClientOf(found, i.Now())
			return p.Show(c, func(w io.Writer) {
				cli.Fields(w, "id", c.ID, "kind", kindOfClient(c), "name", c.Name, "grants", strings.Join(c.Grants, " "), "scopes", strings.Join(c.Scopes, " "),
					"audiences", strings.Join(c.Audiences, " "), "redirect URIs", strings.Join(c.RedirectURIs, " "),
					"exchanges tokens of", strings.Join(c.ExchangeFrom, " "), "owner", c.Owner)
			})
		}),
	})
}

// kindOfClient returns in words which secrets a client has.
func kindOfClient(c adminapi.Client) string {
	kind := "confidential"
	switch {
	case c.Public:
		kind = "public"
	case c.JWKSURI != "" || len(c.JWKS) > 0:
		kind = "confidential, with a key"
	}
	if c.OldSecretUntil != nil {
		kind += ", old secret until " + c.OldSecretUntil.Format(time.RFC3339)
	}
	return kind
}

func (p clients) create() *cobra.Command {
	var n identity.NewClient
	var public bool
	var file, keys string
	cmd := &cobra.Command{
		Use:   "create ID",
		Short: "Create an OAuth client",
		Long: `Create an OAuth client with a new secret, which is printed to standard output, only
once. With --secret-file the secret is read; a public client has none. Neither has a
client with --jwks or --jwks-uri: it authenticates by JWTs that it signs with a key
of its own (private_key_jwt).`,
		Example: `  SECRET=$(bearerd client create ci --grant client_credentials --scope read)
  bearerd client create ci --grant client_credentials --jwks-uri https://ci.example.org/jwks.json`,
		Args: cli.Takes("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, grant := range n.Grants {
				if err := cli.OneOf("grant", grant, identity.GrantTypes()); err != nil {
					return err
				}
			}
			n.ID = args[0]
			if file != "" {
				secret, err := p.ReadSecret("client secret", file)
				if err != nil {
					return err
				}
				n.Secret = secret
			}
			if keys != "" {
				set, err := p.readKeySet(keys)
				if err != nil {
					return err
				}
				n.Keys.JWKS = set
			}
			return p.With(cmd, local.Needs{Creates: true}, func(ctx context.Context, i *wiring.Instance) error {
				c, made, err := i.Directory.CreateClient(ctx, caller.Operator(), n, !public)
				if err != nil {
					return err
				}
				p.Say("client %s is created", c.ID)
				warnOfBasic(p.Database, c.ID, n.Secret)
				return p.print(adminapi.ClientOf(c, i.Now()), made)
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&n.Grants, "grant", nil, "a `GRANT` type that it may use; can be repeated")
	f.StringSliceVar(&n.Scopes, "scope", nil, "a `SCOPE` that its tokens may have; can be repeated")
	f.StringSliceVar(&n.Audiences, "audience", nil, "an `AUDIENCE` that it may ask for; can be repeated")
	f.StringVar(&n.Name, "name", "", "the `NAME` that people see when the client asks for access")
	f.StringSliceVar(&n.RedirectURIs, "redirect-uri", nil, "a `URI` that people may be sent back to with a code; can be repeated")
	f.StringSliceVar(&n.ExchangeFrom, "exchange-from", nil, "another client's `ID`, whose tokens it may exchange besides its own; can be repeated")
	f.StringVar(&keys, "jwks", "", "read the client's public keys, a JWK Set, from this `FILE`, - for standard input")
	f.StringVar(&n.Keys.URI, "jwks-uri", "", "the `URL` at which the client publishes its JWK Set")
	f.BoolVar(&public, "public", false, "create a client without a secret")
	clientSecretFlag(cmd, &file)
	cli.Exclusive(cmd, "public", "secret-file", "jwks", "jwks-uri")
	cli.FlagValues(cmd, "grant", identity.GrantTypes()...)
	p.FlagAbout(cmd, "scope", local.NounScope)
	p.FlagAbout(cmd, "exchange-from", local.NounClient)
	return cmd
}

// readKeySet reads a JWK Set from a file, or from standard input.
func (p clients) readKeySet(file string) (string, error) {
	in, err := p.Open(file)
	if err != nil {
		return "", fmt.Errorf("reading the JWK Set: %w", err)
	}
	set, err := secretfile.Read(in)
	if err != nil {
		return "", fmt.Errorf("reading the JWK Set: %w", err)
	}
	return strings.TrimSpace(string(set)), nil
}

func clientSecretFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "secret-file", "", "read the secret from this `FILE`, - for standard input, instead of creating one")
}

// warnOfBasic says where a client's id or the secret given for it can't be sent by every
// client.
func warnOfBasic(p *local.Database, id string, given token.Secret) {
	if warning := identity.BasicWarning(id, given.Reveal()); warning != "" {
		p.Say("client %s: %s", id, warning)
	}
}

// print prints a secret that was made, alone, or the client as JSON.
func (p clients) print(out adminapi.Client, made token.Secret) error {
	out.Secret = made.Reveal()
	return p.Show(out, func(w io.Writer) {
		if out.Secret != "" {
			_, _ = fmt.Fprintln(w, out.Secret)
		}
	})
}

func (p clients) secret() *cobra.Command {
	var file string
	var overlap time.Duration
	x := identity.Rotation{}
	cmd := p.About(local.NounClient, &cobra.Command{
		Use:   "secret CLIENT",
		Short: "Create a new client secret",
		Long: `Create a new secret for an OAuth client and print it to standard output, only
once. With --overlap the old secret works beside it until that has passed; without,
it stops working at once. A client has two secrets at most: a rotation during an
overlap ends the older of the two at once.

What was issued to the client stays valid. With --revoke all of it is revoked, as
after a leak.`,
		Example: `  SECRET=$(bearerd client secret ci --overlap 24h)
  bearerd client secret ci --revoke`,
		Args: cli.Takes("CLIENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			x.ID, x.Overlap = args[0], int64(overlap/time.Second)
			if overlap < 0 || overlap%time.Second != 0 {
				return fmt.Errorf("--overlap is a whole number of seconds, such as 24h, and not %s", overlap)
			}
			if file != "" {
				var err error
				if x.Secret, err = p.ReadSecret("client secret", file); err != nil {
					return err
				}
			}
			return p.With(cmd, local.Needs{Waits: true}, func(ctx context.Context, i *wiring.Instance) error { return p.rotate(ctx, i, x) })
		},
	})
	cli.DurationFlag(cmd, &overlap, "overlap", "let the old secret work beside the new one for this `TIME`, 90 days at most")
	cmd.Flags().BoolVar(&x.Revoke, "revoke", false, "revoke what was issued to the client")
	clientSecretFlag(cmd, &file)
	local.WaitFlag(cmd)
	return cmd
}

func (p clients) rotate(ctx context.Context, i *wiring.Instance, x identity.Rotation) error {
	secret, c, err := i.Directory.RotateSecret(ctx, caller.Operator(), x)
	if err != nil {
		return err
	}
	out := adminapi.ClientOf(c, i.Now())
	old, issued := "the old one no longer works", "what was issued to it stays valid"
	if out.OldSecretUntil != nil {
		old = "the old one works until " + out.OldSecretUntil.Format(time.RFC3339)
	}
	if x.Revoke {
		issued = "what was issued to it is revoked"
	}
	p.Say("client %s has a new secret; %s; %s", c.ID, old, issued)
	warnOfBasic(p.Database, c.ID, x.Secret)
	if x.Secret != "" {
		secret = "" // it was given, and is not shown
	}
	return p.print(out, secret)
}

func (p clients) delete() *cobra.Command {
	return p.Revokes(p.About(local.NounClient, &cobra.Command{
		Use:   "delete CLIENT",
		Short: "Delete an OAuth client, and revoke its tokens",
		Args:  cli.Takes("CLIENT"),
	}), "client %s is deleted, and its tokens are revoked; %s", func(i *wiring.Instance) local.Operation { return i.Directory.RemoveClient })
}

package tokens

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/wiring"
)

func (p commands) issueCommand() *cobra.Command {
	var n wanted
	cmd := p.About(local.NounUser, &cobra.Command{
		Use:   "issue USER",
		Short: "Issue an access token for a user",
		Long: `Issue an access token for a user, under the same rules as when the user requests it.
It is printed to standard output, only once.`,
		Example: `  TOKEN=$(bearerd token issue spadmin --collection 4)
  bearerd token issue spadmin --scope "read write" --expires-in 5m`,
		Args: cli.Takes("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := n.request(cmd, token.KindAccess)
			if err != nil {
				return err
			}
			return p.With(cmd, local.Needs{}, func(ctx context.Context, i *wiring.Instance) error {
				return p.issue(ctx, i, args[0], r)
			})
		},
	})
	n.flags(cmd)
	p.nounFlags(cmd)
	return cmd
}

// wanted is the token that is asked for.
type wanted struct {
	scope, expires string
	collection     int64
	networks       []string
}

func (n *wanted) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&n.scope, "scope", "", "the `SCOPE`, names separated by spaces")
	f.Int64Var(&n.collection, "collection", 0, "the `ID` of the collection to limit it to")
	f.StringSliceVar(&n.networks, "network", nil, "a `NETWORK` that it may be used from, such as 192.0.2.0/24 (may be repeated)")
	f.StringVar(&n.expires, "expires-in", "", "its lifetime: `SECONDS`, or a duration such as 5m or 30d")
}

// nounFlags completes the values of these flags.
func (p commands) nounFlags(cmd *cobra.Command) {
	p.FlagAbout(cmd, "scope", local.NounScope)
	p.FlagAbout(cmd, "collection", local.NounCollection)
}

func (n *wanted) request(cmd *cobra.Command, kind token.Kind) (*issuance.Request, error) {
	r := &issuance.Request{Kind: kind}
	var err error
	if cmd.Flags().Changed("expires-in") {
		if r.Lifetime, err = parseLifetime(n.expires); err != nil {
			return nil, err
		}
	}
	if r.Scope, err = identity.ParseScope(n.scope); err != nil {
		return nil, fmt.Errorf("--scope: %w", err)
	}
	if cmd.Flags().Changed("network") {
		if r.Networks, err = networks.Parse(n.networks); err != nil {
			return nil, fmt.Errorf("--network: %w", err)
		}
	}
	if cmd.Flags().Changed("collection") {
		r.Collection = &n.collection
	}
	return r, nil
}

// issuedJSON is a new token with its value, which is shown only here.
type issuedJSON struct {
	ID         string   `json:"id"`
	Token      string   `json:"token"`
	Kind       string   `json:"kind"`
	Scope      []string `json:"scope"`
	Collection *int64   `json:"collection"`
	Networks   []string `json:"networks"`
	ExpiresIn  *int64   `json:"expires_in"` // seconds; null: never
}

func (p commands) issue(ctx context.Context, i *wiring.Instance, ref string, r *issuance.Request) error {
	issued, err := i.Issuance.IssueFor(ctx, caller.Operator(), ref, r)
	if err != nil {
		return err
	}
	out := issuedJSON{
		ID: issued.ID, Token: issued.Value.Reveal(), Kind: issued.Kind.String(),
		Scope: cli.NonNil(issued.Scope), Collection: issued.Collection, Networks: issued.Networks.Strings(),
	}
	until := "it never expires"
	if issued.Lifetime > 0 {
		out.ExpiresIn = &issued.Lifetime
		until = "it expires at " + cli.TimeText(issued.Expiry)
	}
	p.Say("token %s for %s; %s", issued.ID, ref, until)
	return p.Show(out, func(w io.Writer) { _, _ = fmt.Fprintln(w, out.Token) })
}

func (p commands) createCommand() *cobra.Command {
	var n wanted
	var name, description string
	cmd := p.About(local.NounUser, &cobra.Command{
		Use:   "create USER --name NAME",
		Short: "Create an API token for a user",
		Long: `Create an API token for a user: an opaque token that is valid until it is revoked or
expires. It is printed to standard output, only once.`,
		Example: `  bearerd token create spadmin --name "nightly export" --scope read --expires-in 720h`,
		Args:    cli.Takes("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := n.request(cmd, token.KindAPIToken)
			if err != nil {
				return err
			}
			r.Name, r.Description = name, description
			if err := records.ValidateDescription(description); err != nil {
				return err
			}
			return p.With(cmd, local.Needs{}, func(ctx context.Context, i *wiring.Instance) error {
				return p.issue(ctx, i, args[0], r)
			})
		},
	})
	n.flags(cmd)
	p.nounFlags(cmd)
	cmd.Flags().StringVar(&name, "name", "", "the token's `NAME`, shown to its owner")
	cmd.Flags().StringVar(&description, "description", "", "what the token is for, as `TEXT`")
	cli.Require(cmd, "name")
	return cmd
}

package tokens

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/decision"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/wiring"
)

// asked is what a token is checked for.
type asked struct {
	audience, scope, action, path, from string
	collection                          int64
}

func (a *asked) demand(cmd *cobra.Command) (d verification.Requirements, err error) {
	d.Audience = a.audience
	if d.Scope, err = identity.ParseScope(a.scope); err != nil {
		return d, err
	}
	if a.from != "" {
		if d.From, err = netip.ParseAddr(a.from); err != nil {
			return d, fmt.Errorf("--from: %w", err)
		}
	}
	if cmd.Flags().Changed("collection") {
		d.Collection = &a.collection
	}
	if a.action == "" {
		return d, nil
	}
	if d.Action, err = access.ParseAction(a.action); err != nil {
		return d, err
	}
	d.Path, err = access.ParsePath(a.path)
	return d, err
}

func (p commands) explainCommand() *cobra.Command {
	var a asked
	var file string
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Show why a token is accepted or refused, check by check",
		Long: `Run every check on a token, in the order that the server uses, and show each result:
the check that failed, who revoked the token and when, and the bindings that decide
access. The exit code is 0 when the token is accepted, and 3 when it is refused.`,
		Example: `  bearerd token explain < token.txt
  bearerd token explain --collection 4 --scope read --from 192.0.2.7`,
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.demand(cmd)
			if err != nil {
				return err
			}
			value, err := p.ReadToken(file)
			if err != nil {
				return err
			}
			return p.With(cmd, local.Needs{Judges: true}, func(ctx context.Context, i *wiring.Instance) error {
				x, err := i.Explainer.ExplainToken(ctx, caller.Operator(), value.Reveal(), d)
				if err != nil {
					return err
				}
				return decision.Show(ctx, p.Database, i, x)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.audience, "audience", "", "the required `AUDIENCE`, instead of the default one")
	f.StringVar(&a.scope, "scope", "", "the required `SCOPE`")
	f.Int64Var(&a.collection, "collection", 0, "the `ID` of the required collection")
	f.StringVar(&a.from, "from", "", "the IP `ADDRESS` that it is used from; without it a token that is limited to networks is refused")
	f.StringVar(&a.action, "action", "", "the required `ACTION`")
	f.StringVar(&a.path, "path", "", "the `PATH` of the required action")
	cli.Together(cmd, "action", "path")
	fileFlag(cmd, &file)
	p.FlagAbout(cmd, "scope", local.NounScope)
	p.FlagAbout(cmd, "collection", local.NounCollection)
	return cmd
}

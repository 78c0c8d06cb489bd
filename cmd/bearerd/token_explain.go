package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/wiring"
)

// explanationJSON is an explanation in the format of the management API.
type explanationJSON struct {
	Allowed  bool              `json:"allowed"`
	Checks   []adminapi.Check  `json:"checks"`
	Bindings []grantJSON       `json:"bindings"`
	Token    *tokenJSON        `json:"token"`
	Revoked  *adminapi.Undoing `json:"revoked"`
	Seq      int64             `json:"seq"`
}

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

func (p tokens) explainCommand() *cobra.Command {
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
			value, err := p.ReadSecret("token", file)
			if err != nil {
				return err
			}
			return p.With(cmd, local.Needs{Judges: true}, func(ctx context.Context, i *wiring.Instance) error {
				x, err := i.Explainer.ExplainToken(ctx, caller.Operator(), value.Reveal(), d)
				if err != nil {
					return err
				}
				return showExplanation(ctx, p.Database, i, x)
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
	cmd.MarkFlagsRequiredTogether("action", "path")
	fileFlag(cmd, &file)
	p.FlagAbout(cmd, "scope", local.NounScope)
	p.FlagAbout(cmd, "collection", local.NounCollection)
	return cmd
}

func showExplanation(ctx context.Context, p *local.Database, i *wiring.Instance, x *explain.Explanation) error {
	out := explanationJSON{
		Allowed: x.Allowed, Checks: cli.Rendered(x.Checks, func(c verification.CheckResult) adminapi.Check { return adminapi.Check(c) }),
		Bindings: grantsOf(x.Grants), Token: tokenOf(x.Token), Revoked: adminapi.UndoingOf(x.Revoked), Seq: x.Seq,
	}
	by := ""
	if x.Revoked != nil {
		names, err := i.Directory.Usernames(ctx, caller.Operator(), []string{x.Revoked.By})
		if err != nil {
			return err
		}
		by = names[x.Revoked.By]
	}
	err := p.Show(out, func(w io.Writer) {
		rows := make([][]string, len(out.Checks))
		for n, c := range out.Checks {
			rows[n] = []string{c.Check, verdictOf(c), c.Detail}
		}
		cli.Table(w, "CHECK\tRESULT\tDETAIL", rows)
		if len(x.Grants) > 0 {
			_, _ = fmt.Fprintln(w)
			grantTable(w, x.Grants)
		}
		_, _ = fmt.Fprintln(w)
		if u := out.Revoked; u != nil {
			_, _ = fmt.Fprintln(w, cli.Printable(whoRevoked(u, by)))
		}
		_, _ = fmt.Fprintln(w, out.verdict())
	})
	if err == nil && !x.Allowed {
		return cli.ErrRefused
	}
	return err
}

func verdictOf(c adminapi.Check) string {
	switch {
	case c.OK == nil:
		return "-"
	case *c.OK:
		return "ok"
	}
	return "FAILED"
}

func (x explanationJSON) verdict() string {
	if x.Allowed {
		return "allowed"
	}
	return "refused"
}

// whoRevoked returns how the token was revoked; username is that of the one who did it.
func whoRevoked(u *adminapi.Undoing, username string) string {
	by := cmp.Or(username, u.By, "somebody unknown")
	if u.By == audit.ActorCLI {
		by = "the command line"
	}
	if u.Seq == 0 {
		return "revoked: " + u.Reason
	}
	at := ""
	if u.At != nil {
		at = " at " + cli.TimeText(*u.At)
	}
	return fmt.Sprintf("revoked by %s%s (%s): entry %d about the %s %s", by, at, cli.OrDash(u.Reason), u.Seq, u.What, u.ID)
}

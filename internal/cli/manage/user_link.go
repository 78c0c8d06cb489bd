package manage

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/wiring"
)

func (p users) link() *cobra.Command {
	return p.About(local.NounUser, &cobra.Command{
		Use:   "link USER SOURCE EXTERNAL_ID",
		Short: "Link a user to an account at a sign-in source",
		Long: `Link a user to the account that a sign-in source knows by EXTERNAL_ID. Anyone whom
the source identifies by that id signs in as the user from then on. A source that
isn't configured gets a warning; the link is stored.`,
		Args: cli.Takes("USER", "SOURCE", "EXTERNAL_ID"),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			link, err := i.Directory.LinkUser(ctx, caller.Operator(), args[0], args[1], args[2])
			if err != nil {
				return err
			}
			p.Say("user %s is linked to %s %s", args[0], link.Source, link.ExternalID)
			if err := p.warnOfSource(ctx, i, link.Source); err != nil {
				return err
			}
			return p.Show(adminapi.LinkOf(link), cli.Silent)
		}),
	})
}

// warnOfSource warns of a link to a source by which nobody can sign in: the link has no effect
// until the source is configured.
func (p users) warnOfSource(ctx context.Context, i *wiring.Instance, source string) error {
	known := i.Config.SignIn.LinkSources()
	if slices.Contains(known, source) || strings.HasPrefix(source, caller.SourceSCIM) {
		return nil
	}
	issuers, err := i.Store.Issuers(ctx)
	if err != nil {
		return err
	}
	for _, issuer := range issuers {
		if slices.ContainsFunc(issuer.Rules, func(r records.IssuerRule) bool { return r.Source == source }) {
			return nil
		}
	}
	others := ""
	if len(known) > 0 {
		others = ", only " + strings.Join(known, ", ")
	}
	p.Say("warning: no sign-in source %q is configured%s; the link has no effect until it is", source, others)
	return nil
}

func (p users) unlink() *cobra.Command {
	cmd := p.About(local.NounUser, &cobra.Command{
		Use:   "unlink USER SOURCE EXTERNAL_ID",
		Short: "Remove a link of a user, and end the sessions that began with it",
		Args:  cli.Takes("USER", "SOURCE", "EXTERNAL_ID"),
		RunE: p.OnDatabase(local.Needs{Waits: true}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			_, err := i.Directory.UnlinkUser(ctx, caller.Operator(), args[0], records.Link{Source: args[1], ExternalID: args[2]})
			if err != nil {
				return err
			}
			p.Say("user %s is no longer linked to %s %s", args[0], args[1], args[2])
			return nil
		}),
	})
	local.WaitFlag(cmd)
	return cmd
}

func (p users) passwordLink() *cobra.Command {
	return p.About(local.NounUser, &cobra.Command{
		Use:   "password-link USER",
		Short: "Create a link with which a user sets a password",
		Long: `Create a link with which a user sets a password, once, within 24 hours. A newer link
ends it. Send it by a way that nobody else reads: anyone who opens it can set the
password. What the user had before, tokens and sessions, is revoked then.`,
		Args: cli.Takes("USER"),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			link, err := i.Accounts.CreatePasswordLink(ctx, caller.Operator(), args[0])
			if err != nil {
				return err
			}
			out := struct {
				URL       string    `json:"url"`
				ExpiresAt time.Time `json:"expires_at"`
			}{link.URL(i.Config.Issuer), link.ExpiresAt.UTC().Truncate(time.Second)}
			p.Say("the link for user %s can be used once, until %s", link.Username, out.ExpiresAt.Format(time.RFC3339))
			return p.Show(out, func(w io.Writer) { _, _ = fmt.Fprintln(w, out.URL) })
		}),
	})
}

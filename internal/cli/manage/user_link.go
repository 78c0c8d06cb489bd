package manage

import (
	"context"
	"fmt"
	"io"
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
		Short: "Link a user to who they are for a sign-in source",
		Long: `Link a user to who they are for a sign-in source. Anyone whom the source vouches for
by that id signs in as the user from then on.`,
		Args: cli.Takes("USER", "SOURCE", "EXTERNAL_ID"),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			link, err := i.Directory.LinkUser(ctx, caller.Operator(), args[0], args[1], args[2])
			if err != nil {
				return err
			}
			p.Say("user %s is linked to %s %s", args[0], link.Source, link.ExternalID)
			return p.Show(adminapi.LinkOf(link), cli.Silent)
		}),
	})
}

func (p users) unlink() *cobra.Command {
	cmd := p.About(local.NounUser, &cobra.Command{
		Use:   "unlink USER SOURCE EXTERNAL_ID",
		Short: "Remove a link of a user, and end the sessions that began by it",
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

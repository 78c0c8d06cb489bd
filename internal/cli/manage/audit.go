package manage

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/wiring"
)

func auditCommand(p *local.Database) *cobra.Command {
	var f audit.Filter
	var since, until string
	limit := audit.DefaultLimit
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show the audit log, newest first",
		Long: `Show the audit log, newest first: who did what to what, from where, and the
outcome. "-" is nobody, "cli" this command line, and "system" bearerd itself.

Users are named as they were at the time, or as somebody typed it. --actor and
--target take a username in any spelling, or a subject id; --target finds the
sign-ins that were refused for that name too.

Equal refusals of one caller, or from one address, are recorded as one event per
minute with their number.`,
		Example: `  bearerd audit --since 24h --action token.revoke
  bearerd audit --target spadmin --output json
  bearerd audit --outcome refused --address 203.0.113.0/24`,
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.Since, err = p.Instant("since", since); err != nil {
				return err
			}
			if f.Until, err = p.Instant("until", until); err != nil {
				return err
			}
			if limit < 1 {
				return fmt.Errorf("--limit must be at least 1")
			}
			if err := cli.OneOf("action", f.Action, audit.Actions()); err != nil {
				return err
			}
			if err := cli.OneOf("outcome", f.Outcome, outcomes()); err != nil {
				return err
			}
			return p.With(cmd, local.Needs{}, func(ctx context.Context, i *wiring.Instance) error {
				var all []audit.Event
				for len(all) < limit {
					f.Limit = min(limit-len(all), audit.MaxLimit)
					page, err := i.Directory.AuditPage(ctx, caller.Operator(), f)
					if err != nil {
						return err
					}
					all = append(all, page.Events...)
					if page.Next == 0 {
						break
					}
					f.Cursor = page.Next
				}
				return showEvents(ctx, p, i, all)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Actor, "actor", "", "only what this `USER` or client did")
	flags.StringVar(&f.Target, "target", "", "only what was done to this `USER`, client, key or role")
	flags.StringVar(&f.Action, "action", "", "only this `ACTION`, such as token.revoke")
	flags.StringVar(&f.TokenID, "token", "", "only what is about the token with this `ID`")
	flags.StringVar(&f.Outcome, "outcome", "", "only what ended with this `OUTCOME`: ok or refused")
	flags.StringVar(&f.Address, "address", "", "only what came from this `ADDRESS`, or a network such as 192.0.2.0/24")
	flags.StringVar(&since, "since", "", "only from this `TIME` on: such as 2026-05-04, or a duration ago such as 24h or 7d")
	flags.StringVar(&until, "until", "", "only before this `TIME`")
	flags.IntVar(&limit, "limit", limit, "at most `N` events")
	cli.FlagValues(cmd, "action", audit.Actions()...)
	cli.FlagValues(cmd, "outcome", outcomes()...)
	return cmd
}

func outcomes() []string { return []string{audit.OK, audit.Refused} }

func showEvents(ctx context.Context, p *local.Database, i *wiring.Instance, events []audit.Event) error {
	var subjects []string
	for _, e := range events {
		subjects = append(subjects, e.Actor, e.Target)
	}
	slices.Sort(subjects)
	names, err := i.Directory.Usernames(ctx, caller.Operator(), slices.Compact(subjects))
	if err != nil {
		return err
	}
	return p.Show(cli.Listed(events), func(w io.Writer) { eventTable(w, events, names) })
}

func eventTable(w io.Writer, all []audit.Event, names map[string]string) {
	named := func(name, subject string) string { return cmp.Or(name, names[subject], subject) }
	rows := make([][]string, len(all))
	for i, e := range all {
		outcome := e.Outcome
		if e.Count > 1 {
			outcome = fmt.Sprintf("%s %d times", e.Outcome, e.Count)
		}
		rows[i] = []string{e.At.Format(time.RFC3339), named(e.ActorName, e.Actor), e.Action, named(e.TargetName, e.Target), outcome, e.Address, e.Reason, e.TokenID}
	}
	cli.Table(w, "AT\tACTOR\tACTION\tTARGET\tOUTCOME\tFROM\tREASON\tTOKEN", rows)
}

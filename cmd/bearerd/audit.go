package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/caller"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/audit"
)

// eventJSON is an audit event as the management API shows it.
type eventJSON struct {
	ID         int64     `json:"id"`
	At         time.Time `json:"at"`
	Actor      string    `json:"actor"`
	Action     string    `json:"action"`
	Target     string    `json:"target"`
	TokenID    string    `json:"token_id"`
	Address    string    `json:"address"`
	RequestID  string    `json:"request_id"`
	Outcome    string    `json:"outcome"`
	Reason     string    `json:"reason"`
	ActorName  string    `json:"actor_name"`
	TargetName string    `json:"target_name"`
	Count      int64     `json:"count"`
}

func (p *program) auditCommand() *cobra.Command {
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
  bearerd audit --target spadmin --output json`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.Since, err = p.parseInstant("since", since); err != nil {
				return err
			}
			if f.Until, err = p.parseInstant("until", until); err != nil {
				return err
			}
			if limit < 1 {
				return fmt.Errorf("--limit must be at least 1")
			}
			return p.with(cmd, needs{}, func(ctx context.Context, i *instance) error {
				events, err := i.auditEvents(ctx, f, limit)
				if err != nil {
					return err
				}
				return p.showEvents(ctx, i, events)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Actor, "actor", "", "only what this `USER` or client did")
	flags.StringVar(&f.Target, "target", "", "only what was done to this `USER`, client, key or role")
	flags.StringVar(&f.Action, "action", "", "only this `ACTION`, such as token.revoke")
	flags.StringVar(&f.TokenID, "token", "", "only what is about the token with this `ID`")
	flags.StringVar(&since, "since", "", "only from this `TIME` on: RFC 3339, or a duration ago such as 24h")
	flags.StringVar(&until, "until", "", "only before this `TIME`")
	flags.IntVar(&limit, "limit", limit, "at most `N` events")
	return cmd
}

// parseInstant reads a time, or a duration before now.
func (p *program) parseInstant(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return p.now().Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("--%s: %q is neither a time, such as 2026-05-04T12:00:00Z, nor a duration, such as 24h", flag, s)
}

// auditEvents reads as many events as asked for, page by page.
func (i *instance) auditEvents(ctx context.Context, f audit.Filter, limit int) ([]audit.Event, error) {
	var all []audit.Event
	for len(all) < limit {
		f.Limit = min(limit-len(all), audit.MaxLimit)
		page, err := i.Directory.AuditEvents(ctx, caller.Operator(), f)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < f.Limit {
			break
		}
		f.Cursor = page[len(page)-1].ID
	}
	return all, nil
}

func (p *program) showEvents(ctx context.Context, i *instance, events []audit.Event) error {
	all := make([]eventJSON, len(events))
	var subjects []string
	for n, e := range events {
		all[n] = eventJSON{e.ID, e.At.UTC(), e.Actor, e.Action, e.Target, e.TokenID, e.Address, e.RequestID, e.Outcome, e.Reason, e.ActorName, e.TargetName, e.Count}
		subjects = append(subjects, e.Actor, e.Target)
	}
	slices.Sort(subjects)
	names, err := i.Directory.Usernames(ctx, caller.Operator(), slices.Compact(subjects))
	if err != nil {
		return err
	}
	return p.show(listed(all), func(w io.Writer) { eventTable(w, all, names) })
}

func eventTable(w io.Writer, all []eventJSON, names map[string]string) {
	named := func(name, subject string) string { return cmp.Or(name, names[subject], subject) }
	rows := make([][]string, len(all))
	for i, e := range all {
		outcome := e.Outcome
		if e.Count > 1 {
			outcome = fmt.Sprintf("%s %d times", e.Outcome, e.Count)
		}
		rows[i] = []string{e.At.Format(time.RFC3339), named(e.ActorName, e.Actor), e.Action, named(e.TargetName, e.Target), outcome, e.Address, e.Reason, e.TokenID}
	}
	table(w, "AT\tACTOR\tACTION\tTARGET\tOUTCOME\tFROM\tREASON\tTOKEN", rows)
}

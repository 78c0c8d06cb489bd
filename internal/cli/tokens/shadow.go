package tokens

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/wiring"
)

func shadow(p *local.Database) *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use:   "shadow",
		Short: "Show what report-only routes would have refused",
		Long: `Show what routes with "enforce: false" would have refused, by route, reason and
token: how often the application refused too (it answered 401 or 403) and how often
it didn't. Forward auth doesn't know what the application answered.

Servers add what they have seen every few seconds. What was seen last 30 days ago is
deleted.`,
		Example: `  bearerd shadow
  bearerd shadow --since 24h --output json`,
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := p.Instant("since", since)
			if err != nil {
				return err
			}
			return p.With(cmd, local.Needs{}, func(ctx context.Context, i *wiring.Instance) error { return showShadow(ctx, p, i, from) })
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "only what was seen from this `TIME` on: such as 2026-05-04, or a duration ago such as 24h or 7d")
	return cmd
}

func showShadow(ctx context.Context, p *local.Database, i *wiring.Instance, from time.Time) error {
	all := []adminapi.Shadow{}
	var rows [][]string
	for after := ""; ; {
		page, err := i.Shadow.List(ctx, caller.Operator(), after, 500)
		if err != nil {
			return err
		}
		for _, s := range page.Items {
			if s.LastAt.Before(from) {
				continue
			}
			example := ""
			if len(s.Examples) > 0 {
				example = fmt.Sprintf("%s %s", s.Examples[0].Method, s.Examples[0].Path)
			}
			all, rows = append(all, adminapi.ShadowOf(s)), append(rows, []string{
				s.Route, s.Reason, s.TokenID, strconv.FormatInt(s.Count, 10), strconv.FormatInt(s.Agreed, 10), strconv.FormatInt(s.Disagreed, 10),
				cli.TimeText(s.LastAt), example,
			})
		}
		if after = page.Next; after == "" {
			break
		}
	}
	return p.Show(cli.Listed(all), func(w io.Writer) { cli.Table(w, "ROUTE\tREASON\tTOKEN\tCOUNT\tAGREED\tDISAGREED\tLAST\tEXAMPLE", rows) })
}

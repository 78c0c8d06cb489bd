package tokens

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/wiring"
)

func (p commands) usesCommand() *cobra.Command {
	return p.About(local.NounToken, &cobra.Command{
		Use:   "uses ID",
		Short: "Show what a stored token was used for",
		Long: `Show what an API token, an API key or a connected application was used for
within the last 90 days, with what was made from it, and which scopes nothing
asked for. ID is the token's id, as "bearerd token list" shows it. Uses of the
last minute may be missing.`,
		Example: `  bearerd token uses 7c8de6f0-31d5-4f4b-a6c2-93a1b1b0f0a4`,
		Args:    cli.Takes("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.With(cmd, local.Needs{}, func(ctx context.Context, i *wiring.Instance) error {
				report, err := i.Usage.Of(ctx, caller.Operator(), args[0])
				if err != nil {
					return err
				}
				out := adminapi.UsesOf(report)
				return p.Show(out, func(w io.Writer) {
					rows := make([][]string, len(out.Items))
					for n, u := range out.Items {
						rows[n] = []string{
							u.Route, u.Methods, cli.OrDash(u.Scope), cli.OrDash(collectionText(u.Collection)), strconv.FormatInt(u.Count, 10),
							cli.TimeText(*u.FirstAt), cli.TimeText(*u.LastAt),
						}
					}
					cli.Table(w, "ROUTE\tMETHODS\tSCOPE\tCOLLECTION\tCOUNT\tFIRST\tLAST", rows)
					_, _ = fmt.Fprintf(w, "\nnever asked for: %s\n", cli.OrDash(cli.Printable(strings.Join(report.Unused, " "))))
					if out.Unseen {
						_, _ = fmt.Fprintln(w, "it may have been used elsewhere too: others verify it, or tokens created from it")
					}
					if out.Unasked {
						_, _ = fmt.Fprintln(w, "some requests were allowed without asking for a scope: the application may check the scope itself")
					}
				})
			})
		},
	})
}

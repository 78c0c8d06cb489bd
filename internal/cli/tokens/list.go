package tokens

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/suggest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/wiring"
)

// storedJSON is a stored token as the management API lists it.
type storedJSON struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Kind       string     `json:"kind"`
	Username   string     `json:"username,omitempty"` // of its owner, where everybody's are listed
	Prefix     string     `json:"prefix"`
	Last4      string     `json:"last4"`
	Scope      []string   `json:"scope"`
	Collection *int64     `json:"collection"`
	Networks   []string   `json:"networks"`
	CreatedAt  *time.Time `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	LastUsedBy string     `json:"last_used_from"`
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
	Reason     string     `json:"reason"`
}

// kindsWithUses are the kinds of token whose uses are kept.
var kindsWithUses = []token.Kind{token.KindAPIToken, token.KindExchangeKey, token.KindGrant}

func storedOf(t records.StoredToken, username string) storedJSON {
	return storedJSON{
		ID: t.ID, Name: t.Name, Kind: t.Kind.String(), Username: username, Prefix: t.Prefix, Last4: t.Last4, Scope: cli.NonNil(t.Scope),
		Collection: t.Collection, Networks: t.Networks.Strings(), CreatedAt: cli.TimeOf(t.CreatedAt), LastUsedAt: cli.TimeOf(t.LastUsedAt),
		LastUsedBy: t.LastUsedBy, ExpiresAt: cli.TimeOf(t.ExpiresAt), RevokedAt: cli.TimeOf(t.RevokedAt), Reason: t.Reason,
	}
}

// tokenFilter says which tokens are listed.
type tokenFilter struct {
	all       bool // of everybody
	kind      string
	expiring  string // how soon they end
	neverUsed bool
	scope     string
	unused    bool // with scopes that nothing asked for, which are shown alone
}

func (p commands) listCommand() *cobra.Command {
	var f tokenFilter
	cmd := p.About(local.NounUser, &cobra.Command{
		Use:   "list USER|--all",
		Short: "List the stored tokens of a user, or of all, newest first",
		Long: `List the stored tokens of a user, newest first: API tokens, API keys, refresh
tokens, sessions and connected applications (grants), including those that ended in
the last 90 days, with the reason. Access and task tokens are not stored.

With --all the tokens of everybody are listed, with their owners. --expiring,
--never-used, --unused-scopes and --scope leave those out that have ended, and of
everybody's tokens sessions and refresh tokens. With --expiring those that end
first come first.`,
		Example: `  bearerd token list spadmin
  bearerd token list --all --expiring 7d
  bearerd token list --all --never-used --scope write --output json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.all {
				return cli.Takes()(cmd, args)
			}
			return cli.Takes("USER")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := f.query(p.Now())
			if err != nil {
				return err
			}
			return p.With(cmd, local.Needs{}, func(ctx context.Context, i *wiring.Instance) error {
				if !f.all {
					u, err := i.Directory.User(ctx, caller.Operator(), args[0])
					if err != nil {
						return err
					}
					q.Owner = u.ID
				}
				return p.list(ctx, i, q, f.unused)
			})
		},
	})
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "list the tokens of everybody")
	flags.StringVar(&f.kind, "kind", "", "only this `KIND`: "+strings.Join(storedKinds(), ", "))
	flags.StringVar(&f.expiring, "expiring", "", "only those that end within this `TIME`, such as 7d or 12h")
	flags.BoolVar(&f.neverUsed, "never-used", false, "only those that were never used")
	flags.StringVar(&f.scope, "scope", "", "only those that have this `SCOPE`")
	flags.BoolVar(&f.unused, "unused-scopes", false, "only those with scopes that nothing asked for within 90 days, and these scopes alone")
	cli.FlagValues(cmd, "kind", storedKinds()...)
	p.FlagAbout(cmd, "scope", local.NounScope)
	return cmd
}

// query returns what the store is asked for.
func (f *tokenFilter) query(now time.Time) (records.TokenQuery, error) {
	q := records.TokenQuery{Limit: 500, NeverUsed: f.neverUsed, Scope: f.scope, Order: records.NewestFirst, Now: now}
	if f.unused || f.expiring != "" || f.neverUsed || f.scope != "" {
		q.State = records.ValidOnly
	}
	if f.kind != "" {
		k, known := token.ParseKind(f.kind)
		if !known {
			return q, hint.Add(fmt.Errorf("--kind: %q is not a kind of token", f.kind), "%s", suggest.Instead("kinds", f.kind, storedKinds(), false))
		}
		q.Kinds = []token.Kind{k}
	}
	if f.expiring != "" {
		within, err := cli.ParseDuration(f.expiring)
		if err != nil {
			return q, fmt.Errorf("--expiring: %w", err)
		}
		q.ExpiresBy, q.Order = now.Add(within), records.NaturalOrder
	}
	return q, nil
}

// list shows the tokens of a query.
func (p commands) list(ctx context.Context, i *wiring.Instance, q records.TokenQuery, unused bool) error {
	everybody := q.Owner == ""
	names := map[string]string{}
	all := []storedJSON{}
	var rows [][]string
	for {
		page, err := i.Tokens.TokenList(ctx, caller.Operator(), q)
		if err != nil {
			return err
		}
		for _, t := range page.Items {
			if unused {
				report, err := i.Usage.About(ctx, t)
				if err != nil {
					return err
				}
				if len(report.Unused) == 0 || !slices.Contains(kindsWithUses, t.Kind) {
					continue
				}
				t.Scope = report.Unused
			}
			if _, known := names[t.Owner]; everybody && !known {
				found, err := i.Directory.Usernames(ctx, caller.Operator(), []string{t.Owner})
				if err != nil {
					return err
				}
				names[t.Owner] = found[t.Owner]
			}
			row := p.row(t)
			if everybody {
				row = append([]string{names[t.Owner]}, row...)
			}
			all, rows = append(all, storedOf(t, names[t.Owner])), append(rows, row)
		}
		if q.After = page.Next; page.Next == "" {
			break
		}
	}
	header := "ID\tKIND\tNAME\tTOKEN\tSCOPE\tCOLLECTION\tCREATED\tLAST USED\tSTATE"
	if everybody {
		header = "USER\t" + header
	}
	return p.Show(cli.Listed(all), func(w io.Writer) { cli.Table(w, header, rows) })
}

func (p commands) row(t records.StoredToken) []string {
	state := "valid"
	if !t.ExpiresAt.IsZero() {
		state = "until " + cli.TimeText(t.ExpiresAt)
	}
	if at, reason, ended := t.End(p.Now()); ended {
		state = "ended " + cli.TimeText(at) + ": " + reason
	}
	value := ""
	if t.Last4 != "" { // another system's may have no prefix
		value = t.Prefix + "…" + t.Last4
	}
	return []string{
		t.ID, t.Kind.String(), t.Name, value, strings.Join(t.Scope, " "), collectionText(t.Collection),
		cli.TimeText(t.CreatedAt), cli.TimeText(t.LastUsedAt), state,
	}
}

// storedKinds returns the kinds of token that have a row.
func storedKinds() []string {
	var names []string
	for _, k := range []token.Kind{token.KindAPIToken, token.KindExchangeKey, token.KindRefresh, token.KindSession, token.KindGrant} {
		names = append(names, k.String())
	}
	return names
}

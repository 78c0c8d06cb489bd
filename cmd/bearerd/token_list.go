package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// storedJSON is a stored token as the management API lists it.
type storedJSON struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Kind       string     `json:"kind"`
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

func (p *program) tokenListCommand() *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "list USER",
		Short: "List the stored tokens of a user, newest first",
		Long: `List the stored tokens of a user, newest first: API tokens, API keys, refresh tokens
and sessions, including those that ended in the last 90 days, with the reason.
Access and task tokens are not stored.`,
		Args: takes("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := records.TokenQuery{Limit: 500}
			if kind != "" {
				k, known := token.ParseKind(kind)
				if !known {
					return fmt.Errorf("--kind: %q is not a kind of token", kind)
				}
				q.Kinds = []token.Kind{k}
			}
			return p.with(cmd, needs{}, func(ctx context.Context, i *instance) error {
				u, err := i.Directory.User(ctx, caller.Operator(), args[0])
				if err != nil {
					return err
				}
				q.Owner = u.ID
				all := []storedJSON{}
				var rows [][]string
				for {
					page, err := i.Tokens.TokenList(ctx, caller.Operator(), q)
					if err != nil {
						return err
					}
					for _, t := range page.Items {
						state := "lives"
						if !t.ExpiresAt.IsZero() {
							state = "until " + clock(t.ExpiresAt)
						}
						if at, reason, ended := t.End(p.now()); ended {
							state = "ended " + clock(at) + ": " + reason
						}
						value := ""
						if t.Prefix != "" {
							value = t.Prefix + "…" + t.Last4
						}
						all, rows = append(all, storedJSON{
							ID: t.ID, Name: t.Name, Kind: t.Kind.String(), Prefix: t.Prefix, Last4: t.Last4, Scope: nonNil(t.Scope),
							Collection: t.Collection, Networks: t.Networks.Strings(), CreatedAt: instantOf(t.CreatedAt), LastUsedAt: instantOf(t.LastUsedAt),
							LastUsedBy: t.LastUsedBy, ExpiresAt: instantOf(t.ExpiresAt), RevokedAt: instantOf(t.RevokedAt), Reason: t.Reason,
						}), append(rows, []string{
							t.ID, t.Kind.String(), t.Name, value, strings.Join(t.Scope, " "), collectionText(t.Collection),
							clock(t.CreatedAt), clock(t.LastUsedAt), state,
						})
					}
					if q.After = page.Next; page.Next == "" {
						break
					}
				}
				return p.show(listed(all), func(w io.Writer) {
					table(w, "ID\tKIND\tNAME\tTOKEN\tSCOPE\tCOLLECTION\tMADE\tLAST USED\tSTATE", rows)
				})
			})
		},
	}
	cmd.Flags().StringVar(&kind, "kind", "", "only this `KIND`: api-token, api-key, refresh-token or session")
	return cmd
}

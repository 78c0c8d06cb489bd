package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/verification"
)

// tokens are the commands about tokens.
type tokens struct{ *local.Database }

func (p tokens) commands() *cobra.Command {
	return cli.Group("token", "Issue, examine and revoke tokens",
		`Issue, examine and revoke tokens. The value of a token is never an argument,
where others could see it: bearerd prompts for it at a terminal, and otherwise
reads it from standard input or a file.`,
		p.issueCommand(), p.createCommand(), p.listCommand(), p.usesCommand(), p.importCommand(), p.exportCommand(), p.inspectCommand(),
		p.explainCommand(), p.revokeCommand())
}

func fileFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "file", "f", "", "read from this `FILE`, - for standard input")
}

// parseLifetime reads a lifetime in seconds, or as Go writes a duration.
func parseLifetime(s string) (int64, error) {
	if n, err := issuance.ParseLifetime(s); err == nil {
		return n, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d%time.Second != 0 {
		return 0, fmt.Errorf("--expires-in: %q is neither a number of seconds, such as 300, nor a duration in whole seconds, such as 5m", s)
	}
	return int64(d / time.Second), nil
}

func collectionText(id *int64) string {
	if id == nil {
		return ""
	}
	return strconv.FormatInt(*id, 10)
}

// tokenJSON is a token's facts as the management API shows them.
type tokenJSON struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind"`
	Name       string     `json:"name,omitempty"`
	Subject    string     `json:"sub"`
	Username   string     `json:"username,omitempty"`
	ClientID   string     `json:"client_id,omitempty"`
	Audience   []string   `json:"aud"`
	Scope      []string   `json:"scope"`
	Collection *int64     `json:"collection"`
	Networks   []string   `json:"networks,omitempty"`
	Chain      []string   `json:"chain"`
	Actors     []string   `json:"actors,omitempty"` // who acts for the subject, the current one first
	Seq        int64      `json:"seq"`
	KID        string     `json:"kid,omitempty"`
	IssuedAt   *time.Time `json:"issued_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
}

func tokenOf(t *verification.Token) *tokenJSON {
	if t == nil {
		return nil
	}
	return &tokenJSON{
		ID: t.ID, Kind: t.Kind.String(), Name: t.Name, Subject: t.Subject, Username: t.Username, ClientID: t.ClientID,
		Audience: cli.NonNil(t.Audience), Scope: cli.NonNil(t.Scope), Collection: t.Collection, Networks: t.Networks.Strings(), Chain: cli.NonNil(t.Chain), Actors: t.Actors, Seq: t.Seq,
		KID: t.KID, IssuedAt: cli.TimeOf(t.IssuedAt), ExpiresAt: cli.TimeOf(t.Expiry),
	}
}

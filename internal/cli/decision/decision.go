// Package decision shows a decision: its checks, the token and the bindings that it rests
// on, and who revoked the token.
package decision

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/wiring"
)

// explanation is an explanation in the format of the management API.
type explanation struct {
	Allowed  bool              `json:"allowed"`
	Checks   []adminapi.Check  `json:"checks"`
	Bindings []Grant           `json:"bindings"`
	Token    *Token            `json:"token"`
	Revoked  *adminapi.Undoing `json:"revoked"`
	Seq      int64             `json:"seq"`
}

// Show prints a decision, and returns cli.ErrRefused where it is a refusal.
func Show(ctx context.Context, p *local.Database, i *wiring.Instance, x *explain.Explanation) error {
	out := explanation{
		Allowed: x.Allowed, Checks: cli.Rendered(x.Checks, func(c verification.CheckResult) adminapi.Check { return adminapi.Check(c) }),
		Bindings: GrantsOf(x.Grants), Token: TokenOf(x.Token), Revoked: adminapi.UndoingOf(x.Revoked), Seq: x.Seq,
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
			GrantTable(w, x.Grants)
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

func (x explanation) verdict() string {
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

// Grant is one thing that a user may do, and the binding that it comes from.
type Grant struct {
	Action  string `json:"action"`
	Path    string `json:"path"`
	Via     string `json:"via"`
	Role    string `json:"role,omitempty"`
	Binding string `json:"binding"`
}

// GrantsOf returns what a user may do as JSON shows it.
func GrantsOf(grants []access.Grant) []Grant {
	return cli.Rendered(grants, func(g access.Grant) Grant { return Grant{g.Action, string(g.Path), g.Via, g.Role, g.Binding} })
}

// GrantTable writes what a user may do.
func GrantTable(w io.Writer, grants []access.Grant) {
	if len(grants) == 0 {
		_, _ = fmt.Fprintln(w, "no permissions")
		return
	}
	rows := make([][]string, len(grants))
	for i, g := range grants {
		rows[i] = []string{g.Action, string(g.Path), g.Via, g.Role, g.Binding}
	}
	cli.Table(w, "MAY\tAT\tVIA\tROLE\tBINDING", rows)
}

// Token is a token's facts as the management API shows them.
type Token struct {
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

// TokenOf returns a token as JSON shows it; nil for none.
func TokenOf(t *verification.Token) *Token {
	if t == nil {
		return nil
	}
	return &Token{
		ID: t.ID, Kind: t.Kind.String(), Name: t.Name, Subject: t.Subject, Username: t.Username, ClientID: t.ClientID,
		Audience: cli.NonNil(t.Audience), Scope: cli.NonNil(t.Scope), Collection: t.Collection, Networks: t.Networks.Strings(), Chain: cli.NonNil(t.Chain), Actors: t.Actors, Seq: t.Seq,
		KID: t.KID, IssuedAt: cli.TimeOf(t.IssuedAt), ExpiresAt: cli.TimeOf(t.Expiry),
	}
}

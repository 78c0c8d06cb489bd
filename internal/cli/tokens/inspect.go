package tokens

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/decision"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/wiring"
)

// inspection is what a token says. Token is set when it is genuine, Unverified when
// it isn't and can be read nevertheless.
type inspection struct {
	Verified   bool             `json:"verified"`
	Usable     bool             `json:"usable"`
	Reason     string           `json:"reason,omitempty"`
	Token      *decision.Token  `json:"token"`
	Unverified *unverifiedParts `json:"unverified,omitempty"`
}

// unverifiedParts are what a JWT claims without proof.
type unverifiedParts struct {
	Header  map[string]any `json:"header"`
	Payload map[string]any `json:"payload"`
}

func (p commands) inspectCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "inspect",
		Short: "Show what a token says, and whether that is verified",
		Long: `Show what a token says. Lines marked UNVERIFIED are proven neither by a signature
nor by the database: anybody could have written them.

For the reason why a token is refused, see "bearerd token explain".`,
		Example: `  bearerd token inspect < token.txt`,
		Args:    cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			value, err := p.ReadToken(file)
			if err != nil {
				return err
			}
			return p.With(cmd, local.Needs{Judges: true}, func(ctx context.Context, i *wiring.Instance) error {
				x, err := i.Explainer.ExplainToken(ctx, caller.Operator(), value.Reveal(), verification.Requirements{AnyAudience: true, AnyNetwork: true})
				if err != nil {
					return err
				}
				return p.showInspection(inspect(x, value))
			})
		},
	}
	fileFlag(cmd, &file)
	return cmd
}

func inspect(x *explain.Explanation, value token.Secret) inspection {
	in := inspection{Verified: x.Token != nil, Usable: x.Allowed, Token: decision.TokenOf(x.Token)}
	for _, c := range x.Checks {
		if c.OK != nil && !*c.OK {
			in.Reason = c.Detail
		}
	}
	if !in.Verified {
		in.Unverified = readUnverified(value.Reveal())
	}
	return in
}

func (p commands) showInspection(in inspection) error {
	return p.Show(in, func(w io.Writer) {
		switch {
		case in.Verified && in.Usable:
			_, _ = fmt.Fprintln(w, "VERIFIED: this is a token of ours, and can be used")
		case in.Verified:
			_, _ = fmt.Fprintf(w, "VERIFIED: this is a token of ours, but can't be used: %s\n", cli.Printable(in.Reason))
		default:
			_, _ = fmt.Fprintf(w, "NOT VERIFIED: %s\n", cli.Printable(in.Reason))
		}
		if in.Token != nil {
			_, _ = fmt.Fprintln(w)
			expires := "never"
			if in.Token.ExpiresAt != nil {
				expires = cli.TimeText(*in.Token.ExpiresAt)
			}
			issued := ""
			if in.Token.IssuedAt != nil {
				issued = cli.TimeText(*in.Token.IssuedAt)
			}
			cli.Fields(w,
				"id", in.Token.ID, "kind", in.Token.Kind, "name", in.Token.Name, "subject", in.Token.Subject, "username", in.Token.Username,
				"client", in.Token.ClientID, "audience", strings.Join(in.Token.Audience, " "), "scope", strings.Join(in.Token.Scope, " "),
				"collection", collectionText(in.Token.Collection), "networks", strings.Join(in.Token.Networks, " "), "created from", strings.Join(in.Token.Chain, " "), "actors", strings.Join(in.Token.Actors, " "),
				"issued", issued, "expires", expires, "decided as of", strconv.FormatInt(in.Token.Seq, 10), "signed by", in.Token.KID)
		}
		if u := in.Unverified; u != nil {
			_, _ = fmt.Fprintln(w, "\nUNVERIFIED, anybody could have written this:")
			showUnverified(w, "header", u.Header)
			showUnverified(w, "payload", u.Payload)
		}
	})
}

func showUnverified(w io.Writer, name string, part map[string]any) {
	text, err := json.MarshalIndent(part, "  ", "  ")
	if err != nil {
		return // it came from JSON
	}
	_, _ = fmt.Fprintf(w, "  %s %s\n", name, cli.Printable(string(text)))
}

// readUnverified reads the header and payload of what looks like a JWT; nil when
// it doesn't. It proves nothing and is for people to look at.
func readUnverified(raw string) *unverifiedParts {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || len(raw) > token.MaxBytes {
		return nil
	}
	var u unverifiedParts
	for n, to := range []*map[string]any{&u.Header, &u.Payload} {
		text, err := base64.RawURLEncoding.DecodeString(parts[n])
		if err != nil || !utf8.Valid(text) || json.Unmarshal(text, to) != nil || *to == nil {
			return nil
		}
	}
	return &u
}

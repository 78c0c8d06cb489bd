package tokens

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/wiring"
)

func (p commands) revokeCommand() *cobra.Command {
	var file string
	var skip bool
	cmd := p.About(local.NounToken, &cobra.Command{
		Use:   "revoke [ID…]",
		Short: "Revoke tokens, with every token that was created from them",
		Long: `Revoke tokens, with every token that was created from them. Name a token by its
public id or by its value; it may be expired. Ids can be arguments. Values are read
from a prompt, from standard input or from a file, and so can ids be: one per line.
Empty lines and lines that start with # are ignored.

Every line is checked before anything is changed; a line that is neither a token of
this server nor an id is an error. Then the tokens are revoked, 1,000 per
transaction. The command waits until every running server refuses them, unless
--wait=false.`,
		Example: `  bearerd token revoke 2f1c6a52-7a0e-4a1b-9f0c-5d0a6b1f3c11
  bearerd token revoke < token.txt
  bearerd token revoke --file leaked.txt`,
		RunE: p.OnDatabase(local.Needs{Waits: true}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			s := &search{commands: p, Instance: i, skip: skip}
			found, err := s.find(ctx, args, file)
			if err != nil {
				return err
			}
			// A thousand at a time. The servers are waited for once, for the last of them.
			var r revocation.Receipt
			for done := 0; done < len(found); done += revoking.MaxRevocations {
				batch := found[done:min(done+revoking.MaxRevocations, len(found))]
				last := done+len(batch) == len(found)
				by := caller.Operator()
				if !last {
					by = by.Waiting(revocation.WaitNone)
				}
				var err error
				if r, err = i.Revoker.RevokeTokens(ctx, by, batch); err != nil {
					if done > 0 {
						return hint.Add(err, "the first %d of %d are revoked; run it again, which is safe", done, len(found))
					}
					return err
				}
			}
			if len(found) == 1 {
				p.Say("token %s is revoked; %s", found[0].ID(), local.Reach(i, r))
			} else {
				p.Say("%d tokens are revoked; %s", len(found), local.Reach(i, r))
			}
			return p.Show(struct {
				local.Acknowledgement

				Tokens int `json:"tokens"`
			}{local.Acknowledged(r), len(found)}, cli.Silent)
		}),
	})
	fileFlag(cmd, &file)
	cmd.Flags().BoolVar(&skip, "skip-unknown", false, "skip lines that are not a token of this server, instead of stopping")
	local.WaitFlag(cmd)
	return cmd
}

// search finds tokens to revoke, before any is.
type search struct {
	commands
	*wiring.Instance

	skip    bool
	ids     []string // that are yet to be looked up, together
	found   []revoking.Revocable
	unknown []string // the lines that are no token: "12"
}

// find finds every token that the arguments or the input name.
func (s *search) find(ctx context.Context, args []string, file string) ([]revoking.Revocable, error) {
	switch {
	case len(args) > 0 && file != "":
		return nil, errors.New("name tokens by arguments or by --file, not both")
	case len(args) > 0:
		for n, id := range args {
			if known, err := uuid.Parse(id); err != nil || len(id) != len(known.String()) {
				return nil, hint.Add(fmt.Errorf("argument %d is not an id", n+1),
					"\"bearerd token list --all\" shows the ids; a token's value can't be an argument, where others could see it: use standard input or --file")
			}
			r, err := s.Revoker.FindRevocable(ctx, caller.Operator(), id)
			if err != nil {
				return nil, err
			}
			s.found = append(s.found, r)
		}
		return s.found, nil
	case file == "" && s.Interactive():
		value, err := s.Prompt("token or id")
		if err != nil {
			return nil, err
		}
		return s.lines(ctx, "the terminal", strings.NewReader(value.Reveal()))
	}
	in, err := s.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	if file == "" || file == "-" {
		file = "standard input"
	}
	return s.lines(ctx, file, in)
}

func (s *search) lines(ctx context.Context, name string, in io.Reader) ([]revoking.Revocable, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, token.MaxBytes+2)
	number := 0
	for lines.Scan() {
		number++
		ref := cli.BareToken(lines.Text())
		if ref == "" || ref[0] == '#' {
			continue
		}
		if id, err := uuid.Parse(ref); err == nil && !s.Forms.Opaque(ref) {
			if err := s.id(ctx, id.String()); err != nil {
				return nil, fmt.Errorf("%s, line %d: %w", name, number, err)
			}
			continue
		}
		r, err := s.Revoker.FindRevocable(ctx, caller.Operator(), ref)
		switch {
		case fault.Is(err, fault.InvalidToken):
			s.unknown = append(s.unknown, strconv.Itoa(number))
		case err != nil:
			return nil, fmt.Errorf("%s, line %d: %w", name, number, err)
		default:
			s.found = append(s.found, r)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s, line %d: %w", name, number+1, err)
	}
	if err := s.lookUp(ctx); err != nil {
		return nil, fmt.Errorf("%s, line %d: %w", name, number, err)
	}
	return s.found, s.complete(name)
}

// id finds the token of an id, with others in one question: a file may name very many.
func (s *search) id(ctx context.Context, id string) error {
	if s.ids = append(s.ids, id); len(s.ids) < revoking.MaxRevocations {
		return nil
	}
	return s.lookUp(ctx)
}

func (s *search) lookUp(ctx context.Context) error {
	if len(s.ids) == 0 {
		return nil
	}
	found, err := s.Revoker.FindRevocableIDs(ctx, caller.Operator(), s.ids)
	s.found, s.ids = append(s.found, found...), s.ids[:0]
	return err
}

// complete returns an error about the lines that are no tokens.
func (s *search) complete(name string) error {
	switch {
	case len(s.unknown) == 0 && len(s.found) == 0:
		return fmt.Errorf("%s names no token", name)
	case len(s.unknown) == 0:
		return nil
	}
	const most = 20
	where := strings.Join(s.unknown[:min(len(s.unknown), most)], ", ")
	if len(s.unknown) > most {
		where += ", …"
	}
	what := fmt.Sprintf("%s: no token of ours and no id on line %s", name, where)
	if len(s.unknown) > 1 {
		what = fmt.Sprintf("%s: no tokens of ours and no ids on %d lines: %s", name, len(s.unknown), where)
	}
	switch {
	case s.skip && len(s.found) > 0:
		s.Say("%s", what)
		return nil
	case len(s.found) == 0:
		return errors.New(what)
	}
	return hint.Add(errors.New(what), "nothing was revoked; --skip-unknown revokes the others")
}

func revokeAll(p *local.Database) *cobra.Command {
	return p.Revokes(p.About(local.NounUser, &cobra.Command{
		Use:   "revoke-all USER",
		Short: "Revoke every token and session of a user",
		Long: `Revoke every token and session of a user that was issued until now. The user can
sign in again at once; to prevent that, see "bearerd user disable".`,
		Args: cli.Takes("USER"),
	}), "every token and session of %s is revoked; %s", func(i *wiring.Instance) local.Operation { return i.Revoker.RevokeAllOf })
}

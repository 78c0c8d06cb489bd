// Package remote has the commands that use a server on another machine, with a token that
// they got there.
package remote

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/login"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/suggest"
)

// loginJSON is a login as it is shown: without its tokens.
type loginJSON struct {
	Issuer    string     `json:"issuer"`
	Username  string     `json:"username"`
	Scope     []string   `json:"scope"`
	ExpiresAt *time.Time `json:"expires_at"`
	Refreshes bool       `json:"refreshes"` // a token that ended is replaced
}

func loginOf(l login.Login) loginJSON {
	return loginJSON{l.Issuer, l.Username, cli.NonNil(strings.Fields(l.Scope)), cli.TimeOf(l.ExpiresAt), l.Refresh != ""}
}

// commands are the commands that use a server on another machine.
type commands struct{ *cli.Program }

// Commands returns the commands that use a server on another machine.
func Commands(p *cli.Program) []*cobra.Command {
	c := commands{p}
	return []*cobra.Command{c.loginCommand(), c.apiCommand(), c.logoutCommand()}
}

func (p commands) loginCommand() *cobra.Command {
	var clientID, scope, caFile string
	var withToken bool
	cmd := &cobra.Command{
		Use:   "login ISSUER",
		Short: "Log in at a server, for \"bearerd api\"",
		Long: `Log in at a server on another machine: bearerd prints an address and a code, you
sign in there and allow it, and it gets a token that acts as you. "bearerd api" uses
it and replaces it when it expires; "bearerd logout" revokes it. It is stored in a
file that only you may read, in your folder for settings (on Linux
~/.config/bearerd/logins).

The token can do what its scope says: without --scope no more than any token without
scopes. The scope credentials lets it create and manage your tokens, admin lets an
administrator use the management API.

With --with-token an API token that you have is stored instead, which is read from
standard input or asked for.`,
		Example: `  bearerd login https://auth.example.org --scope "read credentials"
  bearerd login https://auth.example.org --with-token < token.txt`,
		Args: cli.Takes("ISSUER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.connect(cmd.Context(), args[0], caFile)
			if err != nil {
				return err
			}
			var l login.Login
			if withToken {
				l, err = p.loginWithToken(s, caFile)
			} else {
				l, err = p.loginByDevice(cmd.Context(), s, clientID, scope)
			}
			if err != nil {
				return err
			}
			return p.keepLogin(cmd.Context(), s, l)
		},
	}
	f := cmd.Flags()
	f.StringVar(&scope, "scope", "", "the `SCOPE` of the token, names separated by spaces")
	f.StringVar(&clientID, "client-id", login.ClientID, "log in with the OAuth client of this `ID`, a public one with the device grant")
	f.StringVar(&caFile, "ca-file", "", "the `FILE` of the authorities that the server's certificate may be of, instead of the system's")
	f.BoolVar(&withToken, "with-token", false, "store a token that is read from standard input")
	cli.Exclusive(cmd, "with-token", "scope")
	cli.Exclusive(cmd, "with-token", "client-id")
	return cmd
}

// connect finds out about a server.
func (p commands) connect(ctx context.Context, issuer, caFile string) (*login.Server, error) {
	s, err := login.Connect(ctx, login.Server{Issuer: issuer, Now: p.Now, Sleep: cli.Sleep}, caFile)
	if err != nil {
		return nil, hint.Add(err, "name the issuer's URL, such as https://auth.example.org; for a certificate of your own authority see --ca-file of \"bearerd login\"")
	}
	return s, nil
}

func (p commands) loginWithToken(s *login.Server, caFile string) (login.Login, error) {
	value, err := p.ReadToken("")
	if err != nil {
		return login.Login{}, err
	}
	return login.Login{Issuer: s.Issuer, Token: value.Reveal(), CAFile: caFile}, nil
}

func (p commands) loginByDevice(ctx context.Context, s *login.Server, clientID, scope string) (login.Login, error) {
	names := strings.Fields(scope)
	d, err := s.Begin(ctx, clientID, strings.Join(append(names, identity.ScopeOfflineAccess), " "))
	if refusal, ok := errors.AsType[*login.Error](err); ok {
		switch refusal.Code {
		case "invalid_client", "unauthorized_client":
			return login.Login{}, hint.Add(err, "an administrator can allow this kind of login: bearerd client create %s --public --grant %s; or use --with-token",
				clientID, strings.Join(login.Grants(), " --grant "))
		case "invalid_scope":
			return login.Login{}, hint.Add(err, "the scopes that you can have are on the page %s/auth/tokens", s.Issuer)
		}
	}
	if err != nil {
		return login.Login{}, err
	}
	p.Say("open %s", cmp.Or(d.Link, d.Page))
	p.Say("and see whether it shows the code %s", d.UserCode)
	l, err := s.Wait(ctx, d)
	if refusal, ok := errors.AsType[*login.Error](err); ok {
		switch refusal.Code {
		case "access_denied":
			return l, fmt.Errorf("you are not logged in: it was denied on that page (%w)", err)
		case "expired_token":
			return l, hint.Add(err, "run this again, and allow it within ten minutes")
		}
	}
	return l, err
}

// keepLogin asks whose token it is, and stores it.
func (p commands) keepLogin(ctx context.Context, s *login.Server, l login.Login) error {
	resp, err := s.Do(ctx, l, login.Call{Method: http.MethodGet, Path: "me"})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var me struct {
		Username string `json:"username"`
	}
	switch resp.StatusCode {
	case http.StatusOK:
		if err := json.NewDecoder(io.LimitReader(resp.Body, secretfile.MaxBytes)).Decode(&me); err != nil {
			return fmt.Errorf("asking who you are: %w", err)
		}
	case http.StatusUnauthorized:
		return fmt.Errorf("%s refuses this token", s.Issuer)
	}
	l.Username = me.Username
	folder, err := p.logins()
	if err != nil {
		return err
	}
	if err := folder.Save(l); err != nil {
		return fmt.Errorf("storing the login: %w", err)
	}
	p.Say("logged in at %s as %s", l.Issuer, cmp.Or(l.Username, "somebody whose name this token doesn't show"))
	return p.Show(loginOf(l), cli.Silent)
}

// logins returns where logins are kept.
func (p commands) logins() (login.Folder, error) {
	folder, err := login.UserFolder()
	if err != nil {
		return "", hint.Add(err, "set HOME, or XDG_CONFIG_HOME")
	}
	return folder, nil
}

// loggedIn returns the login of an issuer; without one, the only login that there is.
func (p commands) loggedIn(issuer string) (login.Folder, login.Login, error) {
	folder, err := p.logins()
	if err != nil {
		return "", login.Login{}, err
	}
	all, err := folder.Issuers()
	if err != nil {
		return "", login.Login{}, err
	}
	issuer = strings.TrimSuffix(issuer, "/")
	switch {
	case issuer == "" && len(all) == 0:
		return "", login.Login{}, hint.Add(login.ErrNone, "bearerd login ISSUER")
	case issuer == "" && len(all) > 1:
		return "", login.Login{}, hint.Add(errors.New("you are logged in at several servers"), "say which one: %s", strings.Join(all, ", "))
	case issuer == "":
		issuer = all[0]
	}
	l, err := folder.Load(issuer)
	if errors.Is(err, login.ErrNone) {
		text := "bearerd login " + issuer
		if len(all) > 0 {
			text = suggest.Instead("logins", issuer, all, false)
		}
		return "", l, hint.Add(fmt.Errorf("%w at %s", err, issuer), "%s", text)
	}
	return folder, l, err
}

func (p commands) logoutCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "logout [ISSUER]",
		Short: "Revoke the token of a login, and forget it",
		Long: `Revoke the token of a login, with every token that was issued for it, and forget it.
ISSUER may be left out if there is one login.`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return p.issuersLoggedIn(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, l, err := p.loggedIn(strings.Join(args, ""))
			if err != nil {
				return err
			}
			if err := p.revokeLogin(cmd.Context(), l); err != nil && !force {
				return hint.Add(fmt.Errorf("the token is not revoked, and the login is kept: %w", err),
					"try again; --force forgets it, and the token stays valid: revoke it at %s/auth/tokens", l.Issuer)
			}
			if err := folder.Remove(l.Issuer); err != nil {
				return err
			}
			p.Say("logged out at %s", l.Issuer)
			return p.Show(map[string]string{"issuer": l.Issuer}, cli.Silent)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "forget the login although its token can't be revoked")
	return cmd
}

func (p commands) revokeLogin(ctx context.Context, l login.Login) error {
	s, err := p.connect(ctx, l.Issuer, l.CAFile)
	if err != nil {
		return err
	}
	return s.Revoke(ctx, l)
}

// issuersLoggedIn completes the name of an issuer.
func (p commands) issuersLoggedIn() []string {
	folder, err := login.UserFolder()
	if err != nil {
		return nil
	}
	all, err := folder.Issuers()
	if err != nil {
		return nil
	}
	return all
}

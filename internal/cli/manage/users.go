package manage

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/decision"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/wiring"
)

func stateOf(u identity.User) string {
	if u.Disabled {
		return "disabled"
	}
	return "enabled"
}

// users are the commands about users.
type users struct{ *local.Database }

func (p users) group() *cobra.Command {
	return cli.Group("user", "List, create, change and delete users",
		`List, create, change and delete users. USER is a username, in any spelling, or a
subject id.

For many users at once see "bearerd apply".`,
		p.list(), p.show(), p.create(), p.rename(), p.password(),
		p.passwordLink(), p.link(), p.unlink(),
		p.disable(), p.enable(), p.unlock(), p.delete(), p.access())
}

func (p users) list() *cobra.Command {
	var search string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List users by username",
		Args:  cli.Takes(),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, _ []string) error {
			var all []identity.User
			for q := (records.UserQuery{Search: search, Limit: 500}); ; {
				page, err := i.Directory.UserList(ctx, caller.Operator(), q)
				if err != nil {
					return err
				}
				all = append(all, page.Items...)
				if q.After = page.Next; page.Next == "" {
					break
				}
			}
			return p.Show(cli.Listed(cli.Rendered(all, adminapi.UserOf)), func(w io.Writer) {
				rows := make([][]string, len(all))
				for i, u := range all {
					rows[i] = []string{u.Username, stateOf(u), u.Name, u.Email, strings.Join(u.Groups, ","), u.Owner, u.ID}
				}
				cli.Table(w, "USERNAME\tSTATE\tNAME\tEMAIL\tGROUPS\tOWNER\tID", rows)
			})
		}),
	}
	cmd.Flags().StringVar(&search, "search", "", "only those whose username, name or email contains this `TEXT`")
	return cmd
}

func (p users) show() *cobra.Command {
	return p.About(local.NounUser, &cobra.Command{
		Use:   "show USER",
		Short: "Show one user and what they may do",
		Args:  cli.Takes("USER"),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			u, err := i.Directory.User(ctx, caller.Operator(), args[0])
			if err != nil {
				return err
			}
			grants, err := i.Directory.UserAccess(ctx, caller.Operator(), u.ID)
			if err != nil {
				return err
			}
			lock, err := i.Accounts.Lock(ctx, caller.Operator(), u.ID)
			if err != nil {
				return err
			}
			links, err := i.Directory.Links(ctx, caller.Operator(), u.ID)
			if err != nil {
				return err
			}
			out := struct {
				adminapi.User
				Locked string           `json:"locked"` // why sign-ins are refused; "" when none are
				Links  []adminapi.Link  `json:"links"`
				Access []decision.Grant `json:"access"`
			}{adminapi.UserOf(u), locked(lock), cli.Rendered(links, adminapi.LinkOf), decision.GrantsOf(grants)}
			return p.Show(out, func(w io.Writer) {
				cli.Fields(w, "username", u.Username, "state", stateOf(u), "locked", out.Locked, "name", u.Name, "email", u.Email,
					"groups", strings.Join(u.Groups, ", "), "owner", u.Owner, "links", linksText(links), "id", u.ID)
				_, _ = fmt.Fprintln(w)
				decision.GrantTable(w, grants)
			})
		}),
	})
}

// linksText returns the links of a user in one line.
func linksText(links []records.Link) string {
	var parts []string
	for _, l := range links {
		parts = append(parts, l.Source+" "+l.ExternalID)
	}
	return strings.Join(parts, ", ")
}

// locked returns in words which sign-ins of a user are refused, and until when.
func locked(l account.Lock) string {
	var parts []string
	if !l.Everywhere.IsZero() {
		parts = append(parts, "from new addresses until "+l.Everywhere.UTC().Format(time.RFC3339))
	}
	for _, a := range l.Addresses {
		parts = append(parts, "from "+cmp.Or(a.Address, "an unknown address")+" until "+a.Until.UTC().Format(time.RFC3339))
	}
	return strings.Join(parts, ", ")
}

func (p users) create() *cobra.Command {
	var n identity.NewUser
	var file string
	var none bool
	cmd := &cobra.Command{
		Use:   "create USERNAME",
		Short: "Create a user",
		Long: `Create a user. bearerd prompts twice for the password at a terminal, and otherwise
reads it from standard input or a file.

With --admin the user is an administrator: bound to "* /", which is everything.`,
		Example: `  bearerd user create ada --name "Ada Lovelace" --email ada@example.org
  bearerd user create root --admin --password-file password`,
		Args: cli.Takes("USERNAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Username = args[0]
			if err := identity.ValidateUsername(n.Username); err != nil {
				return err
			}
			if !none {
				password, err := p.ReadNewPassword(file)
				if err != nil {
					return err
				}
				n.Password = password
			}
			return p.With(cmd, local.Needs{Creates: true}, func(ctx context.Context, i *wiring.Instance) error {
				u, err := i.Directory.CreateUser(ctx, caller.Operator(), n)
				if err != nil {
					return err
				}
				what := "user"
				if n.Administrator {
					what = "administrator"
				}
				p.Say("%s %s is created, with the id %s", what, u.Username, u.ID)
				return p.Show(adminapi.UserOf(u), cli.Silent)
			})
		},
	}
	cmd.Flags().StringVar(&n.Name, "name", "", "the full `NAME`")
	cmd.Flags().StringVar(&n.Email, "email", "", "the email `ADDRESS`")
	cmd.Flags().StringSliceVar(&n.Groups, "group", nil, "a `GROUP` of the user; can be repeated")
	cmd.Flags().BoolVar(&n.Administrator, "admin", false, "create an administrator")
	cmd.Flags().BoolVar(&none, "no-password", false, "create a user who can't sign in with a password")
	cli.PasswordFlag(cmd, &file)
	cli.Exclusive(cmd, "no-password", "password-file")
	p.FlagAbout(cmd, "group", local.NounGroup)
	return cmd
}

func (p users) rename() *cobra.Command {
	return p.About(local.NounUser, &cobra.Command{
		Use:   "rename USER USERNAME",
		Short: "Give a user another username",
		Long: `Give a user another username, or another spelling of it. Subject, tokens, sessions
and bindings stay. Applications receive the new name with the next request.`,
		Args: cli.Takes("USER", "USERNAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.change(cmd, args[0], identity.UserPatch{Username: &args[1]}, "was "+args[0]+" until now")
		},
	})
}

func (p users) password() *cobra.Command {
	var file string
	cmd := p.About(local.NounUser, &cobra.Command{
		Use:   "password USER",
		Short: "Change a user's password, and revoke their tokens",
		Long: `Change a user's password. All tokens and sessions of the user are revoked at once.
bearerd prompts twice for the password at a terminal, and otherwise reads it from
standard input or a file.`,
		Args: cli.Takes("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := p.ReadNewPassword(file)
			if err != nil {
				return err
			}
			return p.change(cmd, args[0], identity.UserPatch{Password: &password}, "has a new password; their tokens and sessions are revoked")
		},
	})
	cli.PasswordFlag(cmd, &file)
	local.WaitFlag(cmd)
	return cmd
}

func (p users) disable() *cobra.Command {
	cmd := p.About(local.NounUser, &cobra.Command{
		Use:   "disable USER",
		Short: "Disable a user, and revoke their tokens",
		Args:  cli.Takes("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			yes := true
			return p.change(cmd, args[0], identity.UserPatch{Disabled: &yes}, "is disabled; their tokens and sessions are revoked")
		},
	})
	local.WaitFlag(cmd)
	return cmd
}

func (p users) enable() *cobra.Command {
	return p.About(local.NounUser, &cobra.Command{
		Use:   "enable USER",
		Short: "Enable a disabled user",
		Long:  `Enable a disabled user. Tokens that were issued before stay revoked.`,
		Args:  cli.Takes("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			no := false
			return p.change(cmd, args[0], identity.UserPatch{Disabled: &no}, "is enabled")
		},
	})
}

func (p users) unlock() *cobra.Command {
	return p.About(local.NounUser, &cobra.Command{
		Use:   "unlock USER",
		Short: "Reset a user's failed sign-ins",
		Long: `Reset a user's failed sign-ins, so that the user can sign in again before
login.window has passed. An address with failures at many accounts stays limited.`,
		Args: cli.Takes("USER"),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			if err := i.Accounts.Unlock(ctx, caller.Operator(), args[0]); err != nil {
				return err
			}
			p.Say("user %s can sign in again", args[0])
			return nil
		}),
	})
}

func (p users) change(cmd *cobra.Command, ref string, patch identity.UserPatch, done string) error {
	return p.With(cmd, local.Needs{Waits: true}, func(ctx context.Context, i *wiring.Instance) error {
		u, err := i.Directory.UpdateUser(ctx, caller.Operator(), ref, patch)
		if err != nil {
			return err
		}
		p.Say("user %s %s", u.Username, done)
		return p.Show(adminapi.UserOf(u), cli.Silent)
	})
}

func (p users) delete() *cobra.Command {
	return p.Revokes(p.About(local.NounUser, &cobra.Command{
		Use:   "delete USER",
		Short: "Delete a user with their bindings, and revoke their tokens",
		Args:  cli.Takes("USER"),
	}), "user %s is deleted, and their tokens and sessions are revoked; %s", func(i *wiring.Instance) local.Operation { return i.Directory.RemoveUser })
}

package install

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/wiring"
)

// migration is the command that updates the schema of a database.
type migration struct{ *cli.Program }

func (p migration) command() *cobra.Command {
	var dryRun bool
	var mode restoring
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Update the database's schema",
		Long: `Update the database's schema, or create the database if there is none. "bearerd
serve" does this when it starts. A running server of the previous version keeps
working with the new schema.

A sequence of the revocation log must never be used twice. bearerd detects that a
database was restored from a backup, or that PostgreSQL failed over, and continues
at a higher sequence. It can't detect that the server's whole disk was restored:
then stop every node and run this with --restored before they start.

A restored database doesn't know what was revoked after the backup: those tokens
are accepted again. --revoke-all with --restored revokes everything that was issued
until now, to anybody: access and task tokens, API keys and tokens, sessions,
refresh tokens, device codes, including those issued after the backup. The
signing keys are replaced. All users must sign in again, and programs need new
API tokens and keys. With HS256 the secret stays; change it too if tokens are
verified without the revocation log.`,
		Example: `  bearerd migrate --dry-run
  bearerd migrate --restored
  bearerd migrate --restored --revoke-all`,
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if mode.revokeAll && !mode.restored {
				return hint.Add(errors.New("--revoke-all needs --restored: it is for a restored database"),
					`to revoke everything of one user, see "bearerd revoke-all --help"`)
			}
			c, err := p.LoadConfig(cmd)
			if err != nil {
				return err
			}
			names, err := store.Pending(cmd.Context(), c.Database.Reveal(), wiring.StoreOptions(c, store.Options{Now: p.Now}))
			if err != nil && !cli.IsMissing(err) {
				return err
			}
			if cli.IsMissing(err) {
				p.Say("there is no database yet")
			} else if len(names) == 0 {
				p.Say("the schema is up to date")
			}
			out := migrated{Migrations: cli.NonNil(names), DryRun: dryRun}
			if !dryRun {
				if err := p.migrate(cmd.Context(), c, mode, &out); err != nil {
					return err
				}
			}
			for _, name := range out.Migrations {
				if out.DryRun {
					p.Say("would run %s", name)
				} else {
					p.Say("ran %s", name)
				}
			}
			return p.Show(out, cli.Silent)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show what would be done, and do nothing")
	cmd.Flags().BoolVar(&mode.restored, "restored", false, "the database was restored from a copy")
	cmd.Flags().BoolVar(&mode.revokeAll, "revoke-all", false, "with --restored: revoke every token and session issued until now")
	cli.Exclusive(cmd, "dry-run", "restored")
	return cmd
}

// restoring is what is known of a database that was restored, and what to do about it.
type restoring struct{ restored, revokeAll bool }

// migrated is what a migration did, for --output json.
type migrated struct {
	Migrations []string           `json:"migrations"`
	DryRun     bool               `json:"dry_run"`
	RevokedAll *revokedEverything `json:"revoked_all,omitempty"`
}

type revokedEverything struct {
	local.Acknowledgement

	Keys []string `json:"keys"`
}

// migrate opens the database, which brings its schema up to date, and revokes everything
// where that is asked for.
func (p migration) migrate(ctx context.Context, c config.Config, mode restoring, out *migrated) (err error) {
	s, err := wiring.OpenStore(ctx, c, store.Options{Now: p.Now, MustExist: mode.restored, Restored: mode.restored})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if s.Restored() {
		p.Say("the revocation log continues at a higher sequence")
	}
	if !mode.revokeAll {
		return nil
	}
	i, err := wiring.ForCommand(ctx, wiring.CommandParts{Config: c, Store: s, Now: p.Now})
	if err != nil {
		return hint.Add(fmt.Errorf("it is not certain that anything was revoked: %w", err), "run the same command again before a node starts")
	}
	e, err := i.Revoker.RevokeEverything(ctx, caller.Operator())
	if err != nil {
		return hint.Add(fmt.Errorf("it is not certain that anything was revoked: %w", err), "run the same command again before a node starts")
	}
	p.Say("every token, session and device code issued until now is revoked; %s", local.Reach(i, e.Receipt))
	for _, kid := range e.Keys {
		p.Say("the signing key %s is revoked", kid)
	}
	out.RevokedAll = &revokedEverything{Acknowledgement: local.Acknowledged(e.Receipt), Keys: cli.NonNil(e.Keys)}
	return nil
}

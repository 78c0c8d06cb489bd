package main

import (
	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/store"
)

func (p *program) migrateCommand() *cobra.Command {
	var dryRun, restored bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date",
		Long: `Bring the database's schema up to date, making the database when there is none.
"bearerd serve" does it by itself when it starts. A server of the version before
that still runs goes on working with the new schema.

Sequences of the revocation log must never be given out twice. bearerd sees by
itself that a database was restored from a backup, or that PostgreSQL failed over,
and goes on at a higher sequence. It can't see that the server's whole disk was put
back: then stop every node and run this with --restored before they start.`,
		Example: `  bearerd migrate --dry-run
  bearerd migrate --restored`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.loadConfig(cmd)
			if err != nil {
				return err
			}
			names, err := store.Pending(cmd.Context(), c.Database.Reveal(), storeOptions(c, store.Options{Now: p.now}))
			if err != nil && !isMissing(err) {
				return err
			}
			if isMissing(err) {
				p.say("there is no database yet")
			} else if len(names) == 0 {
				p.say("the schema is up to date")
			}
			if !dryRun {
				s, err := openStore(cmd.Context(), c, store.Options{Now: p.now, MustExist: restored, Restored: restored})
				if err != nil {
					return err
				}
				if s.Restored() {
					p.say("the revocation log goes on at a higher sequence")
				}
				if err := s.Close(); err != nil {
					return err
				}
			}
			return p.showMigrations(names, dryRun)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "tell what would be done, and do nothing")
	cmd.Flags().BoolVar(&restored, "restored", false, "the database is a copy that was put back")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "restored")
	return cmd
}

func (p *program) showMigrations(names []string, dryRun bool) error {
	for _, name := range names {
		if dryRun {
			p.say("would run %s", name)
		} else {
			p.say("ran %s", name)
		}
	}
	return p.show(map[string]any{"migrations": nonNil(names), "dry_run": dryRun}, silent)
}

package main

import (
	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/store"
)

func (p *program) migrateCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date",
		Long: `Bring the database's schema up to date, making the database when there is none.
"bearerd serve" does it by itself when it starts. A server of the version before
that still runs goes on working with the new schema.`,
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
				s, err := openStore(cmd.Context(), c, store.Options{Now: p.now})
				if err != nil {
					return err
				}
				if err := s.Close(); err != nil {
					return err
				}
			}
			return p.showMigrations(names, dryRun)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "tell what would be done, and do nothing")
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

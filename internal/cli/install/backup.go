package install

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/wiring"
)

func backupCommand(p *cli.Program) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of the database, beside a running server",
		Long: `Write a consistent copy of the SQLite database to a new file, while a server is
running. To restore it, stop the server and put the copy in the database's place.

Back up a PostgreSQL database with PostgreSQL's own tools, such as pg_dump; see
docs/operations.md for backing up and restoring.

The copy contains the signing keys, encrypted with the master key. Keep a copy of
the master key too, in another place.`,
		Args: cli.Takes("FILE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			c, err := p.LoadConfig(cmd)
			if err != nil {
				return err
			}
			if c.Database.IsPostgres() {
				return hint.Add(errors.New("back up a PostgreSQL database with PostgreSQL's own tools"), "use pg_dump, or what the server's host offers")
			}
			s, err := wiring.OpenStore(cmd.Context(), c, store.Options{Now: p.Now, MustExist: true})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			err = s.Backup(cmd.Context(), args[0])
			if fault.Is(err, fault.Conflict) {
				return hint.Add(fmt.Errorf("%s exists already, and was not changed", args[0]), "name another file, or remove that one first")
			}
			if err != nil {
				return err
			}
			_, err = s.Commit(cmd.Context(), op.Batch{Audit: []audit.Event{audit.Event{
				At: p.Now(), Actor: audit.ActorCLI, Action: audit.Backup, Target: args[0], Outcome: audit.OK,
			}.Clean()}})
			if err != nil {
				return err
			}
			p.Say("wrote %s; the master key %s is not in it", args[0], c.MasterKeyPath())
			return p.Show(map[string]string{"file": args[0]}, cli.Silent)
		},
	}
}

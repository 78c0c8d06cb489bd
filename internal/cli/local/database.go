// Package local is the kit of the commands that work on the database directly, beside a
// running server: it opens the database for them, knows the names of what is in it, and
// says how far a revocation has reached.
package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/wiring"
)

// Database is the database of the configuration, for the commands of a program that work
// on it, and the names of what is in it.
type Database struct {
	*cli.Program

	nouns     map[*cobra.Command]Noun // what the first argument of a command names
	flagNouns map[*pflag.Flag]Noun    // what the value of a flag names
}

// New returns the database for the commands of a program.
func New(p *cli.Program) *Database {
	return &Database{Program: p, nouns: map[*cobra.Command]Noun{}, flagNouns: map[*pflag.Flag]Noun{}}
}

// Needs says what a command needs of the database.
type Needs struct {
	Creates   bool // a missing database is created: the command writes to it
	Rehearses bool // nothing is to be left behind, not even a new database
	Judges    bool // the command judges tokens, for which it must know the whole log
	Bulk      bool // the command writes very many rows
	Waits     bool // --wait says whether to wait for the servers
}

// commandTimeout is how long a command waits for an answer of PostgreSQL. It is longer
// than a server's, because no client is waiting that could try again.
const commandTimeout = 10 * time.Second

// With opens the database for a command, and closes it when do is done.
func (p *Database) With(cmd *cobra.Command, need Needs, do func(context.Context, *wiring.Instance) error) (err error) {
	c, err := p.LoadConfig(cmd)
	if err != nil {
		return err
	}
	if empty, err := p.empty(cmd.Context(), c, need); err != nil {
		return err
	} else if empty {
		if c, err = wiring.Elsewhere(c); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(filepath.Dir(c.Database.Reveal()))) }()
	}
	c.Postgres.StatementTimeout = max(c.Postgres.StatementTimeout, commandTimeout)
	if f := cmd.Flag("wait"); need.Waits && f != nil && f.Changed {
		c.Revocation.Wait = config.Wait(f.Value.String())
	}
	s, err := wiring.OpenStore(cmd.Context(), c, store.Options{Now: p.Now, MustExist: !need.Creates, Bulk: need.Bulk})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	WarnOfRestore(p.Program, s)
	i, err := wiring.ForCommand(cmd.Context(), wiring.CommandParts{Config: c, Store: s, Now: p.Now, Judges: need.Judges})
	if err != nil {
		return err
	}
	err = p.named(cmd.Context(), cmd, i, do(cmd.Context(), i))
	return errors.Join(err, i.Journal.FlushRefusals(cmd.Context(), true))
}

// WarnOfRestore warns that the database was restored. Only the first command that opens
// it can detect that.
func WarnOfRestore(p *cli.Program, s *store.Store) {
	if s.Restored() {
		p.Say("warning: the database was restored from a backup, or its server failed over; what was revoked in between may be accepted again")
		p.Say("hint: to be certain, stop every server and run \"bearerd migrate --restored --revoke-all\"")
	}
}

// OnDatabase returns the RunE of a command that does nothing without the database.
func (p *Database) OnDatabase(need Needs, do func(context.Context, *wiring.Instance, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return p.With(cmd, need, func(ctx context.Context, i *wiring.Instance) error { return do(ctx, i, args) })
	}
}

// Revokes completes a command that revokes or removes what its one argument names, and
// then prints done with the argument and how far the revocation has reached.
func (p *Database) Revokes(cmd *cobra.Command, done string, operation func(*wiring.Instance) Operation) *cobra.Command {
	cmd.RunE = p.OnDatabase(Needs{Waits: true}, func(ctx context.Context, i *wiring.Instance, args []string) error {
		r, err := operation(i)(ctx, caller.Operator(), args[0])
		if err != nil {
			return err
		}
		p.Say(done, args[0], Reach(i, r))
		return p.Show(Acknowledged(r), cli.Silent)
	})
	WaitFlag(cmd)
	return cmd
}

// Operation is an operation that revokes or removes one thing.
type Operation func(ctx context.Context, c *caller.Caller, ref string) (revocation.Receipt, error)

// empty reports whether a rehearsal would make a database, or fill an empty one.
func (p *Database) empty(ctx context.Context, c config.Config, need Needs) (bool, error) {
	if !need.Rehearses {
		return false, nil
	}
	if !c.Database.IsPostgres() {
		_, err := os.Stat(c.Database.Reveal())
		return cli.IsMissing(err), nil
	}
	in, err := store.Inspect(ctx, c.Database.Reveal(), wiring.StoreOptions(c, store.Options{Now: p.Now}))
	return err == nil && in.New, err
}

// WaitFlag adds the flag --wait to a command that revokes something.
func WaitFlag(cmd *cobra.Command) {
	wait := waitValue{config.WaitTrue}
	cmd.Flags().Var(&wait, "wait", "wait until every running server has confirmed it; --wait=all waits for services\n"+
		"that confirm too, --wait=false for nothing (default: as revocation.wait says)")
	flag := cmd.Flag("wait")
	flag.NoOptDefVal = string(config.WaitTrue)
	flag.DefValue = "" // the configuration's
	cli.FlagValues(cmd, "wait", string(config.WaitTrue), string(config.WaitAll), string(config.WaitFalse))
}

// waitValue is the value of that flag.
type waitValue struct{ config.Wait }

func (w *waitValue) String() string     { return string(w.Wait) }
func (w *waitValue) Set(s string) error { return w.UnmarshalText([]byte(s)) } //nolint:wrapcheck // cobra names the flag
func (*waitValue) Type() string         { return "bool" }                     // so that the help has --wait, and no name of a value

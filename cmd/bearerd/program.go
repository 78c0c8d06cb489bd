package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/suggest"
)

// program is one run of bearerd: its streams, its environment, and the flags that
// every command has.
type program struct {
	Stdin          *os.File
	Stdout, Stderr io.Writer
	Env            []string
	Now            func() time.Time

	ConfigFile string
	output     format

	nouns     map[*cobra.Command]*noun // what the first argument of a command names
	flagNouns map[*pflag.Flag]*noun    // what the value of a flag names
}

// overrides are the keys of the configuration that have a flag. Config names a
// flag by its key, so the two must agree.
var overrides = []struct{ key, flag, usage string }{
	{"database", "database", "the database `FILE`"},
	{"master_key_file", "master-key-file", "the `FILE` of the key that seals the signing keys"},
	{"issuer", "issuer", "the issuer's `URL`"},
}

// exitRefused is the exit code of a command that was asked whether something is allowed,
// and answered that it is not.
const exitRefused = 3

// errRefused is the error of a command that has shown such an answer.
var errRefused = errors.New("refused")

// run carries out the command that the arguments name and returns the exit code: 0
// when it was done, exitRefused where the answer is no, else 1.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	switch err := root.ExecuteContext(ctx); {
	case errors.Is(err, errRefused):
		return exitRefused
	case err != nil:
		p.Complain(err)
		return 1
	}
	return 0
}

func (p *program) root() *cobra.Command {
	p.nouns, p.flagNouns = map[*cobra.Command]*noun{}, map[*pflag.Flag]*noun{}
	root := &cobra.Command{
		Use:   "bearerd",
		Short: "Issue, verify and revoke bearer tokens",
		Long: `bearerd adds API tokens to applications that you already run, and revokes them
everywhere at once.

Begin with "bearerd demo", which starts a server with sample data and prints
commands to paste, or with "bearerd init", which begins an installation of your
own. "bearerd serve" is the server; "bearerd login" and "bearerd api" use a server
on another machine; every other command works on the same database beside the
server, and its changes take effect in the server at once.

Results and secrets are printed to standard output, everything else to standard
error. A command that fails exits with 1; if it has changed something nevertheless,
it says so. A command that checks whether something is allowed exits with 3 when it
isn't.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       thisBuild().Version,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("bearerd {{.Version}}\n")
	root.SetFlagErrorFunc(badFlag)
	flags := root.PersistentFlags()
	flags.StringVar(&p.ConfigFile, "config", "", "the configuration `FILE` (BEARERD_CONFIG)")
	flags.VarP(&p.output, "output", "o", "print results as `FORMAT`: text or json")
	flagValues(root, "output", string(formatText), string(formatJSON))
	for _, o := range overrides {
		flags.String(o.flag, "", o.usage+", instead of the configuration's")
	}
	root.AddCommand(
		beginning{p}.initCommand(), serveCommand(p), edgeCommand(p), demoCommand(p), applyCommand(p), exportCommand(p),
		users{p}.commands(), roles{p}.commands(), bindings{p}.commands(), collections{p}.commands(), clients{p}.commands(),
		tokens{p}.commands(), revokeAllCommand(p), keys{p}.commands(),
		auditCommand(p), shadowCommand(p), backupCommand(p), migrateCommand(p),
		checks{p}.configCommands(), checks{p}.doctorCommand(), logins{p}.loginCommand(), logins{p}.apiCommand(), logins{p}.logoutCommand(),
		versionCommand(p),
	)
	root.AddCommand(moreCommands(p)...)
	return root
}

// LoadConfig returns the configuration with the flags of cmd over it. Flags that
// only this command has are named in more, by key.
func (p *program) LoadConfig(cmd *cobra.Command, more ...string) (config.Config, error) {
	return config.Load(p.ConfigFile, p.Env, changedFlags(cmd, more...))
}

// changedFlags returns the values of the flags of cmd that stand for keys, by key.
func changedFlags(cmd *cobra.Command, more ...string) map[string]string {
	over := map[string]string{}
	for _, o := range overrides {
		more = append(more, o.key)
	}
	for _, key := range more {
		if f := cmd.Flag(strings.NewReplacer(".", "-", "_", "-").Replace(key)); f != nil && f.Changed {
			over[key] = f.Value.String()
		}
	}
	return over
}

// group is a command that does nothing but hold others.
func group(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use: use, Short: short, Long: long, Args: noSuchCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	g.AddCommand(commands...)
	return g
}

func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
		if slices.Contains(c.SuggestFor, args[0]) {
			meant = c.Name()
		}
	}
	if meant = cmp.Or(meant, suggest.Closest(args[0], names)); meant != "" {
		meant = fmt.Sprintf("did you mean %q? ", cmd.CommandPath()+" "+meant)
	}
	return hint.Add(fmt.Errorf("unknown command %q", cmd.CommandPath()+" "+args[0]), "%ssee %s --help", meant, cmd.CommandPath())
}

// badFlag adds to the error about an unknown flag the one that was probably meant.
func badFlag(cmd *cobra.Command, err error) error {
	meant := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if meant = suggest.Closest(unknown.GetSpecifiedName(), names); meant != "" {
			meant = "did you mean --" + meant + "? "
		}
	}
	return hint.Add(err, "%ssee %s --help", meant, cmd.CommandPath())
}

// takes checks the arguments of a command. A surplus argument isn't repeated in the
// error: it may be a secret in the wrong place.
func takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return hint.Add(fmt.Errorf("%s is missing", names[len(args)]), "see %s --help", cmd.CommandPath())
		case len(args) > len(names) && len(names) == 0:
			return hint.Add(errors.New("this command takes no arguments"), "see %s --help", cmd.CommandPath())
		case len(args) > len(names):
			return hint.Add(fmt.Errorf("too many arguments after %s", names[len(names)-1]), "see %s --help", cmd.CommandPath())
		}
		return nil
	}
}

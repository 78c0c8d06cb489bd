package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/config"
)

// program is one run of bearerd: its streams, its environment, and the flags that
// every command has.
type program struct {
	stdin          *os.File
	stdout, stderr io.Writer
	env            []string
	now            func() time.Time

	configFile string
	output     format

	insecureDocuments []string // of the flag insecureClientMetadata
}

// overrides are the keys of the configuration that have a flag. Config names a
// flag by its key, so the two must agree.
var overrides = []struct{ key, flag, usage string }{
	{"database", "database", "the database `FILE`"},
	{"master_key_file", "master-key-file", "the `FILE` of the key that seals the signing keys"},
	{"issuer", "issuer", "the issuer's `URL`"},
}

// run carries out the command that the arguments name and returns the exit code: 0
// when it was done, else 1.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		p.complain(err)
		return 1
	}
	return 0
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "bearerd",
		Short: "Issue, verify and revoke bearer tokens",
		Long: `bearerd adds API tokens to applications that you already run, and revokes them
everywhere at once.

Begin with "bearerd demo", which starts a server with sample data and prints
commands to paste. "bearerd serve" is the server; every other command works on
the same database beside it, and what it changes reaches the server at once.

Results and secrets are printed to standard output, all else to standard error.
A command that fails exits with 1 and has changed nothing, or says what it has.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
		Args:          noSuchCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("bearerd {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hint(err, "see %s --help", cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVar(&p.configFile, "config", "", "the configuration `FILE` (BEARERD_CONFIG)")
	flags.VarP(&p.output, "output", "o", "print results as `FORMAT`: text or json")
	for _, o := range overrides {
		flags.String(o.flag, "", o.usage+", instead of the configuration's")
	}
	root.AddCommand(
		p.serveCommand(), p.demoCommand(), p.applyCommand(),
		group("user", "List, create and change users",
			`List, create and change users. USER is a username, in any spelling, or a subject id.

For many users at once, and for roles and bindings, see "bearerd apply".`,
			p.userListCommand(), p.userShowCommand(), p.userCreateCommand(), p.userRenameCommand(), p.userPasswordCommand(),
			p.userPasswordLinkCommand(), p.userLinkCommand(), p.userUnlinkCommand(),
			p.userDisableCommand(), p.userEnableCommand(), p.userUnlockCommand(), p.userRemoveCommand(), p.userAccessCommand()),
		group("token", "Issue, examine and revoke tokens",
			`Issue, examine and revoke tokens. The value of a token is never an argument,
where others could see it: bearerd prompts for it at a terminal, and otherwise
reads it from standard input or a file.`,
			p.tokenIssueCommand(), p.tokenCreateCommand(), p.tokenListCommand(), p.tokenImportCommand(), p.tokenExportCommand(), p.tokenInspectCommand(),
			p.tokenExplainCommand(), p.tokenRevokeCommand()),
		p.revokeAllCommand(),
		group("keys", "List, rotate and retire signing keys",
			`List, rotate and retire signing keys, and create a master key.

A key is "next" while it is only published in the JWK Set, "active" while it signs,
"retired" until its last token has expired, and then "gone". Keys rotate
automatically (signing.rotate_every).`,
			p.keysListCommand(), p.keysRotateCommand(), p.keysRetireCommand(), p.keysMasterCommand()),
		group("client", "List, create and remove OAuth clients",
			`List, create and remove OAuth clients. bearerd creates a client's secret and shows
it only once, or reads it from a file; it is never an argument.`,
			p.clientListCommand(), p.clientCreateCommand(), p.clientSecretCommand(), p.clientRemoveCommand()),
		p.auditCommand(), p.shadowCommand(), p.backupCommand(), p.migrateCommand(),
		group("config", "Check the configuration", "Check the configuration.", &cobra.Command{
			Use:   "check",
			Short: "Check the configuration and the files that it names",
			Long: `Check the configuration, the BEARERD_ variables and the flags, and the files that
they name: the secrets, the master key, and the database's schema. Every error is
reported, and nothing is changed.`,
			Args: takes(),
			RunE: func(cmd *cobra.Command, _ []string) error {
				c, err := p.loadConfig(cmd)
				if err != nil {
					return err
				}
				_, noticesErr := readReceivers(c, p.now)
				_, waysErr := readWays(cmd.Context(), c, p.now)
				if err := errors.Join(checkSecrets(c), waysErr, noticesErr, checkDatabase(cmd, c)); err != nil {
					return err
				}
				p.say("the configuration is valid")
				return p.show(map[string]bool{"ok": true}, silent)
			},
		}),
		p.versionCommand(),
	)
	return root
}

// loadConfig returns the configuration with the flags of cmd over it. Flags that
// only this command has are named in more, by key.
func (p *program) loadConfig(cmd *cobra.Command, more ...string) (config.Config, error) {
	over := map[string]string{}
	for _, o := range overrides {
		more = append(more, o.key)
	}
	for _, key := range more {
		if f := cmd.Flag(strings.NewReplacer(".", "-", "_", "-").Replace(key)); f != nil && f.Changed {
			over[key] = f.Value.String()
		}
	}
	return config.Load(p.configFile, p.env, over)
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
	return hint(fmt.Errorf("unknown command %q", cmd.CommandPath()+" "+args[0]), "see %s --help", cmd.CommandPath())
}

// takes says which arguments a command has. An argument that is too many isn't
// repeated: it may be a secret that is in the wrong place.
func takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return hint(fmt.Errorf("%s is missing", names[len(args)]), "see %s --help", cmd.CommandPath())
		case len(args) > len(names) && len(names) == 0:
			return hint(errors.New("this command takes no arguments"), "see %s --help", cmd.CommandPath())
		case len(args) > len(names):
			return hint(fmt.Errorf("too many arguments after %s", names[len(names)-1]), "see %s --help", cmd.CommandPath())
		}
		return nil
	}
}

// Package cli is the kit of the command line: its streams and flags, what is printed and
// how, how secrets are read, and which errors and exit codes there are.
//
// A command is a function that takes a [Program] and returns a cobra command. Those that
// work on the database take a local.Database, which is a Program with a database.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/fault"
)

// Program is one run of bearerd: its streams, its environment, and the flags that
// every command has.
type Program struct {
	Stdin          *os.File
	Stdout, Stderr io.Writer
	Env            []string
	Now            func() time.Time

	ConfigFile string // of the flag --config
	output     format

	interrupted <-chan struct{} // closed when the run should end; nil: never
}

// ExitRefused is the exit code of a command that was asked whether something is allowed,
// and answered that it is not.
const ExitRefused = 3

// ErrRefused is the error of a command that has shown such an answer.
var ErrRefused = errors.New("refused")

// override is a key of the configuration that has a flag. Package config names a flag by
// its key, so the two must agree.
type override struct{ key, flag, usage string }

func overrides() []override {
	return []override{
		{"database", "database", "the database `FILE`"},
		{"master_key_file", "master-key-file", "the `FILE` of the key that seals the signing keys"},
		{"issuer", "issuer", "the issuer's `URL`"},
	}
}

// Run carries out the command that the arguments name and returns the exit code: 0
// when it was done, ExitRefused where the answer is no, else 1.
func (p *Program) Run(ctx context.Context, root *cobra.Command, args []string) int {
	p.interrupted = ctx.Done()
	root.SetArgs(args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	root.InitDefaultCompletionCmd(args...)
	if completion := beneath(root, "completion"); completion != nil {
		completion.Args, completion.RunE = unknownCommand, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	switch cmd, err := root.ExecuteContextC(ctx); {
	case errors.Is(err, ErrRefused):
		return ExitRefused
	case err != nil:
		p.Complain(ofFlag(cmd, err))
		return 1
	}
	return 0
}

// ofFlag adds to an error about a field the flag that the value came from, where the error doesn't
// name one.
func ofFlag(cmd *cobra.Command, err error) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok && errors.Join(several.Unwrap()...).Error() == err.Error() {
		var all []error
		for _, one := range several.Unwrap() {
			all = append(all, ofFlag(cmd, one))
		}
		return errors.Join(all...)
	}
	field := fault.FieldOf(err)
	if field == "" || strings.HasPrefix(err.Error(), "--") {
		return err
	}
	for _, name := range []string{field, strings.TrimSuffix(field, "s")} {
		name = strings.ReplaceAll(name, "_", "-")
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			return fmt.Errorf("--%s: %w", name, err)
		}
	}
	return err
}

// Root makes a command the one that holds all others, with the flags that they all have.
func (p *Program) Root(root *cobra.Command) *cobra.Command {
	root.SilenceErrors, root.SilenceUsage, root.Args = true, true, unknownCommand
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.SetFlagErrorFunc(badFlag)
	root.SetHelpCommand(helpCommand())
	flags := root.PersistentFlags()
	flags.StringVar(&p.ConfigFile, "config", "", "the configuration `FILE` (BEARERD_CONFIG)")
	flags.VarP(&p.output, "output", "o", "print results as `FORMAT`: text or json")
	FlagValues(root, "output", string(formatText), string(formatJSON))
	for _, o := range overrides() {
		flags.String(o.flag, "", o.usage+", instead of the configuration's")
	}
	return root
}

// LoadConfig returns the configuration with the flags of cmd over it. Flags that
// only this command has are named in more, by key.
func (p *Program) LoadConfig(cmd *cobra.Command, more ...string) (config.Config, error) {
	return config.Load(p.ConfigFile, p.Env, changedFlags(cmd, more...))
}

// LoadEdge returns the configuration of an edge, as LoadConfig does that of a node.
func (p *Program) LoadEdge(cmd *cobra.Command, more ...string) (config.Edge, error) {
	return config.LoadEdge(p.ConfigFile, p.Env, changedFlags(cmd, more...))
}

// UsualConfig is the name of the configuration that "bearerd init" writes.
const UsualConfig = "bearerd.yaml"

// Unread returns a warning where no configuration is named, and one of the usual name is in
// this folder: it isn't read. "": there is none.
func (p *Program) Unread() string {
	if p.ConfigFile != "" || slices.ContainsFunc(p.Env, func(v string) bool { return strings.HasPrefix(v, "BEARERD_CONFIG=") && v != "BEARERD_CONFIG=" }) {
		return ""
	}
	if _, err := os.Stat(UsualConfig); err != nil {
		return ""
	}
	return UsualConfig + " in this folder is not read: name it with --config " + UsualConfig
}

// changedFlags returns the values of the flags of cmd that stand for keys, by key.
func changedFlags(cmd *cobra.Command, more ...string) map[string]string {
	over := map[string]string{}
	for _, o := range overrides() {
		more = append(more, o.key)
	}
	for _, key := range more {
		if f := cmd.Flag(strings.NewReplacer(".", "-", "_", "-").Replace(key)); f != nil && f.Changed {
			over[key] = f.Value.String()
		}
	}
	return over
}

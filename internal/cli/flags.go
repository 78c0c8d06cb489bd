package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bearerd/bearerd/internal/hint"
)

// The rules about the flags of a command that cobra knows too are checked here first, in the
// words of our messages. Cobra is told of them for what it completes.

// Require makes flags of a command mandatory. An empty value is none: it comes from a variable of
// a shell that isn't set.
func Require(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		checkBefore(cmd, func(set map[string]bool) error {
			if set[name] && cmd.Flag(name).Value.String() != "" {
				return nil
			}
			value, _ := pflag.UnquoteUsage(cmd.Flag(name))
			return fmt.Errorf("--%s %s is missing", name, value)
		})
		_ = cmd.MarkFlagRequired(name)
	}
}

// RequireOne makes it mandatory to set one of some flags, and no more.
func RequireOne(cmd *cobra.Command, flags ...string) {
	Exclusive(cmd, flags...)
	checkBefore(cmd, func(set map[string]bool) error {
		for _, name := range flags {
			if set[name] {
				return nil
			}
		}
		return fmt.Errorf("--%s is missing", strings.Join(flags, " or --"))
	})
	cmd.MarkFlagsOneRequired(flags...)
}

// Exclusive refuses more than one of some flags.
func Exclusive(cmd *cobra.Command, flags ...string) {
	checkBefore(cmd, func(set map[string]bool) error {
		var both []string
		for _, name := range flags {
			if set[name] {
				both = append(both, "--"+name)
			}
		}
		if len(both) < 2 {
			return nil
		}
		return fmt.Errorf("%s exclude each other", strings.Join(both, " and "))
	})
	cmd.MarkFlagsMutuallyExclusive(flags...)
}

// Together refuses some of several flags without the others.
func Together(cmd *cobra.Command, flags ...string) {
	checkBefore(cmd, func(set map[string]bool) error {
		var given, missing string
		for _, name := range flags {
			if set[name] {
				given = name
			} else {
				missing = name
			}
		}
		if given == "" || missing == "" {
			return nil
		}
		return fmt.Errorf("--%s is missing: --%s needs it", missing, given)
	})
	cmd.MarkFlagsRequiredTogether(flags...)
}

// checkBefore adds a check of which flags are set to a command, after that of its arguments.
func checkBefore(cmd *cobra.Command, check func(set map[string]bool) error) {
	before := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if before != nil {
			if err := before(cmd, args); err != nil {
				return err
			}
		}
		set := map[string]bool{}
		cmd.Flags().Visit(func(f *pflag.Flag) { set[f.Name] = true })
		if err := check(set); err != nil {
			return hint.Add(err, "see %s --help", cmd.CommandPath())
		}
		return nil
	}
}

package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/redact"
	"github.com/bearerd/bearerd/internal/suggest"
)

// Group returns a command that does nothing but hold others.
func Group(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use: use, Short: short, Long: long, Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	g.AddCommand(commands...)
	return g
}

// Takes returns a check of the arguments of a command. A surplus argument isn't repeated in the
// error: it may be a secret in the wrong place.
func Takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(names) && slices.ContainsFunc(args, func(a string) bool { return redact.Tokens(a) != a }) {
			return hint.Add(errors.New("a token's value can't be an argument, where others could see it"),
				"%s reads it from standard input or a file, and asks for it at a terminal; revoke a token that others may have seen", cmd.CommandPath())
		}
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

// FlagValues completes a flag that has one of a few values.
func FlagValues(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// OneOf returns an error about a flag, if it is set and is none of the values.
func OneOf(flag, value string, values []string) error {
	if value == "" || slices.Contains(values, value) {
		return nil
	}
	return hint.Add(fmt.Errorf("--%s: there is no %s %q", flag, flag, value), "%s", suggest.Instead(flag+"s", value, values, false))
}

// FlagValue returns the value of a flag, and "" where the command doesn't have it.
func FlagValue(cmd *cobra.Command, name string) string {
	if f := cmd.Flag(name); f != nil {
		return f.Value.String()
	}
	return ""
}

// PasswordFlag adds the flag that names the file of a password.
func PasswordFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "password-file", "", "read the password from this `FILE`, - for standard input")
}

// Instant reads a time, a day, or a duration before now, of the flag that is named.
func (p *Program) Instant(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if d, err := ParseDuration(s); err == nil {
		return p.Now().Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("--%s: %q is neither a time, such as 2026-05-04T12:00:00Z or 2026-05-04, nor a duration, such as 24h or 7d", flag, s)
}

// ParseDuration reads a duration as Go writes it, or whole days: 7d. It must be longer than none.
func ParseDuration(s string) (time.Duration, error) {
	const most = 36500
	if text, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(text, 10, 32); err == nil && n > 0 && n <= most {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is neither days, such as 7d, nor a duration such as 12h", s)
}

// durationValue is a flag whose value is a duration.
type durationValue struct{ d *time.Duration }

// DurationFlag adds a flag for a duration, which may be in days.
func DurationFlag(cmd *cobra.Command, d *time.Duration, name, usage string) {
	cmd.Flags().Var(durationValue{d}, name, usage)
}

// String returns the duration as Go writes it.
func (v durationValue) String() string {
	if v.d == nil || *v.d == 0 {
		return ""
	}
	return v.d.String()
}

// Set reads it.
func (v durationValue) Set(s string) (err error) {
	if s == "0" || s == "0s" {
		*v.d = 0
		return nil
	}
	*v.d, err = ParseDuration(s)
	return err
}

// Type names the flag's value in usage lines.
func (durationValue) Type() string { return "TIME" }

package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/redact"
	"github.com/bearerd/bearerd/internal/suggest"
)

// synonyms returns the commands that may be meant by the words of other programs, the likeliest
// first. Of those, one is suggested that exists beneath the command that was typed.
func synonyms() map[string][]string {
	show, remove, create := []string{"show", "list", "inspect"}, []string{"delete", "revoke", "token revoke"}, []string{"create", "token create"}
	change, start, check := []string{"update", "rename"}, []string{"serve"}, []string{"check", "doctor"}
	return map[string][]string{
		"ls": {"list", "token list"}, "list": {"token list"},
		"get": show, "describe": show, "view": show, "info": show, "cat": show,
		"rm": remove, "remove": remove, "del": remove, "delete": remove, "destroy": remove, "revoke": remove, "unset": remove,
		"add": create, "new": create, "make": create, "mk": create, "create": create, "generate": create, "issue": {"token issue"},
		"edit": change, "set": change, "change": change, "modify": change, "mv": {"rename"},
		"start": start, "run": start, "up": start, "server": start, "daemon": start,
		"setup": {"init"}, "install": {"init"}, "configure": {"init"}, "settings": {"config"},
		"status": check, "health": check, "ping": check, "diagnose": check, "test": check, "check": check, "validate": {"check", "config check"}, "lint": {"check", "config check"},
		"log": {"audit"}, "logs": {"audit"}, "events": {"audit"}, "history": {"audit"},
		"signin": {"login"}, "signout": {"logout"}, "auth": {"login"}, "whoami": {"api /auth/api/v1/me"}, "me": {"api /auth/api/v1/me"},
		"passwd": {"password", "user password"}, "password": {"user password"}, "permissions": {"binding"}, "grant": {"binding create"}, "assign": {"binding create"},
		"inspect": {"token inspect"}, "introspect": {"inspect", "token inspect"}, "decode": {"inspect", "token inspect"},
		"explain": {"token explain"}, "verify": {"explain", "token explain"}, "why": {"explain", "token explain"},
		"dump": {"export"}, "load": {"import", "apply"}, "import": {"apply"}, "upgrade": {"migrate"}, "restore": {"migrate"},
	}
}

// flagSynonyms returns the flags, with values where they take one, that may be meant by
// those of other programs.
func flagSynonyms() map[string][]string {
	lifetime, listen, database := []string{"expires-in", "expiring"}, []string{"listen"}, []string{"database"}
	return map[string][]string{
		"json": {"output json"}, "format": {"output"}, "V": {"version"},
		"ttl": lifetime, "exp": lifetime, "expires": lifetime, "expiry": lifetime, "expire": lifetime, "lifetime": lifetime, "duration": lifetime, "valid-for": lifetime,
		"port": listen, "p": listen, "addr": listen, "address": listen, "bind": listen, "host": listen,
		"db": database, "dsn": database, "url": {"issuer"}, "server": {"issuer"}, "key": {"master-key-file"}, "f": {"file"}, "filename": {"file"}, "input": {"file"},
		"password": {"password-file"}, "secret": {"secret-file"}, "from": {"since"}, "start": {"since"}, "to": {"until"}, "end": {"until"},
		"cidr": {"network", "address"}, "ip": {"network", "address"}, "client": {"address"}, "who": {"actor"}, "preview": {"dry-run"}, "everybody": {"all"}, "A": {"all"}, "a": {"all"},
	}
}

// unknownCommand refuses the argument of a command that holds others.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	if path := meantCommand(cmd, args); path != "" {
		meant = fmt.Sprintf("did you mean %q? ", path)
	}
	typed := redact.Tokens(cmd.CommandPath() + " " + args[0])
	return hint.Add(fmt.Errorf("unknown command %q", typed), "%ssee %s --help", meant, cmd.CommandPath())
}

// meantCommand returns the command beneath a group that was probably meant by the arguments, and
// "" where none is like it.
func meantCommand(group *cobra.Command, args []string) string {
	if c := beneath(group, args[0]); c != nil {
		return more(c, args[1:])
	}
	for _, path := range synonyms()[strings.ToLower(args[0])] {
		words := strings.Fields(path)
		c := beneath(group, words[0])
		switch {
		case c == nil:
		case len(words) == 1:
			return more(c, args[1:])
		case !c.HasSubCommands() || beneath(c, words[1]) != nil:
			return group.CommandPath() + " " + path
		}
	}
	var names []string
	for _, c := range group.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if name := suggest.Closest(args[0], names); name != "" {
		return more(beneath(group, name), args[1:])
	}
	return ""
}

// more returns the path of a command, or of the one beneath it that the arguments after it mean.
func more(c *cobra.Command, args []string) string {
	if c.HasSubCommands() && len(args) > 0 {
		if path := meantCommand(c, args); path != "" {
			return path
		}
	}
	return c.CommandPath()
}

// beneath returns the command of that name in a group, and nil where there is none.
func beneath(group *cobra.Command, name string) *cobra.Command {
	for _, c := range group.Commands() {
		if c.Name() == name && c.IsAvailableCommand() {
			return c
		}
	}
	return nil
}

// badFlag adds to the error about an unknown flag what was probably meant. A flag of a command
// that doesn't exist is unknown because of that.
func badFlag(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return hint.Add(badValue(err), "see %s --help", cmd.CommandPath())
	}
	if typed := cmd.Flags().Args(); cmd.HasSubCommands() && len(typed) > 0 {
		return unknownCommand(cmd, typed)
	}
	return hint.Add(err, "%ssee %s --help", meantFlag(cmd, unknown.GetSpecifiedName()), cmd.CommandPath())
}

// badValue returns an error about the value of a flag without the name of the function that read it.
func badValue(err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	number, ok := errors.AsType[*strconv.NumError](invalid)
	if !ok {
		return err
	}
	what := "a number"
	if invalid.GetFlag().Value.Type() == "bool" {
		what = "true or false"
	}
	if errors.Is(number, strconv.ErrRange) {
		what = "a number of that size"
	}
	return fmt.Errorf("--%s: %q is not %s", invalid.GetFlag().Name, invalid.GetValue(), what)
}

// meantFlag returns a sentence that names the flag or the argument that was probably meant.
func meantFlag(cmd *cobra.Command, typed string) string {
	known := func(name string) bool {
		f := cmd.Flags().Lookup(name)
		return f != nil && !f.Hidden
	}
	if strings.Contains(" "+strings.Join(arguments(cmd), " ")+" ", " "+strings.ToUpper(typed)+" ") {
		return fmt.Sprintf("%s is an argument, as in %q; ", strings.ToUpper(typed), strings.TrimSuffix(cmd.UseLine(), " [flags]"))
	}
	for _, text := range flagSynonyms()[typed] {
		if name, _, _ := strings.Cut(text, " "); known(name) {
			return "did you mean --" + text + "? "
		}
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if known(f.Name) {
			names = append(names, f.Name)
		}
	})
	if name := suggest.Closest(typed, names); name != "" {
		return "did you mean --" + name + "? "
	}
	return ""
}

// arguments returns the names of the arguments in the usage line of a command: what is in
// capitals and isn't the value of a flag.
func arguments(cmd *cobra.Command) []string {
	var names []string
	before := ""
	for word := range strings.FieldsSeq(cmd.Use) {
		name, _, _ := strings.Cut(strings.Trim(word, "[]…"), "|")
		if !strings.HasPrefix(before, "-") && name == strings.ToUpper(name) && strings.IndexFunc(name, unicode.IsUpper) == 0 {
			names = append(names, strings.TrimSuffix(name, "…"))
		}
		before = word
	}
	return names
}

// helpCommand returns the command that shows the help of the one that its arguments name.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if at, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, c := range at.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if about.HasSubCommands() && len(rest) > 0 {
				return unknownCommand(about, rest)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

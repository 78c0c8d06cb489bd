package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
)

var update = flag.Bool("update", false, "write docs/cli.md again")

const handbook = "../../docs/cli.md"

const handbookHead = `# The command line

This page is the output of ` + "`bearerd COMMAND --help`" + `, written by ` + "`make golden`" + `.

Results and secrets are printed to standard output, everything else to standard error
with the prefix ` + "`bearerd: `" + `; an error may be followed by a ` + "`hint:`" + ` that says what to do.
The exit code is 0, or 1 for a command that failed; a failed command has changed nothing,
or says what it has changed. A command that was asked whether something is allowed exits
with 3 when it isn't. A secret is never an argument: bearerd prompts for it at a
terminal, and otherwise reads it from standard input or a file. Every command but ` + "`serve`, `demo`," + `
` + "`login`, `api` and `logout`" + ` works on the database directly, beside a running server.
` + "`bearerd completion SHELL`" + ` prints completions for a shell, which complete the names
of users, roles, clients, scopes, tokens and keys too.

## Flags of every command

` + "```" + `
%s` + "```" + `
`

// commands returns every command of ours, depth first.
func commands(parent *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, c := range parent.Commands() {
		if c.Name() != "help" && c.Name() != "completion" {
			all = append(append(all, c), commands(c)...)
		}
	}
	return all
}

func TestTheHandbookIsWhatHelpSays(t *testing.T) {
	t.Parallel()
	root := root(&cli.Program{})
	var page strings.Builder
	fmt.Fprintf(&page, handbookHead, root.PersistentFlags().FlagUsages())
	for _, c := range commands(root) {
		fmt.Fprintf(&page, "\n## %s\n\n", c.CommandPath())
		if c.HasSubCommands() {
			page.WriteString(c.Long + "\n")
			continue
		}
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		fmt.Fprintf(&page, "%s\n\n```\n%s\n", text, c.UseLine())
		if c.HasAvailableLocalFlags() {
			page.WriteString("\n" + c.NonInheritedFlags().FlagUsages())
		}
		page.WriteString("```\n")
		if c.Example != "" {
			fmt.Fprintf(&page, "\nFor example:\n\n```sh\n%s\n```\n", unindent(c.Example))
		}
	}
	if *update {
		if err := os.WriteFile(handbook, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(handbook)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(page.String(), string(got)); diff != "" {
		t.Errorf("docs/cli.md is not what the commands say; make golden (-commands +page):\n%s", diff)
	}
}

func unindent(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

func TestEveryCommandSaysWhatItDoesAndHasAScript(t *testing.T) {
	t.Parallel()
	var scripts strings.Builder
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		scripts.Write(text)
	}
	for _, c := range commands(root(&cli.Program{})) {
		path := c.CommandPath()
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || c.RunE == nil {
			t.Errorf("%s: its short text is %q", path, c.Short)
		}
		for line := range strings.SplitSeq(c.Long, "\n") {
			if len(line) > 84 {
				t.Errorf("%s: a line of %d characters: %s", path, len(line), line)
			}
		}
		inScript := "exec " + path
		switch path {
		case "bearerd serve":
			inScript = "\nserve" // the scripts' own command
		case "bearerd demo":
			continue // see demo_test.go
		}
		if !c.HasSubCommands() && !strings.Contains(scripts.String(), inScript) {
			t.Errorf("%s: no script runs it", path)
		}
	}
}

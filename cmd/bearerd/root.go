package main

import (
	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/install"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/cli/manage"
	"github.com/bearerd/bearerd/internal/cli/remote"
	"github.com/bearerd/bearerd/internal/cli/tokens"
)

// root returns the command that holds all others.
func root(p *cli.Program) *cobra.Command {
	d := local.New(p)
	root := p.Root(&cobra.Command{
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
		Version: thisBuild().Version,
	})
	root.SetVersionTemplate("bearerd {{.Version}}\n")
	root.AddCommand(serveCommand(p), edgeCommand(p), demoCommand(p), versionCommand(p))
	root.AddCommand(install.Commands(p)...)
	root.AddCommand(manage.Commands(d)...)
	root.AddCommand(tokens.Commands(d)...)
	root.AddCommand(remote.Commands(p)...)
	root.AddCommand(moreCommands(p)...)
	return root
}

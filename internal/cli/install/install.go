// Package install has the commands about an installation: they begin, check, update and
// back it up.
package install

import (
	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
)

// Commands returns the commands about an installation.
func Commands(p *cli.Program) []*cobra.Command {
	return []*cobra.Command{
		beginning{p}.command(), checks{p}.configCommands(), checks{p}.doctorCommand(), migration{p}.command(), backupCommand(p),
	}
}

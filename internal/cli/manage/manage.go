// Package manage has the commands that change and show what is stored: users, roles,
// bindings, collections, clients and keys, each by itself or by access files, and the
// audit log.
package manage

import (
	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli/local"
)

// Commands returns the commands about what is stored.
func Commands(d *local.Database) []*cobra.Command {
	return []*cobra.Command{
		users{d}.group(), roles{d}.group(), bindings{d}.group(), collections{d}.group(), clients{d}.group(), keys{d}.group(),
		applyCommand(d), exportCommand(d), auditCommand(d),
	}
}

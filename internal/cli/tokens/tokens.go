// Package tokens has the commands about tokens: to issue, examine and revoke them, and to
// bring those of another system.
package tokens

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/issuance"
)

// commands are the commands about tokens.
type commands struct{ *local.Database }

// Commands returns the commands about tokens.
func Commands(d *local.Database) []*cobra.Command {
	return []*cobra.Command{commands{d}.group(), revokeAll(d), shadow(d)}
}

func (p commands) group() *cobra.Command {
	return cli.Group("token", "Issue, examine and revoke tokens",
		`Issue, examine and revoke tokens. The value of a token is never an argument,
where others could see it: bearerd prompts for it at a terminal, and otherwise
reads it from standard input or a file.`,
		p.issueCommand(), p.createCommand(), p.listCommand(), p.usesCommand(), p.importCommand(), p.exportCommand(), p.inspectCommand(),
		p.explainCommand(), p.revokeCommand())
}

func fileFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "file", "f", "", "read from this `FILE`, - for standard input")
}

// parseLifetime reads a lifetime in seconds, or as a duration.
func parseLifetime(s string) (int64, error) {
	if n, err := issuance.ParseLifetime(s); err == nil {
		return n, nil
	}
	d, err := cli.ParseDuration(s)
	if err != nil || d%time.Second != 0 {
		return 0, fmt.Errorf("--expires-in: %q is neither a number of seconds, such as 300, nor a duration in whole seconds, such as 5m or 30d", s)
	}
	return int64(d / time.Second), nil
}

func collectionText(id *int64) string {
	if id == nil {
		return ""
	}
	return strconv.FormatInt(*id, 10)
}

//go:build manual

package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/bearerd/bearerd/internal/cli"
)

// moreCommands are those of the binary that writes the manual pages of a release. Only
// that binary contains what turns help into manual pages; nobody else runs it.
func moreCommands(p *cli.Program) []*cobra.Command {
	return []*cobra.Command{{
		Use:    "manual DIRECTORY",
		Short:  "Write the manual pages",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // everybody may read a manual
				return fmt.Errorf("writing the manual: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // the date of the build would make each build differ
			// The date is that of SOURCE_DATE_EPOCH.
			header := &doc.GenManHeader{Section: "1", Source: "bearerd " + root.Version, Manual: "bearerd"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("writing the manual: %w", err)
			}
			return nil
		},
	}}
}

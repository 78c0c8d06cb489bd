//go:build !manual

package main

import (
	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
)

// moreCommands are none but in the binary that releases are made with.
func moreCommands(p *cli.Program) []*cobra.Command { return nil }

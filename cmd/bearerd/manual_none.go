//go:build !manual

package main

import "github.com/spf13/cobra"

// moreCommands are none but in the binary that releases are made with.
func moreCommands(p *program) []*cobra.Command { return nil }

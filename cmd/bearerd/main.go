// Command bearerd issues, verifies and revokes bearer tokens for HTTP APIs.
//
// The server is `bearerd serve`; `bearerd demo` is one with sample data. Every other
// command works on the database directly, while a server may be running, which receives
// the changes through the revocation log.
//
// Each subcommand has a file; what they share is in program.go (streams and flags),
// output.go (what is printed and how), open.go (from the configuration to a node) and
// secrets.go (how passwords and tokens are read).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// version is set by the linker.
var version = unreleased

// unreleased is the version of what was built without one.
const unreleased = "devel"

func main() { os.Exit(execute()) }

func execute() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &program{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: os.Environ(), Now: time.Now}
	return p.run(ctx, os.Args[1:])
}

// Command bearerd issues, verifies and revokes bearer tokens for HTTP APIs.
//
// The server is `bearerd serve`; `bearerd demo` is one with sample data. Every other
// command works on the database directly, while a server may be running, which receives
// the changes through the revocation log.
//
// Here are the root of the commands, and those that run a server.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/bearerd/bearerd/internal/cli"
)

// version is set by the linker.
var version = unreleased

// unreleased is the version of what was built without one.
const unreleased = "devel"

func main() { os.Exit(execute()) }

func execute() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	p := &cli.Program{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: os.Environ(), Now: time.Now}
	return p.Run(ctx, root(p), os.Args[1:])
}

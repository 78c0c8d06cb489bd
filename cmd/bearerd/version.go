package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/server"
)

// build is the version and the source of this binary.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from changed sources
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func versionCommand(p *cli.Program) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Args:  cli.Takes(),
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			return p.Show(b, func(w io.Writer) {
				from := ""
				if b.Revision != "" {
					from = " from " + b.Revision
				}
				_, _ = fmt.Fprintf(w, "bearerd %s%s, built with %s for %s\n", b.Version, from, b.Go, b.Platform)
			})
		},
	}
}

// metricsBuild returns the build as the metrics name it.
func metricsBuild() server.Build {
	b := thisBuild()
	return server.Build{Version: b.Version, Revision: b.Revision, GoVersion: b.Go}
}

// thisBuild returns the version that the linker set, or else the one that the go command
// knows: of a module that `go install` fetched, or of the checkout.
func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if known := info.Main.Version; version == unreleased && known != "" && known != "(devel)" {
		b.Version = known
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

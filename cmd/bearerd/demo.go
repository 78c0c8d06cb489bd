package main

import (
	"context"
	_ "embed" // the sample files
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/accessfile"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/wiring"
)

// The files that the demo writes, and the commands that it prints.
var (
	//go:embed sample/bearerd.yaml
	sampleConfig string
	//go:embed sample/access.yaml
	sampleAccess string
	//go:embed sample/guide.sh
	sampleGuide string
)

// demo holds the values that are filled into the sample files.
type demo struct {
	Dir      string
	Program  string // how to call this program again
	Listen   string // host:port
	Ops      string
	Upstream string // the sample API's URL
	Dialects string // with commas
}

func (d *demo) path(name string) string { return filepath.Join(d.Dir, name) }

func demoCommand(p *cli.Program) *cobra.Command {
	var dir, listen, ops string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a server with sample data, and print commands to paste",
		Long: `Run a server with sample users, collections and clients, every dialect, and a small
API of specimens behind the proxy, and print commands to paste into another shell.

Everything is in a temporary folder that is removed at the end. With --dir it is
kept, and its configuration and access file are examples to start from.`,
		Example: `  bearerd demo
  bearerd demo --dir try`,
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			d := &demo{Dir: dir, Listen: listen, Ops: ops}
			if dir == "" {
				if d.Dir, err = os.MkdirTemp("", "bearerd-demo-"); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, os.RemoveAll(d.Dir)) }()
			}
			return runDemo(cmd.Context(), p, d)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "keep everything in this `FOLDER`")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "the `ADDRESS` of the endpoints; if the port is in use, another one is taken")
	cmd.Flags().StringVar(&ops, "ops-listen", "127.0.0.1:9180", "the `ADDRESS` of health and metrics; the same applies")
	return cmd
}

func runDemo(ctx context.Context, p *cli.Program, d *demo) error {
	api, err := startSampleAPI(ctx)
	if err != nil {
		return err
	}
	defer api.stop()
	d.Upstream = api.url
	if err := d.findPlace(ctx); err != nil {
		return err
	}
	// The configuration is written again, because its ports change. Variables are left
	// out: a demo is the same everywhere.
	text, err := d.fill(sampleConfig)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.path("bearerd.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	if _, err := os.Stat(d.path("access.yaml")); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(d.path("access.yaml"), []byte(sampleAccess), 0o600); err != nil {
			return err
		}
	}
	c, err := config.Load(d.path("bearerd.yaml"), nil, nil)
	if err != nil {
		return err
	}
	if err := applySample(ctx, p, d, c); err != nil {
		return err
	}
	log, err := os.OpenFile(d.path("bearerd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	return serve(ctx, p, service{config: c, log: slog.New(slog.NewJSONHandler(log, nil)), ready: func() { printGuide(p, d) }})
}

// findPlace finds a folder, the path of this program, and free ports for the demo.
func (d *demo) findPlace(ctx context.Context) (err error) {
	if d.Dir, err = filepath.Abs(d.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		return err
	}
	if d.Program, err = os.Executable(); err != nil {
		return err
	}
	if d.Listen, err = freeAddress(ctx, d.Listen); err != nil {
		return err
	}
	d.Ops, err = freeAddress(ctx, d.Ops)
	var names []string
	for _, name := range wiring.Dialects() {
		names = append(names, string(name))
	}
	d.Dialects = strings.Join(names, ", ")
	return err
}

// freeAddress returns the address, or one with another port when that is taken.
func freeAddress(ctx context.Context, address string) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		host, _, splitErr := net.SplitHostPort(address)
		if splitErr != nil {
			return "", err
		}
		if l, err = new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, "0")); err != nil {
			return "", err
		}
	}
	return l.Addr().String(), l.Close()
}

func (d *demo) fill(text string) (string, error) {
	t, err := template.New("").Parse(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := t.Execute(&out, d); err != nil {
		return "", err
	}
	return out.String(), nil
}

// applySample does the same as `bearerd apply -f access.yaml`.
func applySample(ctx context.Context, p *cli.Program, d *demo, c config.Config) (err error) {
	file, err := accessfile.Load(d.path("access.yaml"))
	if err != nil {
		return err
	}
	s, err := wiring.OpenStore(ctx, c, store.Options{Now: p.Now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	i, err := wiring.ForCommand(ctx, wiring.CommandParts{Config: c, Store: s, Now: p.Now})
	if err != nil {
		return err
	}
	_, _, err = i.Applier.Apply(ctx, caller.Operator(), file.Desired)
	return file.AtLine(err)
}

func printGuide(p *cli.Program, d *demo) {
	guide, err := d.fill(sampleGuide)
	if err != nil {
		p.Complain(err)
		return
	}
	p.Say("a server is running at http://%s, in front of a small API of specimens", d.Listen)
	p.Say("its configuration, access file and log are in %s", d.Dir)
	p.Say("its users are admin (password admin#password), spadmin and jthomas (test#password)")
	p.Say("its pages are at http://%s/auth/", d.Listen)
	p.Say("paste this into another shell; press Ctrl-C here to stop the server")
	_, _ = fmt.Fprintf(p.Stdout, "\n%s", guide)
}

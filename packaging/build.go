package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// build builds the binary for each platform.
func (r *release) build(ctx context.Context) error {
	r.binaries = map[platform]string{}
	for _, p := range r.platforms {
		path := filepath.Join(r.work, "bin", p.String(), "bearerd")
		r.say("building for %s/%s", p.os, p.arch)
		if err := r.compile(ctx, p, path); err != nil {
			return err
		}
		r.binaries[p] = path
	}
	return nil
}

// compile builds one binary: static, without the paths of this machine, and with the version
// in it.
func (r *release) compile(ctx context.Context, p platform, path string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=auto", "-ldflags", "-s -w -X main.version=" + string(r.version), "-o", path}, flags...)
	cmd := command(ctx, r.root, "go", append(args, "./cmd/bearerd")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building for %s: %w\n%s", p, err, out)
	}
	return nil
}

// documents collects what accompanies every binary: the manual pages and the shell
// completions, which bearerd writes itself, and files of the sources.
func (r *release) documents(ctx context.Context) error {
	r.say("writing the manual and the completions")
	tool := filepath.Join(r.work, "bearerd-manual")
	if err := r.compile(ctx, platform{runtime.GOOS, runtime.GOARCH}, tool, "-tags", "manual"); err != nil {
		return err
	}
	pages := filepath.Join(r.work, "man")
	cmd := command(ctx, r.work, tool, "manual", pages)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.epoch.Unix(), 10))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("writing the manual: %w\n%s", err, out)
	}
	if err := r.addManual(pages); err != nil {
		return err
	}
	for shell, name := range map[string]string{"bash": "bearerd", "zsh": "_bearerd", "fish": "bearerd.fish"} {
		script, err := command(ctx, r.work, tool, "completion", shell).Output()
		if err != nil {
			return fmt.Errorf("writing the completions for %s: %w", shell, err)
		}
		r.common = append(r.common, file{name: "completions/" + shell + "/" + name, text: script})
	}
	for _, name := range []string{
		"LICENSE", "README.md", "CHANGELOG.md", "deploy/bearerd.service",
		"deploy/grafana/bearerd.json", "deploy/prometheus/bearerd.rules.yaml", "packaging/bearerd.yaml",
	} {
		text, err := r.read(filepath.FromSlash(name))
		if err != nil {
			return err
		}
		r.common = append(r.common, file{name: filepath.Base(name), text: text})
	}
	return nil
}

// addManual adds the pages, compressed as every system has them.
func (r *release) addManual(dir string) error {
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page) //nolint:gosec // what we have just written
		if err != nil {
			return err
		}
		var packed bytes.Buffer
		w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is one
		if _, err := w.Write(text); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		r.common = append(r.common, file{name: "man/" + filepath.Base(page) + ".gz", text: packed.Bytes()})
	}
	if len(pages) == 0 {
		return fmt.Errorf("no manual pages in %s", dir)
	}
	return nil
}

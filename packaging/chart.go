package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// chartVersions are the lines of Chart.yaml that name the release.
var chartVersions = regexp.MustCompile(`(?m)^(version|appVersion): .*$`)

// chart packs the Helm chart, with the release's version in it.
func (r *release) chart(context.Context) error {
	dir := filepath.Join(r.root, "deploy", "helm", "bearerd")
	var list []file
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // of the sources
		if err != nil {
			return err
		}
		name, err := filepath.Rel(filepath.Dir(dir), path)
		if err != nil {
			return err
		}
		if d.Name() == "Chart.yaml" {
			text = chartVersions.ReplaceAll(text, fmt.Appendf(nil, "$1: %q", r.version.plain()))
			if n := bytes.Count(text, []byte(r.version.plain())); n != 2 {
				return fmt.Errorf("the file Chart.yaml has %d versions, want 2", n)
			}
		}
		list = append(list, file{name: filepath.ToSlash(name), text: text})
		return nil
	})
	if err != nil {
		return fmt.Errorf("packing the chart: %w", err)
	}
	name := "bearerd-" + r.version.plain() + ".tgz"
	r.say("wrote %s", name)
	return writeArchive(filepath.Join(r.out, name), list, r.epoch)
}

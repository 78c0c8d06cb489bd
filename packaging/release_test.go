package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestVersionsAreSemantic(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]version{
		"v1.2.3": "v1.2.3", "v1.2.3-rc.1": "v1.2.3-rc.1", "v1.2.3-4-gabcdef0": "v1.2.3-4-gabcdef0", "v0.1.0-dirty": "v0.1.0-dirty",
		"08f4e19": "v0.0.0-0.g08f4e19", "08f4e19-dirty": "v0.0.0-0.g08f4e19-dirty",
		"": "", "1.2.3": "", "v1.2": "", "v01.2.3": "", "main": "", "v1.2.3 ": "",
	} {
		if got, err := parseVersion(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
}

// The same sources make the same bytes, whenever and wherever they are made.
func TestAReleaseCanBeReproduced(t *testing.T) {
	t.Parallel()
	first := firstRelease(t)
	again := newRelease(t, first.version)
	again.common = first.common // the manual takes another build, and is the same text
	if err := os.MkdirAll(again.out, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func(context.Context) error{again.build, again.archives, again.linuxPackages, again.image, again.chart, again.bill} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := again.sums(); err != nil {
		t.Fatal(err)
	}
	a, err := os.ReadFile(filepath.Join(first.out, sumsFile))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(again.out, sumsFile))
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Errorf("the sums are\n%s\nand then\n%s", a, b)
	}
	if strings.Count(string(a), "\n") != 6 {
		t.Errorf("the release has\n%s", a)
	}
}

func TestTheSumsAreRight(t *testing.T) {
	t.Parallel()
	r := firstRelease(t)
	out := output(t, "sh", "-ec", "cd "+r.out+" && sha256sum --strict -c "+sumsFile)
	entries, err := os.ReadDir(r.out)
	if err != nil || strings.Count(out, ": OK") != len(entries)-1 {
		t.Errorf("%d files:\n%s", len(entries), out)
	}
}

func TestNothingIsWrittenOverARelease(t *testing.T) {
	t.Parallel()
	r := newRelease(t, "v1.2.3")
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.out, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.make(t.Context()); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("it made %v", err)
	}
}

// The binary needs nothing of the system that it runs on, and knows what it is.
func TestTheBinaryIsStaticAndKnowsItsVersion(t *testing.T) {
	t.Parallel()
	r := firstRelease(t)
	path := r.binaries[host()]
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("the binary needs a dynamic linker")
	}
	if said := output(t, path, "version"); !strings.HasPrefix(said, "bearerd v1.2.3") {
		t.Errorf("it says %s", said)
	}
	if said := output(t, path, "help"); strings.Contains(said, "manual") {
		t.Errorf("the command that writes the manual is in it:\n%s", said)
	}
}

// filesOf returns what an archive has.
func filesOf(t *testing.T, path string) map[string]*tar.Header {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]*tar.Header{}
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = h
	}
}

func TestTheArchiveHasAllThatGoesWithTheBinary(t *testing.T) {
	t.Parallel()
	r := firstRelease(t)
	name := "bearerd_1.2.3_" + host().String()
	files := filesOf(t, r.find(t, name+".tar.gz"))
	for _, want := range []string{
		"bearerd", "LICENSE", "README.md", "CHANGELOG.md", "bearerd.service", "bearerd.yaml", "bearerd.json", "bearerd.rules.yaml",
		"man/bearerd.1.gz", "man/bearerd-serve.1.gz", "man/bearerd-token-create.1.gz",
		"completions/bash/bearerd", "completions/zsh/_bearerd", "completions/fish/bearerd.fish",
	} {
		h := files[name+"/"+want]
		if h == nil || h.Size == 0 || !h.ModTime.Equal(r.epoch) || h.Uid != 0 {
			t.Errorf("%s is %+v", want, h)
		}
	}
	if h := files[name+"/bearerd"]; h != nil && h.Mode != 0o755 {
		t.Errorf("the binary has the mode %o", h.Mode)
	}
}

func TestTheManualSaysWhatTheHelpSays(t *testing.T) {
	t.Parallel()
	r := firstRelease(t)
	page := output(t, "sh", "-ec", "zcat "+filepath.Join(r.work, "packages", "deb", "usr/share/man/man1/bearerd-serve.1.gz"))
	for _, want := range []string{`.TH "BEARERD-SERVE" "1" "Nov 2023"`, "v1.2.3", "SIGHUP", "ops-listen"} {
		if !strings.Contains(strings.ReplaceAll(page, `\-`, "-"), want) {
			t.Errorf("the page doesn't say %s:\n%.400s", want, page)
		}
	}
}

// The bill names each module that the binary says it is made of, with its licence.
func TestTheBillNamesWhatIsInTheBinary(t *testing.T) {
	t.Parallel()
	r := firstRelease(t)
	text, err := os.ReadFile(r.find(t, "*.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		BOMFormat  string
		Components []struct {
			Name, Version string
			Evidence      struct{ Licenses []any }
		}
	}
	if err := json.Unmarshal(text, &bill); err != nil || bill.BOMFormat != "CycloneDX" {
		t.Fatalf("%v in %.200s", err, text)
	}
	named := map[string]string{}
	for _, c := range bill.Components {
		named[c.Name] = c.Version
		if len(c.Evidence.Licenses) == 0 && c.Name != "std" {
			t.Errorf("%s has no licence", c.Name)
		}
	}
	for line := range strings.Lines(output(t, "go", "version", "-m", r.binaries[host()])) {
		if fields := strings.Fields(line); fields[0] == "dep" && named[fields[1]] != fields[2] {
			t.Errorf("the binary has %s %s, the bill %q", fields[1], fields[2], named[fields[1]])
		}
	}
	if named["modernc.org/sqlite"] == "" {
		t.Errorf("the bill names %v", named)
	}
}

// The chart of a release names the release.
func TestThePackedChartIsTheReleases(t *testing.T) {
	t.Parallel()
	r := firstRelease(t)
	files := filesOf(t, r.find(t, "bearerd-1.2.3.tgz"))
	for _, want := range []string{"Chart.yaml", "values.yaml", "values.schema.json", "templates/deployment.yaml", "files/bearerd.rules.yaml"} {
		if h := files["bearerd/"+want]; h == nil || h.Typeflag != tar.TypeReg || h.Size == 0 {
			t.Errorf("%s is %+v", want, h)
		}
	}
	text := output(t, "tar", "xzOf", r.find(t, "bearerd-1.2.3.tgz"), "bearerd/Chart.yaml")
	if !strings.Contains(text, "version: \"1.2.3\"\nappVersion: \"1.2.3\"\n") {
		t.Errorf("it says %s", text)
	}
}

func TestTheTimeIsThatOfTheSources(t *testing.T) {
	t.Parallel()
	if at, err := sourceDate(t.Context(), "..", "1700000000"); err != nil || at.Unix() != 1_700_000_000 {
		t.Errorf("%s, %v", at, err)
	}
	if _, err := sourceDate(t.Context(), "..", "today"); err == nil {
		t.Error("a word is a time")
	}
	at, err := sourceDate(t.Context(), "..", "")
	if err != nil || at.Before(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the last commit is of %s, %v", at, err)
	}
}

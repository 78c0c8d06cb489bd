// Command packaging makes the files of a release: archives of static binaries, Debian and
// RPM packages, an OCI image, a Helm chart, a bill of materials and checksums. No container
// engine and no root is needed, and the same commit makes the same bytes.
//
//	go run . -version v1.2.3 -out ../dist
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

// run makes a release as the flags say.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("packaging", flag.ContinueOnError)
	root := flags.String("root", "..", "the `DIRECTORY` of bearerd's sources")
	out := flags.String("out", "../dist", "the `DIRECTORY` that is filled, which must be empty or missing")
	version := flags.String("version", "", "the `VERSION`, such as v1.2.3; what is none is taken for a snapshot")
	platforms := flags.String("platforms", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64", "a `LIST` of operating systems and processors")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r := &release{root: *root, out: *out, say: func(format string, args ...any) { _, _ = fmt.Fprintf(stdout, format+"\n", args...) }}
	var err error
	if r.version, err = parseVersion(*version); err != nil {
		return err
	}
	for p := range strings.SplitSeq(*platforms, ",") {
		goos, arch, ok := strings.Cut(p, "/")
		if !ok {
			return fmt.Errorf("-platforms: %q is no operating system with a processor", p)
		}
		r.platforms = append(r.platforms, platform{goos, arch})
	}
	if r.epoch, err = sourceDate(ctx, r.root, os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		return err
	}
	if r.work, err = os.MkdirTemp("", "bearerd-release-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(r.work) }()
	return r.make(ctx)
}

// platform is an operating system and a processor, by Go's names.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "_" + p.arch }

// release is one that is being made.
type release struct {
	root, out string
	work      string  // for intermediate files
	version   version // of this release
	epoch     time.Time
	platforms []platform
	say       func(format string, args ...any)

	binaries map[platform]string // where they are, once they are built
	common   []file              // what goes with every binary
}

// make makes everything. What is in out is complete when SHA256SUMS is there.
func (r *release) make(ctx context.Context) error {
	if entries, err := os.ReadDir(r.out); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty: remove it first", r.out)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil { //nolint:gosec // everybody may read a release
		return err
	}
	r.say("bearerd %s, as of %s", r.version, r.epoch.UTC().Format(time.RFC3339))
	for _, step := range []func(context.Context) error{
		r.build, r.documents, r.archives, r.linuxPackages, r.image, r.chart, r.bill,
	} {
		if err := errors.Join(ctx.Err(), step(ctx)); err != nil {
			return err
		}
	}
	return r.sums()
}

// version is a semantic version, with a v before it as Go's tags have.
type version string

var semantic = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)

// parseVersion returns a version. What `git describe` prints where there is no tag yet, a
// commit, becomes a snapshot that is older than every release.
func parseVersion(text string) (version, error) {
	switch {
	case semantic.MatchString(text):
		return version(text), nil
	case regexp.MustCompile(`^[0-9a-f]{7,40}(-dirty)?$`).MatchString(text):
		return version("v0.0.0-0.g" + text), nil
	}
	return "", fmt.Errorf("-version: %q is none: write v1.2.3", text)
}

// plain returns the version without the v, as everything but Go writes it.
func (v version) plain() string { return strings.TrimPrefix(string(v), "v") }

// sourceDate returns the time of everything in the release: SOURCE_DATE_EPOCH's, or else
// the last commit's.
func sourceDate(ctx context.Context, root, epoch string) (time.Time, error) {
	if epoch == "" {
		out, err := command(ctx, root, "git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("finding the time of the last commit: %w; set SOURCE_DATE_EPOCH", err)
		}
		epoch = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %q is no time in seconds", epoch)
	}
	return time.Unix(seconds, 0), nil
}

// command returns a command that ends with ctx.
func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // go, git and what we have built
	cmd.Dir = dir
	return cmd
}

// read reads a file of the sources.
func (r *release) read(path ...string) ([]byte, error) {
	return os.ReadFile(filepath.Join(append([]string{r.root}, path...)...))
}

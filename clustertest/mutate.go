package clustertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Edit replaces a text that occurs exactly once in a source file.
type Edit struct {
	File     string // relative to the module
	Old, New string
}

// Mutation is a change to bearerd's sources that breaks something. The files in the
// tree stay as they are.
type Mutation struct {
	Name  string
	Edits []Edit
	Files map[string]string // new source files, by path relative to the module
}

// Build builds the binary in a directory and returns its path. With race the binary
// has the race detector, which needs a C compiler. The zero Mutation is bearerd itself.
// Build fails when the old text of an edit doesn't occur exactly once, because then the
// mutation breaks something else, or nothing.
func (m Mutation) Build(ctx context.Context, dir string, race bool) (string, error) {
	args, cgo := []string{"build", "-o", filepath.Join(dir, "bearerd")}, "CGO_ENABLED=0"
	if race {
		args, cgo = append(args, "-race"), "CGO_ENABLED=1"
	}
	return m.compile(ctx, dir, append(args, "./cmd/bearerd"), cgo)
}

// BuildTest builds the tests of a package of the module in a directory and returns the
// binary's path. The error is that of Build.
func (m Mutation) BuildTest(ctx context.Context, dir, pkg string) (string, error) {
	return m.compile(ctx, dir, []string{"test", "-c", "-o", filepath.Join(dir, "tests"), pkg}, "CGO_ENABLED=0")
}

// compile runs a command of go with the changed sources; after -o comes the binary's path.
func (m Mutation) compile(ctx context.Context, dir string, args []string, environment string) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	if len(m.Edits)+len(m.Files) > 0 {
		overlay, err := m.overlay(root, dir)
		if err != nil {
			return "", err
		}
		args = slices.Insert(args, 1, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the compiler, on our own sources
	cmd.Dir, cmd.Env = root, append(os.Environ(), environment)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building (%s): %w\n%s", m.Name, err, text)
	}
	return args[slices.Index(args, "-o")+1], nil
}

func moduleRoot(ctx context.Context) (string, error) {
	text, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	return filepath.Dir(string(bytes.TrimSpace(text))), nil
}

// overlay writes the changed sources and the file for the compiler's -overlay.
func (m Mutation) overlay(root, dir string) (string, error) {
	changed := map[string][]byte{}
	for _, e := range m.Edits {
		text, known := changed[e.File]
		if !known {
			var err error
			if text, err = os.ReadFile(filepath.Join(root, e.File)); err != nil { //nolint:gosec // our own sources
				return "", err
			}
		}
		if n := bytes.Count(text, []byte(e.Old)); n != 1 {
			return "", fmt.Errorf("mutation %q: the text to replace occurs %d times in %s, not once:\n%s", m.Name, n, e.File, e.Old)
		}
		changed[e.File] = bytes.Replace(text, []byte(e.Old), []byte(e.New), 1)
	}
	for file, text := range m.Files {
		if _, err := os.Stat(filepath.Join(root, file)); err == nil {
			return "", errors.New(file + " exists already")
		}
		changed[file] = []byte(text)
	}
	replace := map[string]string{}
	for file, text := range changed {
		copied := filepath.Join(dir, fmt.Sprintf("changed-%d.go", len(replace)))
		if err := os.WriteFile(copied, text, 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(root, file)] = copied
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, list, 0o600)
}

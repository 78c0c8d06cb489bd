package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tree is a repository with the script that makes a release, and a go command that notes how
// it was called.
type tree struct {
	*testing.T

	dir string
}

const aChangelog = "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.3] - 2026-11-29\n\n### Added\n\n- a thing\n\n## [1.2.2] - 2026-10-01\n\n- old\n"

func newTree(t *testing.T, changelog string) *tree {
	t.Helper()
	s := &tree{t, t.TempDir()}
	script, err := os.ReadFile("release")
	if err != nil {
		t.Fatal(err)
	}
	s.write("packaging/release", string(script))
	s.write("packaging/go", "#!/bin/sh\nmkdir -p ../dist && echo \"$@\" >../dist/called\n")
	s.write("CHANGELOG.md", changelog)
	s.write(".gitignore", "/dist/\n")
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "commit.gpgsign=false", "commit", "-q", "-m", "all"}} {
		if out, err := s.git(args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	return s
}

func (s *tree) write(name, text string) {
	s.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		s.Fatal(err)
	}
}

func (s *tree) git(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.Context(), "git", args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org")
	return cmd
}

// release runs the script and returns what it said.
func (s *tree) release(version string) (string, error) {
	s.Helper()
	cmd := s.git()
	cmd.Path, cmd.Args = filepath.Join(s.dir, "packaging", "release"), []string{"release", version}
	cmd.Env = append(cmd.Env, "GO="+filepath.Join(s.dir, "packaging", "go"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *tree) tags() string {
	s.Helper()
	out, err := s.git("tag", "-n1").Output()
	if err != nil {
		s.Fatal(err)
	}
	return string(out)
}

func TestAReleaseIsBuiltAndTaggedAndNotPushed(t *testing.T) {
	t.Parallel()
	s := newTree(t, aChangelog)
	said, err := s.release("v1.2.3")
	if err != nil || !strings.Contains(said, "git push origin v1.2.3") {
		t.Fatalf("%v\n%s", err, said)
	}
	if got := s.tags(); !strings.Contains(got, "v1.2.3") || !strings.Contains(got, "bearerd 1.2.3") {
		t.Errorf("the tags are %s", got)
	}
	called, err := os.ReadFile(filepath.Join(s.dir, "dist", "called"))
	if err != nil || strings.TrimSpace(string(called)) != "run . -version v1.2.3 -out ../dist" {
		t.Errorf("it called go %s, %v", called, err)
	}
	notes, err := os.ReadFile(filepath.Join(s.dir, "dist", "NOTES.md"))
	if err != nil || strings.TrimSpace(string(notes)) != "### Added\n\n- a thing" {
		t.Errorf("the notes are %q, %v", notes, err)
	}
}

func TestAReleaseThatIsNotReadyIsRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		changelog, version, want string
		change                   func(*tree)
	}{
		"no version":         {aChangelog, "", "is no version", nil},
		"without v":          {aChangelog, "1.2.3", "is no version", nil},
		"no section":         {aChangelog, "v1.3.0", "no section", nil},
		"a section too long": {aChangelog, "v1.2", "is no version", nil},
		"an empty section":   {"# Changelog\n\n## [1.2.3] - 2026-11-29\n\n## [1.2.2] - 2026-10-01\n\n- old\n", "v1.2.3", "no section", nil},
		"no day":             {"# Changelog\n\n## [1.2.3]\n\n- a thing\n", "v1.2.3", "no section", nil},
		"a change":           {aChangelog, "v1.2.3", "aren't committed", func(s *tree) { s.write("CHANGELOG.md", aChangelog+"x") }},
		"a new file":         {aChangelog, "v1.2.3", "aren't committed", func(s *tree) { s.write("new.go", "x") }},
		"tagged already":     {aChangelog, "v1.2.3", "is a tag", func(s *tree) { _ = s.git("tag", "v1.2.3").Run() }},
	} {
		s := newTree(t, tc.changelog)
		if tc.change != nil {
			tc.change(s)
		}
		before := s.tags()
		said, err := s.release(tc.version)
		if err == nil || !strings.Contains(said, tc.want) || s.tags() != before {
			t.Errorf("%s: %v\n%s", name, err, said)
		}
		if _, err := os.Stat(filepath.Join(s.dir, "dist")); err == nil {
			t.Errorf("%s: it built something", name)
		}
	}
}

// A build that fails leaves no tag.
func TestAFailedBuildIsNotTagged(t *testing.T) {
	t.Parallel()
	s := newTree(t, aChangelog)
	s.write("packaging/go", "#!/bin/sh\nexit 3\n")
	if out, err := s.git("-c", "commit.gpgsign=false", "commit", "-qam", "broken").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if said, err := s.release("v1.2.3"); err == nil || s.tags() != "" {
		t.Errorf("%v\n%s, the tags are %s", err, said, s.tags())
	}
}

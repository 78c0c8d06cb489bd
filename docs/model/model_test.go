// Package model_test has spin search the protocol of promise.pml in full: that the
// promise holds, and that it doesn't hold any more once a rule or an assumption is
// taken away.
package model_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	model         = "promise.pml"
	verifiers     = "verifiers.pml"
	searchTimeout = 9 * time.Minute // on a machine that has other work; see README.md
	memoryLimit   = "3000"          // MB
	depthLimit    = "300000"        // steps; a search that gets there fails
)

// The two halves of the promise, as promise.pml calls them.
const (
	holds = ""
	p1    = "P1"
	p2    = "P2"
)

// search is one run of spin over the model with some switches on.
type search struct {
	model    string   // "": promise.pml
	switches []string // NAME=VALUE
	optimize string   // of the C compiler; "": it is compiled faster than it would run
}

// switchesOf is the file with the switches of a model.
var switchesOf = map[string]string{model: "switches.pml", verifiers: "verifierswitches.pml"}

// result is what a search that ran to its end has found.
type result struct {
	violated string // p1, p2, holds, or the text of another assertion: reached's
	output   string
}

var (
	assertion = regexp.MustCompile(`assertion violated (.*) \(at depth \d+\)`)
	unreached = regexp.MustCompile(`[a-z]+\.pml:\d+, state \d+, ".*"`)
	switchDef = regexp.MustCompile(`(?m)^#ifndef ([A-Z0-9_]+)`)
)

// run searches the model. It fails the test when the search isn't one of all states.
func (s search) run(t *testing.T) result {
	t.Helper()
	dir := t.TempDir()
	if s.model == "" {
		s.model = model
	}
	for _, name := range []string{s.model, switchesOf[s.model]} { // spin looks for what it wrote beside the model
		if err := os.WriteFile(filepath.Join(dir, name), []byte(read(t, name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	defines := make([]string, len(s.switches))
	for i, name := range s.switches {
		defines[i] = "-D" + name
	}
	optimize := s.optimize
	if optimize == "" {
		optimize = "-O0"
	}
	command(t, dir, "spin", slices.Concat(defines, []string{"-a", s.model})...)
	command(t, dir, "gcc", optimize, "-w", "-DSAFETY", "-DNOREDUCE", "-DVECTORSZ=256", "-DMEMLIM="+memoryLimit, "-o", "pan", "pan.c")
	output := command(t, dir, "./pan", "-m"+depthLimit, "-w24")
	r := result{output: output}
	switch found := assertion.FindStringSubmatch(output); {
	case found != nil && strings.Contains(output, "errors: 1"):
		r.violated = half(found[1])
	case !strings.Contains(output, "errors: 0") || !strings.Contains(output, "Full statespace search for:"):
		t.Fatalf("%v: the search found another error, or was no full one:\n%s", s.switches, output)
	case strings.Contains(output, "Search not completed"), strings.Contains(output, "max search depth too small"),
		strings.Contains(output, "memory bound"), strings.Contains(output, "out of memory"):
		t.Fatalf("%v: the search was cut short:\n%s", s.switches, output)
	}
	if r.violated != holds {
		r.output += "\n" + command(t, dir, "spin", slices.Concat(defines, []string{"-t", "-p", "-B", s.model})...)
	}
	return r
}

// half returns which half of the promise an assertion is of.
func half(assertion string) string {
	switch {
	case strings.Contains(assertion, "||"): // a marked line
		return assertion
	case strings.Contains(assertion, "acknowledged"), strings.Contains(assertion, "late"):
		return p1
	case strings.Contains(assertion, "shown"):
		return p2
	}
	return assertion
}

// command runs a program to its end and returns what it printed. Without the program
// the test is skipped, in CI it fails.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil && name != "./pan" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing", name)
		}
		t.Skipf("%s is missing: make packages installs it", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), searchTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), errors.Join(err, ctx.Err()), &out)
	}
	return out.String()
}

// TestPromiseHolds searches every order of steps: with two nodes, as far as they
// concern each other, and with one node, both halves of the promise and a finer time.
func TestPromiseHolds(t *testing.T) {
	t.Parallel()
	for name, switches := range map[string][]string{
		"two nodes":                     {"NODES=2", "L=1", "P2=0"},
		"two nodes, old primary fenced": {"NODES=2", "L=2", "P2=0", "FENCED=1"},
		"one node":                      {"NODES=1", "L=3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := search{switches: switches, optimize: "-O2"}.run(t)
			if r.violated != holds {
				t.Errorf("%s is broken:\n%s", r.violated, r.output)
			}
			t.Log(summary(r.output))
		})
	}
}

// summary returns the lines that say how large a search was.
func summary(output string) string {
	found := regexp.MustCompile(`(?m)^.*(States=|depth reached|states, stored|total actual memory|elapsed time).*$`).FindAllString(output, -1)
	return strings.Join(found, "\n")
}

// mutant is a switch and what it breaks, where the old primary can still be read and
// where it was fenced.
type mutant struct {
	name             string
	unfenced, fenced string
}

var mutants = []mutant{
	{"READ_REVOKES", p1, p1},
	{"WARNING_REVOKES", p1, p1},
	{"WARNING_CONFIRMS", p1, p1},
	{"READ_PERMITS", p1, holds},
	{"READ_HEARTBEATS", p2, holds},
	{"ONE_QUESTION", p1, p1},
	{"FROM_ANSWER", p1, p1},
	{"CONFIRM_ELSEWHERE", p1, holds},
	{"LEAVE_LISTED", p1, p1},
	{"DROP_AT_ONCE", p1, p1},
	{"NO_MARGIN", p1, p1},
	{"FROM_COMMIT_START", p1, p1},
	{"LIST_ELSEWHERE", p1, holds},
	{"OWN_PURGE", p1, p1},
	{"OWN_EXPIRY", p1, p1},
	{"CLOCK_BACK", p1, p1},
	{"ASYNC", p1, p1},
	{"PROMOTE_ASYNC", p1, p1},
	{"ALONE", p1, holds},
	{"STOPPED", p1, p1},
}

// TestPromiseNeedsEachRule takes away one rule or assumption at a time.
func TestPromiseNeedsEachRule(t *testing.T) {
	t.Parallel()
	for _, m := range mutants {
		for fenced, want := range []string{m.unfenced, m.fenced} {
			t.Run(fmt.Sprintf("%s, FENCED=%d", m.name, fenced), func(t *testing.T) {
				t.Parallel()
				switches := []string{"NODES=1", "L=1", m.name + "=1", fmt.Sprintf("FENCED=%d", fenced)}
				if want == p1 {
					switches = append(switches, "P2=0") // many break both, and P1 is the stronger
				}
				if r := (search{switches: switches}).run(t); r.violated != want {
					t.Errorf("breaks %q, want %q:\n%s", r.violated, want, r.output)
				}
			})
		}
	}
}

// TestMarginIsForDriftAlone: who waits no longer than L relies on clocks that run alike.
func TestMarginIsForDriftAlone(t *testing.T) {
	t.Parallel()
	r := search{switches: []string{"NODES=1", "L=2", "NO_MARGIN=1", "EXACT=1"}}.run(t)
	if r.violated != holds {
		t.Errorf("%s is broken:\n%s", r.violated, r.output)
	}
}

// TestModelGetsThere asks for what must be able to happen, or the promise would be
// empty: each is found as if it were an error.
func TestModelGetsThere(t *testing.T) {
	t.Parallel()
	for k, what := range []string{
		"a permit, after the promotion",
		"a lease, after the promotion",
		"a yes as late as P2 allows",
		"an acknowledgement without a silent node's confirmation",
		"an acknowledgement, on the new primary, of what was there already",
		"an acknowledgement that a node has confirmed",
		"a purge after the acknowledgement",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := search{switches: []string{"NODES=1", "L=1", fmt.Sprintf("REACH=%d", k+1)}}.run(t)
			if r.violated == holds || r.violated == p1 || r.violated == p2 {
				t.Errorf("found %q, want the marked line:\n%s", r.violated, summary(r.output))
			}
		})
	}
}

// TestEveryStepIsTaken: each line of the model is reached.
func TestEveryStepIsTaken(t *testing.T) {
	t.Parallel()
	r := search{switches: []string{"NODES=1", "L=1"}}.run(t)
	if !strings.Contains(r.output, "unreached in proctype Follower") {
		t.Fatalf("the search doesn't say what it has not reached:\n%s", r.output)
	}
	for _, line := range unreached.FindAllString(r.output, -1) {
		if !strings.HasSuffix(line, `"-end-"`) {
			t.Error(line)
		}
	}
}

// TestEverySwitchIsTriedAndExplained holds switches.pml, the table of this test and the
// tables of README.md together.
func TestEverySwitchIsTriedAndExplained(t *testing.T) {
	t.Parallel()
	readme := read(t, "README.md")
	tried := map[string][]string{verifiers: verifierMutants}
	rows := map[string]string{}
	for _, m := range mutants {
		tried[model] = append(tried[model], m.name)
		rows[m.name] = cell(m.unfenced) + ` \| ` + cell(m.fenced)
	}
	for _, name := range verifierMutants {
		rows["verifiers: "+name] = p1
	}
	for of, file := range switchesOf {
		want := switchesIn(t, file)
		if !slices.Equal(tried[of], want) {
			t.Errorf("tried are %v, and the switches in %s are %v", tried[of], file, want)
		}
	}
	for name, breaks := range rows {
		row := regexp.MustCompile(`(?m)^\| ` + "`" + strings.TrimPrefix(name, "verifiers: ") + "`" + ` \|.*\| ` + breaks + ` \|$`)
		if !row.MatchString(readme) {
			t.Errorf("README.md has no row for %s that ends with %s", name, breaks)
		}
	}
}

// switchesIn returns the switches of a file that take away a rule or an assumption.
func switchesIn(t *testing.T, file string) (names []string) {
	t.Helper()
	text, _, found := strings.Cut(read(t, file), "/* More than is assumed.")
	if !found || !strings.Contains(text, "/* Assumptions.") {
		t.Fatalf("%s has other sections of switches", file)
	}
	for _, def := range switchDef.FindAllStringSubmatch(text, -1) {
		names = append(names, def[1])
	}
	return names
}

func cell(violated string) string {
	if violated == holds {
		return "holds"
	}
	return violated
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

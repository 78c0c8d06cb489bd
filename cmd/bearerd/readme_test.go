package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/wiring"
)

const readme = "../../README.md"

var updateReadme = flag.Bool("readme", false, "print what the README's commands print")

func readmeText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block is a block of code of the README.
type block struct{ language, text string }

func blocks(text string) []block {
	var all []block
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		all = append(all, block{m[1], m[2]})
	}
	return all
}

// TestTheGuideOfTheREADMEWorks runs the guide as a reader does: each block of
// commands in one shell, the server in another. What a block prints is what stands
// beneath it.
func TestTheGuideOfTheREADMEWorks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := blocks(readmeText(t))
	before := "" // what was run: a shell's variables come from there
	base := ""
	ran := 0
	for i, b := range all {
		if b.language != "sh" {
			continue
		}
		if text, ok := strings.CutSuffix(b.text, "bearerd serve --config bearerd.yaml\n"); ok {
			paste(t, dir, text)
			p, err := start(commandIn(dir, "serve", "--config", "bearerd.yaml", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"))
			if err != nil {
				t.Fatalf("%v\n%s", err, p.log)
			}
			t.Cleanup(func() { _ = p.stop() })
			base = p.base
			continue
		}
		commands := b.text
		if base != "" {
			commands = strings.ReplaceAll(commands, "http://localhost:8080", base)
		}
		got := paste(t, dir, before+"echo ==; "+commands)
		_, got, _ = strings.Cut(got, "==\n")
		if strings.HasPrefix(commands, "TOKEN=") {
			// The same token from here on: asking again would return another one.
			before = "TOKEN=" + strings.TrimSpace(got) + "\n"
		}
		if i+1 == len(all) || all[i+1].language != "text" {
			t.Errorf("nothing says what this prints:\n%s", b.text)
			continue
		}
		ran++
		if diff := cmp.Diff(steady(all[i+1].text), steady(got)); diff != "" {
			t.Errorf("%s (-README +printed):\n%s", b.text, diff)
			if *updateReadme {
				t.Log("\n" + got)
			}
		}
	}
	if ran < 6 {
		t.Errorf("only %d blocks of commands were run", ran)
	}
}

func commandIn(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("bearerd", args...)
	cmd.Dir = dir
	return cmd
}

// unsteady is what differs each time.
var unsteady = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`eyJ[\w.…-]+`), "TOKEN"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`(?m)^Date: .*$`), "Date: NOW"},
	{regexp.MustCompile(`signed by [\w-]{43}`), "signed by KEY"},
	{regexp.MustCompile(`[ \t\r]+(\n|$)`), "$1"},
}

func steady(s string) string {
	for _, u := range unsteady {
		s = u.pattern.ReplaceAllString(s, u.with)
	}
	return strings.TrimSpace(s)
}

// TestTheFirstCommandsOfTheREADMEAreThere runs make as far as saying what it would do.
func TestTheFirstCommandsOfTheREADMEAreThere(t *testing.T) {
	t.Parallel()
	want := map[string]string{"demo": "run ./cmd/bearerd demo", "test": "test ./...", "build": "-o bin/bearerd ./cmd/bearerd"}
	for _, b := range blocks(readmeText(t)) {
		if b.language != "console" {
			continue
		}
		for _, m := range regexp.MustCompile(`(?m)^make (\w+)`).FindAllStringSubmatch(b.text, -1) {
			out, err := exec.Command("make", "-n", "-C", "../..", m[1]).CombinedOutput()
			if err != nil || want[m[1]] == "" || !bytes.Contains(out, []byte(want[m[1]])) {
				t.Errorf("make %s: %v\n%s", m[1], err, out)
			}
			delete(want, m[1])
		}
	}
	if len(want) > 0 {
		t.Errorf("the README doesn't say %v", want)
	}
}

// TestTheREADMENamesWhatThereIs holds its table of dialects, and the table of endpoints,
// against the server: what they name exists, and every dialect is named.
func TestTheREADMENamesWhatThereIs(t *testing.T) {
	t.Parallel()
	text := readmeText(t)
	var names []string
	for _, name := range wiring.Dialects() {
		names = append(names, string(name))
		if !strings.Contains(text, "\n| [`"+string(name)+"`](docs/dialect-"+string(name)+".md) |") {
			t.Errorf("the dialect %s has no row", name)
		}
	}
	b := newBench(t, t.TempDir(), "dialects: ["+strings.Join(names, ", ")+"]\n")
	p := b.serve()
	resp, err := b.client.Get(p.base + "/auth/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var document struct{ Paths map[string]any }
	if err := json.NewDecoder(resp.Body).Decode(&document); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	endpoints, err := os.ReadFile("../../docs/endpoints.md")
	if err != nil {
		t.Fatal(err)
	}
	_, theirs, _ := strings.Cut(text, "## For clients of an existing system")
	named := regexp.MustCompile("`(?:[A-Z]+ )?(/[^`…]*)`").FindAllStringSubmatch(string(endpoints)+theirs, -1)
	if len(named) < 30 {
		t.Errorf("only %d endpoints are named", len(named))
	}
	for _, m := range named {
		path := m[1]
		if _, described := document.Paths[path]; described || b.served(p.base+path) || b.served(p.ops+path) {
			continue
		}
		t.Errorf("%s is not served", path)
	}
}

// TestTheMetricsToWatchExist holds the operator's guide against the server.
func TestTheMetricsToWatchExist(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	metrics := metricsOf(t)
	named := regexp.MustCompile("`(bearerd_\\w+)(?:\\{([\\w,]+)\\})?`").FindAllSubmatch(guide, -1)
	for _, m := range named {
		for label := range strings.SplitSeq(string(m[2]), ",") {
			line := `(?m)^` + string(m[1]) + `(_bucket)?[ {].*` + label
			if !regexp.MustCompile(line).MatchString(metrics) {
				t.Errorf("there is no metric %s with %s", m[0], label)
			}
		}
	}
	if len(named) < 5 {
		t.Errorf("the guide names %d metrics", len(named))
	}
}

// served reports whether a path of no description is there all the same.
func (b *bench) served(target string) bool {
	resp, err := b.client.Get(target)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode != http.StatusNotFound
}

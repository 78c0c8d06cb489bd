package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/config"
)

const deploy = "../../deploy/"

// tool finds a program. Without it the test is skipped, in CI it fails.
func tool(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", names[0])
	}
	t.Skipf("%s is missing: make packages installs it", names[0])
	return ""
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// accepted fails when bearerd doesn't know the command or a flag of it.
func accepted(t *testing.T, args []string) {
	t.Helper()
	p := &program{stdin: os.Stdin, stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, now: time.Now}
	cmd, rest, err := p.root().Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil {
		err = cmd.ValidateArgs(cmd.Flags().Args())
	}
	if err != nil || cmd.Parent() == nil {
		t.Errorf("bearerd %s: %v", strings.Join(args, " "), err)
	}
}

// unit reads a unit of systemd: the values of each setting of [Service].
func unit(t *testing.T) map[string][]string {
	t.Helper()
	settings := map[string][]string{}
	section := ""
	for line := range strings.Lines(readText(t, deploy+"bearerd.service")) {
		line = strings.TrimSpace(line)
		name, value, pair := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = line
		case !pair:
			t.Errorf("%q is no setting", line)
		case section == "[Service]":
			settings[name] = append(settings[name], value)
		}
	}
	return settings
}

func TestTheUnitFitsBearerd(t *testing.T) {
	t.Parallel()
	settings := unit(t)
	command := strings.Fields(settings["ExecStart"][0])
	accepted(t, command[1:])
	if command[0] != "/usr/local/bin/bearerd" || !slices.Contains(command, "/etc/bearerd/bearerd.yaml") {
		t.Errorf("it runs %q", command)
	}
	// Relative paths of the default configuration lie in the state directory.
	if c := config.Default(); filepath.IsAbs(c.Database.Reveal()) || filepath.IsAbs(c.MasterKeyFile) {
		t.Error("the default configuration has absolute paths")
	}
	for name, want := range map[string]string{
		"Type": "notify", "User": "bearerd", "WorkingDirectory": "/var/lib/bearerd", "StateDirectory": "bearerd", "StateDirectoryMode": "0700",
		"ProtectSystem": "strict", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "Restart": "on-failure", "UMask": "0077",
	} {
		if got := settings[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestSystemdTakesTheUnit(t *testing.T) {
	t.Parallel()
	analyze := tool(t, "systemd-analyze")
	path := filepath.Join(t.TempDir(), "bearerd.service")
	text := strings.Replace(readText(t, deploy+"bearerd.service"), "/usr/local/bin/bearerd", "/bin/true", 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", "--man=no", path}, {"security", "--offline=yes", "--threshold=15", path}} {
		if out, err := exec.Command(analyze, args...).CombinedOutput(); err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}

func TestServeTellsTheServiceManagerThatItListens(t *testing.T) {
	t.Parallel()
	b := newBench(t, t.TempDir(), "shutdown: {notice: 0s}\n")
	dir, err := os.MkdirTemp("", "notify") //nolint:usetesting // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	manager, err := new(net.ListenConfig).ListenPacket(t.Context(), "unixgram", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = manager.Close() })
	cmd := b.command("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
	cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "socket"))
	p, err := start(cmd)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	t.Cleanup(func() { _ = p.stop() })
	_ = manager.SetReadDeadline(time.Now().Add(20 * time.Second))
	said := make([]byte, 100)
	n, _, err := manager.ReadFrom(said)
	if err != nil || string(said[:n]) != "READY=1" {
		t.Errorf("it said %q, %v", said[:n], err)
	}
	if a, err := b.verify(p, "junk"); err != nil || a.status != 401 {
		t.Errorf("it is ready and answers %v, %v", a.status, err)
	}
}

func TestAServiceManagerThatIsGoneKeepsNobodyFromServing(t *testing.T) {
	t.Parallel()
	b := newBench(t, t.TempDir(), "shutdown: {notice: 0s}\n")
	cmd := b.command("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
	cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+filepath.Join(b.dir, "gone"))
	p, err := start(cmd)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	if a, err := b.verify(p, "junk"); err != nil || a.status != 401 {
		t.Errorf("it answers %v, %v", a.status, err)
	}
	if err := p.stop(); err != nil || !strings.Contains(p.log.String(), "service manager") {
		t.Errorf("%v; the log:\n%s", err, p.log)
	}
}

// instruction is one of a Dockerfile, with its lines joined.
type instruction struct{ name, args string }

var known = []string{"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD", "LABEL"}

// dockerfile reads the stages of the Dockerfile. The linter that everybody uses is
// written in Haskell, and Docker's own parser would bring fifty modules with it:
// this knows the few instructions that ours has, and refuses every other.
func dockerfile(t *testing.T) (stages [][]instruction) {
	t.Helper()
	text := regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(readText(t, "../../Dockerfile"), "")
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		name, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		if !slices.Contains(known, name) || strings.TrimSpace(args) == "" {
			t.Fatalf("%q is no instruction", line)
		}
		if name == "FROM" {
			stages = append(stages, nil)
		}
		if len(stages) == 0 {
			t.Fatalf("%s stands before FROM", name)
		}
		last := len(stages) - 1
		stages[last] = append(stages[last], instruction{name, strings.Join(strings.Fields(args), " ")})
	}
	return stages
}

// only returns the one instruction of that name.
func only(t *testing.T, stage []instruction, name string) string {
	t.Helper()
	var found []string
	for _, i := range stage {
		if i.name == name {
			found = append(found, i.args)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d × %s: %q", len(found), name, found)
	}
	return found[0]
}

func TestTheImageHoldsBearerdAndRunsItAsNobody(t *testing.T) {
	t.Parallel()
	stages := dockerfile(t)
	if len(stages) != 2 {
		t.Fatalf("%d stages", len(stages))
	}
	build, image := stages[0], stages[1]
	mod := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readText(t, "../../go.mod"))[1]
	if from := only(t, build, "FROM"); !regexp.MustCompile(`^golang:` + regexp.QuoteMeta(mod) + `(\.\d+)?-\w+ AS build$`).MatchString(from) {
		t.Errorf("built from %q, and go.mod says %s", from, mod)
	}
	if from := only(t, image, "FROM"); from != "scratch" {
		t.Errorf("it holds %s", from)
	}
	if user := only(t, image, "USER"); !regexp.MustCompile(`^[1-9]\d{3,}:[1-9]\d{3,}$`).MatchString(user) {
		t.Errorf("it runs as %q", user)
	}
	var entry, command []string
	if err := errors.Join(json.Unmarshal([]byte(only(t, image, "ENTRYPOINT")), &entry), json.Unmarshal([]byte(only(t, image, "CMD")), &command)); err != nil {
		t.Fatalf("no exec form: %v", err)
	}
	accepted(t, append(entry[1:], command...))
	copied := 0
	for _, i := range image {
		if i.name != "COPY" {
			continue
		}
		copied++
		if !strings.HasPrefix(i.args, "--from=build ") {
			t.Errorf("COPY %s is not from the build", i.args)
		}
		if strings.HasSuffix(i.args, " "+entry[0]) {
			copied += 10
		}
	}
	if copied < 11 {
		t.Errorf("%s is not copied into the image", entry[0])
	}
	var env []string
	for _, i := range image {
		if i.name == "ENV" {
			env = append(env, strings.Fields(i.args)...)
		}
	}
	c, err := config.Load("", env, nil)
	if err != nil || c.Listen != "0.0.0.0:8080" || only(t, image, "EXPOSE") != "8080" {
		t.Errorf("its environment %q: %v, listens at %s", env, err, c.Listen)
	}
	if dir := filepath.Dir(c.Database.Reveal()); only(t, image, "WORKDIR") != "/var/lib/bearerd" || dir != "." || only(t, image, "VOLUME") != "/var/lib/bearerd" {
		t.Errorf("the database lies in %s", dir)
	}
}

// The command of the image is run, as it stands there, and what it makes needs
// nothing that an empty image doesn't have.
func TestTheImagesBinaryIsStatic(t *testing.T) {
	t.Parallel()
	var line string
	for _, i := range dockerfile(t)[0] {
		if i.name == "RUN" && strings.Contains(i.args, "go build") {
			line = i.args
		}
	}
	out := filepath.Join(t.TempDir(), "bearerd")
	m := regexp.MustCompile(`^(CGO_ENABLED=0 go build .*) -o (\S+) (\./cmd/bearerd)`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("it builds by %q", line)
	}
	cmd := exec.Command("sh", "-ec", m[1]+" -o "+out+" "+m[3])
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "VERSION=v1.2.3")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	f, err := elf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("the binary needs a dynamic linker")
	}
	if said, err := exec.Command(out, "version").CombinedOutput(); err != nil || !strings.Contains(string(said), "v1.2.3") {
		t.Errorf("it says %q, %v", said, err)
	}
}

func TestNoSecretGetsIntoTheImagesContext(t *testing.T) {
	t.Parallel()
	ignored := strings.Fields(readText(t, "../../.dockerignore"))
	for _, name := range []string{".git", "**/*.db", "**/*.db-wal", "**/*.db-shm", "**/master.key", "/bearerd.yaml", "/access.yaml"} {
		if !slices.Contains(ignored, name) {
			t.Errorf("%s is sent to the builder", name)
		}
	}
	for _, name := range ignored {
		if strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "*.yaml") || name == "cmd" || name == "internal" {
			t.Errorf("%s is missing when it is built", name)
		}
	}
}

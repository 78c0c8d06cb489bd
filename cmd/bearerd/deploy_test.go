package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/cli"
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
	p := &cli.Program{Stdin: os.Stdin, Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Now: time.Now}
	cmd, rest, err := root(p).Find(args)
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

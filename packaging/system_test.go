package main

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// system is a Debian in a folder, with a package manager that is ours to use.
type system struct {
	*testing.T

	root string
}

// newSystem makes a Debian of essential packages, as a fresh machine has them.
func newSystem(t *testing.T) *system {
	t.Helper()
	needRoot(t)
	mmdebstrap := tool(t, "mmdebstrap")
	root, err := os.MkdirTemp("", "bearerd-debian-") //nolint:usetesting // the path of t.TempDir is not for everybody to enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	output(t, mmdebstrap, "--quiet", "--mode=root", "--variant=essential", "--include=passwd", "--dpkgopt=force-unsafe-io", "--skip=cleanup/apt", "bookworm", root)
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	return &system{t, root}
}

// bring puts a file into the folder and returns its path there.
func (s *system) bring(path string) string {
	s.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	return s.write("/tmp/"+filepath.Base(path), string(text))
}

func (s *system) write(path, text string) string {
	s.Helper()
	if err := os.WriteFile(s.root+path, []byte(text), 0o644); err != nil {
		s.Fatal(err)
	}
	return path
}

// run runs a command in the folder, as root.
func (s *system) run(args ...string) string {
	s.Helper()
	return output(s.T, "chroot", append([]string{s.root}, args...)...)
}

func (s *system) read(path string) string {
	s.Helper()
	text, err := os.ReadFile(s.root + path)
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

func (s *system) exists(path string) bool {
	_, err := os.Lstat(s.root + path)
	return err == nil
}

// stat returns mode, user and group of a file, as ls shows them.
func (s *system) stat(path string) string {
	s.Helper()
	return strings.TrimSpace(s.run("stat", "-c", "%a %U:%G", path))
}

// unit returns the settings of the installed unit; where one stands twice, the last.
func (s *system) unit() map[string]string {
	s.Helper()
	settings := map[string]string{}
	for line := range strings.Lines(s.read("/usr/lib/systemd/system/bearerd.service")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && line[0] != '#' {
			settings[name] = value
		}
	}
	return settings
}

// command returns a command as the unit's user, in its directory.
func (s *system) command(args ...string) *exec.Cmd {
	s.Helper()
	unit := s.unit()
	id := func(flag string) uint32 {
		n, err := strconv.ParseUint(strings.TrimSpace(s.run("id", flag, unit["User"])), 10, 32)
		if err != nil {
			s.Fatal(err)
		}
		return uint32(n)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Path = args[0]
	cmd.Dir, cmd.Env = unit["WorkingDirectory"], []string{"PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: s.root, Credential: &syscall.Credential{Uid: id("-u"), Gid: id("-g")}}
	return cmd
}

// start starts the server as the unit does, on ports that are free.
func (s *system) start() *served {
	s.Helper()
	cmd := s.command(strings.Fields(s.unit()["ExecStart"])...)
	cmd.Args = append(cmd.Args, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
	return serve(s.T, cmd)
}

// answers checks that the server of the package starts, and that a token that was issued
// before is still good; it returns a new one where there is none yet.
func (s *system) answers(token string) string {
	s.Helper()
	server := s.start()
	defer server.stop()
	if token == "" {
		token = server.token()
	}
	if got := server.status(server.base+"/auth/verify", token); got != http.StatusOK {
		s.Errorf("the token is %d", got)
	}
	if got := server.status(server.base+"/auth/verify", token+"x"); got != http.StatusUnauthorized {
		s.Errorf("a wrong token is %d", got)
	}
	return token
}

// installed checks what both kinds of packages put in place.
func (s *system) installed(v string) {
	s.Helper()
	if said := s.run("/usr/bin/bearerd", "version"); !strings.HasPrefix(said, "bearerd "+v) {
		s.Errorf("installed is %s", said)
	}
	for path, want := range map[string]string{
		"/usr/bin/bearerd": "755 root:root", "/usr/lib/systemd/system/bearerd.service": "644 root:root",
		"/etc/bearerd": "750 root:bearerd", "/etc/bearerd/bearerd.yaml": "640 root:bearerd", "/var/lib/bearerd": "700 bearerd:bearerd",
		"/usr/share/man/man1/bearerd.1.gz": "644 root:root", "/usr/share/bash-completion/completions/bearerd": "644 root:root",
	} {
		if got := s.stat(path); got != want {
			s.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	unit := s.unit()
	if unit["ExecStart"] != "/usr/bin/bearerd serve --config /etc/bearerd/bearerd.yaml" || unit["User"] != "bearerd" {
		s.Errorf("the unit runs %q as %q", unit["ExecStart"], unit["User"])
	}
	if text := s.read("/usr/lib/systemd/system/bearerd.service"); !strings.HasPrefix(text, "[Unit]\n") || strings.Contains(text, "/usr/local") {
		s.Errorf("the unit is\n%s", text)
	}
}

// admit makes the client ci, as the unit's user does beside the server.
func (s *system) admit() {
	s.Helper()
	cmd := s.command("/usr/bin/bearerd", "apply", "-f", s.write("/tmp/access.yaml", clientAccess), "--config", "/etc/bearerd/bearerd.yaml")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.Fatalf("%v\n%s", err, out)
	}
}

// upgraded makes the packages of v1.2.4.
func upgraded(t *testing.T) *release {
	t.Helper()
	first := firstRelease(t)
	r := newRelease(t, "v1.2.4")
	r.common = first.common
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := r.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.linuxPackages(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

const ownSetting = "\naudience: https://museum.example.org\n"

// TestPackagesOnACleanSystem installs both kinds, starts the server as the unit says, verifies
// a token, upgrades, removes, installs again and purges: nothing is lost before the last.
func TestPackagesOnACleanSystem(t *testing.T) {
	t.Parallel()
	first, second := firstRelease(t), upgraded(t)
	s := newSystem(t)
	t.Run("deb", func(t *testing.T) { (&system{t, s.root}).debian(first, second) })
	if output(t, "chroot", s.root, "id", "bearerd") != "" {
		output(t, "chroot", s.root, "userdel", "bearerd") // the purge leaves it, and the RPM is to make its own
	}
	t.Run("rpm", func(t *testing.T) { (&system{t, s.root}).rpm(first, second) })
}

func (s *system) debian(first, second *release) {
	deb := "bearerd_*.deb"
	dpkg := func(args ...string) string { return s.run(append([]string{"dpkg"}, args...)...) }
	if said := dpkg("-i", s.bring(first.find(s.T, deb))); !strings.Contains(said, "systemctl enable --now bearerd") {
		s.Errorf("it doesn't say what comes next:\n%s", said)
	}
	s.installed("v1.2.3")
	if out := dpkg("-V", "bearerd"); out != "" {
		s.Errorf("dpkg finds other files than it installed:\n%s", out)
	}
	s.admit()
	s.write("/etc/bearerd/bearerd.yaml", s.read("/etc/bearerd/bearerd.yaml")+ownSetting)
	token := s.answers("")

	dpkg("-i", s.bring(second.find(s.T, deb)))
	s.installed("v1.2.4")
	if !strings.Contains(s.read("/etc/bearerd/bearerd.yaml"), ownSetting) {
		s.Error("the upgrade lost what the operator set")
	}
	s.answers(token)

	if said := dpkg("-r", "bearerd"); !strings.Contains(said, "kept /etc/bearerd and /var/lib/bearerd") {
		s.Errorf("it doesn't say what it keeps:\n%s", said)
	}
	s.kept()
	dpkg("-i", s.bring(second.find(s.T, deb)))
	s.answers(token)

	said := dpkg("-P", "bearerd")
	for _, file := range []string{"bearerd.db", "master.key"} {
		if !strings.Contains(said, "deleting /var/lib/bearerd/"+file+" (") {
			s.Errorf("it deletes %s and doesn't say so:\n%s", file, said)
		}
	}
	if s.exists("/var/lib/bearerd") || s.exists("/etc/bearerd") {
		s.Error("something stays behind a purge")
	}
}

// kept checks that a removal took the program and nothing else.
func (s *system) kept() {
	s.Helper()
	if s.exists("/usr/bin/bearerd") || s.exists("/usr/share/man/man1/bearerd.1.gz") {
		s.Error("the program is still there")
	}
	for _, path := range []string{"/var/lib/bearerd/bearerd.db", "/var/lib/bearerd/master.key"} {
		if !s.exists(path) {
			s.Errorf("%s is gone", path)
		}
	}
}

func (s *system) rpm(first, second *release) {
	rpm := tool(s.T, "rpm")
	do := func(args ...string) string {
		return output(s.T, rpm, append([]string{"--root", s.root, "--dbpath", "/var/lib/rpm"}, args...)...)
	}
	// Its dependencies are Debian's packages here, which RPM doesn't know of.
	if said := do("-i", "--nodeps", first.find(s.T, "bearerd-*.rpm")); !strings.Contains(said, "systemctl enable --now bearerd") {
		s.Errorf("it doesn't say what comes next:\n%s", said)
	}
	s.installed("v1.2.3")
	if out := do("-V", "--nodeps", "bearerd"); out != "" {
		s.Errorf("rpm finds other files than it installed:\n%s", out)
	}
	s.admit()
	s.write("/etc/bearerd/bearerd.yaml", s.read("/etc/bearerd/bearerd.yaml")+ownSetting)
	token := s.answers("")

	do("-U", "--nodeps", second.find(s.T, "bearerd-*.rpm"))
	s.installed("v1.2.4")
	if !strings.Contains(s.read("/etc/bearerd/bearerd.yaml"), ownSetting) {
		s.Error("the upgrade lost what the operator set")
	}
	s.answers(token)

	if said := do("-e", "bearerd"); !strings.Contains(said, "kept /etc/bearerd and /var/lib/bearerd") {
		s.Errorf("it doesn't say what it keeps:\n%s", said)
	}
	s.kept()
	if !strings.Contains(s.read("/etc/bearerd/bearerd.yaml.rpmsave"), ownSetting) {
		s.Error("what the operator set is gone")
	}
	do("-i", "--nodeps", second.find(s.T, "bearerd-*.rpm"))
	s.write("/etc/bearerd/bearerd.yaml", s.read("/etc/bearerd/bearerd.yaml.rpmsave"))
	s.answers(token)
}

// Both kinds of packages name themselves as their systems expect.
func TestPackagesDescribeThemselves(t *testing.T) {
	t.Parallel()
	r := firstRelease(t)
	deb := output(t, tool(t, "dpkg-deb"), "--field", r.find(t, "*.deb"))
	for _, want := range []string{"Package: bearerd", "Version: 1.2.3-1", "Architecture: " + host().arch, "Depends: passwd", "Section: net", "Homepage: https://"} {
		if !strings.Contains(deb, want) {
			t.Errorf("the Debian package doesn't say %q:\n%s", want, deb)
		}
	}
	const query = `%{NAME} %{VERSION} %{RELEASE} %{LICENSE} %{BUILDHOST} %{BUILDTIME}`
	if got := output(t, tool(t, "rpm"), "-qp", "--nosignature", "--qf", query, r.find(t, "*.rpm")); got != "bearerd 1.2.3 1 Apache-2.0 localhost 1700000000" {
		t.Errorf("the RPM package is %s", got)
	}
	conffiles := output(t, "dpkg-deb", "--ctrl-tarfile", r.find(t, "*.deb"))
	if !strings.Contains(conffiles, "/etc/bearerd/bearerd.yaml") {
		t.Error("the configuration would be overwritten by an upgrade")
	}
}

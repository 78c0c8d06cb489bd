package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/freeport"
)

// TestANoticeSurvivesKill9 creates a token while the receiver is away, kills the server, and
// starts it again beside the receiver of docs/notices.md, which verifies what it gets.
func TestANoticeSurvivesKill9(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3"
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import jwt, cryptography").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Debian's python3-jwt is needed: %v\n%s", err, out)
		}
		t.Skipf("python3-jwt is not installed: %v", err)
	}
	issuer, port := freeport.Port(t), freeport.Port(t)
	address := "http://127.0.0.1:" + port + "/events"
	b := newBench(t, t.TempDir(), "issuer: http://localhost:"+issuer+"\nnotices: [{url: \""+address+"\", secret_file: siem.secret}]\n")
	b.write("siem.secret", "the text of secret_file\n")
	serve := func() *process {
		p, err := start(b.command("serve", "--listen", "127.0.0.1:"+issuer, "--ops-listen", "127.0.0.1:0"))
		if err != nil {
			t.Fatalf("%v\n%s", err, p.log)
		}
		t.Cleanup(func() { _ = p.stop() })
		return p
	}
	p := serve()
	b.run("token", "create", "ada", "--name", "laptop", "--expires-in", "24h")
	b.run("revoke-all", "ada")
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.done

	lines := receiver(t, b.dir, strings.NewReplacer(
		"https://auth.example.org", "http://localhost:"+issuer, "https://siem.example.org/events", address, "8000", port))
	serve()
	wanted := map[string]bool{
		"urn:bearerd:event:token-created": true, "urn:bearerd:event:token-revoked": true,
		"https://schemas.openid.net/secevent/caep/event-type/session-revoked": true,
	}
	timeout := time.After(90 * time.Second) // the turn of the process that was killed
	for len(wanted) > 0 {
		select {
		case line := <-lines:
			for event := range wanted {
				if strings.Contains(line, `"`+event+`"`) && strings.Contains(line, `"iss_sub"`) {
					delete(wanted, event)
				}
			}
		case <-timeout:
			t.Fatalf("the receiver didn't get %v", wanted)
		}
	}
}

// receiver runs the receiver of the handbook, and returns what it prints.
func receiver(t *testing.T, dir string, here *strings.Replacer) <-chan string {
	t.Helper()
	handbook, err := os.ReadFile("../../docs/notices.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(handbook)
	if code == nil {
		t.Fatal("docs/notices.md has no receiver")
	}
	file := filepath.Join(dir, "receiver.py")
	if err := os.WriteFile(file, []byte(here.Replace(string(code[1]))), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "-u", file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	})
	return lines
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/freeport"
)

// check runs bearerd edge --check.
func (w *edgeWorld) check(configuration string) (string, error) {
	out, err := w.edgeCommand(configuration+"listen: 127.0.0.1:0\nops_listen: 127.0.0.1:0\n", "--check").CombinedOutput()
	return string(out), err
}

// complains fails the test unless --check refuses a configuration, says all of that, serves
// nothing and shows no secret.
func (w *edgeWorld) complains(t *testing.T, configuration string, says ...string) {
	t.Helper()
	out, err := w.check(configuration)
	if err == nil {
		t.Errorf("it is no error:\n%s", out)
	}
	for _, text := range says {
		if !strings.Contains(out, text) {
			t.Errorf("there is no %q in\n%s", text, out)
		}
	}
	for _, text := range []string{strings.TrimSpace(edgeSecret), hs256Secret, "listening"} {
		if strings.Contains(out, text) {
			t.Errorf("there is %q in\n%s", text, out)
		}
	}
}

func TestCheckSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := newEdgeWorld(t)
	good := fmt.Sprintf(edgeConfig, w.issuer)
	if out, err := w.check(good); err != nil || !strings.Contains(out, "takes this edge for its client") {
		t.Errorf("a good one: %v\n%s", err, out)
	}
	w.write("wrong.secret", "another secret of well over 32 characters\n")
	_, port, _ := strings.Cut(w.issuer, ":")
	for name, c := range map[string]struct {
		configuration string
		says          []string
	}{
		"a wrong secret":    {strings.Replace(good, "edge.secret", "wrong.secret", 1), []string{"invalid_client", "bearerd client secret edge"}},
		"another name":      {strings.Replace(good, w.issuer, "localhost:"+port, 1), []string{"another issuer", "write issuer: http://" + w.issuer}},
		"a missing scope":   {strings.Replace(good, "client_id: edge", "client_id: half", 1), []string{"both scopes introspect and revocations"}},
		"an unknown scope":  {strings.Replace(good, "scope: write", "scope: wrte", 1), []string{`"wrte"`, "read, write"}},
		"nobody there":      {strings.Replace(good, w.issuer, freeport.Address(t), 1), []string{"can't be used", "reaches"}},
		"an unknown key":    {good + "database: x.db\n", []string{"edge.yaml:", `unknown key "database"`, "the keys here are issuer, client_id"}},
		"no client":         {"issuer: http://" + w.issuer + "\n", []string{"client_id: must be set", "client_secret_file: must be set"}},
		"an assertion":      {good + "upstream: {assertion_audience: app}\n", []string{"holds no signing key"}},
		"http to elsewhere": {strings.Replace(good, "http://"+w.issuer, "http://auth.example.org", 1), []string{"must be https"}},
		"no such CA":        {good + "ca_file: none.pem\n", []string{"ca_file"}},
	} {
		t.Run(name, func(t *testing.T) { w.complains(t, c.configuration, c.says...) })
	}
}

// TestCheckSeesAClockThatIsOff: tokens would seem expired, or not to have begun.
func TestCheckSeesAClockThatIsOff(t *testing.T) {
	t.Parallel()
	w := newEdgeWorld(t)
	file := filepath.Join(w.dir, "edge.yaml")
	must(t, os.WriteFile(file, []byte(strings.Replace(
		fmt.Sprintf(edgeConfig, w.issuer), "edge.secret", filepath.Join(w.dir, "edge.secret"), 1)+"listen: 127.0.0.1:0\nops_listen: 127.0.0.1:0\n"), 0o600))
	for off, says := range map[time.Duration]string{
		0: "takes this edge for its client", 24 * time.Hour: " ahead of that of the issuer", -24 * time.Hour: " behind that of the issuer",
	} {
		var out bytes.Buffer
		p := &cli.Program{Stdout: &out, Stderr: &out, Now: func() time.Time { return time.Now().Add(off) }}
		code := p.Run(t.Context(), root(p), []string{"edge", "--config", file, "--check"})
		text := out.String()
		if code != 0 != (off != 0) || !strings.Contains(text, says) || off != 0 && !strings.Contains(text, "set both by NTP") || strings.Contains(text, "listening") {
			t.Errorf("off by %s: %d\n%s", off, code, text)
		}
	}
}

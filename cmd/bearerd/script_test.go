package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // to change a database behind bearerd's back
	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bearerd": main})
}

// TestScripts runs the command line as a person types it. Beside testscript's own
// commands a script has:
//
//	serve [ARG…]            starts a server on free ports; BASE and OPS are its URLs
//	halt                    stops it in order; its log is in serve.log (stop ends the script)
//	keep NAME               keeps what the last command printed in a variable
//	ask STATUS TOKEN [RE]   asks /auth/verify; what it says must match
//	get STATUS URL [RE]     gets a page
//	sql DATABASE STATEMENT  changes a database behind bearerd's back
//	listen NAME             takes requests at a URL, which the variable holds
//	heard RE                waits for such a request; its headers and body must match
//	lines FILE N TEXT       writes a file of N lines, %d in the text being the number
func TestScripts(t *testing.T) {
	t.Parallel()
	p := scriptParams()
	p.Dir = "testdata/script"
	testscript.Run(t, p)
}

// TestScriptsRunToTheirEnd: two of testscript's own commands end a script as if it
// had passed.
func TestScriptsRunToTheirEnd(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	ends := regexp.MustCompile(`(?m)^(\[.*\] *)?(stop|skip)\b.*`)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if at := ends.Find(text); at != nil {
			t.Errorf("%s has %q", name, at)
		}
	}
}

func scriptParams() testscript.Params {
	return testscript.Params{
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": scriptServe, "halt": scriptHalt, "keep": scriptKeep, "ask": scriptAsk, "get": scriptGet,
			"sql": scriptSQL, "lines": scriptLines, "listen": scriptListen, "heard": scriptHeard,
		},
		Setup: func(e *testscript.Env) error {
			e.Values[serverKey{}] = &scriptServer{}
			return nil
		},
	}
}

type serverKey struct{}

// scriptServer is the server of a script, and what was sent to the script itself.
type scriptServer struct {
	*process

	heard chan string
	last  string
}

func serverOf(ts *testscript.TestScript) *scriptServer {
	s, ok := ts.Value(serverKey{}).(*scriptServer)
	if !ok {
		ts.Fatalf("the script was not set up")
	}
	return s
}

func scriptServe(ts *testscript.TestScript, neg bool, args []string) {
	s := serverOf(ts)
	cmd := exec.Command("bearerd", append([]string{"serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), environ(ts)
	p, err := start(cmd)
	if neg {
		if err == nil {
			ts.Check(errors.Join(errors.New("the server started"), p.stop()))
		}
		ts.Check(os.WriteFile(ts.MkAbs("serve.log"), p.log.Bytes(), 0o600))
		return
	}
	if err != nil {
		ts.Fatalf("%v:\n%s", err, p.log)
	}
	ts.Defer(func() { _ = p.stop() })
	s.process = p
	ts.Setenv("BASE", p.base)
	ts.Setenv("OPS", p.ops)
}

func environ(ts *testscript.TestScript) []string {
	env := []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "TMPDIR=" + ts.Getenv("TMPDIR")}
	for _, name := range []string{"BEARERD_CONFIG", "BEARERD_DATABASE", "BEARERD_DIALECTS", "BEARERD_ISSUER"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func scriptHalt(ts *testscript.TestScript, neg bool, _ []string) {
	s := serverOf(ts)
	if neg || s.process == nil {
		ts.Fatalf("there is no server to stop")
	}
	err := s.stop()
	ts.Check(os.WriteFile(ts.MkAbs("serve.log"), s.log.Bytes(), 0o600))
	if err != nil {
		ts.Fatalf("the server ended with %v:\n%s", err, s.log)
	}
	s.process = nil
}

func scriptKeep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keep NAME")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

func scriptAsk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: ask STATUS TOKEN [RE]")
	}
	r, err := http.NewRequest(http.MethodGet, ts.Getenv("BASE")+"/auth/verify", nil)
	ts.Check(err)
	r.Header.Set("Authorization", "Bearer "+args[1])
	ts.Check(expect(r, args[0], args[2:]))
}

func scriptGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: get STATUS URL [RE]")
	}
	r, err := http.NewRequest(http.MethodGet, args[1], nil)
	ts.Check(err)
	ts.Check(expect(r, args[0], args[2:]))
}

func scriptSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sql DATABASE STATEMENT")
	}
	driver, name := "sqlite", ts.MkAbs(args[0])
	if strings.HasPrefix(args[0], "postgres://") {
		driver, name = "pgx", args[0]
	}
	db, err := sql.Open(driver, name)
	ts.Check(err)
	_, err = db.Exec(args[1])
	ts.Check(errors.Join(err, db.Close()))
}

func scriptLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: lines FILE N TEXT")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var text bytes.Buffer
	for i := range n {
		fmt.Fprintf(&text, args[2]+"\n", i)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text.Bytes(), 0o600))
}

func scriptListen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listen NAME")
	}
	s := serverOf(ts)
	s.heard = make(chan string, 16)
	l := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var text bytes.Buffer
		_ = r.Header.Write(&text)
		_, _ = io.Copy(&text, r.Body)
		s.heard <- text.String()
	}))
	ts.Defer(l.Close)
	ts.Setenv(args[0], l.URL)
}

func scriptHeard(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: heard RE")
	}
	s := serverOf(ts)
	if s.last == "" {
		select {
		case s.last = <-s.heard:
		case <-time.After(20 * time.Second):
			ts.Fatalf("nothing was heard")
		}
	}
	if !regexp.MustCompile(`(?m)` + args[0]).MatchString(s.last) {
		ts.Fatalf("what was heard does not match %q:\n%s", args[0], s.last)
	}
}

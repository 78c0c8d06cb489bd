package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bearerd/bearerd/internal/cli"
)

// terminal returns both ends of a pseudo-terminal: what a person sees and types at,
// and what a program has for standard input.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

func TestAPasswordThatIsTypedIsNotShown(t *testing.T) {
	t.Parallel()
	person, program := terminal(t)
	cmd := exec.Command("bearerd", "user", "create", "ada")
	cmd.Dir, cmd.Stdin = t.TempDir(), program
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, prompt := range []string{"new password: ", "new password again: "} {
		readUntil(t, stderr, &said, prompt)
		waitForNoEcho(t, program)
		if _, err := person.WriteString("correct horse\n"); err != nil {
			t.Fatal(err)
		}
	}
	rest, _ := io.ReadAll(stderr)
	said.Write(rest)
	if err := cmd.Wait(); err != nil || !strings.Contains(said.String(), "user ada is created") {
		t.Fatalf("%v: %s", err, said.String())
	}
	// What stands on the screen comes before what is written now.
	if _, err := program.WriteString("END"); err != nil {
		t.Fatal(err)
	}
	var screen strings.Builder
	readUntil(t, person, &screen, "END")
	if strings.Contains(screen.String(), "horse") || strings.Contains(said.String(), "horse") {
		t.Errorf("the password is shown: %q, %q", screen.String(), said.String())
	}
}

func readUntil(t *testing.T, r io.Reader, got *strings.Builder, end string) {
	t.Helper()
	buf := make([]byte, 256)
	for !strings.HasSuffix(got.String(), end) {
		n, err := r.Read(buf)
		got.Write(bytes.ReplaceAll(buf[:n], []byte("\r"), nil))
		if err != nil {
			t.Fatalf("%v after %q, waiting for %q", err, got.String(), end)
		}
	}
}

// waitForNoEcho waits until the program has told the terminal to show nothing.
func waitForNoEcho(t *testing.T, program *os.File) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		state, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		if state.Lflag&unix.ECHO == 0 {
			return
		}
	}
	t.Fatal("the terminal shows what is typed")
}

// What a server answers is shown on a terminal without what could make it do something; a
// file has it as it came.
func TestAnAnswerDoesNotControlTheTerminal(t *testing.T) {
	t.Parallel()
	const body = "one\r\n\x1b[31mtwo\u009b0m\n"
	printTo := func(stdout io.Writer, include bool) error {
		answer := &http.Response{Proto: "HTTP/1.1", Status: "200 OK", Header: http.Header{"X-Name": {"a\u009b1m"}}, Body: io.NopCloser(strings.NewReader(body))}
		return errors.Join(logins{&cli.Program{Stdout: stdout}}.printAnswer(answer, include), answer.Body.Close())
	}
	person, screen := terminal(t)
	if err := printTo(screen, true); err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	readUntil(t, person, &seen, "0m\n")
	if strings.ContainsAny(seen.String(), "\x1b\u009b") || !strings.Contains(seen.String(), "one\n\ufffd[31mtwo\ufffd0m") {
		t.Errorf("the terminal was sent %q", seen.String())
	}
	var file bytes.Buffer
	if err := printTo(&file, false); err != nil || file.String() != body {
		t.Errorf("%v, the file has %q", err, file.String())
	}
}

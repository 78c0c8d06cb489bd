package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bearerd/bearerd/internal/cli/terminaltest"
)

func TestAPasswordThatIsTypedIsNotShown(t *testing.T) {
	t.Parallel()
	person, program := terminaltest.Open(t)
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
		terminaltest.ReadUntil(t, stderr, &said, prompt)
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
	terminaltest.ReadUntil(t, person, &screen, "END")
	if strings.Contains(screen.String(), "horse") || strings.Contains(said.String(), "horse") {
		t.Errorf("the password is shown: %q, %q", screen.String(), said.String())
	}
}

func TestCtrlCEndsAPrompt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args   []string
		prompt string
		hidden bool
	}{
		"a password": {[]string{"user", "create", "ada"}, "new password: ", true},
		"a question": {[]string{"init"}, "[http://localhost:8080]: ", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, program := terminaltest.Open(t)
			cmd := exec.Command("bearerd", c.args...)
			cmd.Dir, cmd.Stdin = t.TempDir(), program
			stderr, err := cmd.StderrPipe()
			must(t, err)
			must(t, cmd.Start())
			defer time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() }).Stop()
			var said strings.Builder
			terminaltest.ReadUntil(t, stderr, &said, c.prompt)
			if c.hidden {
				waitForNoEcho(t, program)
			}
			must(t, cmd.Process.Signal(os.Interrupt))
			rest, _ := io.ReadAll(stderr)
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || string(rest) != "\nbearerd: interrupted\n" {
				t.Errorf("%v, and it said %q", err, rest)
			}
			state, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			must(t, err)
			if state.Lflag&unix.ECHO == 0 {
				t.Error("the terminal shows nothing afterwards")
			}
		})
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

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/hint"
)

// runs returns the exit code of a program with one command, which ends with err, and what
// it prints on standard error.
func runs(t *testing.T, err error, args ...string) (code int, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &Program{Stdout: &stdout, Stderr: &stderr}
	root := p.Root(&cobra.Command{Use: "bearerd"})
	root.AddCommand(&cobra.Command{Use: "apply THING", Args: Takes("THING"), RunE: func(*cobra.Command, []string) error { return err }})
	return p.Run(t.Context(), root, args), stderr.String()
}

func TestTheExitCodeSaysHowACommandEnded(t *testing.T) {
	t.Parallel()
	failure := errors.Join(hint.Add(errors.New("no disk"), "buy one"), errors.New("no time"))
	for name, c := range map[string]struct {
		err  error
		code int
		said string
	}{
		"done":    {nil, 0, ""},
		"refused": {fmt.Errorf("judging: %w", ErrRefused), ExitRefused, ""},
		"failed":  {failure, 1, "bearerd: no disk\nbearerd: hint: buy one\nbearerd: no time\n"},
	} {
		if code, said := runs(t, c.err, "apply", "it"); code != c.code || said != c.said {
			t.Errorf("%s: exit code %d, and %q", name, code, said)
		}
	}
}

// What is an argument too many may be a password that was typed in the wrong place.
func TestASurplusArgumentIsNotRepeated(t *testing.T) {
	t.Parallel()
	if code, said := runs(t, nil, "apply", "it", "horse"); code != 1 || strings.Contains(said, "horse") || !strings.Contains(said, "too many arguments after THING") {
		t.Errorf("exit code %d, and %q", code, said)
	}
}

func TestAMistypedNameIsAnsweredWithTheOneThatWasMeant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"aply it", `did you mean "bearerd apply"?`},
		{"apply it --outptu json", "did you mean --output?"},
	} {
		if code, said := runs(t, nil, strings.Fields(c.args)...); code != 1 || !strings.Contains(said, c.want) {
			t.Errorf("%s: exit code %d, and %q", c.args, code, said)
		}
	}
}

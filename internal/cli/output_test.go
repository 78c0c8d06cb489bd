package cli

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/hint"
)

// A name that others chose reaches the terminal without what could make it do something, in
// messages, in errors and in their hints.
func TestMessagesArePrintable(t *testing.T) {
	t.Parallel()
	const name = "a\x1b]0;title\ab\u009b31m\u202ec"
	var said bytes.Buffer
	p := &Program{Stderr: &said}
	p.Say("create user %s", name)
	p.Complain(hint.Add(errors.New("there is no user "+name), "did you mean %s?", name))
	if strings.ContainsAny(said.String(), "\x1b\a\u009b\u202e") || strings.Count(said.String(), "\n") != 3 {
		t.Errorf("%q", said.String())
	}
}

// fullDisk takes no more than a few bytes.
type fullDisk struct{ room int }

func (d *fullDisk) Write(text []byte) (int, error) {
	if d.room -= len(text); d.room < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(text), nil
}

// A token that was created and not printed is lost: that the command ends well would say otherwise.
func TestAResultThatIsNotPrintedIsAnError(t *testing.T) {
	t.Parallel()
	for _, f := range []format{formatText, formatJSON} {
		for _, room := range []int{0, 3} {
			p := &Program{Stdout: &fullDisk{room}, output: f}
			err := p.Show(map[string]string{"token": "secret"}, func(w io.Writer) { Table(w, "TOKEN", [][]string{{"secret"}}) })
			if err == nil || !strings.Contains(err.Error(), "its result can't be printed: no space left on device") {
				t.Errorf("%s with room for %d: %v", f, room, err)
			}
		}
		p := &Program{Stdout: &fullDisk{100}, output: f}
		if err := p.Show(map[string]string{"token": "secret"}, func(w io.Writer) { Table(w, "TOKEN", [][]string{{"secret"}}) }); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestColumnsAreAlignedInEveryScript(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	Table(&out, "NAME\tSTATE", [][]string{{"ada", "a"}, {"日本語", "b"}, {"e\u0301va", "c"}, {"한글 x", ""}, {"ｆｕｌｌ", "e"}})
	want := "NAME      STATE\nada       a\n日本語    b\ne\u0301va       c\n한글 x    -\nｆｕｌｌ  e\n"
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
	out.Reset()
	Fields(&out, "用户", "ada", "groups", "", "email", "ada@example.org")
	if want := "用户   ada\nemail  ada@example.org\n"; out.String() != want {
		t.Errorf("%s", out.String())
	}
}

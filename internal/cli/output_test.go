package cli

import (
	"bytes"
	"errors"
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

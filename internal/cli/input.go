package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/sleep"
	"github.com/bearerd/bearerd/internal/token"
)

// ReadSecret reads a password, client secret or token: from the file, "-" being
// standard input; without a file from a prompt, or from standard input where that
// is no terminal. One trailing newline doesn't count.
func (p *Program) ReadSecret(what, file string) (token.Secret, error) {
	if file == "" && p.Interactive() {
		return p.Prompt(what)
	}
	in, err := p.Open(file)
	if err != nil {
		return "", fmt.Errorf("reading the %s: %w", what, err)
	}
	text, err := secretfile.Read(in)
	if err != nil {
		return "", fmt.Errorf("reading the %s: %w", what, err)
	}
	if len(text) == 0 {
		from := "standard input, which is empty"
		if file != "" && file != "-" {
			from = file + ", which is empty"
		}
		return "", hint.Add(fmt.Errorf("the %s is missing", what), "it is read from %s; at a terminal it is asked for", from)
	}
	return token.Secret(text), nil
}

// ReadToken reads a token as ReadSecret does. What is around a token where it was copied from is no
// part of it: spaces, line breaks, and the field and the word before it in a header.
func (p *Program) ReadToken(file string) (token.Secret, error) {
	value, err := p.ReadSecret("token", file)
	if err != nil {
		return "", err
	}
	bare := BareToken(value.Reveal())
	if bare == "" {
		return "", errors.New("the token is missing")
	}
	return token.Secret(bare), nil
}

// BareToken returns a token without what is around it in a line of text.
func BareToken(text string) string {
	text = strings.TrimSpace(text)
	if name, value, found := strings.Cut(text, ":"); found && strings.EqualFold(name, "Authorization") {
		text = strings.TrimSpace(value)
	}
	if scheme, value, found := strings.Cut(text, " "); found && strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimSpace(value)
	}
	return text
}

// ReadNewPassword reads a new password: at a prompt, twice.
func (p *Program) ReadNewPassword(file string) (token.Secret, error) {
	password, err := p.ReadSecret("new password", file)
	if err != nil || file != "" || !p.Interactive() {
		return password, err
	}
	again, err := p.Prompt("new password again")
	if err != nil {
		return "", err
	}
	if again != password {
		return "", errors.New("the two passwords differ")
	}
	return password, nil
}

// Interactive reports whether standard input is a terminal.
func (p *Program) Interactive() bool { return term.IsTerminal(int(p.Stdin.Fd())) }

// errInterrupted is the error of a prompt at which Ctrl-C was pressed.
var errInterrupted = errors.New("interrupted")

// typed is what somebody typed at a prompt.
type typed struct {
	text []byte
	err  error
}

// awaitTyped returns what read reads at the terminal, or errInterrupted as soon as the run should
// end. Reading from a terminal can't be stopped, so that read may go on until the process
// has ended.
func (p *Program) awaitTyped(read func() ([]byte, error)) ([]byte, error) {
	done := make(chan typed, 1)
	go func() {
		text, err := read()
		done <- typed{text, err}
	}()
	select {
	case t := <-done:
		return t.text, t.err
	case <-p.interrupted:
		return nil, errInterrupted
	}
}

// Prompt asks at the terminal without showing what is typed.
func (p *Program) Prompt(what string) (token.Secret, error) {
	_, _ = fmt.Fprint(p.Stderr, prefix+what+": ")
	terminal := int(p.Stdin.Fd())
	shown, errState := term.GetState(terminal)
	text, err := p.awaitTyped(func() ([]byte, error) { return term.ReadPassword(terminal) })
	_, _ = fmt.Fprintln(p.Stderr)
	if errors.Is(err, errInterrupted) {
		if errState == nil {
			errState = term.Restore(terminal, shown)
		}
		return "", errors.Join(err, errState)
	}
	if err != nil {
		return "", fmt.Errorf("reading the %s: %w", what, err)
	}
	if len(text) == 0 {
		return "", fmt.Errorf("the %s is missing", what)
	}
	return token.Secret(text), nil
}

// Ask asks at the terminal until the answer is valid. An empty answer means the default.
func (p *Program) Ask(question, usual string, answer *string, check func(string) error) error {
	for {
		_, _ = fmt.Fprintf(p.Stderr, "%s%s [%s]: ", prefix, question, usual)
		line, err := p.awaitTyped(p.readLine)
		if errors.Is(err, errInterrupted) {
			_, _ = fmt.Fprintln(p.Stderr)
			return err
		}
		if err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		*answer = cmp.Or(strings.TrimSpace(string(line)), usual)
		if err = check(*answer); err == nil {
			return nil
		}
		p.Complain(err)
	}
}

// readLine reads a line from standard input and nothing after it: what follows may be a
// password, which is read without being shown.
func (p *Program) readLine() ([]byte, error) {
	var line []byte
	for one := make([]byte, 1); len(line) <= secretfile.MaxBytes; {
		n, err := p.Stdin.Read(one)
		switch {
		case n == 1 && one[0] == '\n':
			return line, nil
		case n == 1:
			line = append(line, one[0])
		case err != nil:
			return nil, err
		}
	}
	return nil, fmt.Errorf("more than %d bytes", secretfile.MaxBytes)
}

// Open opens the file; "" and "-" are standard input.
func (p *Program) Open(file string) (io.ReadCloser, error) {
	if file == "" || file == "-" {
		return io.NopCloser(p.Stdin), nil
	}
	return os.Open(file) //nolint:gosec // the operator names the file
}

// Sleep waits for d, and returns the error of ctx as soon as that has ended.
func Sleep(ctx context.Context, d time.Duration) error {
	if !sleep.For(ctx, d) {
		return ctx.Err()
	}
	return nil
}

// WriteNewFile writes a file that only its owner may read. It is there whole or not at all,
// and one that exists is left as it is.
func WriteNewFile(path string, text []byte) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	_, err = io.Copy(f, bytes.NewReader(text))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

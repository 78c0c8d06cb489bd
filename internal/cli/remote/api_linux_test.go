package remote

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/terminaltest"
)

// What a server answers is shown on a terminal without what could make it do something; a
// file has it as it came.
func TestAnAnswerDoesNotControlTheTerminal(t *testing.T) {
	t.Parallel()
	const body = "one\r\n\x1b[31mtwo\u009b0m\n"
	printTo := func(stdout io.Writer, include bool) error {
		answer := &http.Response{Proto: "HTTP/1.1", Status: "200 OK", Header: http.Header{"X-Name": {"a\u009b1m"}}, Body: io.NopCloser(strings.NewReader(body))}
		return errors.Join(commands{&cli.Program{Stdout: stdout}}.printAnswer(answer, include), answer.Body.Close())
	}
	person, screen := terminaltest.Open(t)
	if err := printTo(screen, true); err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	terminaltest.ReadUntil(t, person, &seen, "0m\n")
	if strings.ContainsAny(seen.String(), "\x1b\u009b") || !strings.Contains(seen.String(), "one\n\ufffd[31mtwo\ufffd0m") {
		t.Errorf("the terminal was sent %q", seen.String())
	}
	var file bytes.Buffer
	if err := printTo(&file, false); err != nil || file.String() != body {
		t.Errorf("%v, the file has %q", err, file.String())
	}
}

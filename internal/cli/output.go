package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"github.com/bearerd/bearerd/internal/hint"
)

// The rules of messages. Only results and secrets go to standard output; everything else
// goes to standard error, each line with the prefix. Messages begin in lower case and end
// without a full stop. An error may be followed by a hint about what to do. Text from
// outside is quoted or made printable, and a message never contains a secret.

const prefix = "bearerd: "

// Say prints a message on standard error, made printable.
func (p *Program) Say(text string, args ...any) {
	for line := range strings.SplitSeq(Printable(fmt.Sprintf(text, args...)), "\n") {
		_, _ = fmt.Fprintln(p.Stderr, prefix+strings.TrimSpace(line))
	}
}

// Complain prints why a command failed. Of several errors that were joined, each has its
// own hint.
func (p *Program) Complain(err error) {
	if several, ok := err.(interface{ Unwrap() []error }); ok && errors.Join(several.Unwrap()...).Error() == err.Error() {
		for _, one := range several.Unwrap() {
			p.Complain(one)
		}
		return
	}
	p.Say("%s", err)
	if advice := hint.Of(err); advice != "" {
		p.Say("hint: %s", advice)
	}
}

// format is how results are printed.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
)

// String returns the format's name; text is the default.
func (f *format) String() string {
	if *f == "" {
		return string(formatText)
	}
	return string(*f)
}

// Set takes text or json.
func (f *format) Set(s string) error {
	if s != string(formatText) && s != string(formatJSON) {
		return errors.New("must be text or json")
	}
	*f = format(s)
	return nil
}

// Type names the flag's value in usage lines.
func (f *format) Type() string { return "FORMAT" }

// Show prints a result: v as JSON, or what text writes. What the command has done is done when the
// result can't be printed, and the error says so.
func (p *Program) Show(v any, text func(w io.Writer)) error {
	out := &resultWriter{w: p.Stdout}
	if p.output == formatJSON {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(v); err != nil && out.err == nil {
			return err
		}
	} else {
		text(out)
	}
	if out.err != nil {
		return fmt.Errorf("the command is carried out, but its result can't be printed: %w", out.err)
	}
	return nil
}

// resultWriter remembers the first error of the writer beneath it, and writes nothing after it.
type resultWriter struct {
	w   io.Writer
	err error
}

// Write writes a part of a result.
func (r *resultWriter) Write(text []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.w.Write(text)
	r.err = err
	return n, err
}

// Silent is the text of a result that is shown only as JSON, because a message has the
// same content.
func Silent(io.Writer) {}

// Items is a list as JSON shows it, as the management API does.
type Items[T any] struct {
	Items []T `json:"items"`
}

// Listed returns a list as JSON shows it; an empty one is shown as such.
func Listed[T any](list []T) Items[T] {
	if list == nil {
		list = []T{}
	}
	return Items[T]{list}
}

// Rendered returns the items as the management API shows them.
func Rendered[S, T any](items []S, as func(S) T) []T {
	all := make([]T, len(items))
	for i, item := range items {
		all[i] = as(item)
	}
	return all
}

// Table writes rows in columns beneath a header.
func Table(w io.Writer, header string, rows [][]string) {
	all := [][]string{strings.Split(header, "\t")}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = OrDash(Printable(cell))
		}
		all = append(all, cells)
	}
	columns(w, all)
}

// Fields writes names and values in two columns; those without a value are left out.
func Fields(w io.Writer, pairs ...string) {
	var all [][]string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			all = append(all, []string{pairs[i], Printable(pairs[i+1])})
		}
	}
	columns(w, all)
}

// columns writes rows so that what is in the same column begins at the same place of a terminal.
func columns(w io.Writer, rows [][]string) {
	const gap = 2
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], widthOf(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]+gap-widthOf(cell)))
			}
		}
		_, _ = fmt.Fprintln(w, line.String())
	}
}

// widthOf returns how many columns of a terminal a text takes: two for a character of East Asian
// scripts and for most pictures, none for an accent that is put on the character before it.
func widthOf(s string) (columns int) {
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case width.LookupRune(r).Kind() == width.EastAsianWide, width.LookupRune(r).Kind() == width.EastAsianFullwidth:
			columns += 2
		default:
			columns++
		}
	}
	return columns
}

// OrDash returns a text, and a dash for an empty one.
func OrDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Printable replaces control characters, which could change the terminal, and tabs, with
// which errors of several attempts begin their lines.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r != '\n' && unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// IsMissing reports whether err is that of a file that isn't there.
func IsMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Count returns a number of things in words: "1 user" or "2 users".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// TimeOf returns a time as a result shows it; nil for none.
func TimeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// TimeText returns a time as people read it; "" for none.
func TimeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// NonNil makes JSON show an empty list as one.
func NonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

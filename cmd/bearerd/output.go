package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/wiring"
)

// The rules of messages. Only results and secrets go to standard output; everything else
// goes to standard error, each line with the prefix. Messages begin in lower case and end
// without a full stop. An error may be followed by a hint about what to do. Text from
// outside is quoted or made printable, and a message never contains a secret.

const prefix = "bearerd: "

// Say prints a message on standard error, made printable.
func (p *program) Say(text string, args ...any) {
	for line := range strings.SplitSeq(printable(fmt.Sprintf(text, args...)), "\n") {
		_, _ = fmt.Fprintln(p.Stderr, prefix+strings.TrimSpace(line))
	}
}

// Complain prints why a command failed. Of several errors that were joined, each has its
// own hint.
func (p *program) Complain(err error) {
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

// Show prints a result: v as JSON, or what text writes.
func (p *program) Show(v any, text func(w io.Writer)) error {
	if p.output != formatJSON {
		text(p.Stdout)
		return nil
	}
	e := json.NewEncoder(p.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// silent is the text of a result that is shown only as JSON, because a message has the
// same content.
func silent(io.Writer) {}

// items is a list as JSON shows it, as the management API does.
type items[T any] struct {
	Items []T `json:"items"`
}

func listed[T any](list []T) items[T] {
	if list == nil {
		list = []T{}
	}
	return items[T]{list}
}

// rendered returns the items as the management API shows them.
func rendered[S, T any](items []S, as func(S) T) []T {
	all := make([]T, len(items))
	for i, item := range items {
		all[i] = as(item)
	}
	return all
}

// table writes rows in columns beneath a header.
func table(w io.Writer, header string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, header)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = orDash(printable(cell))
		}
		_, _ = fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush()
}

// fields writes names and values in two columns; those without a value are left out.
func fields(w io.Writer, pairs ...string) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			_, _ = fmt.Fprintf(t, "%s\t%s\n", pairs[i], printable(pairs[i+1]))
		}
	}
	_ = t.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// printable replaces control characters, which could change the terminal, and tabs, with
// which errors of several attempts begin their lines.
func printable(s string) string {
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

// acknowledgement is a receipt as JSON, with the members that the API has.
type acknowledgement struct {
	Revoked   bool  `json:"revoked"`
	Seq       int64 `json:"seq"`
	Nodes     *int  `json:"nodes,omitempty"`
	Confirmed *int  `json:"confirmed,omitempty"`
	Expired   *int  `json:"expired,omitempty"`
	*revocation.Verifiers
}

func acknowledged(r revocation.Receipt) acknowledgement {
	a := acknowledgement{Revoked: r.Revoked, Seq: r.Seq}
	if n := r.Nodes; n != nil {
		a.Nodes, a.Confirmed, a.Expired = &n.Nodes, &n.Confirmed, &n.Expired
		a.Verifiers = n.Verifiers
	}
	return a
}

// reach returns in words how far a revocation has reached.
func reach(i *wiring.Instance, r revocation.Receipt) string {
	text := reachOfNodes(i, r)
	if r.Nodes == nil || r.Nodes.Verifiers == nil {
		return text
	}
	switch v := r.Nodes.Verifiers; {
	case v.Expired > 0:
		text += fmt.Sprintf("; %d of %d services that confirm have, %d had no lease any more", v.Confirmed, v.Count, v.Expired)
	case v.Count > 0:
		text += fmt.Sprintf("; so have all services that confirm, %d", v.Count)
	}
	return text
}

func reachOfNodes(i *wiring.Instance, r revocation.Receipt) string {
	switch n := r.Nodes; {
	case n == nil:
		return fmt.Sprintf("every server refuses it within %s", i.Config.Revocation.MaxStaleness)
	case n.Nodes == 0:
		return "no server is running"
	case n.Expired > 0:
		return fmt.Sprintf("%d of %d servers have confirmed it, %d answer no more", n.Confirmed, n.Nodes, n.Expired)
	case n.Nodes == 1:
		return "the server has confirmed it"
	default:
		return fmt.Sprintf("all %d servers have confirmed it", n.Nodes)
	}
}

// isMissing reports whether err is that of a file that isn't there.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

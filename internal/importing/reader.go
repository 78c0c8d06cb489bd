package importing

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/strictjson"
)

// Bounds of what is read at a time.
const (
	maxLine = 64 << 10
	ahead   = 4 << 10 // what is read before the first line
)

// reader reads the lines of a file, one at a time.
type reader interface {
	// next returns the next line; io.EOF after the last. Another error is a *LineError, or
	// that of the file.
	next() (line, error)
}

// newReader reads CSV with a header or, where the first character is a brace, JSON lines.
func newReader(r io.Reader) (reader, error) {
	b := bufio.NewReaderSize(r, ahead)
	if start, err := b.Peek(3); err == nil && string(start) == "\ufeff" {
		_, _ = b.Discard(3) // it was peeked at
	}
	first, err := firstCharacter(b)
	if err != nil {
		return nil, err
	}
	if first == '{' {
		s := bufio.NewScanner(b)
		s.Buffer(make([]byte, 0, ahead), maxLine)
		return &jsonLines{scanner: s}, nil
	}
	bounded := &boundedReader{r: b, left: maxLine}
	c := csv.NewReader(bounded)
	c.ReuseRecord = true
	return readHeader(c, bounded)
}

// firstCharacter returns the first character that isn't a space; 0 for an empty file.
func firstCharacter(b *bufio.Reader) (byte, error) {
	start, err := b.Peek(ahead)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return 0, fmt.Errorf("reading the file: %w", err)
	}
	start = bytes.TrimLeft(start, " \t\r\n")
	if len(start) == 0 {
		return 0, nil
	}
	return start[0], nil
}

// jsonLines reads one object a line. Empty lines are skipped.
type jsonLines struct {
	scanner *bufio.Scanner
	number  int
}

func (j *jsonLines) next() (line, error) {
	for j.scanner.Scan() {
		j.number++
		text := bytes.TrimSpace(j.scanner.Bytes())
		if len(text) == 0 {
			continue
		}
		texts, err := readObject(text)
		if err == nil {
			var l line
			if l, err = parseLine(j.number, texts); err == nil {
				return l, nil
			}
		}
		return line{}, &LineError{Line: j.number, Reason: err.Error()}
	}
	switch err := j.scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return line{}, &LineError{Line: j.number + 1, Reason: "is longer than 64 KiB"}
	case err != nil:
		return line{}, fmt.Errorf("reading the file: %w", err)
	}
	return line{}, io.EOF
}

// readObject reads the members of an object. They are strings; the collection can also be a
// number.
func readObject(text []byte) (map[string]string, error) {
	o, err := strictjson.Parse(text)
	if err != nil {
		return nil, errors.New("is not one JSON object")
	}
	texts := make(map[string]string, len(o))
	for name, raw := range o {
		if !slices.Contains(members, name) {
			return nil, fmt.Errorf("has a member other than %s", strings.Join(members, ", "))
		}
		var s string
		var n json.Number
		switch {
		case !o.Has(name):
		case json.Unmarshal(raw, &s) == nil:
			texts[name] = s
		case name == memberCollection && json.Unmarshal(raw, &n) == nil:
			texts[name] = n.String()
		default:
			return nil, fmt.Errorf("%s is not a string", name)
		}
	}
	return texts, nil
}

// csvLines reads a row for each token.
type csvLines struct {
	csv     *csv.Reader
	bounded *boundedReader
	columns []string
	texts   map[string]string
	last    int // the number of the previous line
}

func readHeader(c *csv.Reader, bounded *boundedReader) (*csvLines, error) {
	header, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, &LineError{Line: 1, Reason: "the file is empty: a CSV file begins with the names of its columns"}
	}
	if err != nil {
		return nil, csvError(err, 1)
	}
	lines := &csvLines{csv: c, bounded: bounded, texts: map[string]string{}, last: 1}
	for i, name := range header {
		name = strings.TrimSpace(name)
		switch {
		case !slices.Contains(members, name): // its name isn't shown: in a file without a header it may be a token
			return nil, &LineError{Line: 1, Reason: fmt.Sprintf("column %d is none of %s", i+1, strings.Join(members, ", "))}
		case slices.Contains(lines.columns, name):
			return nil, &LineError{Line: 1, Reason: fmt.Sprintf("column %d, %s, is repeated", i+1, name)}
		}
		lines.columns = append(lines.columns, name)
	}
	return lines, nil
}

func (c *csvLines) next() (line, error) {
	c.bounded.left = maxLine
	row, err := c.csv.Read()
	if errors.Is(err, io.EOF) {
		return line{}, io.EOF
	}
	if err != nil {
		return line{}, csvError(err, c.last+1)
	}
	number, _ := c.csv.FieldPos(0)
	c.last = number
	clear(c.texts)
	for i, text := range row {
		c.texts[c.columns[i]] = text
	}
	l, err := parseLine(number, c.texts)
	if err != nil {
		return line{}, &LineError{Line: number, Reason: err.Error()}
	}
	return l, nil
}

// csvError names the line and nothing of its content.
func csvError(err error, number int) error {
	wrong, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case errors.Is(err, errLineTooLong):
		return &LineError{Line: number, Reason: "is longer than 64 KiB, or has a quotation mark that is never closed"}
	case ok && errors.Is(err, csv.ErrFieldCount):
		return &LineError{Line: wrong.Line, Reason: "has more or fewer columns than the first line"}
	case ok:
		return &LineError{Line: wrong.Line, Reason: "is not CSV: a quotation mark stands where none can be"}
	}
	return fmt.Errorf("reading the file: %w", err)
}

var errLineTooLong = errors.New("a line is too long")

// boundedReader fails when a row needs more than its bound.
type boundedReader struct {
	r    io.Reader
	left int
}

// Read implements io.Reader.
func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLineTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

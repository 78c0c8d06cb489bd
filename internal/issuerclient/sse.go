package issuerclient

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Limits of a stream of events, in bytes. The lines of the log are much shorter; the hello of
// an edge has up to 64 KiB of settings.
const (
	maxLine  = 80 << 10
	maxEvent = maxLine
)

var (
	errLineLong  = fmt.Errorf("a line of more than %d bytes", maxLine)
	errEventLong = fmt.Errorf("an event of more than %d bytes", maxEvent)
	errLineBytes = errors.New("a line with a carriage return or a NUL in it")
)

// event is one of Server-Sent Events. data is valid until the next one is read.
type event struct {
	name string
	id   string
	data []byte
}

// events reads Server-Sent Events as bearerd sends them: lines end with a line feed,
// or a carriage return and a line feed.
type events struct {
	lines *bufio.Reader
	data  []byte
	begun bool
}

func newEvents(r io.Reader) *events { return &events{lines: bufio.NewReaderSize(r, maxLine)} }

// next returns the next event that has data. An event that is cut off by the end of the
// stream is discarded.
func (s *events) next() (event, error) {
	var e event
	s.data = s.data[:0]
	any := false
	for {
		line, err := s.line()
		switch {
		case err != nil:
			return event{}, err
		case len(line) > 0:
			if err := s.field(&e, line, &any); err != nil {
				return event{}, err
			}
		case any:
			e.data = s.data
			return e, nil
		default:
			e = event{}
		}
	}
}

// field handles one line; comments and unknown fields are skipped.
func (s *events) field(e *event, line []byte, any *bool) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "event":
		e.name = string(value)
	case "id":
		e.id = string(value)
	case "data":
		if *any {
			s.data = append(s.data, '\n')
		}
		*any = true
		if s.data = append(s.data, value...); len(s.data) > maxEvent {
			return errEventLong
		}
	}
	return nil
}

// line returns a line without its end.
func (s *events) line() ([]byte, error) {
	line, err := s.lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, errLineLong
	case err != nil:
		return nil, err
	}
	line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
	if !s.begun {
		s.begun = true
		line = bytes.TrimPrefix(line, []byte("\uFEFF"))
	}
	if bytes.ContainsAny(line, "\r\x00") {
		return nil, errLineBytes
	}
	return line, nil
}

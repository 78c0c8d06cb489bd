package verifylisten

import (
	"bytes"
	"strconv"
)

// version ends the request line of every plain request.
const version = " HTTP/1.1"

// plain reports whether b is the complete head of one request, with nothing after it, in
// a form that all servers read in the same way. What it refuses may be valid: net/http
// answers that.
func plain(b []byte) bool {
	line, rest, ok := cutLine(b)
	if !ok || !plainRequestLine(line) {
		return false
	}
	var seen fields
	for {
		line, rest, ok = cutLine(rest)
		if !ok {
			return false
		}
		if len(line) == 0 {
			return len(rest) == 0 && seen.hosts == 1
		}
		if !seen.add(line) {
			return false
		}
	}
}

// cutLine cuts off a line that ends with CRLF and has neither of the two in it.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, false
	}
	return b[:i-1], b[i+1:], true
}

// plainRequestLine reports whether the line has a method in capitals other than HEAD and
// CONNECT, an absolute path with or without a query, and the version.
func plainRequestLine(line []byte) bool {
	line, ok := bytes.CutSuffix(line, []byte(version))
	if !ok {
		return false
	}
	method, target, ok := bytes.Cut(line, []byte{' '})
	if !ok || len(method) == 0 || len(target) == 0 || target[0] != '/' || string(method) == "HEAD" || string(method) == "CONNECT" {
		return false
	}
	for _, c := range method {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	inPath := true
	for i, c := range target {
		switch {
		case c <= ' ' || c >= 0x7f || c == '#':
			return false
		case c == '?':
			inPath = false
		case c == '%' && inPath && (i+2 >= len(target) || !isHex(target[i+1]) || !isHex(target[i+2])):
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// fields are what was seen of the header.
type fields struct{ hosts, lengths int }

// add reports whether a line of the header is plain after those that were seen.
func (f *fields) add(line []byte) bool {
	name, value, ok := bytes.Cut(line, []byte{':'})
	if !ok || len(name) == 0 {
		return false
	}
	for _, c := range name {
		if !isNameByte[c] {
			return false
		}
	}
	for _, c := range value {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	value = bytes.Trim(value, " ")
	switch {
	case is(name, "host"):
		f.hosts++
		return f.hosts == 1 && plainHost(value)
	case is(name, "content-length"):
		f.lengths++
		return f.lengths == 1 && string(value) == "0"
	case is(name, "connection"):
		return is(value, "keep-alive")
	}
	return !is(name, "transfer-encoding") && !is(name, "trailer") && !is(name, "upgrade") && !is(name, "expect")
}

// isNameByte are letters, digits, hyphen and underscore.
var isNameByte = func() (table [256]bool) {
	for c := range table {
		lower := c | 0x20
		table[c] = 'a' <= lower && lower <= 'z' && c < 0x80 || '0' <= c && c <= '9' || c == '-' || c == '_'
	}
	return table
}()

// is reports whether b is the lower-case text in any case.
func is(b []byte, lower string) bool {
	return len(b) == len(lower) && b[0]|0x20 == lower[0] && bytes.EqualFold(b, []byte(lower))
}

// plainHost reports whether a Host is a name or an IPv4 address, with or without a port.
func plainHost(host []byte) bool {
	name, port, hasPort := bytes.Cut(host, []byte{':'})
	if len(name) == 0 {
		return false
	}
	for _, c := range name {
		if !isNameByte[c] && c != '.' {
			return false
		}
	}
	if !hasPort {
		return true
	}
	_, err := strconv.ParseUint(string(port), 10, 16)
	return err == nil
}

package webui

import (
	"net/url"
	"strings"
)

// maxNext bounds where one is led back to, in bytes.
const maxNext = 2048

// ownPath returns the path and query that next leads to on this server; "" when it
// leads anywhere else or could be read so. A browser takes a backslash for a
// slash, drops tabs and line ends, and reads two slashes as the beginning of a
// host: text with any of them, escaped ones included, is refused rather than repaired.
func ownPath(next, issuer string) string {
	u, err := url.Parse(next)
	if err != nil || u.User != nil || u.Opaque != "" {
		return ""
	}
	if u.IsAbs() || u.Host != "" {
		own, err := url.Parse(issuer)
		if err != nil || u.Scheme != own.Scheme || u.Host != own.Host {
			return ""
		}
	}
	if !strings.HasPrefix(u.Path, "/") || strings.Contains(u.Path, "//") || strings.ContainsFunc(u.Path+next, misread) {
		return ""
	}
	if path := u.RequestURI(); len(path) <= maxNext {
		return path
	}
	return ""
}

// misread reports characters that browsers don't take for what they are.
func misread(c rune) bool { return c == '\\' || c < ' ' || c == 0x7f }

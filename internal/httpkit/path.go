package httpkit

import (
	"encoding/hex"
	"net/url"
	"strings"
)

// IssuerPath returns the path of an issuer, beneath which all its endpoints are, without
// a slash at its end; "" where the issuer has none.
func IssuerPath(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.EscapedPath(), "/")
}

// Unescape decodes percent escapes and leaves other percent signs unchanged.
func Unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if c, err := hex.DecodeString(s[min(i+1, len(s)):min(i+3, len(s))]); s[i] == '%' && err == nil && len(c) == 1 {
			out = append(out, c[0])
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

// MaxDecodings is how often a path is decoded at most.
const MaxDecodings = 4

// LenientSegments returns the segments of a path as the most lenient server would read
// it: escapes are decoded as long as there are any, backslashes are slashes, a segment
// ends at a semicolon and the path at a question mark or a hash, dots and spaces at the
// end of a segment are removed, and empty segments are left out. Dot segments are kept.
func LenientSegments(path string) []string {
	for range MaxDecodings {
		decoded := Unescape(path)
		if decoded == path {
			break
		}
		path = decoded
	}
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	var segments []string
	for s := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == '/' || c == '\\' }) {
		s, _, _ = strings.Cut(s, ";")
		if cut := strings.TrimRight(s, ". "); cut != "" {
			s = cut
		}
		if s != "" {
			segments = append(segments, s)
		}
	}
	return segments
}

// ResolveDots returns segments without dot segments (RFC 3986 §5.2.4).
func ResolveDots(segments []string) []string {
	out := make([]string, 0, len(segments))
	for _, s := range segments {
		switch {
		case s == ".":
		case s == ".." && len(out) > 0:
			out = out[:len(out)-1]
		case s == "..":
		default:
			out = append(out, s)
		}
	}
	return out
}

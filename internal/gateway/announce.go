package gateway

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/verification"
)

// identityHeaders are the headers that name the caller to the application, in the order
// of fields. All of them are always sent, so that none of a client's own can survive. The
// names are canonical.
var identityHeaders = [...]string{
	"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups",
	"X-Bearerd-Subject", "X-Bearerd-Token-Id", "X-Bearerd-Token-Kind",
	"X-Bearerd-Scope", "X-Bearerd-Collection", "X-Bearerd-Audience",
}

// fields are the names of the values in identityHeaders; the configuration assigns them
// to further headers by these names.
var fields = [len(identityHeaders)]string{
	"username", "name", "email", "groups", "subject", "token_id", "token_kind", "scope", "collection", "audience",
}

// assertionHeader carries the same in signed form, for an application that does not trust
// its network.
const assertionHeader = "Bearerd-Assertion"

// assertionKept is how long an assertion is sent again: half its lifetime.
const assertionKept = 15 * time.Second

// maxGroups bounds Remote-Groups, in bytes: what the buffers of the proxies in front hold.
const maxGroups = 8 << 10

// Encoding is how usernames, names, addresses and groups are encoded in headers.
type Encoding string

// The encodings. The empty one is UTF8.
const (
	UTF8    Encoding = "utf-8"
	Percent Encoding = "percent" // RFC 3986 §2.1, all but its unreserved characters
	ASCII   Encoding = "ascii"   // a username or group beyond it is refused, other text left out
)

// Announcement configures how the headers name the caller to the application. The zero
// value is the ten headers in UTF-8 with all groups.
type Announcement struct {
	Headers  map[string]string // more headers: name to one of fields
	Encoding Encoding
	Groups   []string // the groups that are sent, with * and ?; none: all
	// Assert signs an assertion of who is calling, which lasts twice as long as it is
	// kept; nil: none is sent.
	Assert func(ctx context.Context, id *verification.Identity) (string, error)
	Now    func() time.Time // must be set with Assert
}

// Announcer returns the headers that name the caller to the application. The zero value
// follows the zero Announcement.
type Announcer struct {
	Announcement

	more   []header
	groups identity.GroupPatterns // without any: all
}

// header is a header in addition to the ten.
type header struct {
	name  string // canonical
	field int
}

// NewAnnouncer checks an announcement. The error names what is wrong.
func NewAnnouncer(a Announcement) (*Announcer, error) {
	out := &Announcer{Announcement: a}
	if !slices.Contains([]Encoding{"", UTF8, Percent, ASCII}, a.Encoding) {
		return nil, fmt.Errorf("encoding: must be utf-8, percent or ascii, not %q", a.Encoding)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
		field := slices.Index(fields[:], a.Headers[name])
		switch {
		case field < 0:
			return nil, fmt.Errorf("headers: %s: %q is none of %s", name, a.Headers[name], strings.Join(fields[:], ", "))
		case !MayAnnounce(name):
			return nil, fmt.Errorf("headers: %q can't carry who is calling: it is no header's name, or means something else", name)
		case out.impostor(name):
			return nil, fmt.Errorf("headers: an application may take %q for another header that is sent", name)
		}
		out.more = append(out.more, header{textproto.CanonicalMIMEHeaderKey(name), field})
	}
	out.groups = identity.NewGroupPatterns(a.Groups)
	return out, nil
}

// reservedHeaders are those that have another meaning for HTTP, proxies or applications.
var reservedHeaders = []string{
	"Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Expect", "Forwarded", "Host",
	"Keep-Alive", "Origin", "Proxy-Authorization", "Proxy-Connection", "Range", "Referer", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "Via", "X-Real-Ip", "X-Http-Method", "X-Http-Method-Override", "X-Method-Override",
}

// MayAnnounce reports whether a header of that name may carry who is calling: a plain name
// of letters, digits and hyphens that means nothing else.
func MayAnnounce(name string) bool {
	return strings.Trim(name, "-") != "" && !oddlySpelt(name) && !aboutOrigin(name) && !slices.ContainsFunc(reservedHeaders, func(r string) bool { return sameVariable(r, name) })
}

// impostor reports whether an application might read the header as one of those that are
// sent: CGI and its kin take every character that is no letter or digit for the same.
func (a *Announcer) impostor(name string) bool {
	for _, ours := range identityHeaders {
		if sameVariable(name, ours) {
			return true
		}
	}
	return sameVariable(name, assertionHeader) ||
		slices.ContainsFunc(a.more, func(m header) bool { return sameVariable(name, m.name) })
}

// identification is what the headers say of one caller.
type identification struct {
	values    [len(identityHeaders)]string
	err       error // why the caller can't be named
	assertion atomic.Pointer[assertion]
}

// assertion is one that was signed, and until when it is sent again.
type assertion struct {
	value string
	until time.Time
}

// announced is what is sent of one caller.
type announced struct {
	*identification

	more      []header // in addition to the ten
	asserted  bool     // an assertion is sent, an empty one for nobody
	signature string   // the assertion
}

// announcement returns what is sent of a caller; nil is nobody. The error is Forbidden
// where the headers can't name the caller.
func (a *Announcer) announcement(ctx context.Context, id *verification.Identity) (announced, error) {
	out := announced{a.rendered(id), a.more, a.Assert != nil, ""}
	if out.err != nil || a.Assert == nil || id == nil {
		return out, out.err
	}
	kept := out.assertion.Load()
	if now := a.Now(); kept == nil || !now.Before(kept.until) {
		value, err := a.Assert(ctx, id)
		if err != nil {
			return announced{}, err
		}
		kept = &assertion{value, now.Add(assertionKept)}
		out.assertion.Store(kept)
	}
	out.signature = kept.value
	return out, nil
}

// announce puts the headers for a caller into h in place of any that are there; nil is
// nobody. The error is that of announcement.
func (a *Announcer) announce(ctx context.Context, h http.Header, id *verification.Identity) error {
	out, err := a.announcement(ctx, id)
	if err != nil {
		return err
	}
	out.put(h)
	return nil
}

// put puts the headers into h.
func (a announced) put(h http.Header) {
	for i, name := range identityHeaders {
		h[name] = a.values[i : i+1 : i+1]
	}
	for _, m := range a.more {
		h[m.name] = a.values[m.field : m.field+1 : m.field+1]
	}
	if a.asserted {
		h[assertionHeader] = []string{a.signature}
	}
}

// each calls yield with each header.
func (a announced) each(yield func(name, value string)) {
	for i, name := range identityHeaders {
		yield(name, a.values[i])
	}
	for _, m := range a.more {
		yield(m.name, a.values[m.field])
	}
	if a.asserted {
		yield(assertionHeader, a.signature)
	}
}

// rendered returns what the headers say of a caller, created once for each token that is
// kept: neither a token nor a subject is ever changed, and a later reading of either is
// another value.
func (a *Announcer) rendered(c *verification.Identity) *identification {
	if c == nil {
		return &identification{}
	}
	if v := c.Token.View(); v != nil && v.Subject == c.Subject {
		if id, ok := v.Rendered.(*identification); ok {
			return id
		}
	}
	id := a.render(c)
	c.Token.SetView(&verification.View{Subject: c.Subject, Rendered: id})
	return id
}

// render describes a caller. A client is no user: its id is never put where a username
// would be. A value that can't be sent in a header (there should be none) is left out.
func (a *Announcer) render(c *verification.Identity) *identification {
	id := &identification{}
	v := &id.values
	if s := c.Subject; !s.Client {
		v[0], v[1], v[2] = a.text(s.Username), a.text(s.Name), a.text(s.Email)
		v[3], id.err = a.groupList(s.Groups)
		if a.Encoding == ASCII && v[0] == "" {
			id.err = fault.New(fault.Forbidden, "the application can't be told a username beyond ASCII (upstream.encoding)")
		}
	}
	t := c.Token
	v[4], v[5], v[6] = sendable(t.Subject), sendable(t.ID), t.Kind.String()
	v[7] = list(t.Scope, " ")
	if t.Collection != nil {
		v[8] = strconv.FormatInt(*t.Collection, 10)
	}
	v[9] = list(t.Audience, " ")
	return id
}

// text returns a user's text as it is sent; "" where it can't be.
func (a *Announcer) text(s string) string {
	switch a.Encoding {
	case Percent:
		return percentEncode(s)
	case ASCII:
		if strings.ContainsFunc(s, func(c rune) bool { return c > unicode.MaxASCII }) {
			return ""
		}
	case UTF8:
	}
	return sendable(s)
}

// groupList returns the groups that are sent, with commas between them.
func (a *Announcer) groupList(groups []string) (string, error) {
	var sent []string
	for _, g := range groups {
		if a.groups.Any() && !a.groups.Match(g) {
			continue
		}
		text := a.text(g)
		switch {
		case text == "" && a.Encoding == ASCII && g != "":
			return "", fault.New(fault.Forbidden, "the application can't be told a group beyond ASCII (upstream.encoding, upstream.groups)")
		case text != "" && !strings.Contains(text, ","):
			sent = append(sent, text)
		}
	}
	joined := strings.Join(sent, ",")
	if len(joined) > maxGroups {
		return "", fault.New(fault.Forbidden, "the user's groups are longer than %d bytes: choose those that the application needs with upstream.groups", maxGroups)
	}
	return joined, nil
}

// percentEncode encodes all but the unreserved characters of RFC 3986 §2.3.
func percentEncode(s string) string {
	if !utf8.ValidString(s) {
		return ""
	}
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case variable(c) != '_', c == '-', c == '.', c == '_', c == '~':
			out.WriteByte(c)
		default:
			out.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return out.String()
}

// list joins those of the values that can be sent and separated again.
func list(values []string, separator string) string {
	var items []string
	for _, v := range values {
		if v = sendable(v); v != "" && !strings.Contains(v, separator) {
			items = append(items, v)
		}
	}
	return strings.Join(items, separator)
}

// sendable returns s, or nothing where s can't be sent as it is: what is not UTF-8,
// what has control characters, and what has space at an end, which the receiver
// would cut off and so read somebody else's name.
func sendable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || strings.TrimSpace(s) != s {
		return ""
	}
	return s
}

// Package uses records in memory what stored tokens are used for, so that a token that can do
// more than it needs can be replaced by a smaller one. It decides what may be recorded about a
// request: where it went, as a configured route or a plain word; whether its method changes
// anything; which scope was required; and which collection. Paths, ids and values are never
// recorded.
//
// Recording takes no lock and allocates nothing if the token was used in the same way before:
// the lines of a token are kept with the facts about it in memory, and a use increments a
// counter. The owner of a [Book] takes the counts from time to time and stores them.
package uses

import (
	"encoding/hex"
	"hash/crc32"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The limits of what is kept.
const (
	Kept     = 90 * 24 * time.Hour // how long a line is kept after its last use
	MaxLines = 64                  // of a token
	// maxPlaces is how many lines of a token name a place. Further places are recorded as
	// Elsewhere, so that no scope is lost.
	maxPlaces = 48

	maxNoted = 20_000            // lines in memory
	idle     = 3                 // calls of Take without a use, after which a line leaves memory
	closed   = math.MinInt64 / 2 // the count of a line that has left memory

	maxRoute = 28 // bytes
	maxScope = 24 // bytes
)

// Routes that aren't paths of an application.
const (
	Own           = "bearerd"       // bearerd's own endpoints
	Introspection = "introspection" // a resource server asked about the token, for an unknown purpose
	Elsewhere     = "*"             // a path whose first segment isn't a plain word, or one place too many
)

// NoCollection is the collection of a request that is about none.
const NoCollection = -1

// Place is where a request goes, and whether its method changes anything there.
type Place struct {
	Route string // "": Own
	Safe  bool
}

// Use is one way in which a token was used.
type Use struct {
	Place

	Scope      string // one scope that was required; "": none
	Collection int64  // NoCollection: none
}

// ID is the public id of a stored token.
type ID [16]byte

// IDOf reads the id of a stored token. It reports false for other links of a chain.
func IDOf(text string) (ID, bool) {
	var id ID
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return id, false
	}
	n, err := hex.Decode(id[:], []byte(text[:8]+text[9:13]+text[14:18]+text[19:23]+text[24:]))
	return id, err == nil && n == len(id) && id.String() == text // canonical
}

// String returns the id as text.
func (id ID) String() string {
	digits := hex.EncodeToString(id[:])
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
}

// Noted is how often a token was used in one way since the last Take.
type Noted struct {
	Use

	IDs         []ID // the token, and those from which it was issued
	First, Last time.Time
	Count       int64
}

// Lines are the ways in which one token was used, as long as they are in memory. The zero
// value is empty.
type Lines struct {
	list atomic.Pointer[[]*line]
}

type line struct {
	use   Use
	first time.Time
	count atomic.Int64
	last  atomic.Int64 // Unix seconds

	// Of the book, under its lock.
	ids   []ID
	lines *Lines
	idle  int
}

// find returns the line of a use; nil when there is none.
func (l *Lines) find(u *Use) *line {
	list := l.list.Load()
	if list == nil {
		return nil
	}
	for _, one := range *list {
		if one.use == *u {
			return one
		}
	}
	return nil
}

// Book has the lines of all tokens that are in memory. Its methods may be called from any
// number of goroutines.
type Book struct {
	mu   sync.Mutex
	open []*line
}

// Note counts a use of a token. ids returns the token and those from which it was issued; it is
// called only if the token wasn't used in this way before.
func (b *Book) Note(l *Lines, u Use, now time.Time, ids func() []ID) {
	one := l.find(&u)
	for {
		if one == nil {
			if one = b.add(l, u, now, ids); one == nil {
				return
			}
		}
		one.last.Store(now.Unix())
		if one.count.Add(1) > 0 {
			return
		}
		one = nil // it was closed in between
	}
}

// add begins a line. It returns nil when there are too many.
func (b *Book) add(l *Lines, u Use, now time.Time, ids func() []ID) *line {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one := l.find(&u); one != nil {
		return one
	}
	var list []*line
	if known := l.list.Load(); known != nil {
		list = *known
	}
	if len(list) >= maxPlaces && u.Route != Elsewhere {
		u.Route, u.Collection = Elsewhere, NoCollection
		if one := l.find(&u); one != nil {
			return one
		}
	}
	if len(list) >= MaxLines || len(b.open) >= maxNoted {
		return nil
	}
	u.Route, u.Scope = strings.Clone(u.Route), strings.Clone(u.Scope) // so that the request's memory isn't kept
	one := &line{use: u, first: now, ids: ids(), lines: l}
	if len(one.ids) == 0 {
		return nil
	}
	longer := append(slices.Clip(list), one)
	l.list.Store(&longer)
	b.open = append(b.open, one)
	return one
}

// Take returns what was counted since the last call.
func (b *Book) Take() []Noted {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Noted
	kept := b.open[:0]
	for _, one := range b.open {
		if one.idle >= idle && one.count.CompareAndSwap(0, closed) {
			one.lines.drop(one)
			continue
		}
		one.idle++
		last := time.Unix(one.last.Load(), 0)
		if n := one.count.Swap(0); n > 0 {
			out = append(out, Noted{Use: one.use, IDs: one.ids, First: earlier(one.first, last), Last: last, Count: n})
			one.first, one.idle = last, 0
		}
		kept = append(kept, one)
	}
	clear(b.open[len(kept):])
	b.open = kept
	return out
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// drop removes a line; under the book's lock.
func (l *Lines) drop(gone *line) {
	var list []*line
	for _, one := range *l.list.Load() {
		if one != gone {
			list = append(list, one)
		}
	}
	l.list.Store(&list)
}

// Route returns what is recorded for a configured path, or for the name of a requirement.
func Route(configured string) string { return short(configured, maxRoute) }

// ShortScope returns what is recorded for a scope: its name, or for a long name its beginning
// and a checksum.
func ShortScope(name string) string { return short(name, maxScope) }

// short returns a text of at most max bytes; it is unlikely to be the same for two texts.
func short(text string, most int) string {
	if len(text) <= most {
		return text
	}
	sum := strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(text))), 36)
	return strings.ToValidUTF8(text[:most-1-len(sum)], "") + "~" + sum
}

const (
	maxWord   = 27 // bytes of a segment
	maxDigits = 2
	maxRun    = 16 // letters in a row
	maxMixed  = 12 // bytes, if capitals follow small letters
)

// Segment returns what is recorded for a request's path: its first segment, with the slash
// before it, if that is a plain word; otherwise Elsewhere. A plain word has at most 27 ASCII
// letters, digits, and - _ . between, begins with a letter, has at most two digits, each at
// the end of what it numbers, no more than 16 letters in a row, and capitals after small letters in
// short words alone (WebDAV): no id, digest or token is one.
func Segment(path string) string {
	if path == "" || path[0] != '/' {
		return Elsewhere
	}
	end := 1
	for end < len(path) && path[end] != '/' && path[end] != '?' && path[end] != '#' {
		end++
	}
	if end == 1 || plain(path[1:end]) {
		return path[:end]
	}
	return Elsewhere
}

func plain(s string) bool {
	digits, run, changes, capital := 0, 0, 0, s[0] >= 'A' && s[0] <= 'Z'
	if len(s) > maxWord || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case isLetter(c):
			if s[max(i, 1)-1] <= '9' && s[max(i, 1)-1] >= '0' { // x1y
				return false
			}
			if upper := c <= 'Z'; upper != capital {
				changes, capital = changes+1, upper
			}
			if run++; run > maxRun {
				return false
			}
		case c >= '0' && c <= '9':
			digits++
			run = 0
		case c == '-' || c == '_' || c == '.':
			run = 0
		default:
			return false
		}
	}
	return digits <= maxDigits && (changes <= 1 || changes == 2 && digits == 0 && len(s) <= maxMixed)
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

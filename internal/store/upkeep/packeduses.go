package upkeep

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/uses"
)

// The lines of a token are one value, so that a line costs its names and about a dozen
// bytes, and the database's share of a row and its key once a token. Of each line, in this
// order:
//
//	uvarint  twice the length of the route, and 1 where the method is safe
//	bytes    the route
//	uvarint  the length of the scope
//	bytes    the scope
//	uvarint  the collection's id and 1; 0: none
//	4 bytes  the last use, in Unix seconds, big-endian: nobody needs it more exactly
//	uvarint  how many seconds before that the first use was
//	uvarint  the count

// fewerLines is how many lines of a token name a place. Further ones keep the scope alone.
const fewerLines = 48

// usesKey returns the key of a token: the half of its id that is random in every version of
// UUID that bearerd makes. Among ten million tokens, the chance that two have one key, and
// so count their uses together, is 1 in 100,000.
func usesKey(id uses.ID) int64 {
	return int64(binary.BigEndian.Uint64(id[8:])) //nolint:gosec // all 64 bits count
}

// packUses returns lines as they are stored.
func packUses(lines []records.TokenUse) []byte {
	var b []byte
	for _, u := range lines {
		last := min(max(u.LastAt.Unix(), 0), math.MaxUint32)
		b = binary.AppendUvarint(b, uint64(len(u.Route))<<1|uint64(column.Flag(u.Safe))) //nolint:gosec // 0 or 1
		b = append(b, u.Route...)
		b = binary.AppendUvarint(b, uint64(len(u.Scope)))
		b = append(b, u.Scope...)
		b = binary.AppendUvarint(b, uint64(u.Collection-uses.NoCollection)) //nolint:gosec // never negative
		b = binary.BigEndian.AppendUint32(b, uint32(last))
		b = binary.AppendUvarint(b, uint64(max(last-u.FirstAt.Unix(), 0)))
		b = binary.AppendUvarint(b, uint64(max(u.Count, 0)))
	}
	return b
}

var errPacked = errors.New("what a token was used for can't be read")

// unpackUses reads what packUses wrote.
func unpackUses(b []byte) (lines []records.TokenUse, err error) {
	r := packed{rest: b}
	for len(r.rest) > 0 && !r.broken {
		var u records.TokenUse
		n := r.number()
		u.Safe, u.Route = n&1 == 1, r.text(n>>1)
		u.Scope = r.text(r.number())
		u.Collection = int64(r.number()) + uses.NoCollection //nolint:gosec // as it was written
		last := r.seconds()
		u.LastAt, u.FirstAt = time.Unix(last, 0).UTC(), time.Unix(last-int64(r.number()), 0).UTC() //nolint:gosec // likewise
		u.Count = int64(r.number())                                                                //nolint:gosec // likewise
		lines = append(lines, u)
	}
	if r.broken {
		return nil, errPacked
	}
	return lines, nil
}

// packed is what is left to read.
type packed struct {
	rest   []byte
	broken bool
}

func (p *packed) number() uint64 {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 {
		p.broken, p.rest = true, nil
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *packed) bytes(n uint64) []byte {
	if n > uint64(len(p.rest)) {
		p.broken, p.rest = true, nil
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

func (p *packed) text(n uint64) string { return string(p.bytes(n)) }

func (p *packed) seconds() int64 {
	b := p.bytes(4)
	if b == nil {
		return 0
	}
	return int64(binary.BigEndian.Uint32(b))
}

// addUse adds to the lines of a token. What is there is added to. A new line has its place
// among at most fewerLines; past those, the scope is kept without the place, as long as
// there are fewer than uses.MaxLines.
func addUse(lines []records.TokenUse, n *uses.Noted) []records.TokenUse {
	u := n.Use
	at := slices.IndexFunc(lines, func(one records.TokenUse) bool { return one.Use == u })
	if at < 0 && len(lines) >= fewerLines {
		u.Route, u.Collection = uses.Elsewhere, uses.NoCollection
		at = slices.IndexFunc(lines, func(one records.TokenUse) bool { return one.Use == u })
	}
	first, last := n.First.UTC(), n.Last.UTC()
	if at < 0 {
		if len(lines) >= uses.MaxLines {
			return lines
		}
		return append(lines, records.TokenUse{Use: u, FirstAt: first, LastAt: last, Count: n.Count})
	}
	one := &lines[at]
	one.Count += n.Count
	if first.Before(one.FirstAt) {
		one.FirstAt = first
	}
	if last.After(one.LastAt) {
		one.LastAt = last
	}
	return lines
}

// usedSince returns those lines whose last use is after an instant.
func usedSince(lines []records.TokenUse, end time.Time) []records.TokenUse {
	return slices.DeleteFunc(lines, func(u records.TokenUse) bool { return !u.LastAt.After(end) })
}

// latestFirst sorts lines as they are shown.
func latestFirst(lines []records.TokenUse) {
	slices.SortFunc(lines, func(a, b records.TokenUse) int {
		return cmp.Or(b.LastAt.Compare(a.LastAt), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Scope, b.Scope),
			cmp.Compare(column.Flag(a.Safe), column.Flag(b.Safe)), cmp.Compare(a.Collection, b.Collection))
	})
}

// notedOf is what was noted of one token.
type notedOf struct {
	id    uses.ID
	noted []*uses.Noted
}

// byToken returns what was noted by the tokens that it is about.
func byToken(noted []uses.Noted) []notedOf {
	places := map[uses.ID]int{}
	var all []notedOf
	for i := range noted {
		for _, id := range noted[i].IDs {
			at, known := places[id]
			if !known {
				at = len(all)
				places[id] = at
				all = append(all, notedOf{id: id})
			}
			all[at].noted = append(all[at].noted, &noted[i])
		}
	}
	slices.SortFunc(all, func(a, b notedOf) int { return bytes.Compare(a.id[8:], b.id[8:]) })
	return all
}

// Package revocation is what makes a bearer token revocable although verifying
// it touches no database: a log of what was taken back, the live part of that
// log in memory, and a lease that a node must hold to say yes.
//
// The log is one gapless sequence of entries of two sorts. A kill names a token:
// it, and all that has it in its chain, is dead. A cut-off names a subject, a
// client, a key, a role and so on: what was decided about it as of an earlier
// sequence is void, or must be decided again.
//
// A Follower asks the log for what came after the last entry that it knows,
// every quarter of the staleness L and at once when woken. It applies the answer
// to a Set, whose look-ups take no lock and allocate nothing. When the answer
// reached the head of the log, its lease runs to L after that question started,
// on a clock that counts suspension. So an entry that was committed at T is
// honoured by every node that says yes after T + L, with no agreement of clocks.
//
// Who revokes may wait for less than L: Await watches the nodes confirm the
// entry. A node that was not on the list when the entry was committed must not
// hold a lease from a question older than that, so a node joins in three steps:
// it asks, it confirms what it knows, and asks again; only the second answer
// gives a lease. A lease that ran out means joining anew, which is why a node
// that was waited for in vain may be dropped from the list.
//
// Where many nodes share a store, each beats: it confirms with every answer, also
// when there is nothing new. A Roll sees whose entry has stood unchanged for longer
// than a lease, and nobody waits for that node any more.
package revocation

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// Seq is a position in the revocation log. The first entry has 1, and 0 stands
// before all of them.
type Seq = int64

// What says what an entry names. The values are those of the log.
type What string

// A kill, the cut-offs that make void, and the cut-offs that ask to decide again.
const (
	Token What = "token" // a token's id: it and all that has it in its chain is dead

	Subject    What = "subject" // a user's or client's id as `sub`: what was issued to it before is void
	Client     What = "client"  // a client's id: likewise
	SigningKey What = "key"     // a `kid`: what it signed before is void

	Access     What = "access"     // a subject, whose bindings or groups changed
	Role       What = "role"       // a role's name, whose permissions changed
	Group      What = "group"      // a group's name, whose bindings changed
	Collection What = "collection" // a collection's id, which was made or removed
)

// Known reports whether w is one of the values above. An entry of another kind
// can't be honoured, so a follower refuses the page that holds it.
func (w What) Known() bool {
	switch w {
	case Token, Subject, Client, SigningKey, Access, Role, Group, Collection:
		return true
	}
	return false
}

// Entry is one line of the log. A zero Until means that it matters for ever.
type Entry struct {
	Seq   Seq       `json:"seq"`
	What  What      `json:"what"`
	ID    string    `json:"id"`
	Until time.Time `json:"until"`
	At    time.Time `json:"at"`
}

// minKept is for how long an entry is kept at least.
const minKept = 24 * time.Hour

// KeepUntil gives an entry's Until: the last expiry of what it can concern, and
// never less than 24 h after at. A zero expiry is one that never comes, and so
// is the Until made of it.
func KeepUntil(lastExpiry, at time.Time) time.Time {
	if earliest := at.Add(minKept); !lastExpiry.IsZero() && lastExpiry.Before(earliest) {
		return earliest
	}
	return lastExpiry
}

// RunOut reports whether the entry matters no more at now and may be purged.
func (e Entry) RunOut(now time.Time) bool {
	return !e.Until.IsZero() && !now.Before(e.Until)
}

// Key is a named thing as a set keeps it. Its first eight bytes are never all
// zero: KeyOf is the only maker of keys.
type Key [16]byte

// KeyOf gives the key of a thing. Under Token a UUID in its canonical form (36
// characters, lower case) is its own 16 bytes; all else is the truncated SHA-256
// of what and id, compared bytewise. It does not allocate for ids of up to 255
// bytes.
func KeyOf(w What, id string) Key {
	if w == Token {
		if k, ok := parseUUID(id); ok && k.words().hi != 0 {
			return k
		}
	}
	var buffer [320]byte
	text := append(buffer[:0], w...)
	text = append(text, 0)
	sum := sha256.Sum256(append(text, id...))
	k := Key(sum[:16])
	if k.words().hi == 0 {
		k[0] = 1
	}
	return k
}

// parseUUID reads the canonical form and nothing else, so that no two ids share
// a key.
func parseUUID(s string) (k Key, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return Key{}, false
	}
	var digits [32]byte
	n := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			continue
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f':
			digits[n] = c
			n++
		default:
			return Key{}, false
		}
	}
	_, err := hex.Decode(k[:], digits[:])
	return k, err == nil
}

func (k Key) words() words {
	return words{hi: binary.BigEndian.Uint64(k[:8]), lo: binary.BigEndian.Uint64(k[8:])}
}

// Page is an answer of the log: entries after a sequence, in order, with the
// log's head and its purge mark, all three read in one snapshot.
type Page struct {
	Entries []Entry
	Head    Seq // the last sequence given out
	Purged  Seq // the highest sequence purged: up to it, and only there, entries may be missing
}

// Complete reports whether the page holds everything that the log knows after
// that sequence. It is judged from the sequences, not from the number of entries.
func (p Page) Complete(after Seq) bool { return p.last(after) == p.Head }

// last is the sequence that a reader at after stands at once it has the page.
func (p Page) last(after Seq) Seq {
	if n := len(p.Entries); n > 0 {
		return p.Entries[n-1].Seq
	}
	if p.Head <= p.Purged {
		return p.Head
	}
	return after
}

// Confirmation is what the store lists of a node.
type Confirmation struct {
	Node   string        // unique among the processes that live at the same time
	Seq    Seq           // it honours every entry up to this one
	Lease  time.Duration // for how long it may say yes after a question started; 0: it has left
	SeenAt time.Time     // when it last confirmed; the store sets it, anew each time
}

// over reports whether the lease has run out that long after it began at the latest.
func (c Confirmation) over(elapsed time.Duration) bool { return c.end() <= elapsed }

// end is after what time the lease has run out by any other node's clock: clocks
// that nobody can set are still slewed, by at most 500 millionths each.
func (c Confirmation) end() time.Duration { return c.Lease + c.Lease/1000 }

// Log is the revocation log in the store. Both methods honour ctx.
type Log interface {
	// Entries gives up to limit entries after that sequence, oldest first, of one
	// snapshot that holds everything committed before the call.
	Entries(ctx context.Context, after Seq, limit int) (Page, error)
	// Confirm puts a node on the list or replaces what the list says of it; when
	// it returns, that is committed.
	Confirm(ctx context.Context, c Confirmation) error
}

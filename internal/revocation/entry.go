package revocation

import (
	"context"
	"math"
	"time"
)

// Seq is a position in the revocation log. The first entry has 1, and 0 is the position
// before it.
type Seq = int64

// What is the kind of thing that an entry names. The values are those of the log.
type What string

// A kill, an end, the cut-offs that make tokens void, and the cut-offs after which access
// is decided again.
const (
	Token What = "token" // a token's id: it and all that has it in its chain is revoked
	End   What = "end"   // a token's id: likewise, from the entry's At on

	Subject    What = "subject" // a user's or client's id as `sub`: what was issued to it before is void
	Client     What = "client"  // a client's id: likewise
	SigningKey What = "key"     // a `kid`: what it signed before is void
	Everything What = "all"     // EverythingID alone: whatever was issued before, to anybody, is void

	Access     What = "access"     // a subject, whose bindings or groups changed
	Role       What = "role"       // a role's name, whose permissions changed
	Group      What = "group"      // a group's name, whose bindings changed
	Collection What = "collection" // a collection's id, which was created or removed
)

// EverythingID is the id of every entry about Everything.
const EverythingID = "*"

// Known reports whether w is one of the values above. An entry of another kind can't be
// applied, so a follower refuses the page that holds it.
func (w What) Known() bool {
	switch w {
	case Token, End, Subject, Client, SigningKey, Everything, Access, Role, Group, Collection:
		return true
	}
	return false
}

// Entry is one line of the log. A zero Until means that it is in force for ever. At is
// when it was written; of an End it is when the token ends, which is no earlier.
type Entry struct {
	Seq   Seq       `json:"seq"`
	What  What      `json:"what"`
	ID    string    `json:"id"`
	Until time.Time `json:"until"`
	At    time.Time `json:"at"`
}

// minKept is the least time for which an entry is kept.
const minKept = 24 * time.Hour

// KeepUntil returns an entry's Until: the last expiry of what it can concern, and
// never less than 24 h after at. A zero expiry is one that never comes, and so
// is the Until made of it.
func KeepUntil(lastExpiry, at time.Time) time.Time {
	if earliest := at.Add(minKept); !lastExpiry.IsZero() && lastExpiry.Before(earliest) {
		return earliest
	}
	return lastExpiry
}

// RunOut reports whether the entry is out of force at now and may be purged.
func (e Entry) RunOut(now time.Time) bool {
	return !e.Until.IsZero() && !now.Before(e.Until)
}

// Page is an answer of the log: entries after a sequence, in order, with the
// log's head and its purge marks, all read in one snapshot.
type Page struct {
	Entries []Entry
	Head    Seq // the last sequence assigned
	Purged  Seq // the highest sequence purged: up to it, and only there, entries may be missing
	// PurgedUntil is the latest time until which a purged entry mattered: a token that
	// had expired by then may have been revoked.
	PurgedUntil time.Time
	// Origin names the database server that answered, where one address may lead to
	// several: a primary and the standby that took its place have different ones.
	Origin string
}

// Complete reports whether the page holds everything that the log knows after
// that sequence. It is judged from the sequences, not from the number of entries.
func (p Page) Complete(after Seq) bool { return p.last(after) == p.Head }

// last returns the sequence up to which the log has been read once this page is read, if
// it had been read up to after before.
func (p Page) last(after Seq) Seq {
	if n := len(p.Entries); n > 0 {
		return p.Entries[n-1].Seq
	}
	if p.Head <= p.Purged {
		return p.Head
	}
	return after
}

// Confirmation is a node's entry on the list in the store: a promise to those who revoke
// that the node has applied the log up to Seq, and a warning that it may rely on what it
// knew for as long as Lease.
type Confirmation struct {
	Node   string        // unique among the processes that live at the same time
	Seq    Seq           // it has applied every entry up to this one
	Lease  time.Duration // how long its lease runs from the start of a question; 0: it has left
	SeenAt time.Time     // when it last confirmed; the store sets it with every confirmation
	// Origin is the database whose answer is confirmed; the confirmation is written there
	// or not at all. "" stands for any. It isn't stored in the list.
	Origin string
	// Outside is what verifiers have confirmed that read the log from this node's streams.
	Outside
}

// Readers is what a group of external verifiers has confirmed. All of them read the log from
// one node. The zero value is that of a node that registers none.
type Readers struct {
	Count  int // of those that are registered
	Behind int // of these, those that have not confirmed what the node had applied
	// Seq is a sequence that all of them have confirmed; a verifier that registers later
	// begins at this one or at a later one.
	Seq Seq
}

// Outside is what the external verifiers have confirmed: edges, for which a revocation waits
// as for nodes, and services, for which it waits when it is asked to (WaitAll).
type Outside struct{ Edges, Verifiers Readers }

// SeqOfLeft is the sequence of a node that has left, when its entry stays on the list for
// verifiers that may rely on its last heartbeats: a node that accepts no token counts as
// one that has applied everything.
const SeqOfLeft Seq = math.MaxInt64

// expiredAfter reports whether the lease has expired once that much time has elapsed, by
// the clock of another node, since the latest instant at which it can have begun.
func (c Confirmation) expiredAfter(elapsed time.Duration) bool { return c.longest() <= elapsed }

// longest returns how long the lease can last by the clock of another node. Clocks that
// nobody can set are still slewed, by at most 500 millionths each; in opposite directions
// that makes a thousandth.
func (c Confirmation) longest() time.Duration { return c.Lease + c.Lease/1000 }

// same reports whether two entries of a node on the list are equal, their times included.
func (c Confirmation) same(d Confirmation) bool {
	return c.Node == d.Node && c.Seq == d.Seq && c.Lease == d.Lease && c.SeenAt.Equal(d.SeenAt)
}

// Log is the revocation log in the store. Both methods return when ctx ends.
type Log interface {
	// Entries returns up to limit entries after that sequence, oldest first, of one
	// snapshot that holds everything committed before the call.
	Entries(ctx context.Context, after Seq, limit int) (Page, error)
	// Confirm puts a node on the list or replaces its entry there; when it returns, that
	// is committed, on the database that c.Origin names.
	Confirm(ctx context.Context, c Confirmation) error
}

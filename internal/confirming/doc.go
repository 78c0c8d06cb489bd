// Package confirming keeps the book of the external verifiers that confirm revocations to
// this node: edges, and services with the package verify. It makes it possible to wait for
// them (revocation.WaitNodes for edges, revocation.WaitAll for all).
//
// # What is relied on
//
// A verifier's lease comes of heartbeats of this node, and counts from the start of the
// question that the heartbeat names: the one that the node's own lease counts from. Its
// length is at most the node's L (the staleness in the stream's first event). So by any
// clock it ends where the node's own lease of that question ends, and everything that is
// true of a node without a lease (package revocation) is true of its verifiers.
//
// # One verifier
//
//  1. A stream is opened with a label. It gets a name, and its first event says node, name,
//     staleness and pace.
//  2. Before a heartbeat is written to the stream, Write records it: its sequence, and the
//     start of its question, t0. With the first one the verifier is registered, at that
//     sequence: everything up to it was written before, so who takes a lease from this
//     heartbeat has applied it.
//  3. The verifier applies what follows and then confirms a sequence, at most that of the
//     last heartbeat written.
//  4. The registration ends with a goodbye, which a verifier says after it has given up its
//     lease, or rests it on another stream; or at t0 + 1.001 L of the last heartbeat
//     written, whether the stream is open or not: then no lease of this stream can hold.
//     When the verifier last confirmed plays no part.
//  5. A registration that ended so while its stream was open begins again as in 2.
//
// # What a node writes
//
// With its own sequence a node writes to the list, for edges and for services apart, how
// many are registered, how many are behind, and a sequence q that all of them have
// confirmed (Outside). q is the least of what they have confirmed, and of what the node
// itself has applied. From then on nobody registers at an earlier sequence than q: Write
// refuses the heartbeat, and the stream waits for the next. So q is true when it is
// computed, and stays true, however late it is committed and read: each who was registered
// had applied q, and each who comes later has.
//
// Who waits for a sequence s reads the list after its commit. If q is at least s, nobody who
// reads the log from that node accepts what s revokes. If not, the node's q follows within
// the pace of the verifiers and that of the node, or 1.001 L after the commit no lease that
// lacks s holds, the node's own or a verifier's.
//
// # A node that stops
//
// From the moment at which Outside is called because the node leaves, Write refuses every
// heartbeat. The node's entry stays on the list, with a sequence beyond all others in place
// of its own, until its verifiers' leases have ended. That is 1.001 L after somebody has read
// the entry, and not 1.001 L after any commit: the leases may count from later questions. The
// entry is dropped by a wait that has known it for so long.
//
// # A confirmation that reaches another node
//
// It is passed on through the store: what comes within 20 ms for one node is one row. The
// node that it is for looks into the store often while one of its verifiers is behind, and
// now and then otherwise, so that nothing piles up there. One client fills at most a quarter
// of what a node passes on at once.
//
// # Who is silent
//
// A verifier that gets heartbeats and hasn't confirmed the sequence of one that was written
// 5 L ago is ended and refused for a minute: each revocation would have to wait for it. One
// that continues from before that sequence is let in: it was cut off, and the node has
// written to a connection that no longer led to it.
// Its registration ends as in 4.
package confirming

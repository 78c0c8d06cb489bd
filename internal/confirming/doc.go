// Package confirming keeps track of the external verifiers that confirm revocations to this
// node: edges, and services with the package verify. It makes it possible to wait for them (revocation.WaitNodes for edges, revocation.WaitAll for all).
//
// # What is relied on
//
// A verifier's lease rests on heartbeats of this node, and counts from the start of the
// question that the heartbeat names: the same one from which the node's own lease counts. Its
// length is at most the node's L (the staleness in the stream's first event). So by any clock
// it ends no later than the node's own lease from that question, and everything that is true
// of a node without a lease (package revocation) is true of its verifiers.
//
// # One verifier
//
//  1. A stream is opened with a label. It gets a name, and its first event says node, name,
//     staleness and pace.
//  2. Before a heartbeat is written to the stream, Write records it: its sequence, and the
//     start of its question, t0. With the first one the verifier is registered, at that
//     sequence: everything up to it was written before, so a verifier that takes a lease from
//     this heartbeat has applied it.
//  3. The verifier applies what follows and then confirms a sequence, at most that of the
//     last heartbeat written.
//  4. The registration ends with a goodbye, which a verifier says after it has given up its
//     lease, or rests it on another stream; or at t0 + 1.001 L of the last heartbeat
//     written, whether the stream is open or not: by then every lease from this stream has
//     expired. It doesn't matter when the verifier last confirmed.
//  5. If a registration expired in this way while its stream is open, it begins again as in 2.
//
// # What a node writes
//
// With its own sequence a node writes to the list, separately for edges and for services, how
// many are registered, how many are behind, and a sequence q that all of them have
// confirmed (Outside). q is the least sequence that one of them has confirmed or the node
// itself has applied. From then on nobody registers at an earlier sequence than q: Write
// refuses the heartbeat, and the stream waits for the next. So q is true when it is
// computed, and stays true, however late it is committed and read: every verifier that was
// registered had applied q, and so has every one that registers later.
//
// A request that waits for a sequence s reads the list after the commit of s. If q is at least
// s, no verifier that reads the log from that node accepts what s revokes. If not, either the
// node's q follows within the pace of the verifiers and that of the node, or 1.001 L after the
// commit every lease without s has expired, the node's own and the verifiers'.
//
// # A node that stops
//
// From the moment when Outside is called because the node leaves, Write refuses every
// heartbeat. The node's entry stays on the list, with a sequence beyond all others in place
// of its own, until its verifiers' leases have ended. That is 1.001 L after a waiting request
// has read the entry, not 1.001 L after a commit, because the leases may count from later
// questions. A wait that has known the entry for that long drops it.
//
// # A confirmation that reaches another node
//
// It is passed on through the store: all confirmations for one node within 20 ms are one row.
// That node reads the store often while one of its verifiers is behind, and otherwise now and
// then, so that nothing piles up there. One client can fill at most a quarter of what a node
// passes on at once.
//
// # A silent verifier
//
// If a verifier gets heartbeats and hasn't confirmed the sequence of one that was written 5 L
// ago, its stream is ended and it is refused for a minute, because each revocation would have
// to wait for it. A verifier that continues from before that sequence is let in: it was cut
// off, and the node wrote to a connection that no longer led to it. The registration ends as
// in 4.
package confirming

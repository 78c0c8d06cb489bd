// Package revocation makes it possible to revoke a bearer token although verifying it
// asks no database. It has the revocation log, the part of the log in force in memory,
// and the lease that a process must hold to accept a token.
//
// # The log
//
// The log is one gapless sequence of entries. A kill names a token: it, and all that has
// it in its chain, is revoked. An end is a kill that is written ahead: it names the time
// from which on it counts, which every process judges by the same clock as expiry. The
// old value of a regenerated token, with all that was made from it, ends in this way at
// the end of the overlap: no process has to run at that moment to write a kill. A cut-off
// names a subject, a client, a key, a role and so on: what was decided about it as of an
// earlier sequence is void, or must be decided again. A cut-off of everything makes void
// all tokens that were issued as of an earlier sequence. A token carries the sequence as
// of which it was decided, so no clock is involved.
//
// # The promise
//
// Let L be the staleness, and let an entry be committed at T.
//
//   - No process accepts a token that the entry revokes after T + L, whatever is
//     partitioned, paused or has failed. No two clocks need to agree.
//   - Once Await has returned without an error, no process accepts it any more, however
//     early that is.
//
// Three things are relied on: a question to the log is answered from one snapshot that
// holds everything committed before the question was put; a confirmation is committed
// when Confirm returns; and BootClock never goes back, counts suspension, and runs at a
// rate within 500 millionths of true.
//
// # One question
//
// A node (Follower) asks every quarter of L, and when woken: at once, or 20 ms after it was
// woken last. One turn is:
//
//  1. At t0 the node reads its clock, and then puts the question: what comes after the
//     last entry that I have read?
//  2. At t1 the store reads a snapshot. Everything committed before t0 is in it.
//  3. At t2 the answer arrives. The node checks that it is the log's next page, without
//     a gap but for purged entries, and applies its entries to the Set. From here on it
//     refuses the tokens that they name.
//  4. If that wasn't the last page, the node asks for the next one, with a new t0. An
//     answer that reaches the head of the log is complete: the node knows now that all
//     entries committed before t0 count here. It publishes that as Known.
//  5. At t3 the node confirms in the store the sequence that it has applied. Where the
//     list has that sequence already, and the node can't have been dropped from it, there
//     is nothing to confirm. It is written to the database that answered, or not at all:
//     a former primary that was not fenced still answers, and doesn't know what the new
//     one commits.
//  6. At t4 the confirmation is committed. The lease runs to t0 + L.
//
// So the lease counts from the start of the question and never from the answer: an entry
// that the snapshot missed was committed after t0, and its T + L is later than the lease
// of t0. How long the answer was on its way makes the lease shorter, never wrong.
//
// # One verification
//
//  1. Take the Lease.
//  2. Look up as much as is needed: kills, cut-offs, the sequence applied.
//  3. Ask whether the lease of step 1 still holds. Only then is the answer yes.
//
// The lease is taken first, because one that is renewed between two look-ups says nothing
// of the earlier one. Whether it holds is asked last, because the process may have been
// suspended at any point before; a clock that stands still in suspension would not notice.
// Looking up takes no lock and allocates nothing.
//
// Without a lease a request may have one for itself alone (Permit): the question starts
// at t0, after the request came. What was acknowledged before the request came was
// committed before t0, so the answer has the entry. What is acknowledged later may be
// ordered after the request. So nobody needs to wait for it, it needs no confirmation,
// and its lease serves no other request.
//
// # Waiting for the nodes
//
// A caller that revokes may have to wait for less than L (Await). The store holds a list
// of nodes: each with the sequence that it has confirmed, and its L.
//
//  1. At T the entry is committed with sequence s. At c, after that, the waiting node
//     reads its own clock.
//  2. It reads the list, again and again, in the database that last answered a question of
//     its own after it had read the entry (Follower.List): that has the entry, so it is no
//     earlier one than the entry was committed on. A node on it is done when its confirmed
//     sequence is at least s, because it has applied the entry before it confirmed, or
//     when its clock says c + 1.001 L.
//  3. When every node is done, the entry is acknowledged.
//
// Why c + 1.001 L ends a node's lease: a node that hasn't read the entry holds a lease
// from a question with t0 before T, and so before c. That lease ends L after t0 by the
// node's clock. Both clocks may be off by 500 millionths in opposite directions, which
// makes at most a thousandth of L.
//
// # Joining the list
//
// Nobody waits for a node that isn't on the list. It must not hold a lease from a
// question that started before it was on it. So it joins in three steps:
//
//  1. It asks, and applies the answer. That makes no lease.
//  2. It confirms. At t4 it is on the list: every entry committed after t4 waits for it.
//  3. It asks again, with t0 after t4. This answer has every entry that was committed
//     before t4, waited for or not. Its lease is the first.
//
// A node must also know when it may have been dropped from the list: a waiter drops a
// node that did not confirm in time, no earlier than L after the commit of an entry that
// the node hasn't confirmed. What the node hasn't confirmed was committed after its
// previous complete question started, at p. So until p + L, by its own clock, it is on
// the list for certain. A confirmation that is committed later than that counts as step
// 2, and the node asks again.
//
// # Leaving the list
//
// A node that stops ends its lease first, and then confirms with a lease of 0: nobody
// waits for it any more. A node that crashes makes a revocation wait for up to L: the
// first waiter whose time has passed drops it, if its entry on the list is still the
// same.
//
// Where many nodes share a store each confirms with every answer, with or without new
// entries (ConfirmAlways): its entry on the list changes as long as it holds a lease. A
// NodeWatcher that has seen an entry unchanged for 1.001 L, by its own clock, knows that
// the node's lease has expired, and Await doesn't wait for it at all. A single node needs
// not write while nothing happens.
//
// # When the log goes back
//
// A store that was restored without raising its sequence has a head before what the node
// has applied. Sequences are then assigned a second time, and a cut-off with one of them
// wouldn't reach the tokens that carry a later one. The node distrusts the log: its lease
// ends at once, before anything else, and nothing is Known. When the log has reached what
// the node knew, the node reads all of it again from the beginning, and joins the list
// again, which was restored as well. What it has applied stays: that is too strict for
// some tokens and too lenient for none. Its hooks are called with Missed, and the Epoch
// grows: nothing that was read from the store before may be kept.
//
// # Forgetting
//
// An entry is kept until no token that it can concern is unexpired. Expiry is judged, and
// entries are forgotten, by one wall clock that never goes back (Ledger.Now): a token
// whose kill was forgotten is never taken for unexpired again.
//
// The store purges by another clock. So each page has the latest time until which a
// purged entry mattered (Page.PurgedUntil), and before the page counts Ledger.Now is
// moved to at least that time: a node that starts after the purge, with a clock that is
// behind, takes no such token for unexpired.
//
// # Outside the cluster
//
// Package verify follows the log through the stream of a node and feeds a Ledger of its
// own. It is on no list. If it confirms, the node's entry on the list says what all that
// follow its streams have confirmed (Outside), and Await waits for them by the same rules:
// their leases count from the node's own questions (package confirming). If it doesn't,
// nobody waits for it, and it has the promise of T + L alone. What
// the stream's heartbeat says is Known: no entry after this sequence was committed before
// that t0. The heartbeat that ends a snapshot has the latest time until which a purged
// entry mattered.
package revocation

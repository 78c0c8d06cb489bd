// Package clustertest breaks bearerd on purpose and checks what it promised: real
// processes on a real PostgreSQL, each behind a [Forwarder] of its own that can
// delay, hold, lose and cut what passes. It drives them by HTTP and the command
// line alone, and knows nothing of how they work inside.
//
// A [Cluster] runs nodes and reaches them through a [Client]. Everything that was
// asked is written into a [History], with the instants of one monotonic clock, and
// [Check] says what in a history must not be. [Mutation] builds a bearerd that is
// broken in one known way, with which the harness itself is tested: a harness that
// lets one of those pass would let a mistake pass.
//
// The checker is its own and no general one for linearizability, because the promise
// is not that of a register: between commit and acknowledgement one node may refuse
// what another still accepts. What is promised is about the acknowledgement, and
// that is what is checked.
package clustertest

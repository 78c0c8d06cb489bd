// Package simulation runs a cluster in one process, on a clock that does not wait: nodes,
// services that verify by themselves, the database and the network between them. What is
// simulated is the world: the database's log with a standby and failovers (database), the
// lines to it (line), the network (network), the machines' clocks and their pauses
// (process). What runs in it is bearerd's own code: the follower with its lease and the list
// of nodes (internal/revocation), the acknowledgement (internal/journal), the register of the
// verifiers that confirm (internal/confirming), the decision (internal/verification) with the
// node's source, the stream of the log (internal/feed), and the public package verify.
//
// Every delay, fault, pause, crash and failover, and everything that the code itself leaves
// to chance, is drawn from a seed. A run is judged by the checker of clustertest.
package simulation

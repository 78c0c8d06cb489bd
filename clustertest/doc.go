// Package clustertest injects faults into a bearerd cluster and checks that its promise
// holds. It runs real processes on a real PostgreSQL. Each process reaches the database
// through its own [Forwarder], which can delay, hold, lose and cut the traffic. The
// harness uses HTTP, the command line and package verify only, and knows nothing of the
// internals. The database is one server or a [Pair], a primary with a synchronous standby.
//
// Outside the nodes, edges (bearerd edge) and services (package verify) follow the log. Each
// reaches the nodes through a Forwarder of its own and a load balancer.
//
// A [Cluster] runs nodes and sends requests to them through a [Client]. Every request
// is recorded in a [History], with its start and end on one monotonic clock, and
// [Check] returns what in a history violates the promise. [Mutation] builds a bearerd
// that is broken in one known way. The harness is tested with those: if it did not
// catch a known mistake, it would not catch an unknown one.
//
// [Check] is not a general checker for linearizability. Between the commit of a
// revocation and its acknowledgement one node may already refuse a token that another
// still accepts, so tokens aren't linearizable registers. The promise is about the
// acknowledgement, and that is what is checked.
package clustertest

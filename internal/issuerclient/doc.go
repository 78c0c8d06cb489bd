// Package issuerclient lets another process verify tokens for an issuer: it reads the
// issuer's metadata and keys, follows its revocation log, asks about what a token doesn't say,
// and provides package verification with the answers. The public package verify and edges are
// built on it.
//
// A [Client] is one process's. [New] returns one that refuses everything; [Client.Start] and
// [Client.Begin] let it follow the issuer. Its lease counts from the heartbeats of one stream
// (reading.go), which it confirms where it has a label (confirm.go). What is asked about a
// token is limited in rate, asked once for all who wait, and kept as facts, never as decisions
// (introspect.go, source.go); an edge asks for its user too (edge.go).
package issuerclient

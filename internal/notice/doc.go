// Package notice sends what happened to receivers outside: as Security Event Tokens (RFC 8417)
// that are pushed (RFC 8935), as the older webhook, and by mail (internal/mail).
//
// A notice is never lost by a crash, and may be sent twice:
//
//  1. An operation decides what it does and commits one batch. [Announcer] reads from the
//     batch what there is to report, and adds a row for each receiver that wants it to the
//     same transaction. Either both are in the database, or neither is.
//  2. One node has the turn of a receiver, for a minute at a time. It reads the rows that are
//     due, and sends them one by one. The turn of a node that dies ends when that minute is over.
//  3. What the receiver has acknowledged is deleted. If the process dies between the acknowledgement and the deletion, the next one sends the notice again, with the same jti, by which a receiver recognises it.
//  4. What can't be sent is put off, each time for longer. While a receiver fails, only one
//     notice at a time tries whether it is back.
//  5. Notices older than [Kept], and those beyond the newest [MostWaiting] of a receiver, are
//     dropped. That is the only way in which a notice is lost, and the log says so.
//
// What is sent is signed when it is sent, with the key that signs tokens then. It names tokens
// by their ids and never has a token's value, or any other secret.
package notice

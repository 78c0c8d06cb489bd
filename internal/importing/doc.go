// Package importing moves API tokens in from another system, and out again.
//
// # What comes in
//
// A file names each token by its value or by a digest of it, with its owner. A value is
// hashed as it is read, and not kept: errors, reports and events contain nothing of a line
// except its number. An imported token is an API token like all others.
//
// # All or nothing
//
//  1. An import begins by storing a row for itself. There is one import at a time; what an
//     import has left whose process has ended is deleted first.
//  2. The lines are read some thousands at a time, so that memory is bounded. They are
//     checked, and stored in short transactions of as many rows as take a quarter of a
//     second, so nothing else waits longer than that for SQLite's only writer, or for the
//     lock that revocations take. The tokens of an import that is under way aren't visible.
//  3. A line that can't be imported ends the import, and what was stored is deleted.
//  4. At the end one statement deletes the import's row, with the audit event in the same
//     transaction. From then on all of its tokens are visible.
//
// # Revocations in between
//
// A token is stored with the sequence of the log at which its owner was read. A later cut-off
// of the owner revokes it, in the log and in its row: if the token was stored before the
// cut-off, the cut-off marks the row; if it was stored after, the transaction that stores it
// finds the cut-off in the log. So a user who is disabled, or revokes everything, while an
// import runs has no valid token of that import when it is published. An import of more than
// five minutes reads users again: then tokens that are read after a user has revoked everything
// are valid, and only those read before are revoked.
package importing

// Package importing moves API tokens in from another system, and out again.
//
// # What comes in
//
// A file names each token by its value or by a digest of it, with its owner. A value is
// hashed as it is read and kept nowhere else: no error, report or event holds anything of
// a line but its number. What is imported is an API token in everything.
//
// # All or nothing
//
//  1. The import begins with a row of its own. There is one import at a time; one whose
//     process has ended is cleared away first.
//  2. The lines are read some thousands at a time, so that memory is bounded. They are
//     checked, and stored in short transactions, of as many rows as take a quarter of a
//     second: nothing else has to wait for longer than that, be it for SQLite's only writer or for the lock that revocations take.
//     Nobody sees the tokens of an import that is under way.
//  3. A line that can't be imported ends the import, and what was stored is deleted.
//  4. In the end one statement deletes the import's row, with the audit event in the same
//     transaction. From then on all of its tokens are seen.
//
// # Revocations in between
//
// A token carries the log's sequence as of which its owner was read. A cut-off of the owner
// that is later revokes it: in the log, and in its row, whether it was stored before the
// cut-off (which marks it) or after (which is then looked for in the log by the same
// transaction). So who is disabled, or revokes all, while an import runs, has no live token
// when it is published. An import of more than five minutes reads users again: who revokes all
// in the middle of it ends what was read of them before.
package importing

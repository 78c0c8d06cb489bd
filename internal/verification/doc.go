// Package verification is the one decision: may this token do this now? A node of
// bearerd, an edge without a database and the public package verify all judge by
// this code. They differ in the [Source] that answers what neither the token nor the
// log can say, and in who feeds the [revocation.Ledger].
//
// # What is known
//
// A fact is something known about a token or a subject: kind, owner, scope, expiry,
// bindings. Facts are kept. They come from a valid signature or from a reading of the
// source; a reading carries the sequence of the log as of which it is true. A decision is
// whether the token may be used for something now. Decisions are never kept: every check
// is made on every call.
//
// # A decision
//
//  1. At t0 a request presents a token. Its kind is decided by prefix or shape. Its
//     facts are found in the cache or read: a JWT's signature is checked, an opaque
//     token is looked up.
//  2. At t1 the lease is taken: it says that the log, as applied here, is all that
//     was committed up to an instant, and holds until an instant of the boot clock
//     (package revocation).
//  3. Facts about which the log has had an entry since they were read are read again;
//     several times, if the node of the issuer that answers is behind another node. If the
//     token was decided as of a sequence beyond what is applied here, the log is asked for
//     those entries first: a cut-off between the two must not be missed.
//  4. The checks follow in the order of [token.Checks] and stop at the first that
//     fails: type, issuer, times, audience; revoked (its id, the ids of its chain,
//     its subject, its client, its actors, its key, everything); the network that it is
//     used from; scope; access to its collection.
//  5. At t2, after the last look into the log, the lease is checked again. If it still
//     holds, the answer counts: an entry that this decision did not see was committed
//     after t1 − L, and its acknowledgement waits for this lease. If entries were
//     forgotten as of a time after the one by which expiry was judged, the decision
//     starts again: the token's kill may be among them.
//  6. If it doesn't hold, the source is asked for a permit, a lease for this request
//     alone, and the decision starts again at 3. Without one the answer is Unavailable,
//     never an acceptance.
//
// A refusal that no later entry can change (a bad signature, an expired, revoked or
// foreign token, a missing scope) needs no lease. A refusal for lack of access does,
// because access may have been granted a moment ago.
//
// Why nothing comes between: a look-up that was under way while a revocation was
// applied returns facts as of a sequence before it. Step 3 of the next use, or the
// check that follows the reading, compares that sequence with the log and discards
// them. When entries may have been missed (the ledger's epoch grew), everything that
// was kept is dropped, and a reading that began before is used once and not kept.
//
// The issuer of an edge may know of a revocation before the edge has its entry. A token
// that it has called revoked is refused until the log is known here as of a later time.
// Otherwise the next use, which needs no question, would be accepted again.
//
// # Access
//
// A JWT for a collection was issued because its user had access to it, as of the token's
// sequence. Until the log says that the user's bindings, any role or group, or the
// collection changed, that decision holds and costs no look-up. Afterwards the subject is
// read, and that reading holds until the log has another such entry.
//
// # What is never done
//
// Verifying writes nothing. Last uses are gathered in memory ([Uses]) and written in
// batches by the owner. Forged and random values take no memory: only facts about genuine
// tokens are kept.
package verification

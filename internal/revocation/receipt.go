package revocation

// Wait is what the acknowledgement of a revocation waits for. It doesn't change the
// revocation: what is committed holds everywhere within the staleness.
type Wait uint8

// The zero value is what the operator configured.
const (
	WaitDefault Wait = iota // as revocation.wait says
	WaitNone                // for the commit alone
	WaitNodes               // until every node and edge has applied it, or its lease has expired
	WaitAll                 // likewise, and for every verifier outside that confirms
)

// Receipt is the result of revoking.
type Receipt struct {
	// Revoked reports whether there was anything to revoke: false where bearerd didn't
	// issue the token. It is true for a token that was revoked before, which is confirmed
	// in the same way.
	Revoked bool
	// Seq is the sequence that a node must have applied to refuse what was revoked; 0
	// where there was nothing to revoke.
	Seq Seq
	// Nodes is what the nodes confirmed; nil where nothing was waited for.
	Nodes *Acknowledgement
}

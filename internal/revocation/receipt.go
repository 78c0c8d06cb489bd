package revocation

// Wait is for what the acknowledgement of a revocation waits. Whether it waits changes
// nothing of the revocation: what is committed holds everywhere within the staleness.
type Wait uint8

// The zero value is what the operator has configured.
const (
	WaitDefault Wait = iota // as revocation.wait says
	WaitNone                // for the commit alone
	WaitNodes               // until every node honours it, or its lease has expired
)

// Receipt is what revoking came to.
type Receipt struct {
	// Revoked reports whether there was anything to revoke: false where the token was
	// none of ours. Revoking what was revoked before is true, and holds as well.
	Revoked bool
	// Seq is the sequence that a node must have applied to honour the revocation; 0
	// where there was nothing to revoke.
	Seq Seq
	// Nodes is what the nodes said; nil where nothing was waited for.
	Nodes *Acknowledgement
}

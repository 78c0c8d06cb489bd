package token

// Check is one step of judging a token. The steps are taken in the order of
// their values, and the first that fails decides.
type Check uint8

// The checks in their order. The zero value is none of them.
const (
	CheckWellFormed Check = iota + 1 // parsed strictly, in exactly one way
	CheckSignature                   // the algorithm equals the key's, the key is known, the signature is good
	CheckType                        // RFC 9068 §4: typ
	CheckIssuer
	CheckTime // exp, nbf, iat
	CheckAudience
	CheckRevoked // its id, its chain, and every cut-off since it was decided
	CheckNetwork // the client's address is in one of its networks
	CheckScope
	CheckAccess // access to its collection
)

var checkNames = [...]string{
	CheckWellFormed: "well-formed",
	CheckSignature:  "signature",
	CheckType:       "type",
	CheckIssuer:     "issuer",
	CheckTime:       "time",
	CheckAudience:   "audience",
	CheckRevoked:    "revoked",
	CheckNetwork:    "network",
	CheckScope:      "scope",
	CheckAccess:     "access",
}

// checkReasons are the reasons of most refusals; a refusal for a missing scope names the
// scope.
var checkReasons = [...]string{
	CheckWellFormed: ReasonMalformed,
	CheckSignature:  ReasonMalformed,
	CheckType:       reasonType,
	CheckIssuer:     reasonIssuer,
	CheckTime:       ReasonExpired,
	CheckAudience:   reasonAudience,
	CheckRevoked:    ReasonRevoked,
	CheckNetwork:    reasonNetwork,
	CheckAccess:     "no access to the collection",
}

// String returns the name under which explain shows the check; "" for any other value.
func (c Check) String() string {
	if int(c) >= len(checkNames) {
		return ""
	}
	return checkNames[c]
}

// Checks returns every check in the order in which they are made.
func Checks() []Check {
	return []Check{
		CheckWellFormed, CheckSignature, CheckType, CheckIssuer, CheckTime,
		CheckAudience, CheckRevoked, CheckNetwork, CheckScope, CheckAccess,
	}
}

// The descriptions that refusals show to the client. The first two checks share one, so
// that the answer doesn't reveal which part of a forgery was right.
const (
	ReasonMalformed   = "malformed or unknown token"
	reasonType        = "wrong type"
	reasonIssuer      = "wrong issuer"
	ReasonExpired     = "expired"
	reasonNotYetValid = "not yet valid"
	reasonAudience    = "wrong audience"
	ReasonRevoked     = "revoked"
	reasonNetwork     = "the token is not for this network"
	reasonNoAddress   = "the token is limited to networks, and the client's address is not known"
)

// ReasonRegenerated is the reason for the end of a token whose value was renewed.
const ReasonRegenerated = "regenerated"

// Refusal is the error of every check on a token: which check failed first, and
// a reason that is safe to show to the client.
type Refusal struct { //nolint:errname // a refusal is the answer of a check
	Check  Check
	Reason string
	detail string // for the operator; a constant, never a part of the token
}

// Refuse returns the refusal of this check with a reason.
func Refuse(c Check, reason string) *Refusal { return &Refusal{Check: c, Reason: reason} }

// Refuse returns the refusal of a check with its default reason.
func (c Check) Refuse() *Refusal { return Refuse(c, checkReasons[c]) }

// Malformed returns the refusal of a token that can't be parsed.
func Malformed() *Refusal { return CheckWellFormed.Refuse() }

func malformed(detail error) *Refusal {
	return &Refusal{Check: CheckWellFormed, Reason: ReasonMalformed, detail: detail.Error()}
}

func unsigned(detail string) *Refusal {
	return &Refusal{Check: CheckSignature, Reason: ReasonMalformed, detail: detail}
}

// Error names the check and, for the operator's log, the rule that was broken. It never
// holds a part of the token. Clients are shown only Reason.
func (r *Refusal) Error() string {
	if r.detail != "" {
		return r.Check.String() + ": " + r.detail
	}
	return r.Check.String() + ": " + r.Reason
}

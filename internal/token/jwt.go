package token

import (
	"errors"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/strictjson"
)

// The two values of typ that bearerd signs and accepts, compared exactly.
const (
	TypeAccess      = "at+jwt" // RFC 9068
	TypeExchangeKey = "api-key+jwt"
)

// TypeAssertion is the typ of an assertion, which names the caller to an application.
// Assertions are signed and never accepted as tokens.
const TypeAssertion = "bearerd-assertion+jwt"

// maxKID bounds a key id; ours are thumbprints of 43 characters.
const maxKID = 128

// maxMembers bounds a header or payload; a token of ours has about 15 members.
const maxMembers = 64

var (
	errParts     = errors.New("not three parts")
	errBase64    = errors.New("not canonical base64url")
	errForbidden = errors.New("a header that isn't allowed")
	errKID       = errors.New("kid is empty or too long")
)

// JWT is a token whose signature is valid. That proves who made it. Whether it is
// accepted here and now is decided by Validate and the checks after it.
type JWT struct {
	Type   string // typ as it stands
	KID    string // empty when it has none, which is allowed only with a shared secret
	Claims Claims
}

// Kind returns what the token can be used for: KindAccess, KindTask, KindExchangeKey, or
// KindUnknown for a type that isn't ours.
func (t *JWT) Kind() Kind {
	switch {
	case t.Type == TypeExchangeKey:
		return KindExchangeKey
	case t.Type != TypeAccess:
		return KindUnknown
	case t.Claims.TaskTokenType != "":
		return KindTask
	}
	return KindAccess
}

// header is the part of a JOSE header that bearerd reads. Unknown headers are ignored
// (RFC 7515 §4).
type header struct {
	alg    Algorithm
	typ    string
	kid    string
	hasKID bool
}

// Verify reads a JWT and checks its signature with the key that find returns for its kid.
// find("") is called when there is no kid; it may return only an HS256 key. The error is
// a *Refusal of CheckWellFormed or CheckSignature; of CheckRevoked when the signature is
// valid and the key was revoked. Claims are read only after the signature was checked.
func Verify(raw string, find func(kid string) (VerificationKey, bool)) (*JWT, error) {
	j, err := parseJWS(raw, MaxBytes)
	if err != nil {
		return nil, err
	}
	key, ok := find(j.header.kid)
	if !ok {
		return nil, unsigned("unknown key")
	}
	if err := j.verify(key); err != nil {
		return nil, err
	}
	text, err := decodePart(j.payload)
	if err != nil {
		return nil, malformed(err)
	}
	t := &JWT{Type: j.header.typ, KID: j.header.kid}
	if err := t.Claims.parse(string(text)); err != nil {
		return nil, malformed(err)
	}
	return t, nil
}

// jws is a JWT taken apart; nothing of it has been checked.
type jws struct {
	header    header
	signed    string // the header and the payload as they were sent
	payload   string // base64url
	signature []byte
}

// parseJWS takes a JWT of at most limit bytes apart. The error is a *Refusal of
// CheckWellFormed.
func parseJWS(raw string, limit int) (jws, error) {
	if len(raw) > limit {
		return jws{}, malformed(errLength)
	}
	head, payload, signature, ok := splitJWT(raw)
	if !ok {
		return jws{}, malformed(errParts)
	}
	h, err := parseHeader(head)
	if err != nil {
		return jws{}, malformed(err)
	}
	sig, err := decodePart(signature)
	if err != nil {
		return jws{}, malformed(err)
	}
	return jws{header: h, signed: raw[:len(head)+1+len(payload)], payload: payload, signature: sig}, nil
}

func (j *jws) verify(key VerificationKey) error {
	h := j.header
	if h.alg != key.Algorithm {
		return unsigned("the algorithm isn't the key's")
	}
	method := key.Algorithm.method()
	if method == nil {
		return unsigned("unknown algorithm")
	}
	if !h.hasKID && h.alg != HS256 {
		return unsigned("no kid")
	}
	if err := method.Verify(j.signed, j.signature, key.Key); err != nil {
		return unsigned("bad signature")
	}
	if key.Revoked {
		return CheckRevoked.Refuse()
	}
	return nil
}

// splitJWT returns the three parts of a compact serialisation, none of them empty.
func splitJWT(raw string) (head, payload, signature string, ok bool) {
	head, rest, _ := strings.Cut(raw, ".")
	payload, signature, _ = strings.Cut(rest, ".")
	ok = head != "" && payload != "" && signature != "" && strings.IndexByte(signature, '.') < 0
	return head, payload, signature, ok
}

// decodePart decodes base64url that has exactly one spelling. Go's decoder skips
// line breaks even where it is strict.
func decodePart(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errBase64
	}
	b, err := base64url.DecodeString(s)
	if err != nil {
		return nil, errBase64
	}
	return b, nil
}

func parseHeader(part string) (h header, err error) {
	text, err := decodePart(part)
	if err != nil {
		return header{}, err
	}
	err = strictjson.ReadObject(string(text), maxMembers, h.member)
	return h, err
}

func (h *header) member(p *strictjson.Scanner, name string) (err error) {
	switch name {
	case "alg":
		var alg string
		alg, err = p.Text()
		h.alg = Algorithm(alg)
	case "typ":
		h.typ, err = p.Text()
	case "kid":
		h.hasKID = true
		if h.kid, err = p.Text(); err == nil && (h.kid == "" || len(h.kid) > maxKID) {
			err = errKID
		}
	case "crit", "jku", "jwk", "x5u", "x5c", "b64":
		err = errForbidden
	default:
		err = p.Skip()
	}
	return err
}

// Expectation is what a verifier requires of a token. The zero value refuses everything:
// each check that is to be left out must be named.
type Expectation struct {
	Type        string // typ; empty: every token is refused
	Issuer      string // empty: every token is refused
	Audience    string // empty without AnyAudience: every token is refused
	Now         time.Time
	AnyAudience bool // the audience isn't judged
	ExpiredToo  bool // exp isn't judged: for revoking a token
}

// skew is how far the signer's clock may be ahead. Expiry has no such leeway: both clocks
// are the issuer's in almost every case.
const skew = 30 * time.Second

// Validate checks typ, iss, exp, nbf, iat and aud, in this order; the error is the
// *Refusal of the first that fails.
func (t *JWT) Validate(x Expectation) error {
	c, latest := &t.Claims, x.Now.Add(skew)
	switch {
	case x.Type == "" || t.Type != x.Type:
		return CheckType.Refuse()
	case x.Issuer == "" || c.Issuer != x.Issuer:
		return CheckIssuer.Refuse()
	case !x.ExpiredToo && !x.Now.Before(c.Expiry):
		return CheckTime.Refuse()
	case c.NotBefore.After(latest), c.IssuedAt.After(latest):
		return Refuse(CheckTime, reasonNotYetValid)
	case !x.AnyAudience && (x.Audience == "" || !HasAudience(c.Audience, x.Audience)):
		return CheckAudience.Refuse()
	}
	return nil
}

// Package token defines tokens: their kinds, the opaque form, the claims of a JWT, and
// the strict parser and validation that bearerd itself and the public verify package both
// use. It is the only package that knows JOSE.
//
// The entry points are [Forms] for opaque tokens, [Sign] and [Verify] for JWTs, and
// [JWT.Validate] for what a signature doesn't prove: type, issuer, times and audience.
// Nothing here decodes a claim before the signature over it has been checked, does input
// or output, or reads a clock.
//
// Signatures are golang-jwt's; the parsing is bearerd's own, because a token must have
// only one meaning: RFC 7515 and RFC 8725 leave open what encoding/json decides silently,
// such as which of two members of one name counts.
package token

import "time"

// MaxBytes is the length beyond which a token is refused without reading it.
const MaxBytes = 8 << 10

// Kind is what a token is used for. Its String is the stored value.
type Kind uint8

// The kinds of tokens and secrets. The zero value is unknown.
const (
	KindUnknown      Kind = iota
	KindAccess            // JWT for calling APIs
	KindTask              // JWT for one type of task service only
	KindExchangeKey       // JWT that is traded for access and task tokens
	KindAPIToken          // opaque, for calling APIs
	KindRefresh           // opaque, may be used once
	KindSession           // opaque, in a cookie
	KindClientSecret      // opaque, an OAuth client's
	KindGrant             // has no value: what a user has allowed a client, the root of its tokens
)

var kindNames = [...]string{
	KindUnknown:      "unknown",
	KindAccess:       "access",
	KindTask:         "task",
	KindExchangeKey:  "api-key",
	KindAPIToken:     "api-token",
	KindRefresh:      "refresh-token",
	KindSession:      "session",
	KindClientSecret: "client-secret",
	KindGrant:        "grant",
}

// ExpiryNotice is how long before its expiry a token counts as expiring soon.
const ExpiryNotice = 7 * 24 * time.Hour

// ExpiresSoon reports whether a token of this kind that ends at expiry (zero: never)
// is one that somebody must replace by hand and is in its last week at now.
func (k Kind) ExpiresSoon(expiry, now time.Time) bool {
	byHand := k == KindAPIToken || k == KindExchangeKey
	return byHand && !expiry.IsZero() && expiry.Sub(now) < ExpiryNotice
}

// String returns the stored name of k, such as "api-key"; "unknown" for a value
// that is no kind.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return kindNames[KindUnknown]
	}
	return kindNames[k]
}

// ParseKind is the inverse of String; it reports false for every other text,
// "unknown" included.
func ParseKind(s string) (Kind, bool) {
	for k := KindAccess; int(k) < len(kindNames); k++ {
		if kindNames[k] == s {
			return k, true
		}
	}
	return KindUnknown, false
}

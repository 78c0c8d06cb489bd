package token

import (
	"net/netip"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
)

var (
	errTwoHeaders  = fault.New(fault.Invalid, "more than one Authorization header")
	errCredentials = fault.New(fault.Invalid, "the credentials are longer than 8 KiB")
	errNotB64Token = fault.New(fault.Invalid, "the Authorization header holds no well-formed Bearer token")
)

// ParseBearer returns the token in the values of a request's Authorization header (RFC
// 6750 §2.1); the scheme is in any case. found is false when there is no such header or
// it has another scheme. A second header, more than [MaxBytes], or a value that is no
// b64token is a fault of kind Invalid.
func ParseBearer(headers []string) (raw string, found bool, err error) {
	raw, found, err = ParseCredentials(headers, "bearer")
	switch {
	case err != nil || !found:
		return "", false, err
	case !IsB64Token(raw):
		return "", false, errNotB64Token
	}
	return raw, true, nil
}

// ParseCredentials returns what follows the scheme in the one Authorization header
// (RFC 9110 §11.4), as [ParseBearer] does for Bearer.
func ParseCredentials(headers []string, scheme string) (value string, found bool, err error) {
	switch {
	case len(headers) > 1:
		return "", false, errTwoHeaders
	case len(headers) == 0:
		return "", false, nil
	}
	got, value, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(got, scheme) {
		return "", false, nil
	}
	value = strings.TrimLeft(value, " ")
	if len(value) > MaxBytes {
		return "", false, errCredentials
	}
	return value, true, nil
}

// Which characters a b64token may have before its padding: one bit each, in two halves
// of ASCII.
const (
	b64Low  uint64 = 1<<'-' | 1<<'.' | 1<<'+' | 1<<'/' | (1<<10-1)<<'0'
	b64High uint64 = 1<<('_'-64) | 1<<('~'-64) | (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64)
)

// IsB64Token reports whether s has the b64token syntax of RFC 6750 §2.1.
func IsB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		half := b64Low
		if s[i] >= 64 {
			half = b64High
		}
		if s[i] >= 128 || half>>(s[i]&63)&1 == 0 {
			return false
		}
	}
	return s != ""
}

// maxParameter bounds a parameter of a challenge, in bytes.
const maxParameter = 512

// ChallengeText returns s in a form that is allowed between the quotes of a challenge's
// parameter (RFC 6750 §3): ASCII without quotes, backslashes and control characters. A
// double quote becomes a single one, everything else a question mark.
func ChallengeText(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '"':
			return '\''
		case c < ' ' || c > '~' || c == '\\':
			return '?'
		}
		return c
	}, s[:min(len(s), maxParameter)])
}

// IsLoopback reports whether a host, a name or an address without port or brackets, is
// this machine. Only there may an issuer use http, because nobody else can read what is
// sent.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
}

// Package redact keeps tokens out of logs and messages. Clients put them where they
// don't belong: into paths, usernames, names of parameters, and a log or an error that
// repeats the input would keep them. It knows only what a token looks like; a test of
// package token checks it with real tokens.
package redact

import (
	"hash/crc32"
	"strings"
)

// Mark replaces a token.
const Mark = "[token]"

const (
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	randomChars = 30
	sumChars    = 6
	opaqueChars = randomChars + sumChars

	minOpaque    = 16 // of these behind a known prefix: with less than 30 nobody guesses the rest
	minPart      = 10 // of a JWT's header and payload
	minSignature = 32 // of its signature: the shortest in use has 43
)

// prefixes begin opaque tokens. Tokens that begin with a prefix that an operator chose
// are found by their checksum.
var prefixes = [...]string{"bda_", "bdr_", "bds_", "bdc_", "bdo_", "6879-"}

// Tokens returns text with [Mark] in the place of everything of token shape: an opaque
// token, whole or cut short, and three base64url parts with dots between them.
func Tokens(text string) string {
	if !mayHold(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		c := chainAt(text[i:])
		switch {
		case c.end == 0:
			b.WriteByte(text[i])
			i++
		case c.jwt:
			b.WriteString(Mark)
			i += c.end
		default:
			b.WriteString(opaque(text[i : i+c.end]))
			i += c.end
		}
	}
	return b.String()
}

// mayHold reports whether text has enough characters in a row for a token. Most texts
// don't.
func mayHold(text string) bool {
	run := 0
	for i := range len(text) {
		if run++; !isBase64URL(text[i]) {
			run = 0
		}
		if run == minPart {
			return true
		}
	}
	return false
}

// chain is a row of base64url parts with dots between them.
type chain struct {
	end int  // its length; 0: there is none
	jwt bool // whether it holds a JWT
}

func chainAt(text string) (c chain) {
	var before [2]int // the lengths of the two parts before this one
	header := false   // whether the part before this one begins as a JWT does
	for at := 0; ; {
		n := run(text[at:])
		if n == 0 {
			return c
		}
		part := text[at : at+n]
		if header && n >= minPart || before[0] >= minPart && before[1] >= minPart && n >= minSignature {
			c.jwt = true
		}
		c.end = at + n
		before[0], before[1] = before[1], n
		i := strings.Index(part, "eyJ")
		header = i >= 0 && n-i >= minPart
		dot := dotAt(text[c.end:])
		if dot == 0 {
			return c
		}
		at = c.end + dot
	}
}

// dotAt returns the length of the dot that text begins with, which may be escaped.
func dotAt(text string) int {
	switch {
	case strings.HasPrefix(text, "."):
		return 1
	case len(text) >= 3 && strings.EqualFold(text[:3], "%2e"):
		return 3
	}
	return 0
}

// run returns the length of the base64url characters that text begins with.
func run(text string) int {
	n := 0
	for n < len(text) && isBase64URL(text[n]) {
		n++
	}
	return n
}

// opaque redacts the opaque tokens in a chain.
func opaque(text string) string {
	for _, prefix := range prefixes {
		for from := 0; ; {
			i := strings.Index(text[from:], prefix)
			if i < 0 {
				break
			}
			i += from
			n := letters(text[i+len(prefix):])
			if n < minOpaque {
				from = i + len(prefix)
				continue
			}
			text = text[:i] + Mark + text[i+len(prefix)+n:]
			from = i + len(Mark)
		}
	}
	for i := 0; i+opaqueChars <= len(text); {
		if isOpaque(text[i : i+opaqueChars]) {
			text = text[:i] + Mark + text[i+opaqueChars:]
			i += len(Mark)
			continue
		}
		i++
	}
	return text
}

// letters returns the length of the base62 characters that text begins with.
func letters(text string) int {
	n := 0
	for n < len(text) && isBase62(text[n]) {
		n++
	}
	return n
}

// isOpaque reports whether body is the part of an opaque token after the prefix: its
// checksum is right.
func isOpaque(body string) bool {
	if letters(body) != opaqueChars {
		return false
	}
	sum := crc32.ChecksumIEEE([]byte(body[:randomChars]))
	for i := opaqueChars - 1; i >= randomChars; i-- {
		if body[i] != base62[sum%uint32(len(base62))] {
			return false
		}
		sum /= uint32(len(base62))
	}
	return true
}

func isBase62(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

func isBase64URL(c byte) bool { return isBase62(c) || c == '_' || c == '-' }

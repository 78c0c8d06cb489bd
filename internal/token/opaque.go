package token

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"slices"
	"strings"
)

// The prefixes of opaque tokens. PrefixAPIToken is always read as an API token's,
// whatever prefix the operator chose for new ones.
const (
	PrefixAPIToken     = "bda_"
	prefixRefresh      = "bdr_"
	PrefixSession      = "bds_"
	prefixClientSecret = "bdc_"
	prefixCode         = "bdo_" // of an authorization code
)

const (
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	randomChars = 30 // 178 bits
	sumChars    = 6  // a CRC-32 in base62
)

// redacted is printed in place of a secret.
const redacted = "[redacted]"

// Secret is a token or client secret in the clear. Every way to print it yields
// "[redacted]"; only Reveal returns it. (As the key of a map, encoding/json would print
// it.)
type Secret string

// Reveal returns the secret itself, for the one response that shows it.
func (s Secret) Reveal() string { return string(s) }

// String redacts.
func (s Secret) String() string { return redacted }

// GoString redacts.
func (s Secret) GoString() string { return redacted }

// Format redacts under every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalJSON redacts.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText redacts, for YAML and its like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue redacts.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Opaque is what may be stored about an opaque token: enough to find it and to let its
// owner recognise it, not enough to use it.
type Opaque struct {
	Kind    Kind
	Prefix  string   // "bda_"; "" where a token of another system has none
	Last4   string   // its last four characters
	Digest  [32]byte // SHA-256 of the whole token
	Foreign bool     // it has the shape of another system's tokens, without a checksum
}

// Digest returns the SHA-256 under which an opaque token is stored.
func Digest(raw string) [32]byte { return sha256.Sum256([]byte(raw)) }

// Forms creates and parses opaque tokens. NewForms returns one; the zero value has no
// prefix and refuses everything.
type Forms struct {
	apiToken string // the prefix of new API tokens
	forms    []form
	foreign  ForeignShapes // nil: none
}

// ForeignShapes recognises the values of API tokens that another system has issued, by
// their shape. None of them may have the form of a token of bearerd's, or of a JWT.
type ForeignShapes interface {
	// Foreign reports whether a value has one of the shapes, and with which prefix such
	// values begin; "" where they have none.
	Foreign(raw string) (prefix string, ok bool)
}

// WithForeign returns the forms with the shapes of other systems' API tokens: they are
// opaque, and their digests are those that ForeignDigests returns.
func (f Forms) WithForeign(s ForeignShapes) Forms {
	f.foreign = s
	return f
}

// OwnPatterns returns, by prefix, a regular expression for each form of bearerd's opaque
// tokens.
func (f Forms) OwnPatterns() map[string]string {
	patterns := map[string]string{}
	for _, o := range f.forms {
		patterns[o.prefix] = fmt.Sprintf("%s[%s]{%d}", o.prefix, "0-9A-Za-z", randomChars+sumChars)
	}
	return patterns
}

type form struct {
	prefix string
	kind   Kind
}

// NewForms returns Forms with which new API tokens begin with apiTokenPrefix.
// PrefixAPIToken is still recognised, and so are the further prefixes, which dialects
// bring. The error is set when a prefix is not of [A-Za-z0-9_-]{2,16}, or could be
// confused with another prefix or with a JWT.
func NewForms(apiTokenPrefix string, further ...string) (Forms, error) {
	f := Forms{apiToken: apiTokenPrefix, forms: []form{
		{PrefixAPIToken, KindAPIToken},
		{prefixRefresh, KindRefresh},
		{PrefixSession, KindSession},
		{prefixClientSecret, KindClientSecret},
		{prefixCode, KindGrant},
	}}
	for _, prefix := range append(further, apiTokenPrefix) {
		if slices.Contains(f.forms, form{prefix, KindAPIToken}) {
			continue
		}
		if err := checkPrefix(prefix, f.forms); err != nil {
			return Forms{}, err
		}
		f.forms = append(f.forms, form{prefix, KindAPIToken})
	}
	return f, nil
}

func checkPrefix(prefix string, others []form) error {
	if len(prefix) < 2 || len(prefix) > 16 {
		return fmt.Errorf("token prefix %q: must have 2 to 16 characters", prefix)
	}
	if strings.ContainsFunc(prefix, func(r rune) bool { return !strings.ContainsRune(base62+"_-", r) }) {
		return fmt.Errorf("token prefix %q: may have only letters, digits, '_' and '-'", prefix)
	}
	if strings.HasPrefix(prefix, "ey") {
		return fmt.Errorf("token prefix %q: a JWT begins with \"ey\"", prefix)
	}
	for _, o := range others {
		if strings.HasPrefix(prefix, o.prefix) || strings.HasPrefix(o.prefix, prefix) {
			return fmt.Errorf("token prefix %q: can't be distinguished from %q, which begins %s tokens", prefix, o.prefix, o.kind)
		}
	}
	return nil
}

// New creates a token of an opaque kind from crypto/rand. Show the secret once and store
// the rest. The error is set when the kind isn't opaque.
func (f Forms) New(kind Kind) (Secret, Opaque, error) {
	if kind == KindAPIToken {
		return f.NewAPIToken(f.apiToken)
	}
	for _, o := range f.forms {
		if o.kind == kind {
			return newOpaque(o)
		}
	}
	return "", Opaque{}, fmt.Errorf("%s tokens aren't opaque", kind)
}

// NewAPIToken creates an API token that begins with the given prefix, which must be one
// of the prefixes of API tokens.
func (f Forms) NewAPIToken(prefix string) (Secret, Opaque, error) {
	for _, o := range f.forms {
		if o.kind == KindAPIToken && o.prefix == prefix {
			return newOpaque(o)
		}
	}
	return "", Opaque{}, fmt.Errorf("%q doesn't begin API tokens", prefix)
}

// APITokenPrefix returns a prefix with which a new API token may begin: the given one if it is
// one of API tokens, else the operator's. Another system's tokens have prefixes of their own.
func (f Forms) APITokenPrefix(prefix string) string {
	if slices.Contains(f.forms, form{prefix, KindAPIToken}) {
		return prefix
	}
	return f.apiToken
}

func newOpaque(o form) (Secret, Opaque, error) {
	random, err := randomBase62(randomChars)
	if err != nil {
		return "", Opaque{}, fmt.Errorf("making %s: %w", o.kind, err)
	}
	sum := checksum(random)
	raw := o.prefix + random + string(sum[:])
	return Secret(raw), describe(o, raw), nil
}

func describe(o form, raw string) Opaque {
	last4 := strings.Clone(raw[len(raw)-4:]) // a substring would keep the secret in memory
	return Opaque{Kind: o.kind, Prefix: o.prefix, Last4: last4, Digest: Digest(raw)}
}

// Parse reads an opaque token and checks its checksum, or that it has the shape of another
// system's tokens. The error is the Refusal Malformed: unknown prefix, wrong length or
// alphabet, wrong checksum. A value that parses may still be one that nobody ever issued.
func (f Forms) Parse(raw string) (Opaque, error) {
	err := errPrefix
	if o, ok := f.find(raw); ok {
		if err = checkBody(raw[len(o.prefix):]); err == nil {
			return describe(o, raw), nil
		}
	}
	if prefix, ok := f.ofOther(raw); ok { // it may begin as bearerd's own do
		t := describe(form{prefix, KindAPIToken}, raw)
		t.Foreign = true
		return t, nil
	}
	return Opaque{}, malformed(err)
}

// ofOther reports whether a value has the shape of another system's tokens, and its prefix.
func (f Forms) ofOther(raw string) (prefix string, ok bool) {
	if f.foreign == nil {
		return "", false
	}
	return f.foreign.Foreign(raw)
}

// ForeignDigests returns the digests under which a token of another system may be stored:
// SHA-256 and SHA-512 of its value and, where that is written in hexadecimal digits, of
// the bytes that they encode, because some systems hash those.
func ForeignDigests(raw string) [][]byte {
	digests := bothDigests([]byte(raw))
	if b, err := hex.DecodeString(raw); err == nil {
		digests = append(digests, bothDigests(b)...)
	}
	return digests
}

func bothDigests(b []byte) [][]byte {
	short, long := sha256.Sum256(b), sha512.Sum512(b)
	return [][]byte{short[:], long[:]}
}

// checkBody checks what follows the prefix of an opaque token.
func checkBody(body string) error {
	if len(body) != randomChars+sumChars {
		return errLength
	}
	for i := range len(body) {
		if strings.IndexByte(base62, body[i]) < 0 {
			return errAlphabet
		}
	}
	if sum := checksum(body[:randomChars]); string(sum[:]) != body[randomChars:] {
		return errChecksum
	}
	return nil
}

// LooksLikeToken reports whether raw has the shape of a token: any prefix and a body with
// the right checksum, or three parts with dots between them.
func LooksLikeToken(raw string) bool {
	prefix := len(raw) - randomChars - sumChars
	if prefix > 0 && checkBody(raw[prefix:]) == nil {
		return true
	}
	_, _, _, ok := splitJWT(raw)
	return ok
}

// IsSession reports whether raw is a well-formed session token. Only the store knows
// whether there is such a session.
func IsSession(raw string) bool {
	body, found := strings.CutPrefix(raw, PrefixSession)
	return found && checkBody(body) == nil
}

var (
	errPrefix   = errors.New("unknown prefix")
	errLength   = errors.New("wrong length")
	errAlphabet = errors.New("a character that isn't base62")
	errChecksum = errors.New("wrong checksum")
)

// Opaque reports whether a token is an opaque one, by its prefix or the shape of another
// system's tokens, and never by trial. It may still be malformed. Everything else is a
// JWT or unknown.
func (f Forms) Opaque(raw string) bool {
	if _, ok := f.find(raw); ok {
		return true
	}
	_, ok := f.ofOther(raw)
	return ok
}

// LooksLikeToken reports whether raw has the shape of a token, as the function of that
// name does, or that of another system's tokens.
func (f Forms) LooksLikeToken(raw string) bool {
	_, ok := f.ofOther(raw)
	return ok || LooksLikeToken(raw)
}

func (f Forms) find(raw string) (form, bool) {
	for _, o := range f.forms {
		if strings.HasPrefix(raw, o.prefix) {
			return o, true
		}
	}
	return form{}, false
}

func randomBase62(n int) (string, error) {
	const unbiased = 256 / len(base62) * len(base62)
	out := make([]byte, 0, n)
	var buf [64]byte
	for {
		if _, err := rand.Read(buf[:]); err != nil {
			return "", err
		}
		for _, b := range buf {
			if int(b) >= unbiased {
				continue
			}
			if out = append(out, base62[int(b)%len(base62)]); len(out) == n {
				return string(out), nil
			}
		}
	}
}

// checksum returns the CRC-32 (IEEE) of s in six base62 characters, as GitHub's
// tokens end: the greatest CRC-32 needs all six.
func checksum(s string) (out [sumChars]byte) {
	sum := crc32.ChecksumIEEE([]byte(s))
	for i := sumChars - 1; i >= 0; i-- {
		out[i] = base62[sum%uint32(len(base62))]
		sum /= uint32(len(base62))
	}
	return out
}

package assertion

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/strictjson"
)

// Claims are the claims of an accepted assertion.
type Claims struct {
	Type      string // typ of the header; empty: absent
	Issuer    string
	Subject   string // empty only where Expect.NoSubject allows it
	Audience  []string
	Expiry    time.Time // zero only where Expect.NoExpiry allows it
	IssuedAt  time.Time // zero only where Expect.NoIssuedAt allows it
	NotBefore time.Time // zero: absent
	AuthTime  time.Time // when the person signed in there; zero: absent
	ID        string    // jti; empty: absent
	Nonce     string    // empty: absent

	members strictjson.Object
}

// maxDate is the greatest NumericDate that is read, in seconds.
const maxDate = 1 << 53

var (
	errMissing  = errors.New("iss, aud or iat is missing")
	errEmpty    = errors.New("is empty")
	errAudience = errors.New("aud is neither a string nor a list of strings, or holds an empty one")
	errDate     = errors.New("is no whole number of seconds")
)

// readClaims reads a payload, in which every registered claim that is there has its type.
func readClaims(o strictjson.Object) (*Claims, error) {
	c := &Claims{members: o}
	for name, into := range map[string]*string{"iss": &c.Issuer, "sub": &c.Subject, "jti": &c.ID, "nonce": &c.Nonce} {
		if err := readText(o, name, into); err != nil {
			return nil, err
		}
	}
	for name, into := range map[string]*time.Time{"exp": &c.Expiry, "iat": &c.IssuedAt, "nbf": &c.NotBefore, "auth_time": &c.AuthTime} {
		if err := readDate(o, name, into); err != nil {
			return nil, err
		}
	}
	var err error
	if c.Audience, err = o.Strings("aud"); err != nil || slices.Contains(c.Audience, "") {
		return nil, errAudience
	}
	if c.Issuer == "" || len(c.Audience) == 0 {
		return nil, errMissing
	}
	return c, nil
}

// readText reads a registered claim: absent, or a string that isn't empty.
func readText(o strictjson.Object, name string, into *string) error {
	if o[name] == nil {
		return nil
	}
	if err := o.Read(name, into); err != nil {
		return err
	}
	if *into == "" {
		return fmt.Errorf("%q %w", name, errEmpty)
	}
	return nil
}

// readDate reads a NumericDate (RFC 7519 §2): absent, or digits alone.
func readDate(o strictjson.Object, name string, into *time.Time) error {
	text := string(o[name])
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > maxDate || text[0] == '+' {
		return fmt.Errorf("%q %w", name, errDate)
	}
	*into = time.Unix(int64(n), 0).UTC()
	return nil
}

// Has reports whether a claim is there, even if it is null.
func (c *Claims) Has(name string) bool { return c.members[name] != nil }

// Members returns all claims, not decoded.
func (c *Claims) Members() strictjson.Object { return c.members }

// Raw returns a claim's JSON text, and nil where the claim is absent.
func (c *Claims) Raw(name string) json.RawMessage { return c.members[name] }

// Text returns a claim that is a string, and "" where it is absent or null. A claim of
// another type is an error.
func (c *Claims) Text(name string) (s string, err error) {
	err = c.members.Optional(name, &s)
	return s, err
}

// List returns a claim that is a string or a list of strings, and nil where it is absent
// or null. A claim of another type is an error.
func (c *Claims) List(name string) ([]string, error) { return c.members.Strings(name) }

package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ourClaims are the members that Extra can't replace.
var ourClaims = []string{
	"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "username", "scope",
	"collection", "chain", "act", "networks", "seq", "task_token_type",
}

// Sign returns a signed JWT of type typ, which is TypeAccess or TypeExchangeKey. Verify
// reads what Sign returns: claims that Verify would refuse are an error here, and so is a
// token longer than MaxBytes.
func Sign(key SigningKey, typ string, c Claims) (string, error) {
	if typ != TypeAccess && typ != TypeExchangeKey && typ != TypeAssertion {
		return "", fmt.Errorf("signing a token of type %q: no such type", typ)
	}
	method := key.Algorithm.method()
	if method == nil || (key.KID == "" && key.Algorithm != HS256) {
		return "", fmt.Errorf("signing with an %s: not a usable key", key)
	}
	payload, err := c.payload()
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	signed := base64url.EncodeToString(key.header(typ)) + "." + payload
	sig, err := method.Sign(signed, key.Key)
	if err != nil {
		return "", fmt.Errorf("signing with %s: %w", key, err)
	}
	raw := signed + "." + base64url.EncodeToString(sig)
	if len(raw) > MaxBytes {
		return "", fmt.Errorf("signing a token: %d bytes are too many", len(raw))
	}
	return raw, nil
}

func (k SigningKey) header(typ string) []byte {
	w := writer(`{"alg":`)
	w.text(string(k.Algorithm))
	w.member("typ").text(typ)
	if k.KID != "" {
		w.member("kid").text(k.KID)
	}
	return append(w, '}')
}

// payload encodes the claims, and parses the result by the rules of Verify.
func (c *Claims) payload() (string, error) {
	w := writer(`{"iss":`)
	w.text(c.Issuer)
	w.member("sub").text(c.Subject)
	w.member("aud").audience(c.Audience, c.AsLists)
	w.member("exp").integer(c.Expiry.Unix())
	w.member("iat").integer(c.IssuedAt.Unix())
	if !c.NotBefore.IsZero() {
		w.member("nbf").integer(c.NotBefore.Unix())
	}
	w.member("jti").text(c.ID)
	if c.ClientID != "" {
		w.member("client_id").text(c.ClientID)
	}
	if c.Username != "" {
		w.member("username").text(c.Username)
	}
	if c.AsLists {
		w.member("scope").list(c.Scope)
	} else {
		w.member("scope").text(strings.Join(c.Scope, " "))
	}
	if c.Collection != nil {
		w.member("collection").integer(*c.Collection)
	}
	if len(c.Chain) > 0 {
		w.member("chain").list(c.Chain)
	}
	if len(c.Actors) > 0 {
		w.member("act").actors(c.Actors)
	}
	if c.Networks != nil {
		w.member("networks").list(c.Networks.Strings())
	}
	w.member("seq").integer(c.Seq)
	if c.TaskTokenType != "" {
		w.member("task_token_type").text(c.TaskTokenType)
	}
	if err := w.extra(c.Extra); err != nil {
		return "", err
	}
	w = append(w, '}')
	if err := c.readBack(string(w)); err != nil {
		return "", err
	}
	return base64url.EncodeToString(w), nil
}

// readBack checks that a verifier reads what is meant: a scope name with a space, for
// example, would be read as two.
func (c *Claims) readBack(text string) error {
	var got Claims
	if err := got.parse(text); err != nil {
		return err
	}
	if !slices.Equal(got.Scope, c.Scope) {
		return errScope
	}
	return nil
}

// writer appends JSON.
type writer []byte

func (w *writer) member(name string) *writer {
	*w = append(*w, ',')
	w.text(name)
	*w = append(*w, ':')
	return w
}

// text appends a JSON string. Invalid UTF-8 stays as it is, for readBack to find.
func (w *writer) text(s string) {
	const hex = "0123456789abcdef"
	out := append(*w, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < ' ':
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			out = append(out, c)
		}
	}
	*w = append(out, '"')
}

func (w *writer) integer(n int64) { *w = strconv.AppendInt(*w, n, 10) }

func (w *writer) list(items []string) {
	*w = append(*w, '[')
	for i, s := range items {
		if i > 0 {
			*w = append(*w, ',')
		}
		w.text(s)
	}
	*w = append(*w, ']')
}

// audience appends the audience: a single one as a string, which every library reads,
// unless a list is asked for.
func (w *writer) audience(aud []string, asList bool) {
	if len(aud) == 1 && !asList {
		w.text(aud[0])
		return
	}
	w.list(aud)
}

var errReplace = errors.New("an extra claim that would replace one of bearerd's")

func (w *writer) extra(members map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if slices.Contains(ourClaims, name) {
			return errReplace
		}
		value, err := json.Marshal(members[name])
		if err != nil {
			return fmt.Errorf("encoding the claim %q: %w", name, err)
		}
		w.member(name)
		*w = append(*w, value...)
	}
	return nil
}

package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// TypeEvent is the typ of a Security Event Token (RFC 8417). By it, and because it has
// neither expiry nor subject, it is no token of any other kind.
const TypeEvent = "secevent+jwt"

// Event is the content of a Security Event Token, which reports one event.
type Event struct {
	Issuer   string
	Audience string
	ID       string // jti
	IssuedAt time.Time
	At       time.Time      // toe: when it happened
	Txn      string         // what it belongs to; may be empty
	Subject  map[string]any // sub_id (RFC 9493)
	Type     string         // a URI
	Payload  map[string]any
}

// SignEvent returns a signed Security Event Token.
func SignEvent(key SigningKey, e Event) (string, error) {
	if e.Issuer == "" || e.Audience == "" || e.ID == "" || e.Type == "" || e.IssuedAt.IsZero() || e.At.IsZero() || len(e.Subject) == 0 {
		return "", errors.New("signing an event: a claim is missing")
	}
	method := key.Algorithm.method()
	if method == nil || key.KID == "" {
		return "", fmt.Errorf("signing an event with an %s: not a usable key", key)
	}
	payload := e.Payload
	if payload == nil {
		payload = map[string]any{}
	}
	claims := map[string]any{
		"iss": e.Issuer, "aud": e.Audience, "jti": e.ID, "iat": e.IssuedAt.Unix(), "toe": e.At.Unix(), "sub_id": e.Subject,
		"events": map[string]any{e.Type: payload},
	}
	if e.Txn != "" {
		claims["txn"] = e.Txn
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("signing an event: %w", err)
	}
	signed := base64url.EncodeToString(key.header(TypeEvent)) + "." + base64url.EncodeToString(text)
	sig, err := method.Sign(signed, key.Key)
	if err != nil {
		return "", fmt.Errorf("signing an event with %s: %w", key, err)
	}
	raw := signed + "." + base64url.EncodeToString(sig)
	if len(raw) > MaxBytes {
		return "", fmt.Errorf("signing an event: %d bytes are too many", len(raw))
	}
	return raw, nil
}

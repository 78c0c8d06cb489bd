package tokens

import (
	"encoding/base64"
	"testing"
)

func TestALifetimeIsWholeSeconds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"300": 300, "5m": 300, "720h": 2592000, "1.5s": 0, "-5m": 0, "0s": 0, "soon": 0, "": 0} {
		if got, err := parseLifetime(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q is %d s, %v; want %d", text, got, err, want)
		}
	}
}

// What is shown without proof is what a JWT has, and nothing that only looks like one.
func TestOnlyAJWTIsReadWithoutProof(t *testing.T) {
	t.Parallel()
	part := base64.RawURLEncoding.EncodeToString
	header, payload := part([]byte(`{"alg":"none"}`)), part([]byte(`{"sub":"ada"}`))
	u := readUnverified(header + "." + payload + ".")
	if u == nil || u.Header["alg"] != "none" || u.Payload["sub"] != "ada" {
		t.Fatalf("it is read as %+v", u)
	}
	for _, raw := range []string{"", "opaque", header + "." + payload, header + "." + payload + ".x.y", header + "." + part([]byte("null")) + ".", header + "." + part([]byte("{\"sub\":\"\xff\"}")) + "."} {
		if u := readUnverified(raw); u != nil {
			t.Errorf("%q is read as %+v", raw, u)
		}
	}
}

package assertion_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/fault"
)

// FuzzVerify feeds whole assertions. None is accepted but those that the key signed, and a
// refusal is a fault, never a panic or another error.
func FuzzVerify(f *testing.F) {
	k := assertiontest.Shared(f, shared)
	raw := k.Sign(typ, good())
	for _, seed := range []string{"", ".", "..", "...", raw, raw + "=", raw[:len(raw)-1], strings.Replace(raw, ".", "..", 1), "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(seed)
	}
	v := fromSecret(f)
	f.Fuzz(func(t *testing.T, text string) {
		_, err := v.Verify(t.Context(), text, expected())
		if err == nil && text != raw {
			t.Errorf("%q is accepted", text)
		}
		if err != nil && !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%q: not a refusal: %v", text, err)
		}
	})
}

// FuzzPayload feeds headers and payloads with a good signature. What is accepted reads the
// same for encoding/json.
func FuzzPayload(f *testing.F) {
	text, err := json.Marshal(good())
	if err != nil {
		f.Fatal(err)
	}
	header := `{"alg":"HS256","typ":"` + typ + `"}`
	for _, seed := range []string{
		string(text), `{}`, `[]`, `{"iss":"a","iss":"b"}`, strings.Replace(string(text), `"17"`, `"1\u0037"`, 1),
		strings.Replace(string(text), `"nonce"`, `"Nonce"`, 1), strings.Replace(string(text), `"exp":`, `"exp":0`, 1),
	} {
		f.Add(header, seed)
	}
	v := fromSecret(f)
	x := assertion.Expect{Types: []string{"", typ}, Audience: []string{us}, AnyNonce: true, NoSubject: true}
	f.Fuzz(func(t *testing.T, header, payload string) {
		c, err := v.Verify(t.Context(), assertiontest.Shared(t, shared).SignText(header, payload), x)
		if err != nil {
			if !fault.Is(err, fault.InvalidToken) {
				t.Errorf("%q: not a refusal: %v", payload, err)
			}
			return
		}
		var plain map[string]any
		if err := json.Unmarshal([]byte(payload), &plain); err != nil {
			t.Fatalf("%q is accepted and no JSON: %v", payload, err)
		}
		for name, got := range map[string]string{"iss": c.Issuer, "sub": c.Subject, "jti": c.ID, "nonce": c.Nonce} {
			if want, _ := plain[name].(string); got != want {
				t.Errorf("%s: %q, and encoding/json reads %q", name, got, want)
			}
		}
	})
}

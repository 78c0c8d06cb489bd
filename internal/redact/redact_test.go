package redact_test

import (
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/redact"
)

const (
	body      = "0123456789ABCDEFGHIJKLMNOPQRST" // and its checksum below
	opaque    = "bda_" + body + "000000"         // the prefix and the length decide, not the checksum
	header    = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9"
	payload   = "eyJpc3MiOiJodHRwczovL2F1dGguZXhhbXBsZSJ9"
	signature = "c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl"
	jwt       = header + "." + payload + "." + signature
)

func TestTokensAreTakenOut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		opaque:                              "[token]",
		"/auth/verify#access_token=" + jwt:  "/auth/verify#access_token=[token]",
		"/x/" + opaque + "/y":               "/x/[token]/y",
		"a" + opaque:                        "a[token]",
		opaque + "x":                        "[token]",
		opaque + "." + opaque:               "[token].[token]",
		opaque[:20]:                         "[token]",
		"bdr_" + body:                       "[token]",
		"bds_" + body + " bdc_" + body:      "[token] [token]",
		"6879-" + body:                      "[token]",
		jwt:                                 "[token]",
		"user " + jwt + ",":                 "user [token],",
		"x-" + jwt:                          "[token]",
		"www." + jwt + ".org":               "[token]",
		strings.ReplaceAll(jwt, ".", "%2E"): "[token]",
		header + "." + payload:              "[token]", // without its signature
		header + "." + payload + ".":        "[token].",
		"aGVhZGVyaGVhZGVy.cGF5bG9hZHBheWxvYWQ." + signature: "[token]", // a header that begins otherwise
	} {
		if got := redact.Tokens(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestWhatIsNoTokenStays(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "/", "/auth/verify", "the scope read is needed", "www.example.org", "1.2.3", "bda_", "bda_short", "6879-1234", "müller",
		"/auth/api/v1/users/5f0c7d3e-7d4c-4a86-9d5a-0c6f4f1f2b11",                              // a subject
		"da39a3ee5e6b4b0d3255bfef95601890afd80709",                                             // a commit
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",                     // a digest
		"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",                                          // a key id
		"a-service.with-a-rather-long-name.namespace.svc.cluster.local", "library.py.backup.2", // files and hosts
		"[token]",
	} {
		if got := redact.Tokens(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// FuzzTokens: a token does not come through, with any text around it; and what is
// clean stays as it is.
func FuzzTokens(f *testing.F) {
	for _, seed := range [][2]string{{"", ""}, {"/auth/verify#", "&x"}, {"a.b.", ".c"}, {"eyJ", "_-"}, {"bda_", "%2e"}, {"é", "\x00"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, secret := range []string{opaque, jwt} {
			clean := redact.Tokens(before + secret + after)
			if strings.Contains(clean, body[:minLeft]) || strings.Contains(clean, signature[:minLeft]) {
				t.Errorf("%q: the token comes through: %q", before+secret+after, clean)
			}
			if again := redact.Tokens(clean); again != clean {
				t.Errorf("%q is cleaned again to %q", clean, again)
			}
		}
	})
}

// minLeft is how much of a token is already too much.
const minLeft = 16

func TestAPathIsKeptWithoutWhatMayBeAToken(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/api/specimens/42":                              "/api/specimens/42",
		"/api/specimens?token=abc":                       "/api/specimens",
		"/a;jsessionid=1234567890#x":                     "/a",
		"/reset/0123456789abcdef0123456789abcdef":        "/reset/[token]",
		"/reset/3f2504e0-4f89-11d3-9a0c-0305e82c3301/go": "/reset/[token]/go",
		"/bda_0123456789":                                "/bda_0123456789",
		"/articles/what-is-a-very-long-title-of-one":     "/articles/what-is-a-very-long-title-of-one",
		"/download/AbCdEfGhIjKlMnOpQr":                   "/download/[token]",
		"/a%2fb":                                         "/a%2fb",
		"/x\x00y\xff":                                    "/x?y?",
		"/" + strings.Repeat("a-", 150):                  "/" + strings.Repeat("a-", 150)[:199] + "…",
	} {
		if got := redact.Path(path); got != want {
			t.Errorf("Path(%q) = %q, want %q", path, got, want)
		}
	}
}

package verify_test

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/token"
)

func newTextLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func sprint(format string, v any) string { return fmt.Sprintf(format, v) }

// claimsOf reads a token of the script's.
func claimsOf(t testing.TB, s *script, raw string) token.Claims {
	t.Helper()
	j, err := token.Verify(raw, func(string) (token.VerificationKey, bool) { return s.key.Verification(), true })
	if err != nil {
		t.Fatal(err)
	}
	return j.Claims
}

// forge changes the first character of a JWT's signature.
func forge(raw string) string {
	at := strings.LastIndexByte(raw, '.') + 1
	c := "A"
	if raw[at] == 'A' {
		c = "B"
	}
	return raw[:at] + c + raw[at+1:]
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

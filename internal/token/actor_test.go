package token_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/token"
)

// What introspection says of a token's actors is read as the token itself says it.
func TestActorsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, list := range [][]string{{"a"}, {"a", "b"}, {"current \"actor\"", "b", "c", strings.Repeat("d", 255)}} {
		text, err := json.Marshal(token.ActorOf(list))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := token.ParseActors(text); err != nil || !slices.Equal(got, list) {
			t.Errorf("%s is read as %q, %v", text, got, err)
		}
	}
	if token.ActorOf(nil) != nil {
		t.Error("nobody is somebody")
	}
	for _, text := range []string{
		``, `null`, `"a"`, `[]`, `{}`, `{"sub":""}`, `{"sub":7}`, `{"sub":"a","sub":"b"}`, `{"sub":"a","iss":"x"}`, `{"sub":"a","act":null}`,
		`{"sub":"a","act":{}}`, `{"act":{"sub":"b"}}`, `{"sub":"a"} ` + `x`, `{"sub":"` + strings.Repeat("a", 256) + `"}`,
		`{"sub":"a","act":{"sub":"b","act":{"sub":"c","act":{"sub":"d","act":{"sub":"e"}}}}}`,
	} {
		if got, err := token.ParseActors([]byte(text)); err == nil || got != nil {
			t.Errorf("%s is read as %q", text, got)
		}
	}
}

package issuerclient

import (
	"strings"
	"testing"
)

// An edge asks to be waited for as a node is, and so it must confirm.
func TestAnEdgeSaysThatItIsOne(t *testing.T) {
	t.Parallel()
	c := Config{Issuer: "https://auth.example.org", Audience: "a", ClientID: "edge", ClientSecret: "s3cret", Edge: &Edge{}}
	if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "Confirm is missing") {
		t.Errorf("without a label: %v", err)
	}
	c.Confirm = "edge 1"
	if got, want := (&follower{cfg: c}).query(&reading{snapshot: true}), "?confirm=edge+1&edge=true"; got != want {
		t.Errorf("it asks with %s, not %s", got, want)
	}
}

package scim_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/edgetest"
)

// What Entra ID and Okta send, as their documentation has it, and what they are answered.
func TestConversations(t *testing.T) {
	t.Parallel()
	edgetest.Play(t, *update, func(t *testing.T) edgetest.Stage {
		s := newSite(t)
		return edgetest.Stage{URL: s.URL, Secrets: map[string]string{"token": s.sync}}
	})
}

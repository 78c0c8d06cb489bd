package scim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

var operator = caller.Operator()

// newClient names a client of the fixture.
func newClient(id string) identity.NewClient {
	return identity.NewClient{ID: id, Secret: nodetest.ClientSecret}
}

func diff[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

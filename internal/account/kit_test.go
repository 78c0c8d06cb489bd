package account_test

import (
	"context"
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/signin"
)

var operator = caller.Operator()

// with returns a fixture whose people sign in by the sources too.
func with(t *testing.T, sources ...signin.Source) *nodetest.Fixture {
	t.Helper()
	return nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Sources = sources }})
}

// museum is a source that creates users.
var museum = signin.Source{Name: "museum", Title: "Museum", Create: true}

// keeper is an application that keeps passwords, and accepts none.
type keeper struct{}

func (keeper) CheckPassword(context.Context, string, string) (signin.Statement, error) {
	return signin.Statement{}, fault.New(fault.BadCredentials, "wrong")
}

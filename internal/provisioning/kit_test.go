package provisioning_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

var operator = caller.Operator()

// django is a file of the source of that name.
func django(users ...apply.DesiredUser) apply.Desired {
	return apply.Desired{Source: "django", Users: users}
}

func sourceUser(external, username string) apply.DesiredUser {
	return apply.DesiredUser{NewUser: changes.NewUser{Username: username}, ExternalID: external}
}

func userNamed(t *testing.T, f *nodetest.Fixture, name string) identity.User {
	t.Helper()
	u, err := f.Directory.User(t.Context(), operator, name)
	nodetest.Must(t, err)
	return u
}

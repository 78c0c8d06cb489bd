package provisioning_test

import (
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
)

var operator = caller.Operator()

// django is a file of the source of that name.
func django(users ...apply.DesiredUser) apply.Desired {
	return apply.Desired{Source: "django", Users: users}
}

func sourceUser(external, username string) apply.DesiredUser {
	return apply.DesiredUser{NewUser: identity.NewUser{Username: username}, ExternalID: external}
}

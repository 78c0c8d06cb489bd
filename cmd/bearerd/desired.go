package main

import (
	"fmt"

	"github.com/bearerd/bearerd/internal/directory"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// desiredOf says in the authority's words what an access file says. What names
// mean is for the authority to judge.
func desiredOf(file *config.AccessFile) (directory.Desired, error) {
	var d directory.Desired
	for _, c := range file.Collections {
		d.Collections = append(d.Collections, records.Collection{ID: c.ID, Name: c.Name})
	}
	for _, r := range file.Roles {
		role := access.Role{Name: r.Name}
		for _, p := range r.Permissions {
			role.Permissions = append(role.Permissions, permissionOf(p))
		}
		d.Roles = append(d.Roles, role)
	}
	for _, u := range file.Users {
		user, err := desiredUser(u)
		if err != nil {
			return d, fmt.Errorf("%s: password_hash: %s", u.At, fault.Message(err))
		}
		d.Users = append(d.Users, user)
	}
	for _, b := range file.Bindings {
		binding := access.Binding{User: b.User, Group: b.Group, Role: b.Role, Path: access.Path(b.Path)}
		if b.Permission != nil {
			p := permissionOf(*b.Permission)
			binding.Permission = &p
		}
		d.Bindings = append(d.Bindings, binding)
	}
	for _, c := range file.Clients {
		d.Clients = append(d.Clients, directory.NewClient{
			ID: c.ID, Secret: token.Secret(c.Secret.Reveal()), Grants: c.Grants, Scopes: c.Scopes, Audiences: c.Audiences,
			ExchangeFrom: c.ExchangeFrom,
		})
	}
	return d, nil
}

func permissionOf(p config.Permission) access.Permission {
	return access.Permission{Action: p.Action, Path: access.Path(p.Path)}
}

func desiredUser(u config.User) (directory.DesiredUser, error) {
	d := directory.DesiredUser{
		NewUser: directory.NewUser{
			Username: u.Username, Name: orZero(u.Name), Email: orZero(u.Email), Groups: u.Groups, Disabled: orZero(u.Disabled),
			Password: token.Secret(u.Password.Reveal()),
		},
		SetName: u.Name != nil, SetEmail: u.Email != nil, SetGroups: u.Groups != nil, SetDisabled: u.Disabled != nil,
		SetPasswordHash: u.PasswordHash.IsThere(), ExternalID: u.ExternalID, PasswordChangedAt: u.PasswordChangedAt,
	}
	var err error
	d.PasswordHash, err = identity.ParseHash(u.PasswordHash.Reveal())
	return d, err
}

// orZero returns what the file says of a member, and the zero value where it says
// nothing.
func orZero[T any](member *T) (v T) {
	if member != nil {
		v = *member
	}
	return v
}

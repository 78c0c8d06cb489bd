// Package accessfile reads an access file in the form that package apply takes, and
// finds the lines that its errors are about.
package accessfile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/export"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// File is an access file.
type File struct {
	Desired apply.Desired // what it contains

	file *config.AccessFile
}

// Load reads an access file. Package apply checks what the names in it mean.
func Load(path string) (*File, error) {
	file, err := config.LoadAccess(path)
	if err != nil {
		return nil, err
	}
	desired, err := desiredOf(file)
	if err != nil {
		return nil, err
	}
	return &File{Desired: desired, file: file}, nil
}

// AtLine adds to an error of package apply the line of the file that it is about.
func (f *File) AtLine(err error) error {
	m, ok := errors.AsType[*apply.MistakeError](err)
	if !ok {
		return err
	}
	return fmt.Errorf("%s: %w", position(f.file, m), m.Err)
}

func position(file *config.AccessFile, m *apply.MistakeError) config.Position {
	switch m.List {
	case "collections":
		return file.Collections[m.Index].At
	case "roles":
		return file.Roles[m.Index].At
	case "users":
		return file.Users[m.Index].At
	case "bindings":
		return file.Bindings[m.Index].At
	case "clients":
		return file.Clients[m.Index].At
	case "issuers":
		return file.Issuers[m.Index].At
	}
	return config.Position{}
}

// desiredOf converts an access file to the form that package apply takes.
func desiredOf(file *config.AccessFile) (apply.Desired, error) {
	var d apply.Desired
	for _, c := range file.Collections {
		d.Collections = append(d.Collections, records.Collection{ID: *c.ID, Name: c.Name})
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
		digest, err := secretDigest(c.SecretHash)
		if err != nil {
			return d, fmt.Errorf("%s: secret_hash: %w", c.At, err)
		}
		d.Clients = append(d.Clients, identity.NewClient{
			ID: c.ID, Secret: token.Secret(c.Secret.Reveal()), SecretDigest: digest, Grants: c.Grants, Scopes: c.Scopes, Audiences: c.Audiences,
			ExchangeFrom: c.ExchangeFrom, Name: c.Name, RedirectURIs: c.RedirectURIs,
			Keys: identity.ClientKeys{JWKS: string(c.JWKS), URI: c.JWKSURI},
		})
	}
	for _, s := range file.Issuers {
		issuer, err := issuerOf(s)
		if err != nil {
			return d, err
		}
		d.Issuers = append(d.Issuers, issuer)
	}
	return d, nil
}

// secretDigest reads the digest of a client's secret; nil for none.
func secretDigest(s config.Secret) ([]byte, error) {
	if !s.IsSet() {
		return nil, nil
	}
	text, ok := strings.CutPrefix(s.Reveal(), export.SecretPrefix)
	digest, err := hex.DecodeString(text)
	if !ok || err != nil || len(digest) != sha256.Size {
		return nil, fmt.Errorf("is %s and the %d hexadecimal digits of a SHA-256", export.SecretPrefix, 2*sha256.Size)
	}
	return digest, nil
}

func issuerOf(s config.Issuer) (records.Issuer, error) {
	issuer := records.Issuer{
		Name: s.Name, Issuer: s.Issuer, JWKS: s.JWKS, SecretFile: s.SecretFile, CAFile: s.CAFile, Audience: s.Audience,
		Once: s.Once == nil || *s.Once, MaxAge: config.DefaultMaxAge,
	}
	if s.MaxAge != nil {
		issuer.MaxAge = *s.MaxAge
	}
	for _, r := range s.Rules {
		scope, err := identity.ParseScope(r.Scope)
		if err != nil {
			return issuer, fmt.Errorf("%s: scope: %s", r.At, fault.Message(err))
		}
		rule := records.IssuerRule{
			Name: r.Name, Match: map[string]json.RawMessage{}, Client: r.Client, UserClaim: r.UserClaim, Source: r.Source,
			Scope: scope, Audiences: r.Audiences, TTL: r.TTL,
		}
		for name, value := range r.Match {
			rule.Match[name] = value.JSON
		}
		issuer.Rules = append(issuer.Rules, rule)
	}
	return issuer, nil
}

func permissionOf(p config.Permission) access.Permission {
	return access.Permission{Action: p.Action, Path: access.Path(p.Path)}
}

func desiredUser(u config.User) (apply.DesiredUser, error) {
	d := apply.DesiredUser{
		NewUser: identity.NewUser{
			Username: u.Username, Name: orZero(u.Name), Email: orZero(u.Email), Groups: u.Groups, Disabled: orZero(u.Disabled),
			Password: token.Secret(u.Password.Reveal()),
		},
		SetName: u.Name != nil, SetEmail: u.Email != nil, SetGroups: u.Groups != nil, SetDisabled: u.Disabled != nil,
		SetPasswordHash: u.PasswordHash.IsThere(), ExternalID: u.ExternalID, PasswordChangedAt: u.PasswordChangedAt,
	}
	var err error
	d.PasswordHash, err = passhash.Parse(u.PasswordHash.Reveal())
	return d, err
}

// orZero returns the value of a member, and the zero value where the file doesn't have
// it.
func orZero[T any](member *T) (v T) {
	if member != nil {
		v = *member
	}
	return v
}

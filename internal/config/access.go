package config

import (
	"fmt"
	"reflect"
	"time"
	"unicode/utf8"
)

const maxAccessFile = 32 << 20

// AccessFile is who may do what, as `bearerd apply` takes it. Every element
// knows its line, so that a later check can name it in an error.
type AccessFile struct {
	Collections []Collection `yaml:"collections"`
	Roles       []Role       `yaml:"roles"`
	Users       []User       `yaml:"users"`
	Bindings    []Binding    `yaml:"bindings"`
	Clients     []Client     `yaml:"clients"`
	Issuers     []Issuer     `yaml:"issuers"`
}

// Collection is a set of records that access can be granted to.
type Collection struct {
	At   Position `yaml:"-"`
	ID   *int64   `yaml:"id"` // 0 or more
	Name string   `yaml:"name"`
}

// Role is a named set of permissions.
type Role struct {
	At          Position     `yaml:"-"`
	Name        string       `yaml:"name"`
	Permissions []Permission `yaml:"permissions"`
}

// User is a person or program that signs in. At most one of Password and
// PasswordHash is set, and with neither the user keeps the one they have; a PasswordHash
// that is present and empty removes the password. Name, Email, Groups and Disabled are
// nil where the file doesn't have them; an empty one removes what there is.
type User struct {
	At           Position     `yaml:"-"`
	Username     string       `yaml:"username"`
	Password     Secret       `yaml:"password"`
	PasswordHash PasswordHash `yaml:"password_hash"`
	Name         *string      `yaml:"name"`
	Email        *string      `yaml:"email"`
	Groups       []string     `yaml:"groups"`
	Disabled     *bool        `yaml:"disabled"`
	// ExternalID and PasswordChangedAt are for the users of a source.
	ExternalID        string    `yaml:"external_id"`
	PasswordChangedAt time.Time `yaml:"password_changed_at"`
}

// PasswordHash is a hash that another system made. Unlike a Secret it may be present and
// empty, which means that there is no password.
type PasswordHash struct{ Secret }

// IsThere reports whether the file has the text, even an empty one.
func (h PasswordHash) IsThere() bool { return h.text != nil }

// Binding grants a user or a group a role or a permission, at and beneath Path; exactly
// one of each pair is set. Path is "/" where the file has none.
type Binding struct {
	At         Position    `yaml:"-"`
	User       string      `yaml:"user"`
	Group      string      `yaml:"group"`
	Role       string      `yaml:"role"`
	Permission *Permission `yaml:"permission"`
	Path       string      `yaml:"path"`
}

// Client is an OAuth client. Without a Secret, a SecretHash and keys it is public, or keeps
// the secret that it has.
type Client struct {
	At           Position `yaml:"-"`
	ID           string   `yaml:"id"`
	Secret       Secret   `yaml:"secret"`
	SecretHash   Secret   `yaml:"secret_hash"` // "sha256:" and hexadecimal digits, as an export has it
	Grants       []string `yaml:"grants"`
	Scopes       []string `yaml:"scopes"`
	Audiences    []string `yaml:"audiences"`
	ExchangeFrom []string `yaml:"exchange_from"`
	Name         string   `yaml:"name"`
	RedirectURIs []string `yaml:"redirect_uris"`
	JWKS         JSONText `yaml:"jwks"`     // a JWK Set, by which the client authenticates
	JWKSURI      string   `yaml:"jwks_uri"` // where one is
}

// LoadAccess reads the access file at path. See [ParseAccess].
func LoadAccess(path string) (*AccessFile, error) {
	text, err := readFile(path, maxAccessFile)
	if err != nil {
		return nil, fmt.Errorf("reading the access file: %w", err)
	}
	return ParseAccess(path, text)
}

// ParseAccess parses the text of an access file; messages call it by name.
// Its error is a [ProblemsError] with a line for each unknown key, value of a wrong form,
// missing member, and thing that is listed twice. Whether a role exists, or a path or
// hash is valid, is not checked here.
func ParseAccess(name string, text []byte) (*AccessFile, error) {
	file := &AccessFile{}
	d := &decoder{source: name, isFile: true, origin: map[string]string{}}
	d.document("", string(text), reflect.ValueOf(file).Elem())
	if len(d.problems) == 0 {
		for i := range file.Bindings {
			if b := &file.Bindings[i]; b.Path == "" {
				b.Path = "/"
			}
		}
		var k accessChecker
		k.collections(file.Collections)
		k.roles(file.Roles)
		k.users(file.Users)
		k.bindings(file.Bindings)
		k.clients(file.Clients)
		k.issuers(file.Issuers)

		d.problems = k.problems
	}
	if len(d.problems) > 0 {
		return nil, ProblemsError(d.problems)
	}
	return file, nil
}

// accessChecker collects what is wrong with elements.
type accessChecker struct{ problems []Problem }

func (k *accessChecker) fail(at Position, format string, args ...any) {
	k.problems = append(k.problems, Problem{Where: at.String(), Message: fmt.Sprintf(format, args...)})
}

// lines remembers the line on which each thing was first.
type lines[K comparable] map[K]int

// once notes a thing, and reports a problem for one that was listed before. what names it
// in the message.
func once[K comparable](k *accessChecker, seen lines[K], key K, at Position, what string) {
	if line, twice := seen[key]; twice {
		k.fail(at, "%s is repeated, first on line %d", what, line)
		return
	}
	seen[key] = at.Line
}

// must reports a member that has to be there.
func (k *accessChecker) must(has bool, at Position, what, member string) {
	if !has {
		k.fail(at, "%s needs %s", what, member)
	}
}

func (k *accessChecker) collections(list []Collection) {
	ids, names := lines[int64]{}, lines[string]{}
	for _, c := range list {
		k.must(c.ID != nil && *c.ID >= 0, c.At, "a collection", "an id, 0 or more")
		k.must(c.Name != "", c.At, "a collection", "a name")
		if c.ID != nil {
			once(k, ids, *c.ID, c.At, fmt.Sprintf("the collection id %d", *c.ID))
		}
		if c.Name != "" {
			once(k, names, c.Name, c.At, fmt.Sprintf("the collection name %q", c.Name))
		}
	}
}

func (k *accessChecker) roles(list []Role) {
	names := lines[string]{}
	for _, r := range list {
		k.must(r.Name != "", r.At, "a role", "a name")
		if r.Name != "" {
			once(k, names, r.Name, r.At, fmt.Sprintf("the role %q", r.Name))
		}
		permissions := lines[[2]string]{}
		for _, p := range r.Permissions {
			k.permission(p)
			once(k, permissions, [2]string{p.Action, p.Path}, p.At, fmt.Sprintf("the permission %s %s", p.Action, p.Path))
		}
	}
}

func (k *accessChecker) permission(p Permission) {
	k.must(p.Action != "", p.At, "a permission", "an action")
	k.must(p.Path != "", p.At, "a permission", "a path")
}

func (k *accessChecker) users(list []User) {
	names := lines[string]{}
	for _, u := range list {
		k.must(u.Username != "", u.At, "a user", "a username")
		if u.Username != "" {
			once(k, names, u.Username, u.At, fmt.Sprintf("the user %q", u.Username))
		}
		if u.Password.IsSet() && u.PasswordHash.IsThere() {
			k.fail(u.At, "a user has a password or a password_hash, not both")
		}
		k.distinct(u.At, "group", u.Groups)
	}
}

func (k *accessChecker) bindings(list []Binding) {
	seen := lines[[5]string]{}
	for _, b := range list {
		if (b.User == "") == (b.Group == "") {
			k.fail(b.At, "a binding needs a user or a group, and not both")
		}
		if (b.Role == "") == (b.Permission == nil) {
			k.fail(b.At, "a binding needs a role or a permission, and not both")
		}
		what := [5]string{b.User, b.Group, b.Role, "", b.Path}
		if p := b.Permission; p != nil {
			k.permission(*p)
			what[3] = p.Action + " " + p.Path
		}
		once(k, seen, what, b.At, "the same binding")
	}
}

// minClientSecret is the shortest secret of a client, in characters.
const minClientSecret = 32

func (k *accessChecker) clients(list []Client) {
	ids := lines[string]{}
	for _, c := range list {
		k.must(c.ID != "", c.At, "a client", "an id")
		if c.ID != "" {
			once(k, ids, c.ID, c.At, fmt.Sprintf("the client %q", c.ID))
		}
		if n := utf8.RuneCountInString(c.Secret.Reveal()); n > 0 && n < minClientSecret {
			k.fail(c.At, "the secret of a client has at least %d characters, or is left out for a public client", minClientSecret)
		}
		ways := 0
		for _, named := range []bool{c.Secret.Reveal() != "", c.SecretHash.IsSet(), c.JWKS != "", c.JWKSURI != ""} {
			if named {
				ways++
			}
		}
		if ways > 1 {
			k.fail(c.At, "a client has one of secret, secret_hash, jwks and jwks_uri")
		}
		k.distinct(c.At, "grant", c.Grants)
		k.distinct(c.At, "scope", c.Scopes)
		k.distinct(c.At, "audience", c.Audiences)
		k.distinct(c.At, "exchange_from", c.ExchangeFrom)
		k.distinct(c.At, "redirect_uris", c.RedirectURIs)
	}
}

// distinct checks a list of names.
func (k *accessChecker) distinct(at Position, what string, names []string) {
	seen := lines[string]{}
	for _, name := range names {
		k.must(name != "", at, "every "+what, "a name")
		once(k, seen, name, at, fmt.Sprintf("the %s %q", what, name))
	}
}

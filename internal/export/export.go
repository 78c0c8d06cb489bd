// Package export writes what is stored as the access file that `bearerd apply` takes:
// collections, roles, users, bindings, clients and trusted issuers. Applying the file to the
// same database changes nothing.
//
// It reads by the operations of administrators, so it writes nothing that its caller may
// not see. Secrets of clients and passwords are stored as digests and hashes, which are
// written where that is asked for. Who a user is for a sign-in source, and which tokens
// there are, is not part of the file.
package export

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
)

// Source is what is exported.
type Source interface {
	CollectionList(ctx context.Context, c *caller.Caller) ([]records.Collection, error)
	RoleList(ctx context.Context, c *caller.Caller) ([]access.Role, error)
	UserList(ctx context.Context, c *caller.Caller, q records.UserQuery) (records.Page[identity.User], error)
	BindingList(ctx context.Context, c *caller.Caller, q records.BindingQuery) ([]access.Binding, error)
	ClientList(ctx context.Context, c *caller.Caller) ([]identity.Client, error)
	IssuerList(ctx context.Context, c *caller.Caller) ([]records.Issuer, error)
}

// Options are what is written. The zero value writes neither hashes nor digests.
type Options struct {
	Hashes bool // the hashes of passwords, and the digests of client secrets
}

// Summary counts what was written.
type Summary struct {
	Collections, Roles, Users, Bindings, Clients, Issuers int
	// Without are the clients whose secret is not in the file: applied to another database,
	// it must be given there.
	Without []string
}

// SecretPrefix begins the digest of a client's secret.
const SecretPrefix = "sha256:"

// usersPerPage is how many users are read at a time.
const usersPerPage = 500

// Write writes the access file. The order is by name, so that two exports of the same
// state are the same.
func Write(ctx context.Context, w io.Writer, s Source, c *caller.Caller, o Options) (Summary, error) {
	x := &exporter{options: o, names: map[string]string{}}
	for _, read := range []func(context.Context, Source, *caller.Caller) error{
		x.collections, x.roles, x.users, x.bindings, x.clients, x.issuers,
	} {
		if err := read(ctx, s, c); err != nil {
			return Summary{}, err
		}
	}
	if len(x.file.Content) == 0 {
		_, err := io.WriteString(w, "{}\n")
		return x.summary, err
	}
	x.file.Kind = yaml.MappingNode
	text, err := yaml.Dump(&x.file, yaml.WithLineWidth(-1), yaml.WithCompactSeqIndent(false))
	if err == nil {
		_, err = w.Write(text)
	}
	return x.summary, err
}

type exporter struct {
	options Options
	summary Summary
	names   map[string]string // usernames by subject
	file    yaml.Node
}

// list adds a list to the file, unless it is empty.
func (x *exporter) list(name string, items []*yaml.Node) int {
	if len(items) > 0 {
		x.file.Content = append(x.file.Content, text(name), &yaml.Node{Kind: yaml.SequenceNode, Content: items})
	}
	return len(items)
}

func (x *exporter) collections(ctx context.Context, s Source, c *caller.Caller) error {
	all, err := s.CollectionList(ctx, c)
	x.summary.Collections = x.list("collections", each(all, func(one records.Collection) *yaml.Node {
		return item(one.Owner, "id", integer(one.ID), "name", text(one.Name))
	}))
	return err
}

func (x *exporter) roles(ctx context.Context, s Source, c *caller.Caller) error {
	all, err := s.RoleList(ctx, c)
	x.summary.Roles = x.list("roles", each(all, func(one access.Role) *yaml.Node {
		return item(one.Owner, "name", text(one.Name), "permissions", sequence(each(one.Permissions, permission)))
	}))
	return err
}

func permission(p access.Permission) *yaml.Node {
	return item("", "action", text(p.Action), "path", text(string(p.Path)))
}

func (x *exporter) users(ctx context.Context, s Source, c *caller.Caller) error {
	var items []*yaml.Node
	for q := (records.UserQuery{Limit: usersPerPage}); ; {
		page, err := s.UserList(ctx, c, q)
		if err != nil {
			return err
		}
		for _, u := range page.Items {
			x.names[u.ID] = u.Username
			items = append(items, x.user(u))
		}
		if q.After = page.Next; page.Next == "" {
			break
		}
	}
	x.summary.Users = x.list("users", items)
	return nil
}

func (x *exporter) user(u identity.User) *yaml.Node {
	n := item(u.Owner, "username", text(u.Username), "name", optional(u.Name), "email", optional(u.Email), "groups", texts(u.Groups))
	if u.Disabled {
		n.Content = append(n.Content, text("disabled"), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"})
	}
	if x.options.Hashes {
		n.Content = append(n.Content, text("password_hash"), text(u.PasswordHash.Reveal()))
	}
	return n
}

func (x *exporter) bindings(ctx context.Context, s Source, c *caller.Caller) error {
	all, err := s.BindingList(ctx, c, records.BindingQuery{})
	slices.SortFunc(all, func(a, b access.Binding) int {
		return cmp.Or(cmp.Compare(x.names[a.User], x.names[b.User]), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Role, b.Role), cmp.Compare(said(a), said(b)))
	})
	x.summary.Bindings = x.list("bindings", each(all, func(b access.Binding) *yaml.Node {
		var granted *yaml.Node
		if b.Permission != nil {
			granted = permission(*b.Permission)
		}
		return item(b.Owner, "user", optional(x.names[b.User]), "group", optional(b.Group), "role", optional(b.Role),
			"permission", granted, "path", text(string(b.Path)))
	}))
	return err
}

func said(b access.Binding) string {
	if b.Permission == nil {
		return ""
	}
	return b.Permission.Action + " " + string(b.Permission.Path)
}

func (x *exporter) clients(ctx context.Context, s Source, c *caller.Caller) error {
	all, err := s.ClientList(ctx, c)
	x.summary.Clients = x.list("clients", each(all, func(one identity.Client) *yaml.Node {
		var digest *yaml.Node
		if one.HasSecret() && x.options.Hashes {
			digest = text(SecretPrefix + hex.EncodeToString(one.SecretDigest))
		}
		n := item(one.Owner, "id", text(one.ID), "secret_hash", digest, "grants", texts(one.Grants), "scopes", texts(one.Scopes), "audiences", texts(one.Audiences),
			"exchange_from", texts(one.ExchangeFrom), "name", optional(one.Name), "redirect_uris", texts(one.RedirectURIs),
			"jwks", optional(one.Keys.JWKS), "jwks_uri", optional(one.Keys.URI))
		if one.HasSecret() && digest == nil {
			x.summary.Without = append(x.summary.Without, one.ID)
			n.HeadComment = "# has a secret, which is not in this file"
		}
		return n
	}))
	return err
}

func (x *exporter) issuers(ctx context.Context, s Source, c *caller.Caller) error {
	all, err := s.IssuerList(ctx, c)
	x.summary.Issuers = x.list("issuers", each(all, func(one records.Issuer) *yaml.Node {
		n := item("", "name", text(one.Name), "issuer", text(one.Issuer), "jwks", optional(one.JWKS), "secret_file", optional(one.SecretFile),
			"ca_file", optional(one.CAFile), "audience", optional(one.Audience), "once", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(one.Once)},
			"max_age", text(one.MaxAge.String()), "rules", block(each(one.Rules, rule)))
		n.Style = 0 // rules are long
		return n
	}))
	return err
}

func rule(r records.IssuerRule) *yaml.Node {
	match := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	names := make([]string, 0, len(r.Match))
	for name := range r.Match {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		match.Content = append(match.Content, text(name), claim(r.Match[name]))
	}
	ttl := ""
	if r.TTL > 0 {
		ttl = r.TTL.String()
	}
	return item("", "name", text(r.Name), "match", match, "client", optional(r.Client), "user_claim", optional(r.UserClaim), "source", optional(r.Source),
		"scope", text(identity.FormatScope(r.Scope)), "audiences", texts(r.Audiences), "ttl", optional(ttl))
}

// claim returns the value of a claim with its type.
func claim(raw json.RawMessage) *yaml.Node {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: yaml.DoubleQuotedStyle}
	}
	tag := "!!int"
	if string(raw) == "true" || string(raw) == "false" {
		tag = "!!bool"
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: string(raw)}
}

// item returns an element of a list on one line, of names and values; a value that is nil is
// left out. Owner is the source that maintains it.
func item(owner string, pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	if owner != "" {
		n.HeadComment = "# of the source " + strconv.Quote(owner)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, isName := pairs[i].(string)
		value, isNode := pairs[i+1].(*yaml.Node)
		if isName && isNode && value != nil {
			n.Content = append(n.Content, text(name), value)
		}
	}
	return n
}

func text(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

// optional is text, and nil for none.
func optional(s string) *yaml.Node {
	if s == "" {
		return nil
	}
	return text(s)
}

func integer(n int64) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(n, 10)}
}

// texts is a list on one line, and nil for an empty one.
func texts(list []string) *yaml.Node {
	if len(list) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(list))
	return sequence(each(sorted, text))
}

func sequence(items []*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: items}
}

func block(items []*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Content: items}
}

func each[T any](list []T, as func(T) *yaml.Node) []*yaml.Node {
	nodes := make([]*yaml.Node, len(list))
	for i, one := range list {
		nodes[i] = as(one)
	}
	return nodes
}

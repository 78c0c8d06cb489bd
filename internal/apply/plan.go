package apply

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// plan is the difference between what is stored and what is desired, as it grows. It holds
// what is stored with what the changes planned so far add to it.
type plan struct {
	editor *changes.Editor
	source string // "": the file of administrators

	collections map[int64]records.Collection
	roles       map[string]access.Role
	people      *people
	bindings    []access.Binding
	clients     map[string]identity.Client
	issuers     map[string]records.Issuer

	first   []op.Op // what is committed before the first change
	changes []changes.Change
	applied []Applied // the changes in words, in the same order
}

// newPlan returns a plan without changes, over what is stored.
func newPlan(ctx context.Context, store Store, e *changes.Editor, source string) (*plan, error) {
	p := &plan{editor: e, source: source}
	var err error
	if p.collections, err = byKey(ctx, store.Collections, func(n records.Collection) int64 { return n.ID }); err != nil {
		return nil, err
	}
	if p.roles, err = byKey(ctx, store.Roles, func(r access.Role) string { return r.Name }); err != nil {
		return nil, err
	}
	if p.clients, err = byKey(ctx, store.Clients, func(c identity.Client) string { return c.ID }); err != nil {
		return nil, err
	}
	if p.issuers, err = byKey(ctx, store.Issuers, func(s records.Issuer) string { return s.Name }); err != nil {
		return nil, err
	}
	if p.bindings, err = store.Bindings(ctx, records.BindingQuery{}); err != nil {
		return nil, err
	}
	p.people, err = readPeople(ctx, store, source)
	return p, err
}

// byKey reads a list and returns its elements by their key.
func byKey[K comparable, V any](ctx context.Context, read func(context.Context) ([]V, error), key func(V) K) (map[K]V, error) {
	list, err := read(ctx)
	all := make(map[K]V, len(list))
	for _, v := range list {
		all[key(v)] = v
	}
	return all, err
}

// add appends changes of a target.
func (p *plan) add(target string, list ...changes.Change) {
	for _, one := range list {
		p.changes = append(p.changes, one)
		p.applied = append(p.applied, Applied{Action: one.Action, Target: target, Was: one.Was})
	}
}

// reach plans the changes that lead to the desired state. What other lists refer to is
// created first and removed last, but for collections: only paths refer to them, and a
// pruned collection's name may be used again for another.
func (p *plan) reach(ctx context.Context, d *Desired) error {
	if d.Prune {
		p.pruneCollections(d)
		p.pruneIssuers(d)
	}
	users, err := p.resolve(d)
	if err != nil {
		return err
	}
	steps := []struct {
		list string
		n    int
		one  func(i int) error
	}{
		{"collections", len(d.Collections), func(i int) error { return p.collection(d.Collections[i]) }},
		{"roles", len(d.Roles), func(i int) error { return p.role(d.Roles[i]) }},
		{"users", len(d.Users), func(i int) error { return users.user(ctx, i) }},
		{"bindings", len(d.Bindings), func(i int) error { return p.binding(d, &d.Bindings[i]) }},
		{"clients", len(d.Clients), func(i int) error { return p.client(d.Clients[i]) }},
		{"issuers", len(d.Issuers), func(i int) error { return p.issuer(d, d.Issuers[i]) }},
	}
	for _, s := range steps {
		for i := range s.n {
			if err := s.one(i); err != nil {
				return &MistakeError{List: s.list, Index: i, Err: err}
			}
		}
	}
	if d.Prune {
		p.prune(d)
	}
	if len(p.first) > 0 {
		p.changes[0].Ops = slices.Concat(p.first, p.changes[0].Ops)
	}
	return nil
}

func (p *plan) collection(n records.Collection) error {
	if err := n.Validate(); err != nil {
		return err
	}
	old, ok := p.collections[n.ID]
	switch n.Owner = p.source; {
	case !ok:
		p.add(n.Name, p.editor.CreateCollection(n))
	case old.Name != n.Name:
		n.Owner = old.Owner
		p.add(n.Name, changes.Change{Action: audit.CollectionUpdate, Target: n.Name, Was: old.Name, Ops: []op.Op{op.UpdateCollection{Collection: n}}})
	}
	if ok {
		n.Owner = old.Owner
	}
	p.collections[n.ID] = n
	return nil
}

func (p *plan) role(r access.Role) error {
	if err := r.Validate(); err != nil {
		return err
	}
	old, ok := p.roles[r.Name]
	if r.Owner = old.Owner; !ok {
		r.Owner = p.source
	}
	switch {
	case !ok:
		p.add(r.Name, p.editor.CreateRole(r))
	case !slices.Equal(old.Permissions, r.Permissions):
		p.add(r.Name, p.editor.UpdateRole(r))
	}
	p.roles[r.Name] = r
	return nil
}

// binding adds a binding that is not stored yet. It can't name a user or a role that
// the same file prunes.
func (p *plan) binding(d *Desired, b *access.Binding) error {
	if b.User != "" {
		u, ok := p.people.find(b.User)
		if !ok {
			return changes.ErrNoSuchUser(b.User)
		}
		b.User = u.ID
	}
	if _, ok := p.roles[b.Role]; b.Role != "" && (!ok || p.prunesRole(d, b.Role)) {
		return fault.New(fault.Invalid, "there is no role %q", b.Role).In("role")
	}
	canonical, err := b.Canonical()
	if err != nil {
		return err
	}
	*b = canonical
	if slices.ContainsFunc(p.bindings, func(have access.Binding) bool { return sameBinding(have, *b) }) {
		return nil
	}
	b.ID, b.Owner = uuid.NewString(), p.source
	p.bindings = append(p.bindings, *b)
	p.add(p.bindingName(*b), p.editor.CreateBinding(*b))
	return nil
}

// sameBinding reports whether two bindings grant the same to the same user or group.
func sameBinding(a, b access.Binding) bool {
	same := a.User == b.User && a.Group == b.Group && a.Role == b.Role && a.Path == b.Path
	if a.Permission == nil || b.Permission == nil {
		return same && a.Permission == b.Permission
	}
	return same && *a.Permission == *b.Permission
}

func (p *plan) bindingName(b access.Binding) string {
	who := "group " + b.Group
	if b.User != "" {
		who = p.people.users[b.User].Username
	}
	return who + ": " + changes.DescribeBinding(b)
}

func (p *plan) client(n identity.NewClient) error {
	old, ok := p.clients[n.ID]
	if !ok {
		creation, client, err := p.editor.CreateClient(n, p.source)
		if err == nil {
			p.clients[client.ID] = client
			p.add(client.ID, creation)
		}
		return err
	}
	update, client, err := p.editor.UpdateClient(old, n)
	if err != nil {
		return err
	}
	same := slices.Equal(old.SecretDigest, client.SecretDigest) && changes.SameSet(old.Grants, client.Grants) &&
		changes.SameSet(old.Scopes, client.Scopes) && changes.SameSet(old.Audiences, client.Audiences) &&
		changes.SameSet(old.ExchangeFrom, client.ExchangeFrom) && changes.SameSet(old.RedirectURIs, client.RedirectURIs) && old.Name == client.Name &&
		old.Keys.Same(client.Keys)
	if !same {
		p.clients[client.ID] = client
		p.add(client.ID, update)
	}
	return nil
}

// pruneCollections removes the collections that the file doesn't have, and with each
// the bindings about it alone. Where the file has such a binding, it is created again.
// What is pruned is what the source owns or, without a source, what nobody owns.
func (p *plan) pruneCollections(d *Desired) {
	for _, n := range sorted(p.collections, func(n records.Collection) string { return n.Name }) {
		if n.Owner != p.source || slices.ContainsFunc(d.Collections, func(have records.Collection) bool { return have.ID == n.ID }) {
			continue
		}
		p.add(n.Name, p.editor.RemoveCollection(n.ID))
		delete(p.collections, n.ID)
		p.bindings = slices.DeleteFunc(p.bindings, func(b access.Binding) bool {
			at := b.Path
			if b.Permission != nil {
				at = b.Path.Join(b.Permission.Path)
			}
			return access.CollectionPath(n.ID).Covers(at)
		})
	}
}

// prune removes everything else that the file doesn't have. Names are unique in a
// file; its parser checks that.
func (p *plan) prune(d *Desired) {
	for _, b := range p.bindings {
		if b.Owner == p.source && !slices.ContainsFunc(d.Bindings, func(want access.Binding) bool { return sameBinding(want, b) }) {
			p.add(p.bindingName(b), p.editor.RemoveBinding(b))
		}
	}
	for _, client := range sorted(p.clients, func(c identity.Client) string { return c.ID }) {
		if p.prunesClient(d, client) {
			p.add(client.ID, p.editor.RemoveClient(client.ID))
		}
	}
	for _, r := range sorted(p.roles, func(r access.Role) string { return r.Name }) {
		if p.prunesRole(d, r.Name) {
			p.add(r.Name, p.editor.RemoveRole(r.Name))
		}
	}
}

// prunesRole reports whether a role is removed. One that a binding of somebody else grants
// stays: that binding would go with it.
func (p *plan) prunesRole(d *Desired, name string) bool {
	return d.Prune && p.roles[name].Owner == p.source && !d.hasRole(name) &&
		!slices.ContainsFunc(p.bindings, func(b access.Binding) bool { return b.Role == name && b.Owner != p.source })
}

func (d *Desired) hasRole(name string) bool {
	return slices.ContainsFunc(d.Roles, func(r access.Role) bool { return r.Name == name })
}

// sorted returns the values of a map in the order of their names.
func sorted[K comparable, V any](m map[K]V, name func(V) string) []V {
	all := make([]V, 0, len(m))
	for _, v := range m {
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b V) int { return strings.Compare(name(a), name(b)) })
	return all
}

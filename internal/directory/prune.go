package directory

import (
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
)

// What is pruned is what the source owns or, without a source, what nobody owns.

// pruneCollections removes the collections that the file doesn't have, and with each
// the bindings about it alone. Where the file has such a binding, it is created again.
func (p *plan) pruneCollections(d *Desired) {
	for _, n := range sorted(p.collections, func(n records.Collection) string { return n.Name }) {
		if n.Owner != p.source || slices.ContainsFunc(d.Collections, func(have records.Collection) bool { return have.ID == n.ID }) {
			continue
		}
		p.add(n.Name, p.editor.removeCollection(n.ID))
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
			p.add(p.bindingName(b), p.editor.removeBinding(b))
		}
	}
	for _, client := range sorted(p.clients, func(c identity.Client) string { return c.ID }) {
		if p.source == "" && client.Owner == "" && !slices.ContainsFunc(d.Clients, func(n NewClient) bool { return n.ID == client.ID }) {
			p.add(client.ID, p.editor.removeClient(client.ID))
		}
	}
	for _, r := range sorted(p.roles, func(r access.Role) string { return r.Name }) {
		if p.prunesRole(d, r.Name) {
			p.add(r.Name, p.editor.removeRole(r.Name))
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

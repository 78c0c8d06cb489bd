package changes

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Grants prepares changes of collections, roles, bindings and trusted issuers.
type Grants struct{ journal *journal.Journal }

// CollectionName returns the name of a collection in the logs.
func CollectionName(id int64) string { return strconv.FormatInt(id, 10) }

// CreateCollection returns the change that creates a collection. It has a log entry, as
// removing has: a node must not keep what it knew of an earlier collection with the same
// id.
func (g *Grants) CreateCollection(n records.Collection) Change {
	return g.collection(audit.CollectionCreate, n.ID, op.CreateCollection{Collection: n})
}

// RemoveCollection returns the change that removes a collection. The bindings that are
// removed with it can be anybody's, but all of them are only about this collection.
func (g *Grants) RemoveCollection(id int64) Change {
	return g.collection(audit.CollectionRemove, id, op.RemoveCollection{ID: id})
}

func (g *Grants) collection(action string, id int64, o op.Op) Change {
	name := CollectionName(id)
	return Change{
		Action: action, Target: name, Ops: []op.Op{o},
		Log: []revocation.Entry{g.journal.CutOff(revocation.Collection, name)},
	}
}

// CreateRole returns the change that creates a role.
func (g *Grants) CreateRole(r access.Role) Change {
	return Change{Action: audit.RoleCreate, Target: r.Name, Ops: []op.Op{op.CreateRole{Role: r}}}
}

// UpdateRole returns the change that replaces the permissions of a role.
func (g *Grants) UpdateRole(r access.Role) Change {
	return Change{
		Action: audit.RoleUpdate, Target: r.Name, Ops: []op.Op{op.UpdateRole{Role: r}},
		Log: []revocation.Entry{g.journal.CutOff(revocation.Role, r.Name)},
	}
}

// RemoveRole returns the change that removes a role with the bindings that grant it.
func (g *Grants) RemoveRole(name string) Change {
	return Change{
		Action: audit.RoleRemove, Target: name, Ops: []op.Op{op.RemoveRole{Name: name}},
		Log: []revocation.Entry{g.journal.CutOff(revocation.Role, name)},
	}
}

// ErrNoSuchUser is the error of a binding that names a user who does not exist.
func ErrNoSuchUser(name string) error {
	return fault.New(fault.Invalid, "there is no user %q", name).In("user")
}

// CreateBinding returns the change that stores a binding.
func (g *Grants) CreateBinding(b access.Binding) Change {
	return g.binding(audit.BindingCreate, b, op.AddBinding{Binding: b})
}

// RemoveBinding returns the change that removes a binding.
func (g *Grants) RemoveBinding(b access.Binding) Change {
	return g.binding(audit.BindingRemove, b, op.RemoveBinding{ID: b.ID})
}

// UpdateBinding returns the change that replaces a binding by one with its id.
func (g *Grants) UpdateBinding(old, b access.Binding) Change {
	update := g.binding(audit.BindingUpdate, b, op.RemoveBinding{ID: b.ID}, op.AddBinding{Binding: b})
	update.Log = append(update.Log, g.bindingCutOff(old))
	return update
}

func (g *Grants) binding(action string, b access.Binding, ops ...op.Op) Change {
	return Change{
		Action: action, Target: b.User + b.Group, Remark: DescribeBinding(b), Ops: ops,
		Log: []revocation.Entry{g.bindingCutOff(b)},
	}
}

// bindingCutOff returns the log entry after which every node decides again what the
// binding's user or group may do.
func (g *Grants) bindingCutOff(b access.Binding) revocation.Entry {
	if b.Group != "" {
		return g.journal.CutOff(revocation.Group, b.Group)
	}
	return g.journal.CutOff(revocation.Access, b.User)
}

// DescribeBinding returns what a binding grants, in words.
func DescribeBinding(b access.Binding) string {
	if b.Permission != nil {
		return b.Permission.Action + " " + string(b.Permission.Path) + " at " + string(b.Path)
	}
	return "role " + b.Role + " at " + string(b.Path)
}

// IssuerChange returns the change from one state of an issuer to another; now has no name
// when the issuer is removed. What was issued by rules that are no longer there is
// revoked.
func (g *Grants) IssuerChange(action string, old, now records.Issuer) Change {
	c := Change{Action: action, Target: old.Name}
	if now.Name != "" {
		c.Target = now.Name
		c.Ops = []op.Op{op.AddIssuer{Issuer: now}}
	}
	var ended []string
	for _, rule := range old.Rules {
		if slices.ContainsFunc(now.Rules, func(r records.IssuerRule) bool { return r.ID == rule.ID }) {
			continue
		}
		ops, entries := g.journal.Kill(journal.Kill{ID: rule.ID, Opaque: true, Reason: "rule of a trusted issuer removed or changed"})
		c.Ops, c.Log = append(c.Ops, ops...), append(c.Log, entries...)
		ended = append(ended, rule.Name)
	}
	if len(ended) > 0 {
		c.Remark = "what was issued by these rules is revoked: " + strings.Join(ended, ", ")
	}
	return c
}

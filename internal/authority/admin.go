package authority

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// act is one administrative change: what is done, what the log says of it, and
// what the audit log records.
type act struct {
	action, target string
	remark         string
	ops            []Op
	log            []revocation.Entry
}

// administer carries out a change for an administrator, whose right is checked
// first. A change about which the log says something is acknowledged like a
// revocation: what it takes away is gone from every node.
func (a *Authority) administer(ctx context.Context, c *Caller, acts ...act) (Receipt, error) {
	if err := a.admit(ctx, c, acts[0].action, acts[0].target); err != nil {
		return Receipt{}, err
	}
	var b Batch
	for _, one := range acts {
		e := a.event(ctx, c, one.action)
		e.Target, e.Reason = one.target, one.remark
		b.Ops, b.Log, b.Audit = append(b.Ops, one.ops...), append(b.Log, one.log...), append(b.Audit, e)
	}
	if len(b.Log) == 0 {
		seq, err := a.commit(ctx, b)
		return Receipt{Seq: seq}, err
	}
	return a.takeBack(ctx, b, a.waits(ctx))
}

// admit lets administrators pass who want to do something to a target.
func (a *Authority) admit(ctx context.Context, c *Caller, action, target string) error {
	if err := c.requireAdmin(); err != nil {
		return a.deny(ctx, c, action, target, err)
	}
	return nil
}

// deny records that somebody who is known asked for what they may not do. Nobody's
// attempts are not recorded: anybody could fill the log.
func (a *Authority) deny(ctx context.Context, c *Caller, action, target string, reason error) error {
	if c == nil {
		return reason
	}
	e := a.event(ctx, c, action)
	e.Target = target
	return a.refuse(ctx, e, reason)
}

// CreateCollection adds a collection.
func (a *Authority) CreateCollection(ctx context.Context, c *Caller, n Collection) error {
	if err := n.Validate(); err != nil {
		return err
	}
	_, err := a.administer(ctx, c, a.collectionAct(audit.CollectionCreate, n.ID, CreateCollection{n}))
	return err
}

// UpdateCollection renames a collection.
func (a *Authority) UpdateCollection(ctx context.Context, c *Caller, n Collection) error {
	if err := n.Validate(); err != nil {
		return err
	}
	_, err := a.administer(ctx, c, act{
		action: audit.CollectionUpdate, target: strconv.FormatInt(n.ID, 10), ops: []Op{UpdateCollection{n}},
	})
	return err
}

// RemoveCollection removes a collection with every binding at and beneath it.
func (a *Authority) RemoveCollection(ctx context.Context, c *Caller, id int64) (Receipt, error) {
	return a.administer(ctx, c, a.removeCollectionAct(id))
}

// removeCollectionAct removes a collection. The bindings that go with it may be
// anybody's, but all of them are about this collection alone.
func (a *Authority) removeCollectionAct(id int64) act {
	return a.collectionAct(audit.CollectionRemove, id, RemoveCollection{id})
}

func (a *Authority) collectionAct(action string, id int64, op Op) act {
	name := strconv.FormatInt(id, 10)
	return act{
		action: action, target: name, ops: []Op{op},
		log: []revocation.Entry{a.cutOff(revocation.Collection, name)},
	}
}

// Validate returns what is wrong with a collection, with the field at fault.
func (c Collection) Validate() error {
	if c.ID < 0 {
		return fault.New(fault.Invalid, "a collection's id is not negative").In("id")
	}
	return validateLabel("a collection's name", c.Name)
}

// CollectionList gives every collection, to administrators.
func (a *Authority) CollectionList(ctx context.Context, c *Caller) ([]Collection, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return a.Store.Collections(ctx)
}

// CreateRole adds a role.
func (a *Authority) CreateRole(ctx context.Context, c *Caller, r access.Role) error {
	if err := r.Validate(); err != nil {
		return err
	}
	_, err := a.administer(ctx, c, act{action: audit.RoleCreate, target: r.Name, ops: []Op{CreateRole{r}}})
	return err
}

// UpdateRole replaces a role's permissions.
func (a *Authority) UpdateRole(ctx context.Context, c *Caller, r access.Role) error {
	if err := r.Validate(); err != nil {
		return err
	}
	_, err := a.administer(ctx, c, a.roleAct(audit.RoleUpdate, r.Name, UpdateRole{r}))
	return err
}

// RemoveRole removes a role with the bindings that give it.
func (a *Authority) RemoveRole(ctx context.Context, c *Caller, name string) (Receipt, error) {
	return a.administer(ctx, c, a.roleAct(audit.RoleRemove, name, RemoveRole{name}))
}

func (a *Authority) roleAct(action, name string, op Op) act {
	return act{
		action: action, target: name, ops: []Op{op},
		log: []revocation.Entry{a.cutOff(revocation.Role, name)},
	}
}

// RoleList gives every role, to administrators.
func (a *Authority) RoleList(ctx context.Context, c *Caller) ([]access.Role, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	return a.Store.Roles(ctx)
}

// CreateBinding gives a user or a group a role or a permission at a path, and
// answers with the binding's id filled in. The binding's User is a subject or a
// username.
func (a *Authority) CreateBinding(ctx context.Context, c *Caller, b access.Binding) (access.Binding, error) {
	if err := a.admit(ctx, c, audit.BindingCreate, b.User+b.Group); err != nil {
		return b, err
	}
	b, err := a.canonicalBinding(ctx, b)
	if err != nil {
		return b, err
	}
	b.ID = uuid.NewString()
	_, err = a.administer(ctx, c, a.bindingAct(audit.BindingCreate, b, AddBinding{b}))
	return b, err
}

// UpdateBinding replaces the binding that has this id.
func (a *Authority) UpdateBinding(ctx context.Context, c *Caller, b access.Binding) (access.Binding, error) {
	if err := a.admit(ctx, c, audit.BindingUpdate, b.User+b.Group); err != nil {
		return b, err
	}
	b, err := a.canonicalBinding(ctx, b)
	if err != nil {
		return b, err
	}
	old, err := a.binding(ctx, b.ID)
	if err != nil {
		return b, err
	}
	change := a.bindingAct(audit.BindingUpdate, b, RemoveBinding{b.ID})
	change.ops = append(change.ops, AddBinding{b})
	change.log = append(change.log, a.bindingCutOff(old))
	_, err = a.administer(ctx, c, change)
	return b, err
}

// RemoveBinding removes a binding.
func (a *Authority) RemoveBinding(ctx context.Context, c *Caller, id string) (Receipt, error) {
	if err := a.admit(ctx, c, audit.BindingRemove, id); err != nil {
		return Receipt{}, err
	}
	b, err := a.binding(ctx, id)
	if err != nil {
		return Receipt{}, err
	}
	return a.administer(ctx, c, a.bindingAct(audit.BindingRemove, b, RemoveBinding{id}))
}

// BindingList gives the bindings that match, to administrators. The query's User
// is a subject or a username.
func (a *Authority) BindingList(ctx context.Context, c *Caller, q BindingQuery) ([]access.Binding, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	if q.User != "" {
		u, err := a.user(ctx, q.User)
		if err != nil {
			return nil, err
		}
		q.User = u.ID
	}
	return a.Store.Bindings(ctx, q)
}

func (a *Authority) bindingAct(action string, b access.Binding, op Op) act {
	return act{
		action: action, target: b.User + b.Group, remark: bindingRemark(b), ops: []Op{op},
		log: []revocation.Entry{a.bindingCutOff(b)},
	}
}

func bindingRemark(b access.Binding) string {
	if b.Permission != nil {
		return b.Permission.Action + " " + string(b.Permission.Path) + " at " + string(b.Path)
	}
	return "role " + b.Role + " at " + string(b.Path)
}

// bindingCutOff says in the log about whom a decision must be made again.
func (a *Authority) bindingCutOff(b access.Binding) revocation.Entry {
	if b.Group != "" {
		return a.cutOff(revocation.Group, b.Group)
	}
	return a.cutOff(revocation.Access, b.User)
}

func (a *Authority) canonicalBinding(ctx context.Context, b access.Binding) (access.Binding, error) {
	if b.User != "" {
		u, err := a.user(ctx, b.User)
		if fault.Is(err, fault.NotFound) {
			return b, fault.New(fault.Invalid, "there is no user %q", b.User).In("user")
		}
		if err != nil {
			return b, err
		}
		b.User = u.ID
	}
	return b.Canonical()
}

func (a *Authority) binding(ctx context.Context, id string) (access.Binding, error) {
	all, err := a.Store.Bindings(ctx, BindingQuery{})
	if err != nil {
		return access.Binding{}, err
	}
	for _, b := range all {
		if b.ID == id {
			return b, nil
		}
	}
	return access.Binding{}, fault.New(fault.NotFound, "there is no such binding")
}

// AuditEvents lists the audit log, to administrators.
func (a *Authority) AuditEvents(ctx context.Context, c *Caller, f audit.Filter) ([]audit.Event, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	f, err := f.Canonical()
	if err != nil {
		return nil, err
	}
	return a.Store.AuditEvents(ctx, f)
}

// newSecret makes a client secret.
func (a *Authority) newSecret() (token.Secret, error) {
	value, _, err := a.Forms.New(token.KindClientSecret)
	return value, err
}

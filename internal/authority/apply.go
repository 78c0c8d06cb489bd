package authority

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
)

// Desired is the state that an access file describes. What it doesn't name is left
// as it is, unless Prune says to remove it.
type Desired struct {
	Collections []Collection
	Roles       []access.Role
	Users       []DesiredUser
	Bindings    []access.Binding // User is a username
	Clients     []NewClient
	Prune       bool
	DryRun      bool
}

// DesiredUser is a user as the file has them. Empty Password and PasswordHash
// leave the password as it is; nil members likewise.
type DesiredUser struct {
	NewUser
	SetDisabled, SetGroups, SetName, SetEmail bool // the file has the member
}

// MistakeError says which element of a list of Desired is wrong.
type MistakeError struct {
	List  string // collections, roles, users, bindings, clients
	Index int
	Err   error
}

// Error gives the list, the position and what is wrong.
func (m *MistakeError) Error() string { return fmt.Sprintf("%s[%d]: %v", m.List, m.Index, m.Err) }

// Unwrap gives what is wrong.
func (m *MistakeError) Unwrap() error { return m.Err }

// Applied is one change that applying made, or would make.
type Applied struct {
	Action string // an audit action
	Target string // as people know it: a username, not a subject
}

// Apply makes the stored state what the file says, in one transaction: all of it
// or nothing. Saying the same twice changes nothing the second time. The error is
// a *MistakeError where one element is wrong.
func (a *Authority) Apply(ctx context.Context, c *Caller, d Desired) ([]Applied, Receipt, error) {
	if err := a.admit(ctx, c, audit.Apply, ""); err != nil {
		return nil, Receipt{}, err
	}
	p, err := a.newPlan(ctx)
	if err != nil {
		return nil, Receipt{}, err
	}
	if err := p.all(ctx, &d); err != nil {
		return nil, Receipt{}, err
	}
	switch {
	case d.DryRun:
		return p.done, Receipt{}, nil
	case len(p.acts) == 0:
		return p.done, Receipt{}, a.settled(ctx, a.waits(ctx))
	}
	r, err := a.administer(ctx, c, p.acts...)
	return p.done, r, err
}

// plan is the difference between what is stored and what is desired, as it grows.
type plan struct {
	*Authority
	collections map[int64]Collection
	roles       map[string]access.Role
	users       map[string]identity.User // by username
	names       map[string]string        // username by subject
	bindings    []access.Binding
	clients     map[string]identity.Client

	acts []act
	done []Applied
}

func (a *Authority) newPlan(ctx context.Context) (*plan, error) {
	p := &plan{
		Authority: a, collections: map[int64]Collection{}, roles: map[string]access.Role{},
		users: map[string]identity.User{}, names: map[string]string{}, clients: map[string]identity.Client{},
	}
	collections, err := a.Store.Collections(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range collections {
		p.collections[n.ID] = n
	}
	roles, err := a.Store.Roles(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range roles {
		p.roles[r.Name] = r
	}
	clients, err := a.Store.Clients(ctx)
	if err != nil {
		return nil, err
	}
	for _, client := range clients {
		p.clients[client.ID] = client
	}
	if p.bindings, err = a.Store.Bindings(ctx, BindingQuery{}); err != nil {
		return nil, err
	}
	return p, p.loadUsers(ctx)
}

func (p *plan) loadUsers(ctx context.Context) error {
	for q := (UserQuery{Limit: 500}); ; {
		page, err := p.Store.Users(ctx, q)
		if err != nil {
			return err
		}
		for _, u := range page.Items {
			p.users[u.Username], p.names[u.ID] = u, u.Username
		}
		if page.Next == "" {
			return nil
		}
		q.After = page.Next
	}
}

// add puts changes on the list.
func (p *plan) add(target string, acts ...act) {
	for _, one := range acts {
		p.acts = append(p.acts, one)
		p.done = append(p.done, Applied{Action: one.action, Target: target})
	}
}

// all plans every list: what others refer to is made first and removed last. Nothing
// refers to a collection but paths, and its name may be given to another.
func (p *plan) all(ctx context.Context, d *Desired) error {
	if d.Prune {
		p.pruneCollections(d)
	}
	steps := []struct {
		list string
		n    int
		one  func(i int) error
	}{
		{"collections", len(d.Collections), func(i int) error { return p.collection(d.Collections[i]) }},
		{"roles", len(d.Roles), func(i int) error { return p.role(d.Roles[i]) }},
		{"users", len(d.Users), func(i int) error { return p.user(ctx, d.Users[i]) }},
		{"bindings", len(d.Bindings), func(i int) error { return p.binding(d, &d.Bindings[i]) }},
		{"clients", len(d.Clients), func(i int) error { return p.client(d.Clients[i]) }},
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
	return nil
}

func (p *plan) collection(n Collection) error {
	if err := n.Validate(); err != nil {
		return err
	}
	old, ok := p.collections[n.ID]
	switch {
	case !ok:
		p.add(n.Name, p.collectionAct(audit.CollectionCreate, n.ID, CreateCollection{n}))
	case old != n:
		p.add(n.Name, act{action: audit.CollectionUpdate, target: n.Name, ops: []Op{UpdateCollection{n}}})
	}
	p.collections[n.ID] = n
	return nil
}

func (p *plan) role(r access.Role) error {
	if err := r.Validate(); err != nil {
		return err
	}
	old, ok := p.roles[r.Name]
	switch {
	case !ok:
		p.add(r.Name, act{action: audit.RoleCreate, target: r.Name, ops: []Op{CreateRole{r}}})
	case !slices.Equal(old.Permissions, r.Permissions):
		p.add(r.Name, p.roleAct(audit.RoleUpdate, r.Name, UpdateRole{r}))
	}
	p.roles[r.Name] = r
	return nil
}

func (p *plan) user(ctx context.Context, n DesiredUser) error {
	old, ok := p.users[n.Username]
	if !ok {
		one, u, err := p.createUserAct(ctx, n.NewUser)
		if err != nil {
			return err
		}
		p.users[u.Username], p.names[u.ID] = u, u.Username
		p.add(u.Username, one)
		return nil
	}
	patch, err := p.userPatch(ctx, old, n)
	if err != nil {
		return err
	}
	acts, u, err := p.updateUserActs(ctx, old, patch)
	if err != nil {
		return err
	}
	p.users[u.Username] = u
	p.add(u.Username, acts...)
	return nil
}

// userPatch is what the file says of a user that isn't so yet. A password equal to
// the stored one is no change.
func (p *plan) userPatch(ctx context.Context, old identity.User, n DesiredUser) (UserPatch, error) {
	var patch UserPatch
	if n.SetName && n.Name != old.Name {
		patch.Name = &n.Name
	}
	if n.SetEmail && n.Email != old.Email {
		patch.Email = &n.Email
	}
	if n.SetGroups && !sameSet(n.Groups, old.Groups) {
		patch.Groups = &n.Groups
	}
	if n.SetDisabled && n.Disabled != old.Disabled {
		patch.Disabled = &n.Disabled
	}
	if n.PasswordHash != "" && n.PasswordHash != old.PasswordHash && n.PasswordHash.Fingerprint() != old.ReplacedHash {
		patch.PasswordHash = &n.PasswordHash
	}
	if n.Password != "" {
		match, err := p.Hasher.Verify(ctx, old.PasswordHash, n.Password.Reveal())
		if err != nil && !fault.Is(err, fault.Invalid) {
			return patch, err
		}
		if !match.OK {
			patch.Password = &n.Password
		}
	}
	return patch, nil
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// binding adds a binding that isn't there. What the same file prunes it can't name.
func (p *plan) binding(d *Desired, b *access.Binding) error {
	if b.User != "" {
		u, ok := p.users[b.User]
		if !ok || d.Prune && !d.hasUser(b.User) {
			return fault.New(fault.Invalid, "there is no user %q", b.User).In("user")
		}
		b.User = u.ID
	}
	if _, ok := p.roles[b.Role]; b.Role != "" && (!ok || d.Prune && !d.hasRole(b.Role)) {
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
	b.ID = uuid.NewString()
	p.bindings = append(p.bindings, *b)
	p.add(p.bindingName(*b), p.bindingAct(audit.BindingCreate, *b, AddBinding{*b}))
	return nil
}

// sameBinding reports whether two bindings give the same to the same.
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
		who = p.names[b.User]
	}
	return who + ": " + bindingRemark(b)
}

func (p *plan) client(n NewClient) error {
	old, ok := p.clients[n.ID]
	if !ok {
		one, client, err := p.createClientAct(n)
		if err == nil {
			p.clients[client.ID] = client
			p.add(client.ID, one)
		}
		return err
	}
	one, client, err := p.updateClientAct(old, n)
	if err != nil {
		return err
	}
	if !sameClient(old, client) {
		p.clients[client.ID] = client
		p.add(client.ID, one)
	}
	return nil
}

func sameClient(a, b identity.Client) bool {
	return slices.Equal(a.SecretDigest, b.SecretDigest) && sameSet(a.Grants, b.Grants) &&
		sameSet(a.Scopes, b.Scopes) && sameSet(a.Audiences, b.Audiences)
}

// prune removes what the file doesn't have. Names are unique in a file, which its
// parser sees to.
func (p *plan) prune(d *Desired) {
	p.pruneBindings(d)
	for _, client := range sorted(p.clients, func(c identity.Client) string { return c.ID }) {
		if !slices.ContainsFunc(d.Clients, func(n NewClient) bool { return n.ID == client.ID }) {
			p.add(client.ID, p.removeClientAct(client.ID))
		}
	}
	for _, u := range sorted(p.users, func(u identity.User) string { return u.Username }) {
		if !d.hasUser(u.Username) {
			p.add(u.Username, p.removeUserAct(u))
		}
	}
	for _, r := range sorted(p.roles, func(r access.Role) string { return r.Name }) {
		if !d.hasRole(r.Name) {
			p.add(r.Name, p.roleAct(audit.RoleRemove, r.Name, RemoveRole{r.Name}))
		}
	}
}

func (d *Desired) hasUser(username string) bool {
	return slices.ContainsFunc(d.Users, func(n DesiredUser) bool { return n.Username == username })
}

func (d *Desired) hasRole(name string) bool {
	return slices.ContainsFunc(d.Roles, func(r access.Role) bool { return r.Name == name })
}

// pruneCollections removes collections, and with each the bindings about it alone:
// where the file has such a binding it is made anew.
func (p *plan) pruneCollections(d *Desired) {
	for _, n := range sorted(p.collections, func(n Collection) string { return n.Name }) {
		if slices.ContainsFunc(d.Collections, func(have Collection) bool { return have.ID == n.ID }) {
			continue
		}
		p.add(n.Name, p.removeCollectionAct(n.ID))
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

func (p *plan) pruneBindings(d *Desired) {
	for _, b := range p.bindings {
		if !slices.ContainsFunc(d.Bindings, func(want access.Binding) bool { return sameBinding(want, b) }) {
			p.add(p.bindingName(b), p.bindingAct(audit.BindingRemove, b, RemoveBinding{b.ID}))
		}
	}
}

func sorted[K comparable, V any](m map[K]V, name func(V) string) []V {
	all := make([]V, 0, len(m))
	for _, v := range m {
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b V) int { return strings.Compare(name(a), name(b)) })
	return all
}

package apply

import (
	"context"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records/op"
)

// userPlan plans the changes of users.
type userPlan struct {
	*plan

	desired *Desired
	stored  []string        // the subject of each user of the file; "" of those who are new
	files   map[string]bool // the external ids in the file
}

// resolve finds the stored user for each user of the file, and plans what must come
// before any user is created or renamed: pruned users are removed, and users whose names
// others get are renamed.
//
// Users of a source are identified by the external id: so a rename is seen as one, and a
// new user with the name of a removed one is a different user. Without a source they are
// identified by the name.
func (p *plan) resolve(d *Desired) (*userPlan, error) {
	users := &userPlan{plan: p, desired: d, stored: make([]string, len(d.Users)), files: map[string]bool{}}
	if err := users.identify(); err != nil {
		return nil, err
	}
	if d.Prune {
		users.pruneUsers()
	}
	users.stepAside()
	return users, nil
}

// identify finds the stored user for each user of the file.
func (p *userPlan) identify() error {
	d := p.desired
	seen := map[string]int{}
	for i, n := range d.Users {
		if n.ExternalID != "" && p.files[n.ExternalID] {
			return mistake(i, fault.New(fault.Invalid, "the external id %q is listed twice", n.ExternalID).In("external_id"))
		}
		p.files[n.ExternalID] = true
		p.stored[i] = p.people.linked[n.ExternalID]
		if p.stored[i] == "" {
			continue
		}
		if u := p.people.users[p.stored[i]]; u.Owner != p.source && !p.adopts(u) {
			return mistake(i, errNotOwned(p.source, u))
		}
	}
	for i, n := range d.Users {
		if p.stored[i] == "" {
			var err error
			if p.stored[i], err = p.byName(n); err != nil {
				return mistake(i, err)
			}
		}
		folded := identity.FoldName(n.Username)
		if first, twice := seen[folded]; twice && !p.apart(first, i) {
			return mistake(i, fault.New(fault.Conflict, "the username %q is the same name as %q, which comes before it", n.Username, d.Users[first].Username).In("username"))
		}
		seen[folded] = i
	}
	return nil
}

func mistake(user int, err error) error { return &MistakeError{List: "users", Index: user, Err: err} }

// apart reports whether two users of the file whose names are the same are stored as two
// users: an earlier version took the names for different ones.
func (p *userPlan) apart(one, other int) bool {
	spelled := func(i int) bool { return p.people.users[p.stored[i]].Username == p.desired.Users[i].Username }
	return p.stored[one] != "" && p.stored[other] != "" && p.stored[one] != p.stored[other] && spelled(one) && spelled(other)
}

// byName returns the stored user with the name of a user of the file; "" when there is
// none. A source finds only users whom it owns and hasn't linked yet.
func (p *userPlan) byName(n DesiredUser) (string, error) {
	u, ok := p.people.find(n.Username)
	if !ok || p.source == "" {
		return u.ID, nil
	}
	switch external := p.people.externalID(u.ID); {
	case u.Owner != p.source && !p.adopts(u):
		return "", errNotOwned(p.source, u)
	case external == "" || n.ExternalID == "":
		return u.ID, nil
	case p.files[external] || p.desired.Prune:
		return "", nil // they get another name, or are removed
	default:
		return "", fault.New(fault.Conflict, "the username is that of the user with the external id %q, who isn't in the file: --prune would remove them", external).In("username")
	}
}

// adopts reports whether the source takes over a user whom it doesn't own.
func (p *userPlan) adopts(u identity.User) bool { return p.desired.Adopt && u.Owner == "" }

func errNotOwned(source string, u identity.User) error {
	if u.Owner == "" {
		return fault.New(fault.Conflict, "the user %q exists and is not of the source %q: --adopt would take them over", u.Username, source).In("username")
	}
	return fault.New(fault.Conflict, "the user %q is of the source %q, not of %q", u.Username, u.Owner, source).In("username")
}

// pruneUsers removes the users whom the file doesn't have, with their bindings: those of
// the source or, without one, those of nobody.
func (p *userPlan) pruneUsers() {
	for _, u := range sorted(p.people.users, func(u identity.User) string { return u.Username }) {
		if u.Owner != p.source || slices.Contains(p.stored, u.ID) {
			continue
		}
		p.bindings = slices.DeleteFunc(p.bindings, func(b access.Binding) bool {
			if b.User != u.ID {
				return false
			}
			p.add(p.bindingName(b), p.editor.RemoveBinding(b))
			return true
		})
		p.add(u.Username, p.editor.RemoveUser(u))
		p.people.frees(u)
		delete(p.people.users, u.ID)
	}
}

// stepAside frees the names of users who get another one. If another user gets such a
// name in the same transaction, its holder gets a temporary name in between, which nobody
// ever sees.
func (p *userPlan) stepAside() {
	wanted := map[string]bool{}
	for _, n := range p.desired.Users {
		wanted[identity.FoldName(n.Username)] = true
	}
	for i, n := range p.desired.Users {
		old, ok := p.people.users[p.stored[i]]
		if !ok || identity.SameName(old.Username, n.Username) {
			continue
		}
		p.people.frees(old)
		if wanted[identity.FoldName(old.Username)] {
			between := old.ID
			p.first = append(p.first, op.UpdateUser{ID: old.ID, Username: &between})
		}
	}
}

// user plans the changes that make the stored user equal to the one in the file.
func (p *userPlan) user(ctx context.Context, i int) error {
	n := p.desired.Users[i]
	old, stored := p.people.users[p.stored[i]]
	if err := p.checkSource(n); err != nil {
		return err
	}
	if !stored || n.Username != old.Username {
		for _, id := range p.people.named[identity.FoldName(n.Username)] {
			if id != old.ID {
				return fault.New(fault.Conflict, "the username is that of the user %q", p.people.users[id].Username).In("username")
			}
		}
	}
	if !stored {
		return p.newUser(ctx, n)
	}
	patch, err := p.update(ctx, old, n)
	if err != nil {
		return err
	}
	list, u, err := p.editor.UpdateUser(ctx, old, patch)
	if err != nil {
		return err
	}
	p.people.frees(old)
	p.people.has(u)
	p.add(u.Username, list...)
	p.link(n, u)
	return nil
}

func (p *userPlan) newUser(ctx context.Context, n DesiredUser) error {
	creation, u, err := p.editor.CreateUser(ctx, n.NewUser, changes.BySource{Name: p.source, PasswordChangedAt: n.PasswordChangedAt})
	if err != nil {
		return err
	}
	p.people.has(u)
	p.add(u.Username, creation)
	p.link(n, u)
	return nil
}

// checkSource refuses members that only a source may set.
func (p *userPlan) checkSource(n DesiredUser) error {
	switch {
	case p.source == "" && n.ExternalID != "":
		return fault.New(fault.Invalid, "external_id is for the users of a source: --source NAME says which").In("external_id")
	case p.source == "" && !n.PasswordChangedAt.IsZero():
		return fault.New(fault.Invalid, "password_changed_at is for the users of a source: --source NAME says which").In("password_changed_at")
	case n.ExternalID == "":
		return nil
	}
	return changes.ValidateExternalID(n.ExternalID)
}

// link plans the link of a user of the source, where it isn't stored. It is part of the
// change before it or, of a user who is the same otherwise, a change by itself.
func (p *userPlan) link(n DesiredUser, u identity.User) {
	if n.ExternalID == "" || p.people.linked[n.ExternalID] == u.ID {
		return
	}
	p.people.linked[n.ExternalID] = u.ID
	link := p.editor.Link(u, p.source, n.ExternalID)
	if last := len(p.changes) - 1; last >= 0 && p.changes[last].Target == u.ID {
		p.changes[last].Ops = append(p.changes[last].Ops, link.Ops...)
		return
	}
	p.add(u.Username, link)
}

// update returns what the file says of a user and is not stored yet. A password
// that matches the stored hash is no change.
func (p *userPlan) update(ctx context.Context, old identity.User, n DesiredUser) (changes.UserUpdate, error) {
	var patch changes.UserUpdate
	if n.Username != old.Username {
		patch.Username = &n.Username
	}
	if n.SetName && n.Name != old.Name {
		patch.Name = &n.Name
	}
	if n.SetEmail && n.Email != old.Email {
		patch.Email = &n.Email
	}
	if n.SetGroups {
		// Memberships that others have set stay.
		own := slices.DeleteFunc(slices.Clone(n.Groups), func(g string) bool {
			return slices.Contains(old.Groups, g) && old.SetBy[g] != p.source
		})
		if !changes.SameSet(own, old.GroupsSetBy(p.source)) {
			patch.Groups, patch.GroupsOf = &own, &p.source
		}
	}
	if n.SetDisabled && n.Disabled != old.Disabled {
		patch.Disabled = &n.Disabled
	}
	if p.source != "" && old.Owner != p.source {
		patch.Owner = &p.source
	}
	if (n.SetPasswordHash || n.PasswordHash != "") && n.PasswordHash != old.PasswordHash && n.PasswordHash.Fingerprint() != old.ReplacedHash {
		patch.PasswordHash = &n.PasswordHash
	}
	if n.Password != "" {
		same, err := p.editor.Matches(ctx, old.PasswordHash, n.Password)
		if err != nil {
			return patch, err
		}
		if !same {
			patch.Password = &n.Password
		}
	}
	p.judgePassword(&patch, old, n)
	return patch, nil
}

// judgePassword decides whether a source's new hash revokes everything of the user. A
// system may write another hash of the same password whenever it likes, so a new hash by
// itself ends nothing; a password that was changed later than bearerd knows does, and so
// does a password in clear that isn't the stored one.
func (p *userPlan) judgePassword(patch *changes.UserUpdate, old identity.User, n DesiredUser) {
	if p.source == "" {
		return
	}
	patch.BySource = true
	patch.SameSecret = patch.PasswordHash != nil && !p.desired.RevokeOnNewHash
	at := n.PasswordChangedAt.UTC().Truncate(time.Microsecond)
	if !at.After(old.PasswordChangedAt) {
		return
	}
	patch.PasswordChangedAt = &at
	patch.NewSecret = !old.PasswordChangedAt.IsZero() || patch.PasswordHash != nil
}

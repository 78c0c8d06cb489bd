package directory

import (
	"context"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
)

// resolve finds whom each user of the file is among those who are stored, and plans what
// must come before any user is created or renamed: those go who are pruned, and those
// whose names others get step aside.
//
// Of a source, a user is who has the external id; so a rename is seen as one, and somebody
// new with the name of somebody who is gone is somebody else. Without a source a user is
// who has the name.
func (p *plan) resolve(d *Desired) error {
	p.stored = make([]string, len(d.Users))
	seen, ids := map[string]int{}, map[string]bool{}
	for i, n := range d.Users {
		if n.ExternalID != "" && ids[n.ExternalID] {
			return mistake(i, fault.New(fault.Invalid, "the external id %q stands twice", n.ExternalID).In("external_id"))
		}
		ids[n.ExternalID] = true
		p.stored[i] = p.linked[n.ExternalID]
		if p.stored[i] == "" {
			continue
		}
		if u := p.users[p.stored[i]]; u.Owner != p.source && !p.adopts(d, u) {
			return mistake(i, errNotOwned(p.source, u))
		}
	}
	p.files = ids
	for i, n := range d.Users {
		if p.stored[i] == "" {
			var err error
			if p.stored[i], err = p.byName(d, n); err != nil {
				return mistake(i, err)
			}
		}
		folded := identity.FoldName(n.Username)
		if first, twice := seen[folded]; twice && !p.apart(d, first, i) {
			return mistake(i, fault.New(fault.Conflict, "the username %q is the same name as %q, which stands before", n.Username, d.Users[first].Username).In("username"))
		}
		seen[folded] = i
	}
	if d.Prune {
		p.pruneUsers()
	}
	p.stepAside(d)
	return nil
}

func mistake(user int, err error) error { return &MistakeError{List: "users", Index: user, Err: err} }

// apart reports whether two users of the file are stored as two, by names that are the
// same one: an earlier version took them for different ones.
func (p *plan) apart(d *Desired, one, other int) bool {
	spelled := func(i int) bool { return p.users[p.stored[i]].Username == d.Users[i].Username }
	return p.stored[one] != "" && p.stored[other] != "" && p.stored[one] != p.stored[other] && spelled(one) && spelled(other)
}

// byName returns the stored user whom a user of the file is by their name; "" when the
// file's user is somebody new. A source finds those whom it owns and hasn't linked yet.
func (p *plan) byName(d *Desired, n DesiredUser) (string, error) {
	u, ok := p.find(n.Username)
	if !ok || p.source == "" {
		return u.ID, nil
	}
	switch external := p.externalID(u.ID); {
	case u.Owner != p.source && !p.adopts(d, u):
		return "", errNotOwned(p.source, u)
	case external == "" || n.ExternalID == "":
		return u.ID, nil
	case p.files[external] || d.Prune:
		return "", nil // they get another name, or go
	default:
		return "", fault.New(fault.Conflict, "the username is that of the user with the external id %q, who isn't in the file: --prune would remove them", external).In("username")
	}
}

// adopts reports whether the source takes over a user whom it doesn't own.
func (p *plan) adopts(d *Desired, u identity.User) bool { return d.Adopt && u.Owner == "" }

func errNotOwned(source string, u identity.User) error {
	if u.Owner == "" {
		return fault.New(fault.Conflict, "the user %q exists and is not of the source %q: --adopt would take them over", u.Username, source).In("username")
	}
	return fault.New(fault.Conflict, "the user %q is of the source %q, not of %q", u.Username, u.Owner, source).In("username")
}

// find returns the user who has a name, in any spelling that is theirs alone.
func (p *plan) find(name string) (identity.User, bool) {
	ids := p.named[identity.FoldName(name)]
	if len(ids) == 1 {
		u := p.users[ids[0]]
		return u, !p.twins[u.ID] || u.Username == name
	}
	for _, id := range ids {
		if u := p.users[id]; u.Username == name {
			return u, true
		}
	}
	return identity.User{}, false
}

func (p *plan) externalID(subject string) string {
	for external, id := range p.linked {
		if id == subject {
			return external
		}
	}
	return ""
}

// has notes a user who is stored or planned.
func (p *plan) has(u identity.User) {
	folded := identity.FoldName(u.Username)
	if !slices.Contains(p.named[folded], u.ID) {
		p.named[folded] = append(p.named[folded], u.ID)
	}
	p.users[u.ID] = u
}

// frees takes a user's name from them.
func (p *plan) frees(u identity.User) {
	folded := identity.FoldName(u.Username)
	p.named[folded] = slices.DeleteFunc(p.named[folded], func(id string) bool { return id == u.ID })
}

// pruneUsers removes the users whom the file doesn't have, with their bindings: those of
// the source or, without one, those of nobody.
func (p *plan) pruneUsers() {
	for _, u := range sorted(p.users, func(u identity.User) string { return u.Username }) {
		if u.Owner != p.source || slices.Contains(p.stored, u.ID) {
			continue
		}
		p.bindings = slices.DeleteFunc(p.bindings, func(b access.Binding) bool {
			if b.User != u.ID {
				return false
			}
			p.add(p.bindingName(b), p.editor.removeBinding(b))
			return true
		})
		p.add(u.Username, p.editor.removeUser(u))
		p.frees(u)
		delete(p.users, u.ID)
	}
}

// stepAside frees the names of those who get another one. Where that of one of them is to
// be somebody else's at once, its holder has a name in between that is nobody's; nobody
// ever sees it.
func (p *plan) stepAside(d *Desired) {
	wanted := map[string]bool{}
	for _, n := range d.Users {
		wanted[identity.FoldName(n.Username)] = true
	}
	for i, n := range d.Users {
		old, ok := p.users[p.stored[i]]
		if !ok || identity.SameName(old.Username, n.Username) {
			continue
		}
		p.frees(old)
		if wanted[identity.FoldName(old.Username)] {
			between := old.ID
			p.first = append(p.first, records.UpdateUser{ID: old.ID, Username: &between})
		}
	}
}

// user plans what makes a user of the file the stored one.
func (p *plan) user(ctx context.Context, d *Desired, i int) error {
	n := d.Users[i]
	old, stored := p.users[p.stored[i]]
	if err := p.checkSource(n); err != nil {
		return err
	}
	if !stored || n.Username != old.Username {
		for _, id := range p.named[identity.FoldName(n.Username)] {
			if id != old.ID {
				return fault.New(fault.Conflict, "the username is that of the user %q", p.users[id].Username).In("username")
			}
		}
	}
	if !stored {
		return p.newUser(ctx, n)
	}
	patch, err := p.userPatch(ctx, d, old, n)
	if err != nil {
		return err
	}
	changes, u, err := p.editor.updateUser(ctx, old, patch)
	if err != nil {
		return err
	}
	p.frees(old)
	p.has(u)
	p.add(u.Username, changes...)
	p.link(n, u)
	return nil
}

func (p *plan) newUser(ctx context.Context, n DesiredUser) error {
	n.fromSource = fromSource{bySource: p.source != "", owner: p.source, passwordChangedAt: n.PasswordChangedAt}
	creation, u, err := p.editor.createUser(ctx, n.NewUser)
	if err != nil {
		return err
	}
	p.has(u)
	p.add(u.Username, creation)
	p.link(n, u)
	return nil
}

// checkSource refuses what only a source may say.
func (p *plan) checkSource(n DesiredUser) error {
	switch {
	case p.source == "" && n.ExternalID != "":
		return fault.New(fault.Invalid, "external_id is for the users of a source: --source NAME says which").In("external_id")
	case p.source == "" && !n.PasswordChangedAt.IsZero():
		return fault.New(fault.Invalid, "password_changed_at is for the users of a source: --source NAME says which").In("password_changed_at")
	case n.ExternalID == "":
		return nil
	}
	return ValidateExternalID(n.ExternalID)
}

// link plans the link of a user of the source, where it isn't stored. It is part of the
// change before it or, of a user who is the same otherwise, a change by itself.
func (p *plan) link(n DesiredUser, u identity.User) {
	if n.ExternalID == "" || p.linked[n.ExternalID] == u.ID {
		return
	}
	p.linked[n.ExternalID] = u.ID
	op := records.AddLink{Link: records.Link{Source: p.source, ExternalID: n.ExternalID, UserID: u.ID, LinkedAt: p.editor.journal.Now()}}
	if last := len(p.changes) - 1; last >= 0 && p.changes[last].target == u.ID {
		p.changes[last].ops = append(p.changes[last].ops, op)
		return
	}
	p.add(u.Username, change{action: audit.UserLink, target: u.ID, name: u.Username, remark: linkRemark(p.source, n.ExternalID), ops: []records.Op{op}})
}

// userPatch returns what the file says of a user and is not stored yet. A password
// that matches the stored hash is no change.
func (p *plan) userPatch(ctx context.Context, d *Desired, old identity.User, n DesiredUser) (UserPatch, error) {
	var patch UserPatch
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
		// Memberships that others set are theirs.
		own := slices.DeleteFunc(slices.Clone(n.Groups), func(g string) bool {
			return slices.Contains(old.Groups, g) && old.SetBy[g] != p.source
		})
		if !sameSet(own, old.GroupsSetBy(p.source)) {
			patch.Groups, patch.groupsOf = &own, &p.source
		}
	}
	if n.SetDisabled && n.Disabled != old.Disabled {
		patch.Disabled = &n.Disabled
	}
	if p.source != "" && old.Owner != p.source {
		patch.owner = &p.source
	}
	if (n.SetPasswordHash || n.PasswordHash != "") && n.PasswordHash != old.PasswordHash && n.PasswordHash.Fingerprint() != old.ReplacedHash {
		patch.PasswordHash = &n.PasswordHash
	}
	if n.Password != "" {
		match, err := p.editor.hasher.Verify(ctx, old.PasswordHash, n.Password.Reveal())
		if err != nil && !fault.Is(err, fault.Invalid) {
			return patch, err
		}
		if !match.OK {
			patch.Password = &n.Password
		}
	}
	p.judgePassword(d, &patch, old, n)
	return patch, nil
}

// judgePassword decides what a source's new hash ends. A system may write another hash of
// the same password whenever it likes, so a new hash by itself ends nothing; a password
// that was changed later than bearerd knows does, and so does a password in clear that
// isn't the stored one.
func (p *plan) judgePassword(d *Desired, patch *UserPatch, old identity.User, n DesiredUser) {
	if p.source == "" {
		return
	}
	patch.bySource = true
	patch.sameSecret = patch.PasswordHash != nil && !d.RevokeOnNewHash
	at := n.PasswordChangedAt.UTC().Truncate(time.Microsecond)
	if !at.After(old.PasswordChangedAt) {
		return
	}
	patch.passwordChangedAt = &at
	patch.newSecret = !old.PasswordChangedAt.IsZero() || patch.PasswordHash != nil
}

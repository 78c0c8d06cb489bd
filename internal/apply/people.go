package apply

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
)

// people are the users who are stored, with those who are planned.
type people struct {
	users  map[string]identity.User // by subject
	named  map[string][]string      // subjects by the folded name
	twins  map[string]bool          // subjects of those who shared their folded name when they were read
	linked map[string]string        // subjects by the external id that the source has for them
}

// usersPerPage is how many users are read at a time.
const usersPerPage = 500

// readPeople reads every user, and the links of a source; "": no source.
func readPeople(ctx context.Context, store Store, source string) (*people, error) {
	p := &people{users: map[string]identity.User{}, named: map[string][]string{}, twins: map[string]bool{}, linked: map[string]string{}}
	for q := (records.UserQuery{Limit: usersPerPage}); ; {
		page, err := store.Users(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Items {
			p.has(u)
		}
		if page.Next == "" {
			break
		}
		q.After = page.Next
	}
	for _, ids := range p.named {
		for _, id := range ids {
			p.twins[id] = len(ids) > 1
		}
	}
	if source == "" {
		return p, nil
	}
	links, err := store.Links(ctx, records.LinkQuery{Source: source})
	for _, l := range links {
		p.linked[l.ExternalID] = l.UserID
	}
	return p, err
}

// find returns the user who has a name, in any spelling that is theirs alone.
func (p *people) find(name string) (identity.User, bool) {
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

// externalID returns the external id that the source has for a user; "": none.
func (p *people) externalID(subject string) string {
	for external, id := range p.linked {
		if id == subject {
			return external
		}
	}
	return ""
}

// has notes a user who is stored or planned.
func (p *people) has(u identity.User) {
	folded := identity.FoldName(u.Username)
	if !slices.Contains(p.named[folded], u.ID) {
		p.named[folded] = append(p.named[folded], u.ID)
	}
	p.users[u.ID] = u
}

// frees makes the name of a user free for another one.
func (p *people) frees(u identity.User) {
	folded := identity.FoldName(u.Username)
	p.named[folded] = slices.DeleteFunc(p.named[folded], func(id string) bool { return id == u.ID })
}

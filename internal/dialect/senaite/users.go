package senaite

import (
	"context"
	"net/http"
	"slices"

	"github.com/bearerd/bearerd/internal/verification"

	"github.com/bearerd/bearerd/internal/caller"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// user is a user as the original shows one.
type user struct {
	ID            string   `json:"id"`
	Username      string   `json:"username"`
	FullName      string   `json:"fullname"`
	Email         string   `json:"email"`
	Roles         []string `json:"roles"`
	Groups        []string `json:"groups"`
	Authenticated bool     `json:"authenticated"` // it is the caller
	URL           string   `json:"api_url"`
}

// current is the name for the caller in a path.
const current = "current"

// Roles that the original's clients know.
const (
	roleAnonymous     = "Anonymous"
	roleAuthenticated = "Authenticated"
	roleMember        = "Member"
	roleManager       = "Manager"
)

// groupEverybody is the group that the original puts every user into.
const groupEverybody = "AuthenticatedUsers"

// anonymous is the user that an anonymous caller sees.
func (d *Dialect) anonymous() user {
	return user{
		Username: "Anonymous User", Roles: []string{roleAnonymous}, Groups: []string{}, URL: d.userURL(current),
	}
}

// userOf shows a user to a caller.
func (d *Dialect) userOf(u *verification.Subject, c *caller.Caller) user {
	return user{
		ID: u.Username, Username: u.Username, FullName: u.Name, Email: u.Email, Roles: rolesOf(u),
		Groups: append(slices.Clone(u.Groups), groupEverybody), Authenticated: u.ID == c.ID(), URL: d.userURL(u.Username),
	}
}

// rolesOf returns the roles of the user's grants, on any path. Manager is the original's
// role of an administrator.
func rolesOf(s *verification.Subject) []string {
	roles := []string{roleAuthenticated, roleMember}
	if s.May(access.Any, access.Root).Allowed {
		roles = append(roles, roleManager)
	}
	for _, g := range s.Grants {
		if g.Role != "" {
			roles = append(roles, g.Role)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// authenticated is the response to a caller who is logged in.
type authenticated struct {
	Runtime float64 `json:"_runtime"`
}

// auth serves /auth, which reports whether the caller is logged in.
func (d *Dialect) auth(w http.ResponseWriter, r *http.Request) error {
	start := d.Now()
	v, err := d.visitor(r)
	if err != nil {
		return err
	}
	if v.Caller == nil {
		return fault.New(fault.Unauthenticated, "log in first")
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, authenticated{d.since(start)})
}

// list shows all users to an administrator, and to others only themselves.
func (d *Dialect) list(w http.ResponseWriter, r *http.Request) error {
	return d.show(w, r, func(v visitor, b batch) (page, error) { return d.everybody(r.Context(), v.Caller, b) })
}

// one shows one user: any user to an administrator, and to others only themselves,
// whichever name they ask for.
func (d *Dialect) one(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	return d.show(w, r, func(v visitor, b batch) (page, error) {
		if name == current {
			return d.self(v.Caller, b)
		}
		p, err := d.Directory.UserSubject(r.Context(), v.Caller, name)
		if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.InsufficientScope) {
			return d.self(v.Caller, b)
		}
		if err != nil {
			return page{}, err
		}
		return d.single(d.userOf(p, v.Caller), b), nil
	})
}

// show responds with a page of users. An anonymous caller sees the anonymous user,
// whichever name they ask for.
func (d *Dialect) show(w http.ResponseWriter, r *http.Request, find func(visitor, batch) (page, error)) error {
	start := d.Now()
	v, err := d.visitor(r)
	if err != nil {
		return err
	}
	b, err := readBatch(r)
	if err != nil {
		return err
	}
	var shown page
	if v.Caller == nil {
		shown = d.single(d.anonymous(), b)
	} else if shown, err = find(v, b); err != nil {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, d.answer(r, b, shown, start))
}

// self returns a page with the caller.
func (d *Dialect) self(c *caller.Caller, b batch) (page, error) {
	if c.Subject.Client {
		return page{}, fault.New(fault.Forbidden, "the token was issued to a client, not to a user")
	}
	return d.single(d.userOf(c.Subject, c), b), nil
}

// usersAtOnce is how many users are read from the store at a time.
const usersAtOnce = 1000

// everybody returns a batch of all users, or only the caller, if they may not see others.
func (d *Dialect) everybody(ctx context.Context, c *caller.Caller, b batch) (page, error) {
	var names []string
	count := 0
	q := records.UserQuery{Limit: usersAtOnce}
	for more := true; more; more = q.After != "" {
		users, err := d.Directory.UserList(ctx, c, q)
		if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.InsufficientScope) {
			return d.self(c, b)
		}
		if err != nil {
			return page{}, err
		}
		for _, u := range users.Items {
			if b.holds(count) {
				names = append(names, u.Username)
			}
			count++
		}
		q.After = users.Next
	}
	items := make([]user, 0, len(names))
	for _, name := range names {
		p, err := d.Directory.UserSubject(ctx, c, name)
		if fault.Is(err, fault.NotFound) {
			continue // removed in between
		}
		if err != nil {
			return page{}, err
		}
		items = append(items, d.userOf(p, c))
	}
	return page{items: items, count: count}, nil
}

// rotated is the response to a rotated secret.
type rotated struct {
	URL     string  `json:"url"`
	Success bool    `json:"success"`
	Runtime float64 `json:"_runtime"`
}

// rotateSecret revokes every token of a user: the caller's own, or another user's if the
// caller may.
func (d *Dialect) rotateSecret(w http.ResponseWriter, r *http.Request) error {
	start := d.Now()
	v, err := d.visitor(r)
	if err != nil {
		return err
	}
	if err := d.mayChange(r, v); err != nil {
		return err
	}
	name := r.PathValue("name")
	if name == current {
		name = v.ID()
	}
	if _, err := d.Revoker.RevokeAllOf(r.Context(), v.Caller, name); err != nil {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, rotated{URL: d.userURL(r.PathValue("name")), Success: true, Runtime: d.since(start)})
}

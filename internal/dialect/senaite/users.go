package senaite

import (
	"context"
	"net/http"
	"slices"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/verification"
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

// users are the endpoints about users.
type users struct {
	site

	directory *directory.Directory
	revoker   *revoking.Revoker
}

// list shows all users to an administrator, and to others only themselves.
func (e users) list(w http.ResponseWriter, r *http.Request) error {
	return e.show(w, r, func(v visitor, b batch) (page, error) { return e.everybody(r.Context(), v.Caller, b) })
}

// one shows one user: any user to an administrator, and to others only themselves,
// whichever name they ask for.
func (e users) one(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	return e.show(w, r, func(v visitor, b batch) (page, error) {
		if name == current {
			return e.self(v.Caller, b)
		}
		p, err := e.directory.UserSubject(r.Context(), v.Caller, name)
		if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.InsufficientScope) {
			return e.self(v.Caller, b)
		}
		if err != nil {
			return page{}, err
		}
		return single(e.userOf(p, v.Caller), b), nil
	})
}

// show responds with a page of users. An anonymous caller sees the anonymous user,
// whichever name they ask for.
func (e users) show(w http.ResponseWriter, r *http.Request, find func(visitor, batch) (page, error)) error {
	start := e.now()
	v, err := e.visitor(r)
	if err != nil {
		return err
	}
	b, err := readBatch(r)
	if err != nil {
		return err
	}
	var shown page
	if v.Caller == nil {
		shown = single(e.anonymous(), b)
	} else if shown, err = find(v, b); err != nil {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, e.answer(r, b, shown, start))
}

// self returns a page with the caller.
func (e users) self(c *caller.Caller, b batch) (page, error) {
	if c.Subject.Client {
		return page{}, fault.New(fault.Forbidden, "the token was issued to a client, not to a user")
	}
	return single(e.userOf(c.Subject, c), b), nil
}

// usersAtOnce is how many users are read from the store at a time.
const usersAtOnce = 1000

// everybody returns a batch of all users, or only the caller, if they may not see others.
func (e users) everybody(ctx context.Context, c *caller.Caller, b batch) (page, error) {
	var names []string
	count := 0
	q := records.UserQuery{Limit: usersAtOnce}
	for more := true; more; more = q.After != "" {
		list, err := e.directory.UserList(ctx, c, q)
		if fault.Is(err, fault.Forbidden) || fault.Is(err, fault.InsufficientScope) {
			return e.self(c, b)
		}
		if err != nil {
			return page{}, err
		}
		for _, u := range list.Items {
			if b.holds(count) {
				names = append(names, u.Username)
			}
			count++
		}
		q.After = list.Next
	}
	items := make([]user, 0, len(names))
	for _, name := range names {
		p, err := e.directory.UserSubject(ctx, c, name)
		if fault.Is(err, fault.NotFound) {
			continue // removed in between
		}
		if err != nil {
			return page{}, err
		}
		items = append(items, e.userOf(p, c))
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
func (e users) rotateSecret(w http.ResponseWriter, r *http.Request) error {
	start := e.now()
	v, err := e.visitor(r)
	if err != nil {
		return err
	}
	if err := e.mayChange(r, v); err != nil {
		return err
	}
	name := r.PathValue("name")
	if name == current {
		name = v.ID()
	}
	if _, err := e.revoker.RevokeAllOf(r.Context(), v.Caller, name); err != nil {
		return err
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, rotated{URL: e.userURL(r.PathValue("name")), Success: true, Runtime: e.since(start)})
}

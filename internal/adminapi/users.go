package adminapi

import (
	"net/http"
	"slices"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
)

// User is a user as administrators see them.
type User struct {
	person
	Owner string `json:"owner"`
}

// person is a user as they see themselves.
type person struct {
	ID       string   `json:"id"`
	Username string   `json:"username"`
	Name     string   `json:"name"`
	Email    string   `json:"email"`
	Groups   []string `json:"groups"`
	Disabled bool     `json:"disabled"`
}

// UserOf returns a user as they are shown.
func UserOf(u identity.User) User {
	return User{
		person: person{ID: u.ID, Username: u.Username, Name: u.Name, Email: u.Email, Groups: some(u.Groups), Disabled: u.Disabled},
		Owner:  u.Owner,
	}
}

// userFields are what both a new user and a change may have.
type userFields struct {
	Password *string   `json:"password"`
	Name     *string   `json:"name"`
	Email    *string   `json:"email"`
	Groups   *[]string `json:"groups"`
	Disabled *bool     `json:"disabled"`
}

// userPatch is a change of a user; what isn't named stays.
type userPatch struct {
	Username *string `json:"username"`
	userFields
}

// newUser is a user to be created. Without a password, they can't sign in by one.
type newUser struct {
	Username string `json:"username"`
	userFields
}

func (n newUser) user() (identity.NewUser, error) {
	u := identity.NewUser{
		Username: n.Username, Name: value(n.Name), Email: value(n.Email),
		Groups: value(n.Groups), Disabled: value(n.Disabled),
	}
	if n.Password == nil {
		return u, nil
	}
	u.Password = token.Secret(*n.Password)
	return u, passhash.CheckBounds(*n.Password)
}

// users are the endpoints of users, and of what they may do.
type users struct {
	directory *directory.Directory
	revoker   *revoking.Revoker
}

func (e users) routes() []route {
	mayRead := mayReadUser(e.directory)
	return []route{
		{"GET", "/users", e.list, "search disabled sort total " + paging, administrator},
		{"POST", "/users", e.create, "", mayDo(e.directory, audit.UserCreate)},
		{"GET", "/users/{id}", e.read, "", mayRead},
		{"PATCH", "/users/{id}", e.update, "wait", mayDo(e.directory, audit.UserUpdate)},
		{"DELETE", "/users/{id}", revokes(func() operation { return e.directory.RemoveUser }), "wait", mayDo(e.directory, audit.UserRemove)},
		{"POST", "/users/{id}/revoke-all", revokes(func() operation { return e.revoker.RevokeAllOf }), "wait", e.mayRevoke},
		{"GET", "/users/{id}/access", e.access, "", mayRead},
		{"DELETE", "/users/{id}/access", e.removeAccess, "path wait", mayDo(e.directory, audit.UserAccess)},
	}
}

func (e users) mayRevoke(r *request) error {
	return e.revoker.MayRevokeAllOf(r.Context(), r.caller, r.id)
}

func (e users) list(w http.ResponseWriter, r *request) error {
	q := records.UserQuery{Search: r.query.get("search"), After: r.query.get("cursor")}
	var err error
	if q.Limit, err = r.query.limit(); err != nil {
		return err
	}
	if r.query.get("disabled") != "" {
		disabled, err := r.query.flag("disabled")
		if err != nil {
			return err
		}
		q.Disabled = &disabled
	}
	switch r.query.get("sort") {
	case "", "username":
	case "-username":
		q.Descending = true
	default:
		return fault.New(fault.Invalid, "the parameter \"sort\" must be username or -username").In("sort")
	}
	counted, err := r.query.flag("total")
	if err != nil {
		return err
	}
	page, err := e.directory.UserList(r.Context(), r.caller, q)
	if err != nil {
		return err
	}
	out := countedList[User]{list: listOf(page.Items, page.Next, UserOf)}
	if counted {
		n, err := e.directory.UserTotal(r.Context(), r.caller, q)
		if err != nil {
			return err
		}
		out.Total = &total{n.Count, n.More}
	}
	return httpkit.WriteJSON(w, http.StatusOK, out)
}

func (e users) create(w http.ResponseWriter, r *request) error {
	var body newUser
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	n, err := body.user()
	if err != nil {
		return err
	}
	made, err := e.directory.CreateUser(r.Context(), r.caller, n)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusCreated, UserOf(made))
}

func (e users) read(w http.ResponseWriter, r *request) error {
	u, err := e.directory.User(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, UserOf(u))
}

func (e users) update(w http.ResponseWriter, r *request) error {
	var body userPatch
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	u, err := e.directory.UpdateUser(r.Context(), r.caller, r.id, identity.UserPatch{
		Username: body.Username, Name: body.Name, Email: body.Email, Groups: body.Groups, Disabled: body.Disabled, Password: (*token.Secret)(body.Password),
	})
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, UserOf(u))
}

// grant is one thing that a user may do, and the binding that it comes from.
type grant struct {
	Action  string      `json:"action"`
	Path    access.Path `json:"path"`
	Binding string      `json:"binding"` // its id
	Via     string      `json:"via"`     // user, or group:NAME
	Role    *string     `json:"role"`
}

func grantOf(g access.Grant) grant {
	return grant{Action: g.Action, Path: g.Path, Binding: g.Binding, Via: g.Via, Role: named(g.Role)}
}

func (e users) access(w http.ResponseWriter, r *request) error {
	grants, err := e.directory.UserAccess(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return writeList(w, grants, "", grantOf)
}

// accessRemoval is which bindings were removed, and which ones still grant something at
// the path.
type accessRemoval struct {
	Removed   []Binding `json:"removed"`
	Remaining []Binding `json:"remaining"`
}

func (e users) removeAccess(w http.ResponseWriter, r *request) error {
	at, err := access.ParsePath(r.query.get("path"))
	if err != nil {
		return err
	}
	removed, remaining, err := e.directory.RemoveAccess(r.Context(), r.caller, r.id, at)
	if err != nil {
		return err
	}
	render, err := bindings{e.directory}.of(r, slices.Concat(removed, remaining))
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, accessRemoval{each(removed, render), each(remaining, render)})
}

package adminapi

import (
	"net/http"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
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

// value returns the value of a member; the zero value when it isn't there.
func value[T any](member *T) (v T) {
	if member != nil {
		v = *member
	}
	return v
}

func (a *API) users(w http.ResponseWriter, r *request) error {
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
	page, err := a.Directory.UserList(r.Context(), r.caller, q)
	if err != nil {
		return err
	}
	out := countedList[User]{list: listOf(page.Items, page.Next, UserOf)}
	if counted {
		n, err := a.Directory.UserTotal(r.Context(), r.caller, q)
		if err != nil {
			return err
		}
		out.Total = &total{n.Count, n.More}
	}
	return httpkit.WriteJSON(w, http.StatusOK, out)
}

func (a *API) createUser(w http.ResponseWriter, r *request) error {
	var body newUser
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	n, err := body.user()
	if err != nil {
		return err
	}
	made, err := a.Directory.CreateUser(r.Context(), r.caller, n)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusCreated, UserOf(made))
}

func (a *API) user(w http.ResponseWriter, r *request) error {
	u, err := a.Directory.User(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, UserOf(u))
}

func (a *API) updateUser(w http.ResponseWriter, r *request) error {
	var body userPatch
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	u, err := a.Directory.UpdateUser(r.Context(), r.caller, r.id, identity.UserPatch{
		Username: body.Username, Name: body.Name, Email: body.Email, Groups: body.Groups, Disabled: body.Disabled, Password: (*token.Secret)(body.Password),
	})
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, UserOf(u))
}

func (a *API) unlockUser(w http.ResponseWriter, r *request) error {
	return done(w, a.Accounts.Unlock(r.Context(), r.caller, r.id))
}

// self returns who the caller is and by which credential. Of a client only the id is
// known.
type self struct {
	Type string `json:"type"` // user or client
	person
	Administrator bool       `json:"administrator"`
	Token         credential `json:"token"`
}

// credential is the credential of a caller.
type credential struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind"`
	Scope      string     `json:"scope"`
	Collection *int64     `json:"collection"`
	Networks   []string   `json:"networks"`
	ClientID   string     `json:"client_id"`
	ExpiresAt  *time.Time `json:"expires_at"`
}

func credentialOf(t *verification.Token) credential {
	return credential{
		ID: t.ID, Kind: t.Kind.String(), Scope: identity.FormatScope(t.Scope), Collection: t.Collection,
		Networks: t.Networks.Strings(), ClientID: t.ClientID, ExpiresAt: instant(t.Expiry),
	}
}

func (a *API) me(w http.ResponseWriter, r *request) error {
	s := r.caller.Subject
	answer := self{Type: "client", person: person{ID: s.ID, Groups: []string{}}, Token: credentialOf(r.caller.Token)}
	if !s.Client {
		answer.Type = "user"
		answer.person = person{
			ID: s.ID, Username: s.Username, Name: s.Name, Email: s.Email, Groups: append([]string{}, s.Groups...), Disabled: s.Disabled,
		}
		answer.Administrator = s.May(access.Any, access.Root).Allowed
	}
	return httpkit.WriteJSON(w, http.StatusOK, answer)
}

func (a *API) revokeMine(w http.ResponseWriter, r *request) error {
	_, err := a.Revoker.RevokeAll(r.Context(), r.caller, r.caller.ID())
	return done(w, err)
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

// named returns a name for an answer: null when there is none.
func named(name string) *string {
	if name == "" {
		return nil
	}
	return &name
}

func (a *API) access(w http.ResponseWriter, r *request) error {
	grants, err := a.Directory.UserAccess(r.Context(), r.caller, r.id)
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

func (a *API) removeAccess(w http.ResponseWriter, r *request) error {
	at, err := access.ParsePath(r.query.get("path"))
	if err != nil {
		return err
	}
	removed, remaining, err := a.Directory.RemoveAccess(r.Context(), r.caller, r.id, at)
	if err != nil {
		return err
	}
	render, err := a.bindingsOf(r, slices.Concat(removed, remaining))
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, accessRemoval{each(removed, render), each(remaining, render)})
}

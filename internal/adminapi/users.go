package adminapi

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/directory"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// user is a user as administrators see them.
type user struct {
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

func userOf(u identity.User) user {
	return user{
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

func (p userPatch) patch() directory.UserPatch {
	return directory.UserPatch{
		Username: p.Username, Name: p.Name, Email: p.Email, Groups: p.Groups, Disabled: p.Disabled, Password: (*token.Secret)(p.Password),
	}
}

// newUser is a user to be made. Without a password, none lets them in.
type newUser struct {
	Username string `json:"username"`
	userFields
}

func (n newUser) user() (directory.NewUser, error) {
	u := directory.NewUser{
		Username: n.Username, Name: value(n.Name), Email: value(n.Email),
		Groups: value(n.Groups), Disabled: value(n.Disabled),
	}
	if n.Password == nil {
		return u, nil
	}
	u.Password = token.Secret(*n.Password)
	return u, identity.ValidatePassword(*n.Password)
}

// value returns what a member says; the zero value when it isn't there.
func value[T any](member *T) (v T) {
	if member != nil {
		v = *member
	}
	return v
}

func (a *API) users(w http.ResponseWriter, r *request) error {
	limit, err := r.query.limit()
	if err != nil {
		return err
	}
	page, err := a.Directory.UserList(r.Context(), r.caller, records.UserQuery{
		Search: r.query.get("search"), After: r.query.get("cursor"), Limit: limit,
	})
	if err != nil {
		return err
	}
	return writeList(w, page.Items, page.Next, userOf)
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
	return httpkit.WriteJSON(w, http.StatusCreated, userOf(made))
}

func (a *API) user(w http.ResponseWriter, r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	u, err := a.Directory.User(r.Context(), r.caller, id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, userOf(u))
}

func (a *API) updateUser(w http.ResponseWriter, r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	var body userPatch
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	u, err := a.Directory.UpdateUser(r.Context(), r.caller, id, body.patch())
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, userOf(u))
}

func (a *API) removeUser(w http.ResponseWriter, r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	_, err = a.Directory.RemoveUser(r.Context(), r.caller, id)
	return done(w, err)
}

func (a *API) revokeUser(w http.ResponseWriter, r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	_, err = a.Revoker.RevokeAllOf(r.Context(), r.caller, id)
	return done(w, err)
}

func (a *API) unlockUser(w http.ResponseWriter, r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	return done(w, a.SignIn.Unlock(r.Context(), r.caller, id))
}

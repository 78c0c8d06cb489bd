package webui

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// usersView is the page of all users.
type usersView struct {
	sheet
	Search string
	Users  []identity.User
	After  string
	Next   string
}

const listedUsers = 100

func (p *Pages) usersPage(w http.ResponseWriter, r *request) error {
	return p.showUsers(w, r, http.StatusOK, newSheet(r))
}

func (p *Pages) showUsers(w http.ResponseWriter, r *request, status int, s sheet) error {
	q := r.URL.Query()
	view := usersView{sheet: s, Search: q.Get("q"), After: q.Get("after")}
	page, err := p.Authority.UserList(r.Context(), r.caller, authority.UserQuery{
		Search: view.Search, After: view.After, Limit: listedUsers,
	})
	if err != nil {
		return err
	}
	view.Users, view.Next = page.Items, page.Next
	return p.render(w, r, status, "users", "Users", view)
}

func (p *Pages) changeUsers(w http.ResponseWriter, r *request) error {
	return p.run(w, r, errands{show: p.showUsers, forms: map[string]errand{
		"create": {do: p.createUser, fields: fieldsNamed("username", "name", "email", "groups", "password")},
	}})
}

func (p *Pages) createUser(r *request, form url.Values) (result, error) {
	u, err := p.Authority.CreateUser(r.Context(), r.caller, authority.NewUser{
		Username: form.Get("username"), Name: form.Get("name"), Email: form.Get("email"),
		Groups: words(form.Get("groups"), ","), Password: token.Secret(form.Get("password")),
	})
	return result{to: pathUser(u.ID) + "?notice=made"}, err
}

func pathUser(id string) string { return pathAdmin + "users/" + url.PathEscape(id) }

package webui

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// usersView is the page of all users.
type usersView struct {
	formState
	Search string
	Users  []identity.User
	After  string
	Next   string
}

const listedUsers = 100

func (p *Pages) showUsers(w http.ResponseWriter, r *request, status int, s formState) error {
	q := r.URL.Query()
	view := usersView{formState: s, Search: q.Get("q"), After: q.Get("after")}
	page, err := p.Directory.UserList(r.Context(), r.caller, records.UserQuery{
		Search: view.Search, After: view.After, Limit: listedUsers,
	})
	if err != nil {
		return err
	}
	view.Users, view.Next = page.Items, page.Next
	return p.render(w, r, status, "users", "Users", view)
}

func (p *Pages) userForms() map[string]formAction {
	return map[string]formAction{
		"create": {do: p.createUser, fields: fieldsNamed("username", "name", "email", "groups", "password")},
	}
}

func (p *Pages) createUser(r *request, form url.Values) (result, error) {
	u, err := p.Directory.CreateUser(r.Context(), r.caller, directory.NewUser{
		Username: form.Get("username"), Name: form.Get("name"), Email: form.Get("email"),
		Groups: words(form.Get("groups"), ","), Password: token.Secret(form.Get("password")),
	})
	return result{to: pathUser(u.ID) + "?notice=made"}, err
}

func pathUser(id string) string { return pathAdmin + "users/" + url.PathEscape(id) }

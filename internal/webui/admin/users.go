package admin

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// userPages are the pages of all users.
type userPages struct {
	office

	Directory *directory.Directory
}

// usersView is the page of all users.
type usersView struct {
	kit.State
	Search string
	Users  []identity.User
	After  string
	Next   string
}

const listedUsers = 100

func (p *userPages) showUsers(w http.ResponseWriter, r *kit.Request, status int, s kit.State) error {
	q := r.URL.Query()
	view := usersView{State: s, Search: q.Get("q"), After: q.Get("after")}
	page, err := p.Directory.UserList(r.Context(), r.Caller, records.UserQuery{
		Search: view.Search, After: view.After, Limit: listedUsers,
	})
	if err != nil {
		return err
	}
	view.Users, view.Next = page.Items, page.Next
	return p.Render(w, r, status, "users", "Users", view)
}

func (p *userPages) userForms() map[string]kit.Action {
	return map[string]kit.Action{
		"create": {Do: p.createUser, Fields: kit.FieldsNamed("username", "name", "email", "groups", "password")},
	}
}

func (p *userPages) createUser(r *kit.Request, form url.Values) (kit.Result, error) {
	u, err := p.Directory.CreateUser(r.Context(), r.Caller, directory.NewUser{
		Username: form.Get("username"), Name: form.Get("name"), Email: form.Get("email"),
		Groups: kit.Words(form.Get("groups"), ","), Password: token.Secret(form.Get("password")),
	})
	return kit.Result{To: pathUser(u.ID) + "?notice=made"}, err
}

func pathUser(id string) string { return kit.PathAdmin + "users/" + url.PathEscape(id) }

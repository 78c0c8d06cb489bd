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
	List  kit.List
	Users []identity.User
}

const toUsers = kit.PathAdmin + "users"

func (p *userPages) showUsers(w http.ResponseWriter, r *kit.Request, status int, s kit.State) error {
	q := r.URL.Query()
	view := usersView{State: s, List: kit.NewList(toUsers, "user", "username, name or email", q,
		kit.Filter{Name: "state", Label: "State", Options: []kit.Choice{{Text: "all"}, {Value: "enabled", Text: "enabled"}, {Value: "disabled", Text: "disabled"}}},
		kit.Filter{Name: "sort", Label: "Sort", Options: []kit.Choice{{Text: "A to Z"}, {Value: "-username", Text: "Z to A"}}},
	)}
	asked := records.UserQuery{Search: view.List.Search, After: q.Get("after"), Limit: kit.Listed, Descending: view.List.Asked("sort") != ""}
	if state := view.List.Asked("state"); state != "" {
		disabled := state == "disabled"
		asked.Disabled = &disabled
	}
	page, err := p.Directory.UserList(r.Context(), r.Caller, asked)
	if err != nil {
		return err
	}
	total, err := p.Directory.UserTotal(r.Context(), r.Caller, asked)
	if err != nil {
		return err
	}
	view.List.After(page.Next)
	view.List.Counted(total)
	view.Users = page.Items
	return p.Render(w, r, status, "users", "Users", view)
}

func (p *userPages) userForms() map[string]kit.Action {
	return map[string]kit.Action{
		"create": {Do: p.createUser, Fields: kit.FieldsNamed("username", "name", "email", "groups", "password")},
	}
}

func (p *userPages) createUser(r *kit.Request, form url.Values) (kit.Result, error) {
	u, err := p.Directory.CreateUser(r.Context(), r.Caller, identity.NewUser{
		Username: form.Get("username"), Name: form.Get("name"), Email: form.Get("email"),
		Groups: kit.Words(form.Get("groups"), ","), Password: token.Secret(form.Get("password")),
	})
	return kit.Result{To: pathUser(u.ID) + "?notice=made"}, err
}

func pathUser(id string) string { return kit.PathAdmin + "users/" + url.PathEscape(id) }

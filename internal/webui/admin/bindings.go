package admin

import (
	"context"
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// bindingPages are the pages of bindings.
type bindingPages struct {
	office

	Directory *directory.Directory
}

// bindingsView is the page of all bindings.
type bindingsView struct {
	kit.State
	User, Group string // the filter
	Wrong       string // with it
	List        kit.List
	Bindings    []bindingRow
	Roles       []access.Role // to choose from
	Further     bool          // there are more: a name is typed
}

// bindingRow is a binding with its user's name.
type bindingRow struct {
	access.Binding
	Username string // "" of a group
}

const toBindings = kit.PathAdmin + "bindings"

func (p *bindingPages) showBindings(w http.ResponseWriter, r *kit.Request, status int, s kit.State) error {
	q := r.URL.Query()
	view := bindingsView{State: s, List: kit.NewList(toBindings, "binding", "role, action or path", q,
		kit.Filter{Name: "user", Label: "User", Hint: "any"}, kit.Filter{Name: "group", Label: "Group", Hint: "any"},
		kit.Filter{Name: "role", Label: "Role", Hint: "any"}, kit.Filter{Name: "at", Label: "At and beneath", Hint: "any path"}, kit.Sorted())}
	view.User, view.Group = view.List.Asked("user"), view.List.Asked("group")
	asked := records.BindingListQuery{ThingQuery: view.List.Things(q), User: view.User, Group: view.Group, Role: view.List.Asked("role")}
	found, err := p.page(r, asked, view.List.Asked("at"))
	if fault.Is(err, fault.NotFound) || fault.FieldOf(err) == "at" {
		view.Wrong, err = kit.Sentence(fault.Message(err)), nil
	}
	if err != nil {
		return err
	}
	if view.Bindings, err = p.bindingRows(r, kit.PageOf(&view.List, found)); err != nil {
		return err
	}
	roles, err := p.Directory.RolePage(r.Context(), r.Caller, records.ThingQuery{Limit: offered})
	if err != nil {
		return err
	}
	view.Roles, view.Further = roles.Items, roles.Next != ""
	return p.Render(w, r, status, "bindings", "Bindings", view)
}

// offered is how many roles are offered for a choice.
const offered = 200

// page reads the bindings that the query asks for, at and beneath a path that was typed.
func (p *bindingPages) page(r *kit.Request, q records.BindingListQuery, at string) (none records.CountedPage[access.Binding], err error) {
	if at != "" {
		if q.At, err = access.ParsePath(at); err != nil {
			return none, fault.In("at", err)
		}
	}
	return p.Directory.BindingPage(r.Context(), r.Caller, q)
}

func (p *bindingPages) bindingRows(r *kit.Request, all []access.Binding) ([]bindingRow, error) {
	var subjects []string
	for _, b := range all {
		if b.User != "" {
			subjects = append(subjects, b.User)
		}
	}
	names, err := p.Directory.Usernames(r.Context(), r.Caller, subjects)
	if err != nil {
		return nil, err
	}
	rows := make([]bindingRow, len(all))
	for i, b := range all {
		rows[i] = bindingRow{b, names[b.User]}
	}
	return rows, nil
}

func (p *bindingPages) bindingForms() map[string]kit.Action {
	return map[string]kit.Action{
		"create": {Fields: bindingFields, Do: kit.Reading(readBinding, toBindings+"?notice=made",
			func(ctx context.Context, c *caller.Caller, b access.Binding) error {
				_, err := p.Directory.CreateBinding(ctx, c, b)
				return err
			})},
		"remove": {
			Ask: kit.Asks("what", "Remove this binding?", "Remove",
				"It grants NAME. Users without another binding for that lose it at once, on every node."),
			Do: func(r *kit.Request, form url.Values) (kit.Result, error) {
				_, err := p.Directory.RemoveBinding(r.Context(), r.Caller, form.Get("id"))
				return kit.Result{To: toBindings + "?notice=removed"}, err
			},
		},
	}
}

// bindingFields are the fields of the form for a binding by the names in errors: the core
// has a member for a user and one for a group, the form has one field for both.
var bindingFields = map[string]string{
	"user": "name", "group": "name", "name": "name", "whose": "whose", "grant": "grant", "role": "role",
	"action": "action", "on": "on", "at": "at", "path": "at",
}

// readBinding reads a binding from the form. It ignores the fields of the options that
// are not selected.
func readBinding(form url.Values) (access.Binding, error) {
	var b access.Binding
	switch form.Get("whose") {
	case "user":
		b.User = form.Get("name")
	case "group":
		b.Group = form.Get("name")
	default:
		return b, fault.New(fault.Invalid, "choose a user or a group").In("whose")
	}
	if b.User+b.Group == "" {
		return b, fault.New(fault.Invalid, "enter the name of the user or group").In("name")
	}
	if err := readGranted(form, &b); err != nil {
		return b, err
	}
	var err error
	if at := form.Get("at"); at != "" {
		b.Path, err = access.ParsePath(at)
	}
	return b, fault.In("at", err)
}

// readGranted reads the role or permission that a binding grants.
func readGranted(form url.Values, b *access.Binding) error {
	switch form.Get("grant") {
	case "role":
		if b.Role = form.Get("role"); b.Role == "" {
			return fault.New(fault.Invalid, "choose a role").In("role")
		}
	case "permission":
		action, err := access.ParseAction(form.Get("action"))
		if err != nil {
			return err
		}
		path, err := access.ParsePath(form.Get("on"))
		if err != nil {
			return fault.In("on", err)
		}
		b.Permission = &access.Permission{Action: action, Path: path}
	default:
		return fault.New(fault.Invalid, "choose a role or a permission").In("grant")
	}
	return nil
}

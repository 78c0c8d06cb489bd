package adminapi

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/records"
)

// Binding is a binding as it is shown. It names its user by username, beside the subject. The members that it
// doesn't have are null.
type Binding struct {
	ID         string      `json:"id"`
	User       *string     `json:"user"`
	UserID     *string     `json:"user_id"`
	Group      *string     `json:"group"`
	Role       *string     `json:"role"`
	Permission *Permission `json:"permission"`
	Path       access.Path `json:"path"`
	Owner      string      `json:"owner"`
}

// bindingChange is a binding to be created or its new state. User is a username or a
// subject. Naming a user replaces a group and the reverse; so does naming a role or a
// permission.
type bindingChange struct {
	User       *string     `json:"user"`
	Group      *string     `json:"group"`
	Role       *string     `json:"role"`
	Permission *Permission `json:"permission"`
	Path       *string     `json:"path"`
}

// on returns b with the change.
func (c bindingChange) on(b access.Binding) (access.Binding, error) {
	if c.User != nil || c.Group != nil {
		b.User, b.Group = value(c.User), value(c.Group)
	}
	if c.Role != nil || c.Permission != nil {
		b.Role, b.Permission = value(c.Role), (*access.Permission)(c.Permission)
	}
	if c.Path == nil {
		return b, nil
	}
	var err error
	b.Path, err = access.ParsePath(*c.Path)
	return b, err
}

// bindings are the endpoints of bindings.
type bindings struct{ directory *directory.Directory }

func (e bindings) routes() []route {
	return []route{
		{"GET", "/bindings", e.list, "user group role path " + listing, administrator},
		{"POST", "/bindings", e.create, "", mayDo(e.directory, audit.BindingCreate)},
		{"GET", "/bindings/{id}", e.read, "", administrator},
		{"PATCH", "/bindings/{id}", e.update, "wait", mayDo(e.directory, audit.BindingUpdate)},
		{"DELETE", "/bindings/{id}", revokes(func() operation { return e.directory.RemoveBinding }), "wait", mayDo(e.directory, audit.BindingRemove)},
	}
}

func (e bindings) list(w http.ResponseWriter, r *request) error {
	things, err := r.query.things("path")
	if err != nil {
		return err
	}
	q := records.BindingListQuery{ThingQuery: things, User: r.query.get("user"), Group: r.query.get("group"), Role: r.query.get("role")}
	if at := r.query.get("path"); at != "" {
		if q.At, err = access.ParsePath(at); err != nil {
			return fault.In("path", err)
		}
	}
	page, err := e.directory.BindingPage(r.Context(), r.caller, q)
	if err != nil {
		return err
	}
	render, err := e.of(r, page.Items)
	if err != nil {
		return err
	}
	return writeCounted(w, r.query, page, render)
}

// of returns a function that renders these bindings, with the names of their users.
func (e bindings) of(r *request, all []access.Binding) (func(access.Binding) Binding, error) {
	var subjects []string
	for _, b := range all {
		if b.User != "" {
			subjects = append(subjects, b.User)
		}
	}
	names, err := e.directory.Usernames(r.Context(), r.caller, subjects)
	if err != nil {
		return nil, err
	}
	return func(b access.Binding) Binding { return BindingOf(b, names) }, nil
}

// BindingOf returns a binding as it is shown, with the names of users by their subjects.
func BindingOf(b access.Binding, names map[string]string) Binding {
	return Binding{
		ID: b.ID, User: named(names[b.User]), UserID: named(b.User), Group: named(b.Group),
		Role: named(b.Role), Permission: (*Permission)(b.Permission), Path: b.Path, Owner: b.Owner,
	}
}

func (e bindings) write(w http.ResponseWriter, r *request, status int, b access.Binding) error {
	render, err := e.of(r, []access.Binding{b})
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, status, render(b))
}

func (e bindings) create(w http.ResponseWriter, r *request) error {
	var body bindingChange
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	b, err := body.on(access.Binding{})
	if err != nil {
		return err
	}
	b, err = e.directory.CreateBinding(r.Context(), r.caller, b)
	if err != nil {
		return err
	}
	return e.write(w, r, http.StatusCreated, b)
}

func (e bindings) read(w http.ResponseWriter, r *request) error {
	b, err := e.directory.Binding(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return e.write(w, r, http.StatusOK, b)
}

func (e bindings) update(w http.ResponseWriter, r *request) error {
	var body bindingChange
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	b, err := e.directory.Binding(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	if b, err = body.on(b); err != nil {
		return err
	}
	if body != (bindingChange{}) {
		b, err = e.directory.UpdateBinding(r.Context(), r.caller, b)
	}
	if err != nil {
		return err
	}
	return e.write(w, r, http.StatusOK, b)
}

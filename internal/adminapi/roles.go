package adminapi

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// Role is a role as it is shown.
type Role struct {
	Name        string       `json:"name"`
	Permissions []Permission `json:"permissions"`
	Owner       string       `json:"owner"`
}

// newRole is a role to be created.
type newRole struct {
	Name        string       `json:"name"`
	Permissions []Permission `json:"permissions"`
}

// Permission is a permission as it is shown.
type Permission struct {
	Action string      `json:"action"`
	Path   access.Path `json:"path"`
}

// RoleOf returns a role as it is shown.
func RoleOf(r access.Role) Role {
	return Role{r.Name, each(r.Permissions, func(p access.Permission) Permission { return Permission(p) }), r.Owner}
}

func permissionsOf(all []Permission) []access.Permission {
	return each(all, func(p Permission) access.Permission { return access.Permission(p) })
}

// roles are the endpoints of roles.
type roles struct{ directory *directory.Directory }

func (e roles) routes() []route {
	return []route{
		{"GET", "/roles", e.list, listing, administrator},
		{"POST", "/roles", e.create, "", mayDo(e.directory, audit.RoleCreate)},
		{"GET", "/roles/{id}", e.read, "", administrator},
		{"PATCH", "/roles/{id}", e.update, "wait", mayDo(e.directory, audit.RoleUpdate)},
		{"DELETE", "/roles/{id}", revokes(func() operation { return e.directory.RemoveRole }), "wait", mayDo(e.directory, audit.RoleRemove)},
	}
}

func (e roles) list(w http.ResponseWriter, r *request) error {
	return serveCounted(w, r, "name", e.directory.RolePage, RoleOf)
}

func (e roles) create(w http.ResponseWriter, r *request) error {
	var body newRole
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	made := access.Role{Name: body.Name, Permissions: permissionsOf(body.Permissions)}
	if err := e.directory.CreateRole(r.Context(), r.caller, made); err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusCreated, RoleOf(made))
}

func (e roles) read(w http.ResponseWriter, r *request) error {
	role, err := e.directory.Role(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, RoleOf(role))
}

func (e roles) update(w http.ResponseWriter, r *request) error {
	var body struct {
		Permissions *[]Permission `json:"permissions"`
	}
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	changed, err := e.directory.Role(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	if body.Permissions != nil {
		changed.Permissions = permissionsOf(*body.Permissions)
		err = e.directory.UpdateRole(r.Context(), r.caller, changed)
	}
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, RoleOf(changed))
}

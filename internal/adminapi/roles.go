package adminapi

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/httpkit"
)

type role struct {
	Name        string       `json:"name"`
	Permissions []permission `json:"permissions"`
	Owner       string       `json:"owner"`
}

// newRole is a role to be created.
type newRole struct {
	Name        string       `json:"name"`
	Permissions []permission `json:"permissions"`
}

type permission struct {
	Action string      `json:"action"`
	Path   access.Path `json:"path"`
}

func roleOf(r access.Role) role {
	return role{r.Name, each(r.Permissions, func(p access.Permission) permission { return permission(p) }), r.Owner}
}

func permissionsOf(all []permission) []access.Permission {
	return each(all, func(p permission) access.Permission { return access.Permission(p) })
}

var roleOrder = order[access.Role]{"roles", func(r access.Role) string { return r.Name }}

func (a *API) roles(w http.ResponseWriter, r *request) error {
	all, err := a.Directory.RoleList(r.Context(), r.caller)
	if err != nil {
		return err
	}
	page, next, err := roleOrder.cut(all, r.query)
	if err != nil {
		return err
	}
	return writeList(w, page, next, roleOf)
}

func (a *API) createRole(w http.ResponseWriter, r *request) error {
	var body newRole
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	made := access.Role{Name: body.Name, Permissions: permissionsOf(body.Permissions)}
	if err := a.Directory.CreateRole(r.Context(), r.caller, made); err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusCreated, roleOf(made))
}

func (a *API) updateRole(w http.ResponseWriter, r *request) error {
	name, err := r.id()
	if err != nil {
		return err
	}
	var body struct {
		Permissions *[]permission `json:"permissions"`
	}
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	all, err := a.Directory.RoleList(r.Context(), r.caller)
	if err != nil {
		return err
	}
	changed, err := find(all, "role", func(r access.Role) bool { return r.Name == name })
	if err != nil {
		return err
	}
	if body.Permissions != nil {
		changed.Permissions = permissionsOf(*body.Permissions)
		err = a.Directory.UpdateRole(r.Context(), r.caller, changed)
	}
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, roleOf(changed))
}

func (a *API) removeRole(w http.ResponseWriter, r *request) error {
	name, err := r.id()
	if err != nil {
		return err
	}
	_, err = a.Directory.RemoveRole(r.Context(), r.caller, name)
	return done(w, err)
}

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

var roleOrder = order[access.Role, role]{"roles", func(r access.Role) string { return r.Name }, roleOf}

func (a *API) roles(w http.ResponseWriter, r *request) error {
	return roleOrder.serve(w, r, a.Directory.RoleList)
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
	changed, err := find(all, "role", func(one access.Role) bool { return one.Name == r.id })
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

package adminapi

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/access"
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

func (a *API) roles(w http.ResponseWriter, r *request) error {
	return serveCounted(w, r, "name", a.Directory.RolePage, RoleOf)
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
	return httpkit.WriteJSON(w, http.StatusCreated, RoleOf(made))
}

func (a *API) readRole(w http.ResponseWriter, r *request) error {
	role, err := a.Directory.Role(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, RoleOf(role))
}

func (a *API) updateRole(w http.ResponseWriter, r *request) error {
	var body struct {
		Permissions *[]Permission `json:"permissions"`
	}
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	changed, err := a.Directory.Role(r.Context(), r.caller, r.id)
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
	return httpkit.WriteJSON(w, http.StatusOK, RoleOf(changed))
}

package adminapi

import (
	"net/http"
	"slices"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// grant is one thing that a user may do, and the binding that it comes from.
type grant struct {
	Action  string      `json:"action"`
	Path    access.Path `json:"path"`
	Binding string      `json:"binding"` // its id
	Via     string      `json:"via"`     // user, or group:NAME
	Role    *string     `json:"role"`
}

func grantOf(g access.Grant) grant {
	return grant{Action: g.Action, Path: g.Path, Binding: g.Binding, Via: g.Via, Role: named(g.Role)}
}

// named returns a name as it is answered: null when there is none.
func named(name string) *string {
	if name == "" {
		return nil
	}
	return &name
}

func (a *API) access(w http.ResponseWriter, r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	grants, err := a.Directory.UserAccess(r.Context(), r.caller, id)
	if err != nil {
		return err
	}
	return writeList(w, grants, "", grantOf)
}

// accessRemoval returns which bindings are gone, and which ones still grant
// something at the path.
type accessRemoval struct {
	Removed   []binding `json:"removed"`
	Remaining []binding `json:"remaining"`
}

func (a *API) removeAccess(w http.ResponseWriter, r *request) error {
	id, err := r.id()
	if err != nil {
		return err
	}
	at, err := access.ParsePath(r.query.get("path"))
	if err != nil {
		return err
	}
	removed, remaining, err := a.Directory.RemoveAccess(r.Context(), r.caller, id, at)
	if err != nil {
		return err
	}
	render, err := a.bindingsOf(r, slices.Concat(removed, remaining))
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, accessRemoval{each(removed, render), each(remaining, render)})
}

package adminapi

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/provisioning"
	"github.com/bearerd/bearerd/internal/records"
)

// sourceUser is a user as a source sees them.
type sourceUser struct {
	ExternalID string `json:"external_id"`
	ID         string `json:"id"`
	Username   string `json:"username"`
	Disabled   bool   `json:"disabled"`
	Owner      string `json:"owner"`
}

func sourceUserOf(l records.LinkedUser) sourceUser {
	return sourceUser{ExternalID: l.ExternalID, ID: l.User.ID, Username: l.User.Username, Disabled: l.User.Disabled, Owner: l.User.Owner}
}

// sourcePatch is a change of a source's user.
type sourcePatch struct {
	Disabled *bool `json:"disabled"`
}

// sources are the endpoints with which a source of users disables its own.
type sources struct{ provisioner *provisioning.Provisioner }

func (e sources) routes() []route {
	return []route{
		{"GET", "/sources/{name}/users", e.users, paging, mayReadSource},
		{"PATCH", "/sources/{name}/users/{external_id}", e.update, "wait", e.mayDisable},
	}
}

func (e sources) users(w http.ResponseWriter, r *request) error {
	limit, err := r.query.limit()
	if err != nil {
		return err
	}
	page, err := e.provisioner.SourceUsers(r.Context(), r.caller, records.LinkedQuery{
		Source: r.PathValue("name"), After: r.query.get("cursor"), Limit: limit,
	})
	if err != nil {
		return err
	}
	return writeList(w, page.Items, page.Next, sourceUserOf)
}

func (e sources) update(w http.ResponseWriter, r *request) error {
	var body sourcePatch
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	if body.Disabled == nil {
		return missing("disabled")
	}
	user, err := e.provisioner.DisableLinked(r.Context(), r.caller, r.PathValue("name"), r.PathValue("external_id"), *body.Disabled)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, sourceUserOf(user))
}

// mayReadSource is the gate of the users of the source that the path names.
func mayReadSource(r *request) error {
	if err := mayBeID(r.PathValue("name")); err != nil {
		return err
	}
	return caller.RequireSource(r.caller, r.PathValue("name"))
}

func (e sources) mayDisable(r *request) error {
	source, externalID := r.PathValue("name"), r.PathValue("external_id")
	for _, name := range []string{source, externalID} {
		if err := mayBeID(name); err != nil {
			return err
		}
	}
	return e.provisioner.MayDisableLinked(r.Context(), r.caller, source, externalID)
}

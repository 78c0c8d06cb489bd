package adminapi

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/httpkit"
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

func (a *API) sourceUsers(w http.ResponseWriter, r *request) error {
	limit, err := r.query.limit()
	if err != nil {
		return err
	}
	page, err := a.Provisioner.SourceUsers(r.Context(), r.caller, records.LinkedQuery{
		Source: r.PathValue("name"), After: r.query.get("cursor"), Limit: limit,
	})
	if err != nil {
		return err
	}
	return writeList(w, page.Items, page.Next, sourceUserOf)
}

func (a *API) updateSourceUser(w http.ResponseWriter, r *request) error {
	var body sourcePatch
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	if body.Disabled == nil {
		return missing("disabled")
	}
	user, err := a.Provisioner.DisableLinked(r.Context(), r.caller, r.PathValue("name"), r.PathValue("external_id"), *body.Disabled)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, sourceUserOf(user))
}

// mayReadSource is the gate of the users of the source that the path names.
func (a *API) mayReadSource(r *request) error {
	if err := mayBeID(r.PathValue("name")); err != nil {
		return err
	}
	return caller.RequireSource(r.caller, r.PathValue("name"))
}

func (a *API) mayDisable(r *request) error {
	source, externalID := r.PathValue("name"), r.PathValue("external_id")
	for _, name := range []string{source, externalID} {
		if err := mayBeID(name); err != nil {
			return err
		}
	}
	return a.Provisioner.MayDisableLinked(r.Context(), r.caller, source, externalID)
}

package webui

import (
	"context"
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
)

// collectionsView is the page of all collections.
type collectionsView struct {
	formState
	Collections []records.Collection
	Edit        string // the id of the one that is being renamed
}

const toCollections = pathAdmin + "collections"

func (p *Pages) showCollections(w http.ResponseWriter, r *request, status int, s formState) error {
	all, err := p.Directory.CollectionList(r.Context(), r.caller)
	if err != nil {
		return err
	}
	view := collectionsView{formState: s, Collections: all, Edit: r.URL.Query().Get("edit")}
	if s.At == "update" {
		view.Edit = s.Typed.Get("id")
	}
	return p.render(w, r, status, "collections", "Collections", view)
}

func (p *Pages) collectionForms() map[string]formAction {
	return map[string]formAction{
		"create": {do: reading(readCollection, toCollections+"?notice=made", p.Directory.CreateCollection), fields: fieldsNamed("id", "name")},
		"update": {do: reading(readCollection, toCollections+"?notice=saved", p.Directory.UpdateCollection), fields: fieldsNamed("name")},
		"remove": {ask: asks("name", "Remove the collection NAME?", "Remove",
			"Tokens that are limited to it are refused at once, and every binding at and beneath it is removed.", "This can't be undone."), do: reading(readCollection, toCollections+"?notice=removed",
			func(ctx context.Context, c *caller.Caller, n records.Collection) error {
				_, err := p.Directory.RemoveCollection(ctx, c, n.ID)
				return err
			})},
	}
}

func readCollection(form url.Values) (records.Collection, error) {
	id, err := access.ParseCollection(form.Get("id"))
	return records.Collection{ID: id, Name: form.Get("name")}, fault.In("id", err)
}

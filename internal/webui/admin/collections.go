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

// collectionPages are the pages of collections.
type collectionPages struct {
	office

	Directory *directory.Directory
}

// collectionsView is the page of all collections.
type collectionsView struct {
	kit.State
	Collections []records.Collection
	List        kit.List
	Edit        string // the id of the one that is being renamed
}

const toCollections = kit.PathAdmin + "collections"

func (p *collectionPages) showCollections(w http.ResponseWriter, r *kit.Request, status int, s kit.State) error {
	q := r.URL.Query()
	view := collectionsView{State: s, List: kit.NewList(toCollections, "collection", "id or name", q, kit.Filter{
		Name: "sort", Label: "Sort", Options: []kit.Choice{{Text: "lowest id first"}, {Value: kit.Backward, Text: "highest id first"}},
	}), Edit: q.Get("edit")}
	if s.At == "update" {
		view.Edit = s.Typed.Get("id")
	}
	if id, err := access.ParseCollection(view.Edit); err == nil { // only this one, because it might be on another page
		one, err := p.Directory.Collection(r.Context(), r.Caller, id)
		if err == nil {
			view.Collections = []records.Collection{one}
			view.List.Counted(records.Total{Count: 1})
			return p.Render(w, r, status, "collections", "Collections", view)
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	page, err := p.Directory.CollectionPage(r.Context(), r.Caller, view.List.Things(q))
	if err != nil {
		return err
	}
	view.Collections = kit.PageOf(&view.List, page)
	return p.Render(w, r, status, "collections", "Collections", view)
}

func (p *collectionPages) collectionForms() map[string]kit.Action {
	return map[string]kit.Action{
		"create": {Do: kit.Reading(readCollection, toCollections+"?notice=made", p.Directory.CreateCollection), Fields: kit.FieldsNamed("id", "name")},
		"update": {Do: kit.Reading(readCollection, toCollections+"?notice=saved", p.Directory.UpdateCollection), Fields: kit.FieldsNamed("name")},
		"remove": {Ask: kit.Asks("name", "Remove the collection NAME?", "Remove",
			"Tokens that are limited to it are refused at once, and every binding at and beneath it is removed.", "This can't be undone."), Do: kit.Reading(readCollection, toCollections+"?notice=removed",
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

package admin

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

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
	all, err := p.Directory.CollectionList(r.Context(), r.Caller)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	view := collectionsView{State: s, List: kit.NewList(toCollections, "collection", "id or name", q), Edit: q.Get("edit")}
	if s.At == "update" {
		view.Edit = s.Typed.Get("id")
	}
	all = kit.Match(view.List, all, func(c records.Collection) []string { return []string{strconv.FormatInt(c.ID, 10), c.Name} })
	if view.Edit != "" { // it alone, or it might be on another page
		all = slices.DeleteFunc(all, func(c records.Collection) bool { return strconv.FormatInt(c.ID, 10) != view.Edit })
	}
	view.Collections = kit.Slice(&view.List, all, q.Get("after"))
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

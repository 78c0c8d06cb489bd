package webui

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/access"
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

func (p *Pages) collectionsPage(w http.ResponseWriter, r *request) error {
	return p.showCollections(w, r, http.StatusOK, newFormState(r))
}

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

func (p *Pages) changeCollections(w http.ResponseWriter, r *request) error {
	return p.run(w, r, formActions{show: p.showCollections, forms: map[string]formAction{
		"create": {do: func(r *request, form url.Values) (result, error) {
			n, err := readCollection(form)
			if err != nil {
				return result{}, err
			}
			return result{to: toCollections + "?notice=made"}, p.Directory.CreateCollection(r.Context(), r.caller, n)
		}, fields: fieldsNamed("id", "name")},
		"update": {do: func(r *request, form url.Values) (result, error) {
			n, err := readCollection(form)
			if err != nil {
				return result{}, err
			}
			return result{to: toCollections + "?notice=saved"}, p.Directory.UpdateCollection(r.Context(), r.caller, n)
		}, fields: fieldsNamed("name")},
		"remove": {ask: askRemoveCollection, do: func(r *request, form url.Values) (result, error) {
			n, err := readCollection(form)
			if err != nil {
				return result{}, err
			}
			_, err = p.Directory.RemoveCollection(r.Context(), r.caller, n.ID)
			return result{to: toCollections + "?notice=removed"}, err
		}},
	}})
}

func readCollection(form url.Values) (records.Collection, error) {
	id, err := access.ParseCollection(form.Get("id"))
	return records.Collection{ID: id, Name: form.Get("name")}, fault.In("id", err)
}

func askRemoveCollection(_ *request, form url.Values) (question, error) {
	return question{Title: "Remove the collection " + form.Get("name") + "?", Yes: "Remove", Text: []string{
		"Tokens that are limited to it are refused at once, and every binding at and beneath it is removed.", "This can't be undone.",
	}}, nil
}

package adminapi

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/records"
)

// Collection is a collection as it is shown.
type Collection struct {
	ID    int64  `json:"id"`
	Name  string `json:"name"`
	Owner string `json:"owner"`
}

// CollectionOf returns a collection as it is shown.
func CollectionOf(c records.Collection) Collection { return Collection(c) }

// newCollection is a collection to be created; both members are required.
type newCollection struct {
	ID   *int64 `json:"id"`
	Name string `json:"name"`
}

// collections are the endpoints of collections.
type collections struct{ directory *directory.Directory }

func (e collections) routes() []route {
	return []route{
		{"GET", "/collections", e.list, listing, administrator},
		{"POST", "/collections", e.create, "", mayDo(e.directory, audit.CollectionCreate)},
		{"GET", "/collections/{id}", e.read, "", administrator},
		{"PATCH", "/collections/{id}", e.update, "wait", mayDo(e.directory, audit.CollectionUpdate)},
		{"DELETE", "/collections/{id}", e.remove, "wait", mayDo(e.directory, audit.CollectionRemove)},
	}
}

func (e collections) list(w http.ResponseWriter, r *request) error {
	return serveCounted(w, r, "id", e.directory.CollectionPage, CollectionOf)
}

func (e collections) create(w http.ResponseWriter, r *request) error {
	var body newCollection
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	if body.ID == nil {
		return missing("id")
	}
	made := records.Collection{ID: *body.ID, Name: body.Name}
	if err := e.directory.CreateCollection(r.Context(), r.caller, made); err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusCreated, CollectionOf(made))
}

func (e collections) read(w http.ResponseWriter, r *request) error {
	id, err := r.collection()
	if err != nil {
		return err
	}
	c, err := e.directory.Collection(r.Context(), r.caller, id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, CollectionOf(c))
}

func (e collections) update(w http.ResponseWriter, r *request) error {
	id, err := r.collection()
	if err != nil {
		return err
	}
	var body struct {
		Name *string `json:"name"`
	}
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	c, err := e.directory.Collection(r.Context(), r.caller, id)
	if err != nil {
		return err
	}
	if body.Name != nil {
		c.Name = *body.Name
		err = e.directory.UpdateCollection(r.Context(), r.caller, c)
	}
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, CollectionOf(c))
}

func (e collections) remove(w http.ResponseWriter, r *request) error {
	id, err := r.collection()
	if err != nil {
		return err
	}
	_, err = e.directory.RemoveCollection(r.Context(), r.caller, id)
	return done(w, err)
}

// collection is the collection that the path names.
func (r *request) collection() (int64, error) {
	id, err := access.ParseCollection(r.id)
	if err != nil {
		return 0, fault.New(fault.NotFound, "there is no such collection").In("collection")
	}
	return id, nil
}

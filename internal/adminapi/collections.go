package adminapi

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/access"
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

func (a *API) collections(w http.ResponseWriter, r *request) error {
	return serveCounted(w, r, "id", a.Directory.CollectionPage, CollectionOf)
}

func (a *API) createCollection(w http.ResponseWriter, r *request) error {
	var body newCollection
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	if body.ID == nil {
		return missing("id")
	}
	made := records.Collection{ID: *body.ID, Name: body.Name}
	if err := a.Directory.CreateCollection(r.Context(), r.caller, made); err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusCreated, CollectionOf(made))
}

func (a *API) readCollection(w http.ResponseWriter, r *request) error {
	id, err := r.collection()
	if err != nil {
		return err
	}
	c, err := a.Directory.Collection(r.Context(), r.caller, id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, CollectionOf(c))
}

func (a *API) updateCollection(w http.ResponseWriter, r *request) error {
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
	c, err := a.Directory.Collection(r.Context(), r.caller, id)
	if err != nil {
		return err
	}
	if body.Name != nil {
		c.Name = *body.Name
		err = a.Directory.UpdateCollection(r.Context(), r.caller, c)
	}
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, CollectionOf(c))
}

func (a *API) removeCollection(w http.ResponseWriter, r *request) error {
	id, err := r.collection()
	if err != nil {
		return err
	}
	_, err = a.Directory.RemoveCollection(r.Context(), r.caller, id)
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

package directory

import (
	"context"
	"maps"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Collections reads and changes collections.
type Collections struct {
	store  contract.Things
	editor *changes.Editor
}

// MaxChoices is how many collections are offered for a choice.
const MaxChoices = 1000

// CreateCollection creates a collection.
func (cs *Collections) CreateCollection(ctx context.Context, c *caller.Caller, n records.Collection) error {
	if err := cs.editor.Admit(ctx, c, audit.CollectionCreate, changes.CollectionName(n.ID)); err != nil {
		return err
	}
	if err := n.Validate(); err != nil {
		return err
	}
	_, err := cs.editor.Commit(ctx, c, cs.editor.CreateCollection(n))
	return err
}

// UpdateCollection renames a collection.
func (cs *Collections) UpdateCollection(ctx context.Context, c *caller.Caller, n records.Collection) error {
	name := changes.CollectionName(n.ID)
	if err := cs.editor.Admit(ctx, c, audit.CollectionUpdate, name); err != nil {
		return err
	}
	if err := n.Validate(); err != nil {
		return err
	}
	_, err := cs.editor.Commit(ctx, c, changes.Change{
		Action: audit.CollectionUpdate, Target: name, Ops: []op.Op{op.UpdateCollection{Collection: n}},
	})
	return err
}

// RemoveCollection removes a collection with every binding about it alone.
func (cs *Collections) RemoveCollection(ctx context.Context, c *caller.Caller, id int64) (revocation.Receipt, error) {
	if err := cs.editor.Admit(ctx, c, audit.CollectionRemove, changes.CollectionName(id)); err != nil {
		return revocation.Receipt{}, err
	}
	return cs.editor.Commit(ctx, c, cs.editor.RemoveCollection(id))
}

// CollectionList returns every collection, for administrators.
func (cs *Collections) CollectionList(ctx context.Context, c *caller.Caller) ([]records.Collection, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	return readAll(ctx, cs.store.CollectionPage)
}

// CollectionPage returns a page of the collections, for administrators.
func (cs *Collections) CollectionPage(ctx context.Context, c *caller.Caller, q records.ThingQuery) (records.CountedPage[records.Collection], error) {
	if err := c.RequireAdministrator(); err != nil {
		return records.CountedPage[records.Collection]{}, err
	}
	return cs.store.CollectionPage(ctx, q)
}

// Collection returns the collection that has this id, for administrators.
func (cs *Collections) Collection(ctx context.Context, c *caller.Caller, id int64) (records.Collection, error) {
	if err := c.RequireAdministrator(); err != nil {
		return records.Collection{}, err
	}
	return cs.store.Collection(ctx, id)
}

// CollectionNames returns the names of those of at most records.MaxNames collections that
// the caller has access to; of an administrator, of all.
func (cs *Collections) CollectionNames(ctx context.Context, c *caller.Caller, ids []int64) (map[int64]string, error) {
	if err := c.RequireSignedIn(); err != nil {
		return nil, err
	}
	names, err := cs.store.CollectionNames(ctx, ids)
	if c.RequireAdministrator() == nil {
		return names, err
	}
	maps.DeleteFunc(names, func(id int64, _ string) bool { return !c.May(access.ActionAccess, access.CollectionPath(id)) })
	return names, err
}

// PublicCollections returns the first MaxChoices collections, for anybody: a login form that
// asks for a collection must offer them.
func (cs *Collections) PublicCollections(ctx context.Context) ([]records.Collection, error) {
	page, err := cs.store.CollectionPage(ctx, records.ThingQuery{Limit: MaxChoices})
	return page.Items, err
}

// CollectionsOpenTo returns the collections that the caller has access to, in the order of
// their ids: at most MaxChoices, and among the first records.MaxTotal of all. It reports
// whether there may be more.
func (cs *Collections) CollectionsOpenTo(ctx context.Context, c *caller.Caller) (open []records.Collection, more bool, err error) {
	if err := c.RequireSignedIn(); err != nil {
		return nil, false, err
	}
	q := records.ThingQuery{Limit: MaxChoices}
	for range records.MaxTotal / MaxChoices {
		page, err := cs.store.CollectionPage(ctx, q)
		if err != nil {
			return nil, false, err
		}
		for _, n := range page.Items {
			if !c.May(access.ActionAccess, access.CollectionPath(n.ID)) {
				continue
			}
			if len(open) == MaxChoices {
				return open, true, nil
			}
			open = append(open, n)
		}
		if q.After = page.Next; q.After == "" {
			return open, false, nil
		}
	}
	return open, true, nil
}

package directory

import (
	"context"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/records"
)

// Issuers reads the issuers that are trusted. Only package apply changes them: they name files of
// the servers.
type Issuers struct{ store Store }

// IssuerPage returns a page of the trusted issuers, for administrators.
func (i *Issuers) IssuerPage(ctx context.Context, c *caller.Caller, q records.ThingQuery) (records.CountedPage[records.Issuer], error) {
	if err := c.RequireAdministrator(); err != nil {
		return records.CountedPage[records.Issuer]{}, err
	}
	return i.store.IssuerPage(ctx, q)
}

// IssuerList returns every trusted issuer, for administrators.
func (i *Issuers) IssuerList(ctx context.Context, c *caller.Caller) ([]records.Issuer, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	return readAll(ctx, i.store.IssuerPage)
}

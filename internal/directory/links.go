package directory

import (
	"context"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Links returns the external ids of a user, named by subject or username, for each source: the
// caller's own, or anybody's for administrators.
func (u *Users) Links(ctx context.Context, c *caller.Caller, ref string) ([]records.Link, error) {
	p, err := u.UserPrincipal(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	return u.store.Links(ctx, records.LinkQuery{User: p.User.ID})
}

// LinkUser links a user to an external id of a source, for administrators. Anybody for whom the
// source vouches by that id signs in as the user. A session must be fresh. The error is
// Conflict when the external id is linked to somebody.
func (u *Users) LinkUser(ctx context.Context, c *caller.Caller, ref, source, externalID string) (records.Link, error) {
	user, err := u.editor.AdmitSignIn(ctx, c, audit.UserLink, ref)
	if err != nil {
		return records.Link{}, err
	}
	if err := changes.ValidateSource(source, ":"); err != nil {
		return records.Link{}, err
	}
	if err := changes.ValidateExternalID(externalID); err != nil {
		return records.Link{}, err
	}
	link := records.Link{Source: source, ExternalID: externalID, UserID: user.ID, LinkedAt: u.journal.Now()}
	_, err = u.editor.Commit(ctx, c, changes.LinkAs(user.Username, link))
	return link, err
}

// UnlinkUser removes a link of a user, for administrators, and ends the sessions that began
// by its source. A session must be fresh. The error is NotFound for a link that isn't the
// user's.
func (u *Users) UnlinkUser(ctx context.Context, c *caller.Caller, ref string, link records.Link) (revocation.Receipt, error) {
	user, err := u.editor.AdmitSignIn(ctx, c, audit.UserUnlink, ref)
	if err != nil {
		return revocation.Receipt{}, err
	}
	removal, err := u.editor.RemoveLink(ctx, u.links, changes.RemovedLink{User: user, Link: link, Keep: c.TokenID()})
	if err != nil {
		return revocation.Receipt{}, err
	}
	return u.editor.Commit(ctx, c, removal)
}

package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
)

// ErrNoLink is the error for a link that doesn't exist or is somebody else's.
var ErrNoLink = fault.New(fault.NotFound, "there is no such link")

// Links returns who a user, named by subject or username, is for which source: the caller,
// or anybody for administrators.
func (u *Users) Links(ctx context.Context, c *caller.Caller, ref string) ([]records.Link, error) {
	p, err := u.UserPrincipal(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	return u.store.Links(ctx, records.LinkQuery{User: p.User.ID})
}

// LinkUser links a user to who they are for a source, for administrators. Whoever the source
// vouches for by that external id signs in as the user. A session must be fresh. The error
// is Conflict when somebody is linked so.
func (u *Users) LinkUser(ctx context.Context, c *caller.Caller, ref, source, externalID string) (records.Link, error) {
	user, err := u.changeable(ctx, c, audit.UserLink, ref)
	if err != nil {
		return records.Link{}, err
	}
	if err := validateSource(source); err != nil {
		return records.Link{}, err
	}
	if err := ValidateExternalID(externalID); err != nil {
		return records.Link{}, err
	}
	link := records.Link{Source: source, ExternalID: externalID, UserID: user.ID, LinkedAt: u.editor.journal.Now()}
	_, err = u.editor.commit(ctx, c, change{
		action: audit.UserLink, target: user.ID, name: user.Username, remark: linkRemark(source, externalID),
		ops: []records.Op{records.AddLink{Link: link}},
	})
	return link, err
}

// UnlinkUser removes a link of a user, for administrators, and ends the sessions that began
// by its source. A session must be fresh. The error is NotFound for a link that isn't the
// user's.
func (u *Users) UnlinkUser(ctx context.Context, c *caller.Caller, ref string, link records.Link) (revocation.Receipt, error) {
	user, err := u.changeable(ctx, c, audit.UserUnlink, ref)
	if err != nil {
		return revocation.Receipt{}, err
	}
	return u.Unlink(ctx, c, user, link, nil)
}

// Unlink removes a link of a user with the other sessions that began by its source: package
// account or UnlinkUser has decided that the caller may. With ways, a link of one of these
// sources must be left: the error is Conflict.
func (u *Users) Unlink(ctx context.Context, c *caller.Caller, user identity.User, link records.Link, ways []string) (revocation.Receipt, error) {
	links, err := u.store.Links(ctx, records.LinkQuery{User: user.ID, Source: link.Source})
	if err != nil {
		return revocation.Receipt{}, err
	}
	if !slices.ContainsFunc(links, func(l records.Link) bool { return l.ExternalID == link.ExternalID }) {
		return revocation.Receipt{}, ErrNoLink
	}
	removal := change{
		action: audit.UserUnlink, target: user.ID, name: user.Username, remark: linkRemark(link.Source, link.ExternalID),
		ops: []records.Op{records.RemoveLink{Source: link.Source, ExternalID: link.ExternalID}},
	}
	if ways != nil {
		removal.ops = append(removal.ops, records.RequireLink{UserID: user.ID, Sources: ways})
	}
	sessions, err := u.sessions.SessionsOf(ctx, records.SessionQuery{Source: link.Source, Owner: user.ID}, u.editor.journal.Now())
	if err != nil {
		return revocation.Receipt{}, err
	}
	for _, s := range sessions {
		if s.ID == c.TokenID() {
			continue
		}
		ops, entries := u.editor.journal.Kill(journal.Kill{ID: s.ID, Opaque: true, Reason: "the link was removed"})
		removal.ops, removal.log = append(removal.ops, ops...), append(removal.log, entries...)
	}
	return u.editor.commit(ctx, c, removal)
}

// changeable is the gate of changing how a user gets in, and returns the user.
func (u *Users) changeable(ctx context.Context, c *caller.Caller, action, ref string) (identity.User, error) {
	if err := u.editor.admit(ctx, c, action, ref); err != nil {
		return identity.User{}, err
	}
	if err := u.editor.admitFresh(ctx, c, action, ref); err != nil {
		return identity.User{}, err
	}
	return findUser(ctx, u.store, ref)
}

// validateSource accepts what a source may be named, one of SCIM too.
func validateSource(name string) error {
	if name == "" || len(name) > maxSourceBytes || strings.Trim(name, sourceAlphabet+":") != "" {
		return fault.New(fault.Invalid, "the name of a source has 1 to %d letters, digits, dots, hyphens and underscores", maxSourceBytes).In("source")
	}
	return nil
}

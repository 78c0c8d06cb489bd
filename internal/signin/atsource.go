package signin

import (
	"context"
	"errors"
	"slices"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
)

// sourcesFor returns the sources that are asked about a password. A user with a password
// here is judged by that alone; somebody else by the sources that they are linked to, and
// an unknown name by those that create users.
func (a *Authenticator) sourcesFor(ctx context.Context, found *records.Principal) (ask []Source, err error) {
	if !slices.ContainsFunc(a.cfg.Sources, func(s Source) bool { return s.Passwords != nil }) || a.ownPassword(found) {
		return nil, nil
	}
	var links []records.Link
	if found != nil {
		if links, err = a.cfg.Store.Links(ctx, records.LinkQuery{User: found.User.ID}); err != nil {
			return nil, err
		}
	}
	for _, s := range a.cfg.Sources {
		linked := slices.ContainsFunc(links, func(l records.Link) bool { return l.Source == s.Name || s.Users != "" && l.Source == s.Users })
		if s.Passwords != nil && (linked || found == nil && s.Create) {
			ask = append(ask, s)
		}
	}
	return ask, nil
}

// ownPassword reports whether a user has a password that bearerd keeps.
func (a *Authenticator) ownPassword(p *records.Principal) bool {
	return p != nil && p.User.PasswordHash != "" && a.cfg.Passwords
}

// checkAtSources asks sources, one after another, whether the password is right. One that
// can't be asked keeps the others from nothing; the answer is that it can't be asked only
// when none of the others accepts the password.
func (a *Authenticator) checkAtSources(ctx context.Context, cred Credentials, sources []Source) (verdict, error) {
	refusal := error(errBadCredentials)
	for _, s := range sources {
		st, err := s.Passwords.CheckPassword(ctx, cred.Username, cred.Password)
		switch {
		case err == nil:
			st.Source = s.Name
			if st.AuthenticatedAt.IsZero() {
				st.AuthenticatedAt = a.cfg.Now() // a password was typed
			}
			return verdict{statement: &st}, nil
		case !fault.Is(err, fault.BadCredentials):
			refusal = err
		}
	}
	return verdict{}, refusal
}

// loginVouched signs in whom a source vouches for by a password. That must be who has the
// typed name, or a name that nobody has; and nobody who has a password here.
func (a *Authenticator) loginVouched(ctx context.Context, cred Credentials, typed *records.Principal, st Statement, ops []records.Op) (*caller.Caller, error) {
	src, _ := a.cfg.Sources.Find(st.Source)
	whom, _, err := a.whom(ctx, src, st)
	if err != nil {
		return nil, a.refuseStatement(ctx, st, "", err)
	}
	other := typed != nil && (whom == nil || whom.User.ID != typed.User.ID)
	if other || a.ownPassword(whom) {
		_ = a.refuseStatement(ctx, st, subjectOf(whom), fault.New(fault.Forbidden, "the password is that of another account than the one that was typed"))
		return nil, errBadCredentials
	}
	c, err := a.Vouch(ctx, st)
	if err != nil {
		return nil, asPassword(err)
	}
	if len(ops) > 0 {
		if _, err := a.cfg.Journal.Commit(ctx, records.Batch{Ops: ops}); err != nil {
			return nil, err
		}
	}
	if cred.Collection == nil {
		return c, nil
	}
	// Read again with the collection that was asked for.
	p, err := a.cfg.Store.Principal(ctx, records.Who{UserID: c.ID(), Collection: cred.Collection})
	if err != nil {
		return nil, err
	}
	return caller.BySignIn(&p, c.SignIn), nil
}

// asPassword returns the answer to somebody whose password was right and who was refused:
// that of a wrong one. Why, the audit log says.
func asPassword(err error) error {
	_, elsewhere := errors.AsType[*NeedsPasswordError](err)
	switch kind := fault.KindOf(err); {
	case kind == fault.Unavailable, kind == fault.Internal && !elsewhere:
		return err
	}
	return errBadCredentials
}

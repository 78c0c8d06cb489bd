package signin

import (
	"context"
	"errors"
	"slices"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// sourcesFor returns the sources that are asked about a password. A user with a password
// here is judged by that alone; somebody else by the sources that they are linked to, and
// an unknown name by those that create users.
func (pw *Passwords) sourcesFor(ctx context.Context, found *records.Principal) (ask []Source, err error) {
	if !slices.ContainsFunc(pw.cfg.Sources, func(s Source) bool { return s.Passwords != nil }) || pw.Has(found) {
		return nil, nil
	}
	var links []records.Link
	if found != nil {
		if links, err = pw.cfg.Store.Links(ctx, records.LinkQuery{User: found.User.ID}); err != nil {
			return nil, err
		}
	}
	for _, s := range pw.cfg.Sources {
		linked := slices.ContainsFunc(links, func(l records.Link) bool { return l.Source == s.Name || s.Users != "" && l.Source == s.Users })
		if s.Passwords != nil && (linked || found == nil && s.Create) {
			ask = append(ask, s)
		}
	}
	return ask, nil
}

// checkAtSources asks sources, one after another, whether the password is right. When a
// source can't be asked, the next one is asked; the error is Unavailable only when none
// of the others accepts the password.
func (pw *Passwords) checkAtSources(ctx context.Context, cred Credentials, sources []Source) (verdict, error) {
	refusal := error(errBadCredentials)
	for _, s := range sources {
		st, err := s.Passwords.CheckPassword(ctx, cred.Username, cred.Password)
		switch {
		case err == nil:
			st.Source = s.Name
			if st.AuthenticatedAt.IsZero() {
				st.AuthenticatedAt = pw.cfg.Now() // a password was typed
			}
			return verdict{statement: &st}, nil
		case !fault.Is(err, fault.BadCredentials):
			refusal = err
		}
	}
	return verdict{}, refusal
}

// loginVouched signs in the user whom a source vouches for by a password. That must be the
// user of the typed name, or the name must be nobody's; and the user has no password here.
func (pw *Passwords) loginVouched(ctx context.Context, cred Credentials, typed *records.Principal, st Statement, ops []op.Op) (*caller.Caller, error) {
	src, _ := pw.cfg.Sources.Find(st.Source)
	whom, _, err := pw.vouching.whom(ctx, src, st)
	if err != nil {
		return nil, pw.vouching.refuseStatement(ctx, st, "", err)
	}
	other := typed != nil && (whom == nil || whom.User.ID != typed.User.ID)
	if other || pw.Has(whom) {
		_ = pw.vouching.refuseStatement(ctx, st, subjectOf(whom), fault.New(fault.Forbidden, "the password is that of another account than the one that was typed"))
		return nil, errBadCredentials
	}
	c, err := pw.vouching.Vouch(ctx, st)
	if err != nil {
		return nil, asPassword(err)
	}
	if len(ops) > 0 {
		if _, err := pw.cfg.Journal.Commit(ctx, op.Batch{Ops: ops}); err != nil {
			return nil, err
		}
	}
	if cred.Collection == nil {
		return c, nil
	}
	// Read again with the collection that was asked for.
	p, err := pw.cfg.Store.Principal(ctx, records.Who{UserID: c.ID(), Collection: cred.Collection})
	if err != nil {
		return nil, err
	}
	return caller.BySignIn(&p, c.SignIn), nil
}

// asPassword returns the error for somebody who is refused although the password was
// right: the same as for a wrong password. The audit log has the reason.
func asPassword(err error) error {
	_, elsewhere := errors.AsType[*NeedsPasswordError](err)
	switch kind := fault.KindOf(err); {
	case kind == fault.Unavailable, kind == fault.Internal && !elsewhere:
		return err
	}
	return errBadCredentials
}

// VouchWithPassword is Vouch for somebody who has typed the password of the user that the
// source names: they are linked. The error is that of Vouch or of Login.
func (pw *Passwords) VouchWithPassword(ctx context.Context, st Statement, password string) (*caller.Caller, error) {
	proved, err := pw.Login(ctx, Credentials{Username: st.Username, Password: password})
	if err != nil {
		return nil, err
	}
	return pw.vouching.vouch(ctx, st, proved.Principal)
}

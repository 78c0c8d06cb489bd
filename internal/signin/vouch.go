package signin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// Once is something that can be used once.
type Once struct {
	Name  records.Once
	Until time.Time // when it would be refused anyway
}

// NeedsPasswordError says that somebody whom a source vouches for may be a user who has a
// password here: with that password once, they are linked.
type NeedsPasswordError struct{ Username string }

// Error returns the reason.
func (e *NeedsPasswordError) Error() string {
	return fmt.Sprintf("the user %q has a password here", e.Username)
}

// Vouching signs in people whom sources vouch for. Its methods may be called from any number
// of goroutines.
type Vouching struct{ cfg *Config }

// Vouch signs in the user about whom a source makes a statement. The user is the one who
// is linked to the external id, and nobody else. Where there is no link, the source's
// policy decides: the statement is refused, or a user is created, or a user of the same
// name is linked who has nothing to lose. A disabled user is refused whatever the source
// says.
//
// The error is Forbidden where the policy refuses, Conflict for a name that is taken,
// SignInAgain for somebody who authenticated too long ago, InvalidToken for a statement
// that was used already, and a *NeedsPasswordError.
func (v *Vouching) Vouch(ctx context.Context, st Statement) (*caller.Caller, error) {
	return v.vouch(ctx, st, nil)
}

// LinkTo links a user, who has asked for it while they were signed in, to the external id of
// a statement. The error is Conflict when that is linked to somebody, and that of Vouch.
func (v *Vouching) LinkTo(ctx context.Context, subject string, st Statement) error {
	src, err := v.judge(ctx, st)
	if err != nil {
		return err
	}
	p, err := records.ReadUser(ctx, v.cfg.Store, subject, nil)
	if err != nil {
		return err
	}
	if p.User.Disabled {
		return v.refuseStatement(ctx, st, subject, fault.New(fault.Forbidden, "the account is disabled"))
	}
	said := v.sourced(ctx, src, st, nil)
	said.event.Reason = "a link to the source " + src.Name
	if err := v.followSource(ctx, *p.User, said, true); err != nil {
		return v.refuseStatement(ctx, st, subject, named(st, err))
	}
	return nil
}

func (v *Vouching) vouch(ctx context.Context, st Statement, proved *records.Principal) (*caller.Caller, error) {
	src, err := v.judge(ctx, st)
	if err != nil {
		return nil, err
	}
	found, linked, err := v.whom(ctx, src, st)
	if err != nil {
		return nil, v.refuseStatement(ctx, st, "", err)
	}
	if found == nil {
		if found, err = v.byName(ctx, src, st, proved); err != nil {
			return nil, v.refuseStatement(ctx, st, "", err)
		}
	}
	if found != nil && found.User.Disabled {
		v.cfg.Meter.LoginTried(outcomeDisabled)
		return nil, v.refuseStatement(ctx, st, found.User.ID, fault.New(fault.Forbidden, "the account is disabled"))
	}
	groups, err := v.groups(ctx, src, st)
	if err != nil {
		return nil, err
	}
	said := v.sourced(ctx, src, st, groups)
	var subject string
	switch {
	case found != nil:
		subject = found.User.ID
		err = v.followSource(ctx, *found.User, said, !linked)
	case src.Create && st.Username == "":
		err = fault.New(fault.Forbidden, "%s says no username, and without one nobody can be created", src.Title)
	case src.Create:
		subject, err = v.createSourced(ctx, said)
	default:
		err = fault.New(fault.Forbidden, "nobody here is linked to this account of %s", src.Title)
	}
	if err != nil {
		return nil, v.refuseStatement(ctx, st, subject, named(st, err))
	}
	return v.signedIn(ctx, src, st, subject)
}

// signedIn returns the user as they are now: what was decided before the commit is not
// what a session may rest on.
func (v *Vouching) signedIn(ctx context.Context, src Source, st Statement, subject string) (*caller.Caller, error) {
	p, err := v.cfg.Store.Principal(ctx, records.Who{UserID: subject})
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if err != nil || p.User.Disabled {
		return nil, v.refuseStatement(ctx, st, subject, fault.New(fault.Forbidden, "the account is disabled"))
	}
	v.cfg.Meter.LoginTried(outcomeOK)
	return caller.BySignIn(&p, records.SignIn{
		Source: src.Name, Session: st.Session, At: st.AuthenticatedAt, Person: st.ExternalID, SaidAt: st.SaidAt,
	}), nil
}

// judge decides whether a statement is one that the source may make at all.
func (v *Vouching) judge(ctx context.Context, st Statement) (Source, error) {
	src, ok := v.cfg.Sources.Find(st.Source)
	if !ok {
		return src, fault.New(fault.NotFound, "there is no such way to sign in")
	}
	if err := changes.ValidateExternalID(st.ExternalID); err != nil {
		return src, v.refuseStatement(ctx, st, "", fault.Wrap(err, fault.Forbidden, "%s names nobody by an id that can be kept", src.Title))
	}
	if !src.admits(st) {
		return src, v.refuseStatement(ctx, st, "", fault.New(fault.Forbidden, "%s has no right for this account to sign in here", src.Title))
	}
	if now := v.cfg.Now(); src.MaxAge > 0 && (st.AuthenticatedAt.IsZero() || now.Sub(st.AuthenticatedAt) > src.MaxAge) {
		return src, v.refuseStatement(ctx, st, "", fault.New(fault.SignInAgain, "the sign-in at %s was too long ago", src.Title))
	}
	return src, nil
}

// whom returns the user whom a statement is about, nil when nobody is linked, and reports
// whether they are linked to this source itself.
func (v *Vouching) whom(ctx context.Context, src Source, st Statement) (found *records.Principal, linked bool, err error) {
	own, err := v.linkedTo(ctx, src.Name, st.ExternalID)
	if err != nil || src.Users == "" {
		return own, own != nil, err
	}
	said := st.Claims[src.ExternalID]
	if len(said) != 1 || said[0] == "" {
		return nil, false, fault.New(fault.Forbidden, "%s doesn't say who this account is for %s", src.Title, src.Users)
	}
	theirs, err := v.linkedTo(ctx, src.Users, said[0])
	switch {
	case err != nil:
		return nil, false, err
	case own != nil && theirs != nil && own.User.ID != theirs.User.ID:
		return nil, false, fault.New(fault.Forbidden, "this account of %s is linked to somebody else here", src.Title)
	case theirs != nil:
		return theirs, own != nil, nil
	}
	return own, own != nil, nil
}

// linkedTo returns the user who is linked to an external id; nil when nobody is.
func (v *Vouching) linkedTo(ctx context.Context, source, externalID string) (*records.Principal, error) {
	p, err := v.cfg.Store.Principal(ctx, records.Who{Source: source, ExternalID: externalID})
	if fault.Is(err, fault.NotFound) {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// byName returns the user who is linked at first sight because they have the username that
// the source says; nil when there is none. A user who could lose something by that is
// never linked in this way: the source has no say over what they already have.
func (v *Vouching) byName(ctx context.Context, src Source, st Statement, proved *records.Principal) (*records.Principal, error) {
	if !src.LinkUsername || identity.FoldName(st.Username) == "" {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	p, err := v.cfg.Store.Principal(ctx, records.Who{Username: st.Username})
	if fault.Is(err, fault.NotFound) {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	if err != nil {
		return nil, err
	}
	links, err := v.cfg.Store.Links(ctx, records.LinkQuery{User: p.User.ID, Source: src.Name})
	switch {
	case err != nil:
		return nil, err
	case p.User.Username != st.Username || len(links) > 0 || p.User.Owner != "" || reachesFar(p.Grants):
		return nil, errTaken(st)
	case p.User.PasswordHash == "" || !v.cfg.Passwords:
		return &p, nil
	case proved == nil || proved.User == nil || proved.User.ID != p.User.ID:
		return nil, &NeedsPasswordError{Username: p.User.Username}
	}
	return &p, nil
}

// reachesFar reports whether any grant is too powerful to be obtained by a name: all
// actions everywhere, or any action on tokens.
func reachesFar(grants []access.Grant) bool {
	return access.Allows(grants, access.Any, access.Root) ||
		slices.ContainsFunc(grants, func(g access.Grant) bool { return g.Path.Covers(access.PathTokens) || access.PathTokens.Covers(g.Path) })
}

func errTaken(st Statement) error {
	return fault.New(fault.Conflict, "the username %q is taken here", st.Username).In("username")
}

// named returns the refusal in the words of somebody who signs in: they didn't choose the
// username.
func named(st Statement, err error) error {
	switch {
	case fault.Is(err, fault.Conflict) && fault.FieldOf(err) == "username":
		return errTaken(st)
	case fault.Is(err, fault.Conflict) && fault.FieldOf(err) == "external_id":
		return fault.Wrap(err, fault.Conflict, "this account is linked to somebody here already: try again")
	case fault.Is(err, fault.Conflict):
		return fault.Wrap(err, fault.InvalidToken, "this sign-in was used already")
	case fault.Is(err, fault.Invalid):
		return fault.Wrap(err, fault.Forbidden, "what is said of this account can't be kept: %s", fault.Message(err))
	}
	return err
}

// groups returns the memberships that the source sets; nil when it sets none. A group that
// holds everything is set only by a source that may set it by its full name.
func (v *Vouching) groups(ctx context.Context, src Source, st Statement) (*[]string, error) {
	if !src.SetsGroups {
		return nil, nil //nolint:nilnil // none is an answer
	}
	mighty, err := changes.MightyGroups(ctx, v.cfg.Store)
	if err != nil {
		return nil, err
	}
	set := []string{}
	for _, g := range st.Groups {
		may, named := src.maySet(g)
		if may && (named || !mighty[g]) && !slices.Contains(set, g) && identity.ValidateGroup(g) == nil {
			set = append(set, g)
		}
	}
	return &set, nil
}

// sourced returns what is stored of a statement, with the record of the sign-in.
func (v *Vouching) sourced(ctx context.Context, src Source, st Statement, groups *[]string) sourced {
	e := v.cfg.Journal.Event(ctx, "", audit.Login)
	e.Reason = "by the source " + src.Name
	s := sourced{
		source: src.Name, externalID: st.ExternalID, username: strings.TrimSpace(st.Username), name: st.Name, email: st.Email,
		groups: groups, event: e,
	}
	for _, one := range st.Once {
		s.also = append(s.also, op.Spend{Once: one.Name, Until: one.Until})
	}
	return s
}

// RefuseSource records that an answer of a source signed nobody in, and returns the reason.
func (v *Vouching) RefuseSource(ctx context.Context, source string, reason error) error {
	return v.refuseStatement(ctx, Statement{Source: source}, "", reason)
}

// refuseStatement records that somebody whom a source vouched for was refused, and returns
// the reason. The record names the source and the external id.
func (v *Vouching) refuseStatement(ctx context.Context, st Statement, subject string, reason error) error {
	v.cfg.Meter.LoginTried(outcomeFailed)
	e := v.cfg.Journal.Event(ctx, "", audit.Login)
	e.Target, e.TargetName = subject, st.Username
	switch {
	case subject == "" && st.ExternalID == "":
		e.Target = st.Source
	case subject == "":
		e.Target = st.Source + ":" + st.ExternalID
	}
	switch fault.KindOf(reason) { //nolint:exhaustive // the rest is no decision about somebody
	case fault.Internal, fault.Unavailable:
		return reason
	}
	return v.cfg.Journal.Refuse(ctx, e, reason)
}

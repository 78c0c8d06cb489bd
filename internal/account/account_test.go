package account_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/token"
)

func changing(current, to token.Secret) account.PasswordChange {
	return account.PasswordChange{Current: current, New: to}
}

func changePassword(t *testing.T, f *nodetest.Fixture, c *caller.Caller, ch account.PasswordChange) error {
	t.Helper()
	_, _, err := f.ChangePassword(t.Context(), c, ch)
	return err
}

// With a new password everything of the user ends, and a session begins in place of the one
// that changed it, as it was.
func TestAChangedPasswordEndsEverythingElse(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	f.User(t, "ada", "correct horse", nodetest.May("access", "/collections/4"))
	session, err := f.StartSession(t.Context(), f.Login(t, "ada", "correct horse", 4), new(int64(4)))
	nodetest.Must(t, err)
	ada, err := f.Session(t.Context(), session.Value.Reveal())
	nodetest.Must(t, err)
	laptop, elsewhere := f.APIToken(t, ada, credentials.NewCredential{}), f.SessionOf(t, "ada")
	c, collection, err := f.ChangePassword(t.Context(), ada, changing("correct horse", "battery staple"))
	nodetest.Must(t, err)
	for what, issued := range map[string]*issuance.Issued{"the old session": session, "another session": elsewhere, "a token": laptop} {
		f.WantDead(t, what, issued)
	}
	next, err := f.StartSession(t.Context(), c, collection)
	nodetest.Must(t, err)
	now, err := f.Session(t.Context(), next.Value.Reveal())
	nodetest.Must(t, err)
	if now.Token.Collection == nil || *now.Token.Collection != 4 || now.Token.SignedIn.UnixMicro() != ada.Token.SignedIn.UnixMicro() {
		t.Errorf("the session in its place: %+v", now.Token)
	}
	nodetest.WantFault(t, "the old password", f.TryLogin(t, "ada", "correct horse", ""), fault.BadCredentials, "")
	nodetest.Must(t, f.TryLogin(t, "ada", "battery staple", ""))
	if e := f.LastEvent(t, audit.UserPassword); e.Actor != ada.ID() || e.Target != ada.ID() || e.Reason != "by the user" {
		t.Errorf("%+v", e)
	}
}

func TestWhoMayNotChangeTheirPassword(t *testing.T) {
	t.Parallel()
	f := with(t, signin.Source{Name: "orcid", Title: "ORCID"}, signin.Source{Name: "museum", Title: "Museum", Passwords: keeper{}})
	f.User(t, "ada", "correct horse")
	f.User(t, "none", "")
	_, _, err := f.Apply(t.Context(), operator, apply.Desired{Source: "legacy", Users: []apply.DesiredUser{{NewUser: identity.NewUser{Username: "eve", Password: "correct horse"}}}})
	nodetest.Must(t, err)
	ada := f.SignedIn(t, "ada")
	good := changing("correct horse", "battery staple")
	for name, row := range map[string]struct {
		by   *caller.Caller
		what account.PasswordChange
		kind fault.Kind
		text string
	}{
		"nobody":                      {nil, good, fault.Unauthenticated, ""},
		"a token":                     {f.ByBearer(t, f.MadeAccess(t, ada, identity.ScopeCredentials)), good, fault.Forbidden, "session"},
		"a client":                    {f.NewClient(t, identity.NewClient{ID: "ci", Secret: nodetest.ClientSecret}), good, fault.Forbidden, "session"},
		"a wrong current one":         {ada, changing("wrong horse", "battery staple"), fault.Forbidden, "the current password is wrong"},
		"none":                        {ada, changing("", "battery staple"), fault.Forbidden, "the current password is wrong"},
		"the same again":              {ada, changing("correct horse", "correct horse"), fault.Invalid, "is the current one"},
		"a short one":                 {ada, changing("correct horse", "short"), fault.Invalid, "8 characters"},
		"somebody without a password": {f.SignedIn(t, "none"), good, fault.Conflict, "no password to change"},
		"a user of a source":          {f.SignedIn(t, "eve"), good, fault.Conflict, "the source legacy"},
	} {
		nodetest.WantFault(t, name, changePassword(t, f, row.by, row.what), row.kind, row.text)
	}
	f.Advance(15*time.Minute + 2*time.Second)
	nodetest.WantFault(t, "too late", changePassword(t, f, ada, good), fault.SignInAgain, "")
	nodetest.Must(t, f.TryLogin(t, "ada", "correct horse", ""))

	closed := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Passwords = false }})
	closed.User(t, "ada", "correct horse")
	nodetest.WantFault(t, "where passwords are off", changePassword(t, closed, closed.SignedIn(t, "ada"), good), fault.Conflict, "nobody signs in with a password")
}

// A wrong current password is a guess at the account like any other.
func TestWrongCurrentPasswordsCountAsFailedSignIns(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	ada := f.SignedIn(t, "ada")
	for range 10 { // login.account_failures
		nodetest.WantFault(t, "a guess", changePassword(t, f, ada, changing("wrong horse", "battery staple")), fault.Forbidden, "")
	}
	nodetest.WantFault(t, "the right one then", changePassword(t, f, ada, changing("correct horse", "battery staple")), fault.Limited, "")
	nodetest.WantFault(t, "signing in then", f.TryLogin(t, "ada", "correct horse", ""), fault.Limited, "")
	if e := f.LastEvent(t, audit.UserPassword); e.Outcome != audit.Refused || e.Actor != ada.ID() {
		t.Errorf("%+v", e)
	}
}

// Of two changes that were proved by the same password one is made: somebody who has stolen
// it doesn't undo its owner's change.
func TestOneOfTwoPasswordChangesIsMade(t *testing.T) {
	t.Parallel()
	g, store := nodetest.Hook()
	f := nodetest.New(t, nodetest.Options{Store: store})
	f.User(t, "ada", "correct horse")
	ada, thief := f.SignedIn(t, "ada"), f.SignedIn(t, "ada")
	var owners error
	g.At(nodetest.CommitAsked, func() { owners = changePassword(t, f, ada, changing("correct horse", "battery staple")) })
	nodetest.WantFault(t, "the second", changePassword(t, f, thief, changing("correct horse", "stolen horse")), fault.Conflict, "at the same time")
	nodetest.Must(t, owners)
	nodetest.Must(t, f.TryLogin(t, "ada", "battery staple", ""))
}

// linksOf returns the links of a user as text.
func linksOf(t *testing.T, f *nodetest.Fixture, username string) (list []string) {
	t.Helper()
	links, err := f.Links(t.Context(), operator, username)
	nodetest.Must(t, err)
	for _, l := range links {
		list = append(list, l.Source+" "+l.ExternalID)
	}
	return list
}

func linkTo(t *testing.T, f *nodetest.Fixture, username, source, externalID string) records.Link {
	t.Helper()
	l, err := f.LinkUser(t.Context(), operator, username, source, externalID)
	nodetest.Must(t, err)
	return l
}

func unlink(t *testing.T, f *nodetest.Fixture, c *caller.Caller, source, externalID string) error {
	t.Helper()
	return nodetest.Second(f.Unlink(t.Context(), c, records.Link{Source: source, ExternalID: externalID}))
}

// Somebody removes their own links, but never the last by which they could sign in, nor the
// one by which their owner knows them.
func TestSomebodyKeepsAWayIn(t *testing.T) {
	t.Parallel()
	f := with(t, signin.Source{Name: "orcid", Title: "ORCID"}, signin.Source{Name: "sso", Title: "SSO", Users: "scim:hr", ExternalID: "id"})
	f.User(t, "ada", "")
	f.User(t, "bob", "correct horse")
	for _, l := range [][3]string{{"ada", "orcid", "1"}, {"ada", "orcid", "2"}, {"ada", "gone", "1"}, {"bob", "orcid", "3"}} {
		linkTo(t, f, l[0], l[1], l[2])
	}
	ada, bob := f.SignedIn(t, "ada"), f.SignedIn(t, "bob")
	nodetest.WantFault(t, "somebody else's", unlink(t, f, ada, "orcid", "3"), fault.NotFound, "")
	nodetest.WantFault(t, "nobody's", unlink(t, f, ada, "orcid", "9"), fault.NotFound, "")
	nodetest.Must(t, unlink(t, f, ada, "orcid", "1"))
	nodetest.WantFault(t, "the last, beside one of a source that is no more", unlink(t, f, ada, "orcid", "2"), fault.Conflict, "no way left")
	nodetest.Must(t, unlink(t, f, bob, "orcid", "3")) // who has a password
	linkTo(t, f, "ada", "scim:hr", "7")
	nodetest.Must(t, unlink(t, f, ada, "orcid", "2")) // sso looks scim's ids up
	if diff := cmp.Diff([]string{"gone 1", "scim:hr 7"}, linksOf(t, f, "ada")); diff != "" {
		t.Error(diff)
	}

	nodetest.WantFault(t, "a token", unlink(t, f, f.ByBearer(t, f.MadeAccess(t, bob, identity.ScopeCredentials)), "orcid", "3"), fault.Forbidden, "session")
	nodetest.WantFault(t, "nobody", unlink(t, f, nil, "orcid", "3"), fault.Unauthenticated, "")
	f.Advance(16 * time.Minute)
	nodetest.WantFault(t, "too late", unlink(t, f, ada, "gone", "1"), fault.SignInAgain, "")
}

func TestALinkOfTheOwnerStays(t *testing.T) {
	t.Parallel()
	f := with(t, museum, signin.Source{Name: "orcid", Title: "ORCID"})
	by, err := f.Vouch(t.Context(), signin.Statement{Source: "museum", ExternalID: "7", Username: "ada"})
	nodetest.Must(t, err)
	linkTo(t, f, "ada", "orcid", "1")
	session, err := f.StartSession(t.Context(), by, nil)
	nodetest.Must(t, err)
	ada, err := f.Session(t.Context(), session.Value.Reveal())
	nodetest.Must(t, err)
	if ada.Token.VouchedBy != "museum" {
		t.Errorf("%+v", ada.Token)
	}
	ada = f.SignedIn(t, "ada")
	nodetest.WantFault(t, "the owner's", unlink(t, f, ada, "museum", "7"), fault.Conflict, "maintains your account")
	nodetest.Must(t, unlink(t, f, ada, "orcid", "1"))
	_, err = f.UnlinkUser(t.Context(), operator, "ada", records.Link{Source: "museum", ExternalID: "7"})
	nodetest.Must(t, err) // by administrators
	f.WantDead(t, "a session that began by it", session)
}

// A removed link ends the sessions that began by its source, this one and others aside.
func TestARemovedLinkEndsItsSessions(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) {
		s.Sources = []signin.Source{{Name: "orcid", Title: "ORCID"}, museum}
		s.Notices = []notice.Interest{{Receiver: "siem", Events: []string{notice.SessionRevoked}}}
	}})
	f.User(t, "ada", "correct horse")
	linkTo(t, f, "ada", "orcid", "1")
	linkTo(t, f, "ada", "museum", "1")
	session := func(source string) *issuance.Issued {
		by, err := f.Vouch(t.Context(), signin.Statement{Source: source, ExternalID: "1", AuthenticatedAt: f.Time()})
		nodetest.Must(t, err)
		issued, err := f.StartSession(t.Context(), by, nil)
		nodetest.Must(t, err)
		return issued
	}
	here, there, other, own := session("orcid"), session("orcid"), session("museum"), f.SessionOf(t, "ada")
	ada, err := f.Session(t.Context(), here.Value.Reveal())
	nodetest.Must(t, err)
	nodetest.Must(t, unlink(t, f, ada, "orcid", "1"))
	due, err := f.Store.DueNotices(t.Context(), upkeep.DueQuery{Receiver: "siem", Now: f.Time(), Limit: 10})
	if err != nil || len(due) != 1 || due[0].Event != notice.SessionRevoked || due[0].Subject != ada.ID() || !strings.Contains(string(due[0].Fact), there.ID) {
		t.Errorf("reported: %+v, %v; want the session that ended", due, err)
	}
	f.WantDead(t, "another session that began by it", there)
	for what, issued := range map[string]*issuance.Issued{"this one": here, "one by another source": other, "one by a password": own} {
		if _, err := f.Session(t.Context(), issued.Value.Reveal()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func passwordLink(t *testing.T, f *nodetest.Fixture, username string) account.PasswordLink {
	t.Helper()
	link, err := f.CreatePasswordLink(t.Context(), operator, username)
	nodetest.Must(t, err)
	return link
}

// A link sets a password once, within a day, and ends everything of the user.
func TestAPasswordLinkIsGoodOnce(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	f.User(t, "ada", "")
	first := passwordLink(t, f, "ada")
	use := func(link account.PasswordLink, password token.Secret) error {
		return nodetest.Second(f.UsePasswordLink(t.Context(), link.Secret, password))
	}
	second := passwordLink(t, f, "ADA")
	nodetest.WantFault(t, "one that was replaced", use(first, "correct horse"), fault.NotFound, "")
	nodetest.WantFault(t, "a short password", use(second, "short"), fault.Invalid, "8 characters")
	nodetest.WantFault(t, "junk", nodetest.Second(f.UsePasswordLink(t.Context(), "bdl_JUNK", "correct horse")), fault.NotFound, "")
	nodetest.WantFault(t, "nothing", nodetest.Second(f.UsePasswordLink(t.Context(), "", "correct horse")), fault.NotFound, "")
	f.Advance(24*time.Hour - time.Second)
	session := f.SessionOf(t, "ada")
	username, err := f.UsePasswordLink(t.Context(), second.Secret, "correct horse")
	nodetest.Must(t, err)
	if username != "ada" || second.Username != "ada" || !second.ExpiresAt.Equal(f.Time().Add(time.Second)) {
		t.Errorf("%q, %+v", username, second)
	}
	nodetest.Must(t, f.TryLogin(t, "ada", "correct horse", ""))
	f.WantDead(t, "a session of before", session)
	nodetest.WantFault(t, "again", use(second, "battery staple"), fault.NotFound, "")
	if e := f.LastEvent(t, audit.UserPassword); e.Actor != e.Target || e.Reason != "by a link of cli" {
		t.Errorf("%+v", e)
	}
	if e := f.LastEvent(t, audit.UserPasswordLink); e.Actor != audit.ActorCLI || e.TargetName != "ada" {
		t.Errorf("%+v", e)
	}

	late := passwordLink(t, f, "ada")
	f.Advance(24 * time.Hour)
	nodetest.WantFault(t, "a day later", use(late, "battery staple"), fault.NotFound, "")
	late = passwordLink(t, f, "ada")
	nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Password: new(token.Secret("a third one"))})))
	nodetest.WantFault(t, "after another change", use(late, "battery staple"), fault.NotFound, "")
	late = passwordLink(t, f, "ada")
	nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Disabled: new(true)})))
	nodetest.WantFault(t, "of a disabled user", use(late, "battery staple"), fault.NotFound, "")
	nodetest.WantFault(t, "for a disabled user", nodetest.Second(f.CreatePasswordLink(t.Context(), operator, "ada")), fault.Conflict, "disabled")
}

func TestOneOfManyUsesOfAPasswordLinkIsGood(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "")
	link := passwordLink(t, f, "ada")
	var all sync.WaitGroup
	results := make(chan error, 4)
	for range cap(results) {
		all.Go(func() { results <- nodetest.Second(f.UsePasswordLink(t.Context(), link.Secret, "correct horse")) })
	}
	all.Wait()
	close(results)
	good := 0
	for err := range results {
		if err == nil {
			good++
		} else if !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
	}
	if good != 1 {
		t.Errorf("%d uses were good", good)
	}
}

func TestForWhomAPasswordLinkIsCreated(t *testing.T) {
	t.Parallel()
	f := with(t, museum, signin.Source{Name: "app", Title: "App", Create: true, Passwords: keeper{}})
	for source, username := range map[string]string{"museum": "mia", "app": "abe"} {
		_, err := f.Vouch(t.Context(), signin.Statement{Source: source, ExternalID: "1", Username: username})
		nodetest.Must(t, err)
	}
	_, _, err := f.Apply(t.Context(), operator, apply.Desired{Source: "legacy", Users: []apply.DesiredUser{{NewUser: identity.NewUser{Username: "leo"}}}})
	nodetest.Must(t, err)
	eve, root := f.Person(t, "eve"), f.Person(t, "root", nodetest.Admin())
	create := func(c *caller.Caller, username string) error {
		return nodetest.Second(f.CreatePasswordLink(t.Context(), c, username))
	}
	nodetest.Must(t, create(root, "eve"))
	nodetest.Must(t, create(root, "mia")) // the museum keeps no passwords
	nodetest.WantFault(t, "who has a password at the source", create(root, "abe"), fault.Conflict, "the source app")
	nodetest.WantFault(t, "of apply's source", create(root, "leo"), fault.Conflict, "the source legacy")
	nodetest.WantFault(t, "nobody", create(root, "nobody"), fault.NotFound, "")
	nodetest.WantFault(t, "by a user", create(eve, "eve"), fault.Forbidden, "")
	f.Advance(16 * time.Minute)
	nodetest.WantFault(t, "too late", create(root, "eve"), fault.SignInAgain, "")

	closed := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Passwords = false }})
	closed.User(t, "ada", "")
	nodetest.WantFault(t, "where passwords are off", nodetest.Second(closed.CreatePasswordLink(t.Context(), operator, "ada")), fault.Conflict, "nobody signs in with a password")
}

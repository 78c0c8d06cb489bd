package signin_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/signin"
)

// with returns a fixture whose people sign in by the sources too.
func with(t *testing.T, sources ...signin.Source) *nodetest.Fixture {
	t.Helper()
	return nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Sources = sources }})
}

// says returns a statement of the source "museum".
func says(externalID, username string) signin.Statement {
	return signin.Statement{Source: "museum", ExternalID: externalID, Username: username}
}

var museum = signin.Source{Name: "museum", Title: "Museum"}

func creating(s signin.Source) signin.Source { s.Create = true; return s }
func linking(s signin.Source) signin.Source  { s.LinkUsername = true; return s }

func wantKind(t *testing.T, err error, kind fault.Kind, text string) {
	t.Helper()
	if !fault.Is(err, kind) || !strings.Contains(fault.Message(err), text) {
		t.Errorf("got %v, want kind %v and %q", err, kind, text)
	}
}

// A name is never identity: whoever comes with another external id is somebody else, and
// whoever comes with the same is the same, whatever they are called now.
func TestOnlyTheExternalIDSaysWhoSomebodyIs(t *testing.T) {
	t.Parallel()
	f := with(t, creating(museum))
	ada, err := f.Vouch(t.Context(), says("7", "ada"))
	nodetest.Must(t, err)
	again, err := f.Vouch(t.Context(), says("7", "ada.lovelace"))
	nodetest.Must(t, err)
	if again.ID() != ada.ID() || again.Subject.Username != "ada.lovelace" {
		t.Errorf("the same external id is %s (%s), want %s renamed", again.ID(), again.Subject.Username, ada.ID())
	}
	_, err = f.Vouch(t.Context(), says("8", "ada.lovelace"))
	wantKind(t, err, fault.Conflict, `the username "ada.lovelace" is taken`)
	other, err := f.Vouch(t.Context(), says("8", "ada"))
	nodetest.Must(t, err)
	if other.ID() == ada.ID() {
		t.Error("a name that was given up led to the user who had it")
	}
	e := f.LastEvent(t, audit.Login)
	if e.Actor != other.ID() || e.Reason != "by the source museum" {
		t.Errorf("the audit log says %+v", e)
	}
	if e := f.LastEvent(t, audit.UserLink); e.Target != other.ID() || e.Reason != "museum 8" {
		t.Errorf("the audit log says %+v", e)
	}
}

// Whom nobody here is linked to is refused unless the source creates users.
func TestUnknownPeopleAreRefusedByDefault(t *testing.T) {
	t.Parallel()
	f := with(t, museum)
	f.User(t, "ada", "")
	_, err := f.Vouch(t.Context(), says("7", "ada"))
	wantKind(t, err, fault.Forbidden, "nobody here is linked to this account of Museum")
	if e := f.LastEvent(t, audit.Login); e.Outcome != audit.Refused || e.Target != "museum:7" || e.TargetName != "ada" {
		t.Errorf("the audit log says %+v", e)
	}
	_, err = f.Vouch(t.Context(), signin.Statement{Source: "nowhere", ExternalID: "7"})
	wantKind(t, err, fault.NotFound, "no such way")
	for _, id := range []string{"", " 7", "7\n", strings.Repeat("x", 256), "\xff"} {
		_, err = f.Vouch(t.Context(), says(id, "ada"))
		wantKind(t, err, fault.Forbidden, "")
	}
}

// What can't be a username creates nobody.
func TestNobodyIsCreatedWithoutAUsername(t *testing.T) {
	t.Parallel()
	f := with(t, creating(museum))
	for _, name := range []string{"", " ", "a\u200db", "2f6f0b5e-8f0b-4d3a-9a3e-6f0b5e8f0b4d", strings.Repeat("x", 256)} {
		_, err := f.Vouch(t.Context(), says("7", name))
		wantKind(t, err, fault.Forbidden, "")
	}
	users, err := f.UserList(t.Context(), caller.Operator(), records.UserQuery{})
	if err != nil || len(users.Items) != 0 {
		t.Errorf("%d users, %v", len(users.Items), err)
	}
}

// Disabled here is disabled, whatever the source says.
func TestADisabledUserIsRefused(t *testing.T) {
	t.Parallel()
	f := with(t, creating(museum))
	ada, err := f.Vouch(t.Context(), says("7", "ada"))
	nodetest.Must(t, err)
	disabled := true
	_, err = f.UpdateUser(t.Context(), caller.Operator(), ada.ID(), identity.UserPatch{Disabled: &disabled})
	nodetest.Must(t, err)
	_, err = f.Vouch(t.Context(), says("7", "ada"))
	wantKind(t, err, fault.Forbidden, "disabled")
	if e := f.LastEvent(t, audit.Login); e.Outcome != audit.Refused || e.Target != ada.ID() {
		t.Errorf("the audit log says %+v", e)
	}
}

// At first sight a user of the same name is linked only where nothing can be lost by it.
func TestANameLinksNobodyWhoHasSomethingToLose(t *testing.T) {
	t.Parallel()
	f := with(t, linking(museum), signin.Source{Name: "other", Title: "Other", Create: true})
	grant := func(action, path string) access.Binding {
		return access.Binding{Permission: &access.Permission{Action: action, Path: access.Root}, Path: access.Path(path)}
	}
	f.User(t, "plain", "", grant("access", "/collections/4"))
	f.User(t, "admin", "", grant("*", "/"))
	f.User(t, "revoker", "", grant("delete", "/tokens"))
	f.User(t, "everywhere", "", grant("introspect", "/"))
	f.User(t, "beneath", "", grant("delete", "/tokens/x"))
	f.User(t, "secret", "a good password")
	f.User(t, "Spelt", "")
	_, err := f.Vouch(t.Context(), signin.Statement{Source: "other", ExternalID: "1", Username: "owned"})
	nodetest.Must(t, err)

	c, err := f.Vouch(t.Context(), says("plain", "plain"))
	if err != nil || c.Subject.Username != "plain" {
		t.Errorf("plain: %v", err)
	}
	_, err = f.Vouch(t.Context(), says("plain2", "plain"))
	wantKind(t, err, fault.Conflict, "is taken") // has a link of this source
	for _, name := range []string{"admin", "revoker", "everywhere", "beneath", "owned", "spelt", "SPELT", " Spelt"} {
		_, err := f.Vouch(t.Context(), says("of "+name+".", name))
		wantKind(t, err, fault.Conflict, "is taken")
	}
	_, err = f.Vouch(t.Context(), says("nobody", "nobody"))
	wantKind(t, err, fault.Forbidden, "nobody here is linked")
	_, err = f.Vouch(t.Context(), says("secret", "secret"))
	if needs, ok := errors.AsType[*signin.NeedsPasswordError](err); !ok || needs.Username != "secret" {
		t.Errorf("secret: %v", err)
	}
	_, err = f.VouchWithPassword(t.Context(), says("secret", "secret"), "a bad password")
	wantKind(t, err, fault.BadCredentials, "")
	_, err = f.VouchWithPassword(t.Context(), says("secret", "secret"), "a good password")
	nodetest.Must(t, err)
	_, err = f.Vouch(t.Context(), says("secret", "renamed"))
	nodetest.Must(t, err)
}

// A source sets the groups that it may, replaces what it has set, and leaves the rest.
func TestASourceReplacesOnlyItsOwnGroups(t *testing.T) {
	t.Parallel()
	src := creating(museum)
	src.SetsGroups, src.GroupsOnly = true, []string{"m-*", "chiefs"}
	f := with(t, src)
	_, err := f.CreateBinding(t.Context(), caller.Operator(), access.Binding{Group: "m-root", Permission: &access.Permission{Action: "*", Path: "/"}, Path: "/"})
	nodetest.Must(t, err)
	_, err = f.CreateBinding(t.Context(), caller.Operator(), access.Binding{Group: "chiefs", Permission: &access.Permission{Action: "*", Path: "/"}, Path: "/"})
	nodetest.Must(t, err)
	vouch := func(groups ...string) *caller.Caller {
		t.Helper()
		st := says("7", "ada")
		st.Groups = groups
		c, err := f.Vouch(t.Context(), st)
		nodetest.Must(t, err)
		return c
	}
	check := func(c *caller.Caller, want ...string) {
		t.Helper()
		slices.Sort(want)
		if diff := cmp.Diff(want, c.Subject.Groups); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	check(vouch("m-a", "m-b", "m-root", "other", "a,b", "m-a"), "m-a", "m-b")
	check(vouch("m-b", "chiefs"), "m-b", "chiefs")
	own := []string{"m-b", "chiefs", "hand"}
	_, err = f.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Groups: &own})
	nodetest.Must(t, err)
	session, err := f.StartSession(t.Context(), vouch("m-b"), nil)
	nodetest.Must(t, err)
	check(vouch(), "hand")
	// A change of groups is a cut-off: the session decides again.
	c, err := f.Session(t.Context(), session.Value.Reveal())
	nodetest.Must(t, err)
	check(c, "hand")
}

// A source that has users of another owner looks them up by that owner's external id.
func TestUsersOfAnotherOwner(t *testing.T) {
	t.Parallel()
	src := creating(museum)
	src.Users, src.ExternalID = "hr", "number"
	f := with(t, src)
	_, _, err := f.Apply(t.Context(), caller.Operator(), apply.Desired{Source: "hr", Users: []apply.DesiredUser{
		{NewUser: identity.NewUser{Username: "ada"}, ExternalID: "n1"}, {NewUser: identity.NewUser{Username: "bob"}, ExternalID: "n2"},
	}})
	nodetest.Must(t, err)
	st := says("sub-1", "whoever")
	for _, numbers := range [][]string{nil, {""}, {"n1", "n2"}} {
		st.Claims = map[string][]string{"number": numbers}
		_, err := f.Vouch(t.Context(), st)
		wantKind(t, err, fault.Forbidden, "doesn't say who")
	}
	st.Claims = map[string][]string{"number": {"n1"}}
	c, err := f.Vouch(t.Context(), st)
	if err != nil || c.Subject.Username != "ada" {
		t.Fatalf("%v, %v", c, err)
	}
	st.Claims = map[string][]string{"number": {"n2"}}
	_, err = f.Vouch(t.Context(), st)
	wantKind(t, err, fault.Forbidden, "linked to somebody else")
	disabled := true
	_, err = f.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: &disabled})
	nodetest.Must(t, err)
	st.Claims = map[string][]string{"number": {"n1"}}
	_, err = f.Vouch(t.Context(), st)
	wantKind(t, err, fault.Forbidden, "disabled")
}

// Who is let in, and how old a sign-in may be, is the source's policy.
func TestAllowAndMaxAge(t *testing.T) {
	t.Parallel()
	src := creating(museum)
	src.Allow, src.MaxAge = map[string][]string{"hd": {"example.org"}, "role": {"staff"}}, time.Hour
	f := with(t, src)
	now := f.Time()
	for name, tt := range map[string]struct {
		claims map[string][]string
		at     time.Time
		kind   fault.Kind
	}{
		"no claim":      {nil, now, fault.Forbidden},
		"another value": {map[string][]string{"hd": {"example.com"}}, now, fault.Forbidden},
		"another case":  {map[string][]string{"hd": {"Example.org"}}, now, fault.Forbidden},
		"no time":       {map[string][]string{"hd": {"example.org"}}, time.Time{}, fault.SignInAgain},
		"too old":       {map[string][]string{"hd": {"example.org"}}, now.Add(-61 * time.Minute), fault.SignInAgain},
	} {
		st := says(name, "ada")
		st.Claims, st.AuthenticatedAt = tt.claims, tt.at
		if _, err := f.Vouch(t.Context(), st); !fault.Is(err, tt.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	st := says("7", "ada")
	st.Claims, st.AuthenticatedAt, st.Session = map[string][]string{"role": {"x", "staff"}}, now.Add(-time.Minute), "sid-1"
	st.SaidAt = now.Add(-time.Second)
	c, err := f.Vouch(t.Context(), st)
	nodetest.Must(t, err)
	if want := (records.SignIn{Source: "museum", Session: "sid-1", At: st.AuthenticatedAt, Person: "7", SaidAt: st.SaidAt}); c.SignIn != want {
		t.Errorf("signed in as %+v, want %+v", c.SignIn, want)
	}
}

// What was presented is good once, and a second time nothing happens.
func TestAStatementIsGoodOnce(t *testing.T) {
	t.Parallel()
	f := with(t, creating(museum))
	st := says("7", "ada")
	st.Once = []signin.Once{{Name: records.OnceOf("assertion", "museum", "jti"), Until: f.Time().Add(time.Minute)}}
	_, err := f.Vouch(t.Context(), st)
	nodetest.Must(t, err)
	_, err = f.Vouch(t.Context(), st)
	wantKind(t, err, fault.InvalidToken, "used already")
	st.ExternalID, st.Username = "8", "bob"
	_, err = f.Vouch(t.Context(), st)
	wantKind(t, err, fault.InvalidToken, "used already")
	if _, err := f.Directory.User(t.Context(), caller.Operator(), "bob"); !fault.Is(err, fault.NotFound) {
		t.Errorf("somebody was created by a statement that was used already: %v", err)
	}
}

// checker is an application that checks passwords: external id and password by username.
type checker map[string][2]string

func (c checker) CheckPassword(_ context.Context, username, password string) (signin.Statement, error) {
	switch known, ok := c[username]; {
	case username == "away":
		return signin.Statement{}, fault.New(fault.Unavailable, "the application doesn't answer")
	case ok && known[1] == password:
		return signin.Statement{ExternalID: known[0], Username: username}, nil
	}
	return signin.Statement{}, fault.New(fault.BadCredentials, "wrong")
}

// A user with a password here is judged by that alone, others by the sources that they are
// linked to, and unknown names by those that create users.
func TestPasswordsThatSourcesCheck(t *testing.T) {
	t.Parallel()
	src := creating(museum)
	src.Passwords = checker{"ada": {"1", "pw"}, "own": {"2", "pw"}, "renamed": {"1", "pw"}, "mail@example.org": {"1", "pw"}, "stranger": {"9", "pw"}, "thief": {"1", "pw"}}
	f := with(t, src)
	f.User(t, "own", "my own password")
	f.User(t, "thief", "")
	login := func(name, password string) (*caller.Caller, error) {
		return f.Authenticator.Login(t.Context(), signin.Credentials{Username: name, Password: password})
	}
	ada, err := login("ada", "pw")
	if err != nil || ada.SignIn.Source != "museum" || ada.SignIn.At.IsZero() {
		t.Fatalf("ada: %+v, %v", ada, err)
	}
	if _, err := login("ada", "wrong"); !fault.Is(err, fault.BadCredentials) {
		t.Errorf("a wrong password: %v", err)
	}
	if _, err := login("own", "pw"); !fault.Is(err, fault.BadCredentials) {
		t.Errorf("a user with a password here was judged by the application: %v", err)
	}
	if _, err := login("own", "my own password"); err != nil {
		t.Errorf("own password: %v", err)
	}
	if c, err := login("mail@example.org", "pw"); err != nil || c.ID() != ada.ID() {
		t.Errorf("another name of the same account: %v", err)
	}
	if _, err := login("thief", "pw"); !fault.Is(err, fault.BadCredentials) {
		t.Errorf("a user who isn't linked signed in by the application: %v", err)
	}
	if _, err := login("away", "pw"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("an application that is away: %v", err)
	}
}

// Passwords are closed at every door where the operator closes them.
func TestClosedPasswords(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) {
		s.Passwords = false
		s.Sources = signin.Sources{linking(museum)}
	}})
	f.User(t, "ada", "a good password")
	_, err := f.Authenticator.Login(t.Context(), signin.Credentials{Username: "ada", Password: "a good password"})
	wantKind(t, err, fault.BadCredentials, "")
	// Then nobody has a password that could be lost by a link.
	if _, err := f.Vouch(t.Context(), says("7", "ada")); err != nil {
		t.Errorf("link: %v", err)
	}
}

// Somebody who is signed in links an account of a source to themselves, once.
func TestLinkingOnesOwnAccount(t *testing.T) {
	t.Parallel()
	f := with(t, museum)
	ada, bob := f.Person(t, "ada"), f.Person(t, "bob")
	nodetest.Must(t, f.LinkTo(t.Context(), ada.ID(), says("7", "whoever")))
	if err := f.LinkTo(t.Context(), bob.ID(), says("7", "whoever")); !fault.Is(err, fault.Conflict) {
		t.Errorf("an account that is somebody's: %v", err)
	}
	c, err := f.Vouch(t.Context(), says("7", "whoever"))
	if err != nil || c.ID() != ada.ID() || c.Subject.Username != "ada" {
		t.Errorf("%+v, %v", c, err)
	}
}

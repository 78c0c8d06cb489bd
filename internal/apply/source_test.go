package apply_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/upkeep"
)

// Hashes of one password with two salts, as Django writes them.
const (
	oneHash     = "pbkdf2_sha256$1$salt$xOEfG6ymEDJ8fNSD2M6IJ0r8bE5FeVaxgYMnZIVZPek="
	anotherHash = "pbkdf2_sha256$1000$seasalt$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A="
)

// django is a file of the source of that name.
func django(users ...apply.DesiredUser) apply.Desired {
	return apply.Desired{Source: "django", Users: users}
}

func sourceUser(external, username string) apply.DesiredUser {
	return apply.DesiredUser{NewUser: identity.NewUser{Username: username, PasswordHash: oneHash}, ExternalID: external, SetPasswordHash: true}
}

func pruned(d apply.Desired) apply.Desired {
	d.Prune = true
	return d
}

func userNamed(t *testing.T, f *nodetest.Fixture, name string) identity.User {
	t.Helper()
	u, err := f.Directory.User(t.Context(), operator, name)
	nodetest.Must(t, err)
	return u
}

// tokenOf returns an API token of ada.
func tokenOf(t *testing.T, f *nodetest.Fixture) *issuance.Issued {
	t.Helper()
	return f.APIToken(t, f.SignedIn(t, "ada"), credentials.NewCredential{Name: "laptop"})
}

func wantChanges(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A source prunes what it created and nothing else; a file of administrators spares it;
// OAuth clients are never pruned by a source.
func TestASourceOwnsWhatItCreates(t *testing.T) {
	t.Parallel()
	nodetest.OnEngines(t, func(t *testing.T, f *nodetest.Fixture) {
		own := func() apply.Desired {
			return apply.Desired{
				Collections: []records.Collection{{ID: 1, Name: "Own"}},
				Roles:       []access.Role{{Name: "own"}},
				Users:       []apply.DesiredUser{{NewUser: identity.NewUser{Username: "boss"}}},
				Bindings:    []access.Binding{{User: "boss", Role: "own", Path: "/"}},
				Clients:     []identity.NewClient{{ID: "ci", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials}}},
			}
		}
		applied(t, f, own())
		theirs := func() apply.Desired {
			d := django(sourceUser("7", "ada"), sourceUser("8", "grace"))
			d.Collections = []records.Collection{{ID: 2, Name: "Theirs"}}
			d.Roles = []access.Role{{Name: "theirs"}, {Name: "shared"}}
			d.Bindings = []access.Binding{{User: "ada", Role: "theirs", Path: "/"}, {Group: "g", Role: "shared", Path: "/"}}
			d.Clients = []identity.NewClient{{ID: "sync", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials}}}
			return d
		}
		applied(t, f, theirs())
		nodetest.Must(t, nodetest.Second(f.CreateBinding(t.Context(), operator, access.Binding{Group: "h", Role: "shared", Path: "/"})))
		if u := userNamed(t, f, "ada"); u.Owner != "django" {
			t.Errorf("the owner is %q", u.Owner)
		}
		wantChanges(t, "the administrators' file", applied(t, f, pruned(own())), "binding.remove group h: role shared at /")
		nodetest.Must(t, nodetest.Second(f.CreateBinding(t.Context(), operator, access.Binding{Group: "h", Role: "shared", Path: "/"})))
		wantChanges(t, "the same again", applied(t, f, pruned(theirs())))
		wantChanges(t, "a file with less", applied(t, f, pruned(django(sourceUser("8", "grace")))),
			"collection.remove Theirs", "binding.remove ada: role theirs at /", "user.remove ada", "binding.remove group g: role shared at /", "role.remove theirs")
		wantChanges(t, "an empty file", applied(t, f, pruned(django())), "user.remove grace")
		if _, err := f.Directory.User(t.Context(), operator, "boss"); err != nil {
			t.Error(err)
		}
		clients, err := f.ClientList(t.Context(), operator)
		if nodetest.Must(t, err); len(clients) != 2 {
			t.Errorf("clients %v", clients)
		}
	})
}

// A user of a source is who has the external id: a rename keeps the subject and the
// tokens, names may be exchanged, and the application gets the new one.
func TestARenameFollowsTheExternalID(t *testing.T) {
	t.Parallel()
	nodetest.OnEngines(t, func(t *testing.T, f *nodetest.Fixture) {
		applied(t, f, django(sourceUser("7", "ada"), sourceUser("8", "grace")))
		ada, grace := userNamed(t, f, "ada"), userNamed(t, f, "grace")
		kept := tokenOf(t, f)
		wantChanges(t, "another spelling", applied(t, f, django(sourceUser("7", "Ada"), sourceUser("8", "grace"))), "user.rename Ada")
		wantChanges(t, "names exchanged", applied(t, f, django(sourceUser("7", "grace"), sourceUser("8", "ada"))), "user.rename grace", "user.rename ada")
		if a, g := userNamed(t, f, "grace"), userNamed(t, f, "ada"); a.ID != ada.ID || g.ID != grace.ID {
			t.Error("the subjects did not stay with the external ids")
		}
		wantChanges(t, "names handed on", applied(t, f, django(sourceUser("7", "ada"), sourceUser("8", "lovelace"))), "user.rename ada", "user.rename lovelace")
		f.WantAlive(t, "a token of the renamed user", kept)
		events := f.Events(t, audit.Filter{Action: audit.UserRename, Target: ada.ID})
		if len(events) != 3 || events[2].Reason != "was ada" || events[2].TargetName != "Ada" {
			t.Errorf("%+v", events)
		}
	})
}

// Who is deleted and created again at the source is somebody else, also under the old name.
func TestSomebodyNewInheritsNothingByName(t *testing.T) {
	t.Parallel()
	nodetest.OnEngines(t, func(t *testing.T, f *nodetest.Fixture) {
		applied(t, f, django(sourceUser("7", "ada")))
		before, old := userNamed(t, f, "ada"), tokenOf(t, f)
		_, _, err := f.Apply(t.Context(), operator, django(sourceUser("12", "ada")))
		nodetest.WantFault(t, "without pruning", err, fault.Conflict, "")
		f.WantAlive(t, "a token after what was refused", old)
		wantChanges(t, "with pruning", applied(t, f, pruned(django(sourceUser("12", "Ada")))), "user.remove ada", "user.create Ada")
		if after := userNamed(t, f, "ada"); after.ID == before.ID {
			t.Error("the subject is the same")
		}
		f.WantDead(t, "a token of who is gone", old)
	})
}

// A new hash by itself revokes nothing: a system may write the same password another way.
// A later time of the change does, and so does the operator's wish.
func TestANewHashOfASourceRevokesWhatItShould(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	with := func(hash passhash.Hash, at time.Time) apply.DesiredUser {
		u := sourceUser("7", "ada")
		u.PasswordHash, u.PasswordChangedAt = hash, at
		return u
	}
	disabled := func(u apply.DesiredUser) apply.DesiredUser {
		u.Disabled, u.SetDisabled = true, true
		return u
	}
	for name, c := range map[string]struct {
		before, after apply.DesiredUser
		always, ends  bool
	}{
		"another hash, and disabled":               {with(oneHash, noon), disabled(with(anotherHash, noon)), false, true},
		"another hash":                             {with(oneHash, time.Time{}), with(anotherHash, time.Time{}), false, false},
		"another hash of the same time":            {with(oneHash, noon), with(anotherHash, noon), false, false},
		"another hash of an earlier time":          {with(oneHash, noon), with(anotherHash, noon.Add(-time.Hour)), false, false},
		"another hash of a later time":             {with(oneHash, noon), with(anotherHash, noon.Add(time.Second)), false, true},
		"another hash with a time at last":         {with(oneHash, time.Time{}), with(anotherHash, noon), false, true},
		"the same hash with a time at last":        {with(oneHash, time.Time{}), with(oneHash, noon), false, false},
		"the same hash of a later time":            {with(oneHash, noon), with(oneHash, noon.Add(time.Second)), false, true},
		"no password any more":                     {with(oneHash, noon), with("", noon), false, false},
		"another hash, and every new one revokes":  {with(oneHash, noon), with(anotherHash, noon), true, true},
		"the same hash, and every new one revokes": {with(oneHash, noon), with(oneHash, noon), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) {
				s.Notices = []notice.Interest{{Receiver: "siem", Events: []string{notice.CredentialChange}}}
			}})
			applied(t, f, django(c.before))
			issued := tokenOf(t, f)
			d := django(c.after)
			d.RevokeOnNewHash = c.always
			applied(t, f, d)
			reported, err := f.Store.DueNotices(t.Context(), upkeep.DueQuery{Receiver: "siem", Now: f.Time(), Limit: 10})
			nodetest.Must(t, err)
			if changed := c.ends && !c.after.Disabled; changed != (len(reported) == 1) {
				t.Errorf("as changed passwords are reported %+v, want one: %t", reported, changed)
			}
			if c.ends {
				f.WantDead(t, name, issued)
			} else {
				f.WantAlive(t, name, issued)
			}
			if u := userNamed(t, f, "ada"); u.PasswordHash != c.after.PasswordHash {
				t.Error("the hash is not the file's")
			}
			wantChanges(t, "the same again", applied(t, f, d))
		})
	}
}

// Without a source a changed hash is a changed password, as before.
func TestANewHashOfAdministratorsRevokes(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	d := apply.Desired{Users: []apply.DesiredUser{{NewUser: identity.NewUser{Username: "ada", PasswordHash: oneHash}}}}
	applied(t, f, d)
	issued := tokenOf(t, f)
	d.Users[0].PasswordHash = anotherHash
	applied(t, f, d)
	f.WantDead(t, "a token of before", issued)
	d.Users[0].PasswordHash, d.Users[0].SetPasswordHash = "", true
	wantChanges(t, "no password", applied(t, f, d), "user.password ada")
	if u := userNamed(t, f, "ada"); u.PasswordHash != "" {
		t.Error("there is a password still")
	}
}

// What a file can't mean is refused with the user that it is about, and nothing changes.
func TestASourceTakesNobodyElsesUsers(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "boss", "correct horse")
	applied(t, f, apply.Desired{Source: "ldap", Users: []apply.DesiredUser{sourceUser("1", "lisa")}})
	applied(t, f, django(sourceUser("7", "ada"), sourceUser("8", "grace")))
	timed := apply.DesiredUser{NewUser: identity.NewUser{Username: "x"}, PasswordChangedAt: time.Now()}
	for name, c := range map[string]struct {
		d     apply.Desired
		at    string
		words string
		kind  fault.Kind
	}{
		"an administrators' user":           {django(sourceUser("9", "BOSS")), "users[0]", "--adopt", fault.Conflict},
		"another source's user":             {django(sourceUser("9", "lisa")), "users[0]", `the source "ldap"`, fault.Conflict},
		"the name of who is not there":      {django(sourceUser("7", "ada"), sourceUser("9", "grace")), "users[1]", `external id "8"`, fault.Conflict},
		"one name in two spellings":         {django(sourceUser("7", "ada"), sourceUser("9", "ADA")), "users[1]", `"ADA" is the same name as "ada"`, fault.Conflict},
		"one external id twice":             {django(sourceUser("7", "ada"), sourceUser("7", "eve")), "users[1]", `"7" is listed twice`, fault.Invalid},
		"a bad external id":                 {django(sourceUser(" 7", "eve")), "users[0]", "external id has", fault.Invalid},
		"an external id without a source":   {apply.Desired{Users: []apply.DesiredUser{sourceUser("7", "x")}}, "users[0]", "--source", fault.Invalid},
		"a time without a source":           {apply.Desired{Users: []apply.DesiredUser{timed}}, "users[0]", "--source", fault.Invalid},
		"one name twice, without a source":  {apply.Desired{Users: []apply.DesiredUser{{NewUser: identity.NewUser{Username: "eve"}}, {NewUser: identity.NewUser{Username: "Eve"}}}}, "users[1]", "the same name", fault.Conflict},
		"the name of a user without a file": {apply.Desired{Source: "a b"}, "", "name of a source", fault.Invalid},
		"adopting for nobody":               {apply.Desired{Adopt: true}, "", "only a source", fault.Invalid},
	} {
		_, _, err := f.Apply(t.Context(), operator, c.d)
		var m *apply.MistakeError
		if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.words) || c.at != "" && (!errors.As(err, &m) || !strings.HasPrefix(m.Error(), c.at)) {
			t.Errorf("%s: %v; want %q at %s", name, err, c.words, c.at)
		}
	}
	d := django(sourceUser("9", "Boss"))
	d.Adopt = true
	boss := userNamed(t, f, "boss")
	applied(t, f, d)
	if u := userNamed(t, f, "boss"); u.ID != boss.ID || u.Owner != "django" || u.Username != "Boss" {
		t.Errorf("adopted: %+v", u)
	}
	links, err := f.Store.Links(t.Context(), records.LinkQuery{User: boss.ID})
	if err != nil || len(links) != 1 || links[0].Source != "django" || links[0].ExternalID != "9" {
		t.Errorf("links: %+v, %v", links, err)
	}
}

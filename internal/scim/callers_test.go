package scim_test

import (
	"strconv"
	"testing"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// Who may provision, by what they come with. Who may not is told so in SCIM's words before
// anything of the request is judged.
func TestWhoMayProvision(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Client(t, "other", "read")
	s.User(t, "root", "", nodetest.Admin())
	s.User(t, "ada", "")
	apiToken := func(who string, scope ...string) edgetest.Option {
		return edgetest.Bearer(s.APIToken(t, s.SignedIn(t, who), credentials.NewCredential{Scope: scope}).Value.Reveal())
	}
	client, err := s.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: s.AsClient(t, newClient("hr")), Scope: []string{identity.ScopeSCIM}})
	nodetest.Must(t, err)
	for name, c := range map[string]struct {
		by        []edgetest.Option
		status    int
		challenge string
	}{
		"nobody":                         {nil, 401, `Bearer realm="http://localhost:8080"`},
		"a client that lists scim":       {[]edgetest.Option{hr()}, 200, ""},
		"a client's token":               {[]edgetest.Option{edgetest.Bearer(client.Value.Reveal())}, 200, ""},
		"a client that doesn't":          {[]edgetest.Option{edgetest.Basic("other", nodetest.ClientSecret)}, 403, `Bearer realm="http://localhost:8080", error="insufficient_scope", error_description="the scope scim is needed", scope="scim"`},
		"a wrong secret":                 {[]edgetest.Option{edgetest.Basic("hr", "wrong")}, 401, `Basic realm="http://localhost:8080", charset="UTF-8"`},
		"an API token of a provisioner":  {[]edgetest.Option{edgetest.Bearer(s.sync)}, 200, ""},
		"one without the scope":          {[]edgetest.Option{apiToken("sync", "read")}, 403, `Bearer realm="http://localhost:8080", error="insufficient_scope", error_description="the scope scim is needed", scope="scim"`},
		"an administrator's, with scim":  {[]edgetest.Option{apiToken("root", identity.ScopeSCIM)}, 200, ""},
		"an administrator's, with admin": {[]edgetest.Option{apiToken("root", identity.ScopeAdmin)}, 403, ""},
		"junk":                           {[]edgetest.Option{edgetest.Bearer("junk")}, 401, ""},
		"a session, which is not read":   {[]edgetest.Option{edgetest.Cookie("bearerd_session", s.SessionOf(t, "root").Value.Reveal())}, 401, ""},
		"two credentials":                {[]edgetest.Option{hr(), edgetest.Bearer(s.sync)}, 400, ""},
		"a password":                     {[]edgetest.Option{edgetest.Basic("root", "password")}, 401, ""},
	} {
		a := s.Get(t, root+"/Users?count=x", c.by...)
		if c.status == 200 { // then, and only then, the parameters are judged
			a.Is(400, `"scimType":"invalidValue"`)
			s.Get(t, root+"/Users", c.by...).Is(200)
			continue
		}
		if a.Status != c.status || c.challenge != "" && a.Header.Get("WWW-Authenticate") != c.challenge {
			t.Errorf("%s: %d %q %s", name, a.Status, a.Header.Values("WWW-Authenticate"), a.Body)
		}
		if a.Object()["status"] != strconv.Itoa(c.status) {
			t.Errorf("%s: %s", name, a.Body)
		}
	}
	if _, err := s.CreateAPIToken(t.Context(), s.SignedIn(t, "ada"), credentials.NewCredential{Name: "x", Scope: []string{identity.ScopeSCIM}}); err == nil {
		t.Error("a user without the permission got a token with the scope")
	}
}

// A permission that is taken away ends the right at once, without a new token.
func TestTheRightEndsWithThePermission(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Get(t, root+"/Users", edgetest.Bearer(s.sync)).Is(200)
	_, _, err := s.RemoveAccess(t.Context(), operator, "sync", access.PathUsers)
	nodetest.Must(t, err)
	s.Get(t, root+"/Users", edgetest.Bearer(s.sync)).Is(403)
	s.Do(t, "POST", root+"/Users", `{"userName":"eve"}`, edgetest.Bearer(s.sync)).Is(403)
	nodetest.Must(t, s.Journal.FlushRefusals(t.Context(), true))
	refused := s.Events(t, audit.Filter{Action: audit.UserCreate, Actor: s.syncID})
	if len(refused) != 1 || refused[0].Outcome != audit.Refused {
		t.Errorf("in the audit log: %+v", refused)
	}
}

// Every change is in the audit log, with who made it and for which source.
func TestEveryChangeIsRecorded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.create(t, "ada", `,"externalId":"7"`)
	s.as(t, "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"userName","value":"lovelace"}`)).Is(200)
	s.as(t, "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"active","value":false}`)).Is(200)
	s.as(t, "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"externalId","value":"8"}`)).Is(200)
	s.as(t, "PATCH", "/Users/"+id, patch(`{"op":"replace","path":"name.givenName","value":"Ada"}`)).Is(200)
	g := s.createGroup(t, "curators", id)
	s.as(t, "PATCH", "/Groups/"+g, patch(`{"op":"replace","path":"displayName","value":"staff"}`)).Is(204)
	s.as(t, "DELETE", "/Groups/"+g, "").Is(204)
	s.as(t, "DELETE", "/Users/"+id, "").Is(204)
	var got []string
	for _, e := range s.Events(t, audit.Filter{Actor: "hr", Limit: 100}) {
		if e.Target != id && e.Target != "curators" && e.Target != "staff" {
			t.Errorf("%s of %q", e.Action, e.Target)
		}
		got = append(got, e.Action+": "+e.Reason)
	}
	diff(t, "recorded", got, []string{
		"user.remove: by scim:hr",
		"user.update: not in the group staff, by scim:hr", "group.remove: by scim:hr",
		"user.update: in the group staff, was curators, by scim:hr", "group.update: was curators, by scim:hr",
		"user.update: in the group curators, by scim:hr", "group.create: by scim:hr",
		"user.update: by scim:hr",
		"user.link: scim:hr 8", "user.unlink: scim:hr 7",
		"user.disable: by scim:hr",
		"user.rename: was ada, by scim:hr",
		"user.link: scim:hr 7", "user.create: by scim:hr",
	})
}

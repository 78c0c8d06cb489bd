package scim_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/edgetest"
)

// known are the members of a user that are compared.
func known(a *edgetest.Answer) string {
	o := a.Object()
	name, _ := o["name"].(map[string]any)
	address := ""
	if emails, ok := o["emails"].([]any); ok {
		one, _ := emails[0].(map[string]any)
		address = fmt.Sprint(one["value"], " ", one["type"])
	}
	return fmt.Sprint(o["userName"], "|", o["externalId"], "|", o["displayName"], "|", name["givenName"], " ", name["familyName"], "|", address, "|", o["active"])
}

// What users are after what is said of them: the examples of RFC 7643 and RFC 7644, and
// what clients are known to send.
func TestWhatIsKeptOfAUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, c := range map[string]struct{ body, want string }{
		"nothing else": {`{"userName":"WHO"}`, "WHO|<nil>|<nil>|<nil> <nil>||true"},
		"RFC 7644, section 3.3": {
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"WHO","externalId":"WHO","name":{"formatted":"Ms. Barbara J Jensen III","familyName":"Jensen","givenName":"Barbara"}}`,
			"WHO|WHO|Ms. Barbara J Jensen III|Barbara Jensen||true",
		},
		"RFC 7643, section 8.3, in part": {
			`{"userName":"WHO","displayName":"Babs Jensen","nickName":"Babs","emails":[{"value":"babs@jensen.org","type":"home"},{"value":"bjensen@example.com","type":"work","primary":true}],` +
				`"phoneNumbers":[{"value":"555-555-5555","type":"work"}],"password":"t1meMa$heen","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"26118915"}}}`,
			"WHO|<nil>|Babs Jensen|<nil> <nil>|bjensen@example.com work|true",
		},
		"a name of its parts":         {`{"userName":"WHO","name":{"givenName":"Ada","familyName":"Lovelace"}}`, "WHO|<nil>|Ada Lovelace|Ada Lovelace||true"},
		"one address without a type":  {`{"userName":"WHO","emails":[{"value":"a@example.org"}]}`, "WHO|<nil>|<nil>|<nil> <nil>|a@example.org work|true"},
		"one at home":                 {`{"userName":"WHO","emails":[{"value":"a@example.org","type":"home"}]}`, "WHO|<nil>|<nil>|<nil> <nil>|a@example.org home|true"},
		"one for work behind another": {`{"userName":"WHO","emails":[{"value":"a@example.org","type":"home"},{"value":"b@example.org","type":"work"}]}`, "WHO|<nil>|<nil>|<nil> <nil>|b@example.org work|true"},
		"members in another case":     {`{"USERNAME":"WHO","Active":"false","DisplayName":"X"}`, "WHO|<nil>|X|<nil> <nil>||false"},
		"null is not said":            {`{"userName":"WHO","externalId":null,"active":null,"emails":null,"name":null}`, "WHO|<nil>|<nil>|<nil> <nil>||true"},
		"not ours to take":            {`{"userName":"WHO","id":"x","meta":{"location":"y"},"groups":[{"value":"z"}],"unheardOf":{"a":[1]}}`, "WHO|<nil>|<nil>|<nil> <nil>||true"},
		"a schema before the name":    {`{"urn:ietf:params:scim:schemas:core:2.0:User:userName":"WHO"}`, "WHO|<nil>|<nil>|<nil> <nil>||true"},
	} {
		user := strings.ReplaceAll(strings.ToLower(name), " ", "-")
		user = strings.ReplaceAll(user, ",", "")
		a := s.as(t, "POST", "/Users", strings.ReplaceAll(c.body, "WHO", user)).Is(201)
		diff(t, name, known(a), strings.ReplaceAll(c.want, "WHO", user))
		if a.Header.Get("Location") == "" || !strings.HasSuffix(a.Header.Get("Location"), "/scim/v2/Users/"+a.Str("id")) {
			t.Errorf("%s: location %q", name, a.Header.Get("Location"))
		}
		diff(t, name+", read", known(s.as(t, "GET", "/Users/"+a.Str("id"), "").Is(200)), strings.ReplaceAll(c.want, "WHO", user))
	}
}

// What operations make of one user.
func TestPatch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const user = `{"userName":"NAME","externalId":"NAME","displayName":"Ada L","name":{"givenName":"Ada","familyName":"L"},"emails":[{"value":"a@example.org","type":"work"}]}`
	for name, c := range map[string]struct{ operation, want string }{
		"an address":                   {`{"op":"replace","path":"emails[type eq \"work\"].value","value":"b@example.org"}`, "NAME|NAME|Ada L|Ada L|b@example.org work|true"},
		"an address, capitals":         {`{"op":"Replace","path":"Emails[Type EQ \"Work\"].Value","value":"b@example.org"}`, "NAME|NAME|Ada L|Ada L|b@example.org work|true"},
		"another address":              {`{"op":"add","path":"emails[type eq \"other\"].value","value":"b@example.org"}`, "NAME|NAME|Ada L|Ada L|a@example.org work|true"},
		"the primary address":          {`{"op":"replace","path":"emails[primary eq true].value","value":"b@example.org"}`, "NAME|NAME|Ada L|Ada L|b@example.org work|true"},
		"addresses":                    {`{"op":"replace","path":"emails","value":[{"value":"b@example.org","type":"home","primary":"True"}]}`, "NAME|NAME|Ada L|Ada L|b@example.org home|true"},
		"one more address":             {`{"op":"add","path":"emails","value":[{"value":"b@example.org","type":"home"}]}`, "NAME|NAME|Ada L|Ada L|a@example.org work|true"},
		"a new primary address":        {`{"op":"add","path":"emails","value":{"value":"b@example.org","type":"home","primary":true}}`, "NAME|NAME|Ada L|Ada L|b@example.org home|true"},
		"no address":                   {`{"op":"remove","path":"emails"}`, "NAME|NAME|Ada L|Ada L||true"},
		"no address for work":          {`{"op":"remove","path":"emails[type eq \"work\"]"}`, "NAME|NAME|Ada L|Ada L||true"},
		"no address at home":           {`{"op":"remove","path":"emails[type eq \"home\"]"}`, "NAME|NAME|Ada L|Ada L|a@example.org work|true"},
		"the family name":              {`{"op":"replace","path":"name.familyName","value":"Lovelace"}`, "NAME|NAME|Ada Lovelace|Ada Lovelace|a@example.org work|true"},
		"the name as displayed":        {`{"op":"replace","path":"displayName","value":"Countess"}`, "NAME|NAME|Countess|Ada L|a@example.org work|true"},
		"both":                         {`{"op":"replace","path":"displayName","value":"Countess"},{"op":"replace","path":"name.formatted","value":"A. L."}`, "NAME|NAME|Countess|Ada L|a@example.org work|true"},
		"a name in a list of one":      {`{"op":"Replace","path":"displayName","value":[{"$ref":null,"value":"Countess"}]}`, "NAME|NAME|Countess|Ada L|a@example.org work|true"},
		"no name":                      {`{"op":"remove","path":"name"},{"op":"remove","path":"displayName"}`, "NAME|NAME|<nil>|<nil> <nil>|a@example.org work|true"},
		"inactive":                     {`{"op":"replace","path":"active","value":"False"}`, "NAME|NAME|Ada L|Ada L|a@example.org work|false"},
		"inactive, with its schema":    {`{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:active","value":false}`, "NAME|NAME|Ada L|Ada L|a@example.org work|false"},
		"without a path":               {`{"op":"add","value":{"active":false,"name.familyName":"B","title":"x","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"y"}}`, "NAME|NAME|Ada B|Ada B|a@example.org work|false"},
		"the external id":              {`{"op":"replace","path":"externalId","value":"NAME2"}`, "NAME|NAME2|Ada L|Ada L|a@example.org work|true"},
		"no external id":               {`{"op":"remove","path":"externalId"}`, "NAME|<nil>|Ada L|Ada L|a@example.org work|true"},
		"the username":                 {`{"op":"replace","path":"userName","value":"NAME-new"}`, "NAME-new|NAME|Ada L|Ada L|a@example.org work|true"},
		"the username in another case": {`{"op":"replace","path":"userName","value":"N-NAME"}`, "N-NAME|NAME|Ada L|Ada L|a@example.org work|true"},
		"what isn't kept":              {`{"op":"add","path":"title","value":"x"},{"op":"replace","path":"addresses[type eq \"work\"].country","value":"DK"},{"op":"remove","path":"phoneNumbers"}`, "NAME|NAME|Ada L|Ada L|a@example.org work|true"},
		"an extension":                 {`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"x"}`, "NAME|NAME|Ada L|Ada L|a@example.org work|true"},
		"null takes away":              {`{"op":"replace","path":"displayName","value":null}`, "NAME|NAME|Ada L|Ada L|a@example.org work|true"},
		"nothing new":                  {`{"op":"replace","path":"displayName","value":"Ada L"}`, "NAME|NAME|Ada L|Ada L|a@example.org work|true"},
	} {
		user1 := strings.NewReplacer(" ", "-", ",", "").Replace(strings.ToLower(name))
		id := s.as(t, "POST", "/Users", strings.ReplaceAll(user, "NAME", user1)).Is(201).Str("id")
		a := s.as(t, "PATCH", "/Users/"+id, patch(strings.ReplaceAll(c.operation, "NAME", user1))).Is(200)
		diff(t, name, known(a), strings.ReplaceAll(c.want, "NAME", user1))
		diff(t, name+", read", known(s.as(t, "GET", "/Users/"+id, "").Is(200)), strings.ReplaceAll(c.want, "NAME", user1))
	}
}

// What is refused, and with which type; nothing of it is done.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ada := s.create(t, "ada", `,"externalId":"1","displayName":"Ada"`)
	s.create(t, "grace", `,"externalId":"2"`)
	staff := s.createGroup(t, "staff", ada)
	s.createGroup(t, "others")
	before := s.as(t, "GET", "/Users/"+ada, "").Is(200).Body + s.as(t, "GET", "/Groups/"+staff, "").Is(200).Body
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		kind               string
	}{
		"no JSON":                   {"POST", "/Users", `{`, 400, "invalidSyntax"},
		"a list":                    {"POST", "/Users", `[]`, 400, "invalidSyntax"},
		"a member twice":            {"POST", "/Users", `{"userName":"a","userName":"b"}`, 400, "invalidSyntax"},
		"a member in two cases":     {"POST", "/Users", `{"userName":"a","username":"b"}`, 400, "invalidSyntax"},
		"deep":                      {"POST", "/Users", strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40), 400, "invalidSyntax"},
		"no name":                   {"POST", "/Users", `{"externalId":"3"}`, 400, "invalidValue"},
		"an empty name":             {"POST", "/Users", `{"userName":""}`, 400, "invalidValue"},
		"a name with space":         {"POST", "/Users", `{"userName":" a"}`, 400, "invalidValue"},
		"a name like a subject":     {"POST", "/Users", `{"userName":"` + ada + `"}`, 400, "invalidValue"},
		"a name that is a number":   {"POST", "/Users", `{"userName":7}`, 400, "invalidValue"},
		"no address":                {"POST", "/Users", `{"userName":"a","emails":[{"value":"nowhere"}]}`, 400, "invalidValue"},
		"no boolean":                {"POST", "/Users", `{"userName":"a","active":"yes"}`, 400, "invalidValue"},
		"a long external id":        {"POST", "/Users", `{"userName":"a","externalId":"` + strings.Repeat("x", 256) + `"}`, 400, "invalidValue"},
		"a taken name":              {"POST", "/Users", `{"userName":"ADA"}`, 409, "uniqueness"},
		"a taken name, of others":   {"POST", "/Users", `{"userName":"sync"}`, 409, "uniqueness"},
		"a name taken by PUT":       {"PUT", "/Users/" + ada, `{"userName":"Grace"}`, 409, "uniqueness"},
		"an id taken by PATCH":      {"PATCH", "/Users/" + ada, patch(`{"op":"replace","path":"externalId","value":"2"}`), 409, "uniqueness"},
		"half a PATCH":              {"PATCH", "/Users/" + ada, patch(`{"op":"replace","path":"displayName","value":"X"}`, `{"op":"replace","path":"userName","value":"grace"}`), 409, "uniqueness"},
		"PUT without a name":        {"PUT", "/Users/" + ada, `{"active":false}`, 400, "invalidValue"},
		"PUT with a password":       {"PUT", "/Users/" + ada, `{"userName":"ada","password":"correct horse"}`, 400, "mutability"},
		"no operations":             {"PATCH", "/Users/" + ada, patch(), 400, "invalidSyntax"},
		"no such operation":         {"PATCH", "/Users/" + ada, patch(`{"op":"move","path":"userName"}`), 400, "invalidSyntax"},
		"an operation of text":      {"PATCH", "/Users/" + ada, patch(`"add"`), 400, "invalidSyntax"},
		"to remove nothing":         {"PATCH", "/Users/" + ada, patch(`{"op":"remove"}`), 400, "noTarget"},
		"no path and no object":     {"PATCH", "/Users/" + ada, patch(`{"op":"add","value":"x"}`), 400, "invalidValue"},
		"a path of a number":        {"PATCH", "/Users/" + ada, patch(`{"op":"add","path":7,"value":"x"}`), 400, "invalidPath"},
		"a broken path":             {"PATCH", "/Users/" + ada, patch(`{"op":"add","path":"emails[type eq","value":"x"}`), 400, "invalidPath"},
		"a path with more":          {"PATCH", "/Users/" + ada, patch(`{"op":"add","path":"emails x","value":"x"}`), 400, "invalidPath"},
		"a path to nothing":         {"PATCH", "/Users/" + ada, patch(`{"op":"replace","path":"usrName","value":"x"}`), 400, "invalidPath"},
		"to remove nothing known":   {"PATCH", "/Users/" + ada, patch(`{"op":"remove","path":"usrName"}`), 400, "invalidPath"},
		"the id":                    {"PATCH", "/Users/" + ada, patch(`{"op":"replace","path":"id","value":"x"}`), 400, "mutability"},
		"the groups":                {"PATCH", "/Users/" + ada, patch(`{"op":"add","path":"groups","value":[{"value":"x"}]}`), 400, "mutability"},
		"to remove the name":        {"PATCH", "/Users/" + ada, patch(`{"op":"remove","path":"userName"}`), 400, "mutability"},
		"name of text":              {"PATCH", "/Users/" + ada, patch(`{"op":"replace","path":"name","value":"x"}`), 400, "invalidValue"},
		"nobody":                    {"PATCH", "/Users/nobody", patch(`{"op":"replace","path":"active","value":false}`), 404, ""},
		"nobody to remove":          {"DELETE", "/Users/nobody", "", 404, ""},
		"an id that is none":        {"GET", "/Users/%00", "", 404, ""},
		"a group without a name":    {"POST", "/Groups", `{"members":[]}`, 400, "invalidValue"},
		"a group name with a comma": {"POST", "/Groups", `{"displayName":"a,b"}`, 400, "invalidValue"},
		"a taken group name":        {"POST", "/Groups", `{"displayName":"Staff"}`, 409, "uniqueness"},
		"a group name taken later":  {"PATCH", "/Groups/" + staff, patch(`{"op":"replace","path":"displayName","value":"others"}`), 409, "uniqueness"},
		"a member who is nobody":    {"PATCH", "/Groups/" + staff, patch(`{"op":"add","path":"members","value":[{"value":"nobody"}]}`), 400, "invalidValue"},
		"a member who isn't owned":  {"PATCH", "/Groups/" + staff, patch(`{"op":"add","path":"members","value":[{"value":"` + s.syncID + `"}]}`), 400, "invalidValue"},
		"a group as a member":       {"PUT", "/Groups/" + staff, `{"displayName":"staff","members":[{"value":"` + staff + `","type":"Group"}]}`, 400, "invalidValue"},
		"members without value":     {"PATCH", "/Groups/" + staff, patch(`{"op":"add","path":"members","value":[{}]}`), 400, "invalidValue"},
		"members by name":           {"PATCH", "/Groups/" + staff, patch(`{"op":"remove","path":"members[display eq \"ada\"]"}`), 400, "invalidPath"},
		"no group name any more":    {"PATCH", "/Groups/" + staff, patch(`{"op":"remove","path":"displayName"}`), 400, "mutability"},
		"half a group's PATCH":      {"PATCH", "/Groups/" + staff, patch(`{"op":"remove","path":"members"}`, `{"op":"replace","path":"displayName","value":"a,b"}`), 400, "invalidValue"},
		"no such group":             {"PUT", "/Groups/none", `{"displayName":"x"}`, 404, ""},
		"another operator":          {"GET", "/Users?filter=" + url.QueryEscape(`userName sw "a"`), "", 400, "invalidFilter"},
		"or":                        {"GET", "/Users?filter=" + url.QueryEscape(`userName eq "a" or userName eq "b"`), "", 400, "invalidFilter"},
		"another attribute":         {"GET", "/Users?filter=" + url.QueryEscape(`title eq "a"`), "", 400, "invalidFilter"},
		"an attribute twice":        {"GET", "/Users?filter=" + url.QueryEscape(`userName eq "a" and userName eq "b"`), "", 400, "invalidFilter"},
		"nothing compared with":     {"GET", "/Users?filter=" + url.QueryEscape(`externalId eq ""`), "", 400, "invalidFilter"},
		"an open string":            {"GET", "/Users?filter=" + url.QueryEscape(`userName eq "a`), "", 400, "invalidFilter"},
		"NUL":                       {"GET", "/Users?filter=" + url.QueryEscape(`userName eq "\u0000"`), "", 400, "invalidFilter"},
		"a long filter":             {"GET", "/Users?filter=" + url.QueryEscape(`userName eq "`+strings.Repeat("a", 3000)+`"`), "", 400, "invalidFilter"},
		"members alone":             {"GET", "/Groups?filter=" + url.QueryEscape(`members eq "`+ada+`"`), "", 400, "invalidFilter"},
		"a count of text":           {"GET", "/Groups?count=many", "", 400, "invalidValue"},
		"a filter of schemas":       {"GET", "/Schemas?filter=x", "", 403, ""},
		"no such schema":            {"GET", "/Schemas/x", "", 404, ""},
		"another method":            {"DELETE", "/Users", "", 405, ""},
		"bulk":                      {"POST", "/Bulk", `{}`, 501, ""},
		"nothing there":             {"GET", "/Nothing", "", 404, ""},
	} {
		a := s.as(t, c.method, c.path, c.body)
		kind, _ := a.Object()["scimType"].(string)
		if a.Status != c.status || kind != c.kind || a.Object()["detail"] == "" {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	s.Do(t, "POST", root+"/Users", `{"userName":"a"}`, hr(), edgetest.Type("text/plain")).Is(400, "application/scim+json")
	s.Do(t, "POST", root+"/Users", `{"userName":"`+strings.Repeat("a", 1<<20)+`"}`, hr()).Is(413)
	if allow := s.as(t, "DELETE", "/Users", "").Header.Get("Allow"); allow != "GET, HEAD, POST" {
		t.Errorf("Allow: %q", allow)
	}
	after := s.as(t, "GET", "/Users/"+ada, "").Is(200).Body + s.as(t, "GET", "/Groups/"+staff, "").Is(200).Body
	diff(t, "after everything", after, before)
	s.as(t, "GET", "/Users", "").Is(200, `"totalResults":2`)
}

// PUT keeps the external id and what is active where it doesn't say, and nothing else.
func TestPutReplaces(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := s.create(t, "ada", `,"externalId":"7","displayName":"Ada","active":false,"emails":[{"value":"a@example.org"}]`)
	a := s.as(t, "PUT", "/Users/"+id, `{"userName":"Ada"}`).Is(200)
	diff(t, "PUT", known(a), "Ada|7|<nil>|<nil> <nil>||false")
}

// A list comes in parts, always in the same order, and what it is filtered by is compared
// as RFC 7643 says: names in any case, external ids exactly.
func TestLists(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 7 {
		s.create(t, fmt.Sprintf("User%d", i), fmt.Sprintf(`,"externalId":"X%d"`, i))
		s.createGroup(t, fmt.Sprintf("Group%d", i))
	}
	for _, kind := range []string{"/Users", "/Groups"} {
		seen := map[string]bool{}
		for start := 1; start <= 7; start += 3 {
			a := s.as(t, "GET", fmt.Sprintf("%s?startIndex=%d&count=3", kind, start), "").
				Is(200, `"totalResults":7`, fmt.Sprintf(`"startIndex":%d`, start), fmt.Sprintf(`"itemsPerPage":%d`, min(3, 8-start)))
			for _, r := range a.Object()["Resources"].([]any) { //nolint:errcheck,forcetypeassert // else the test fails
				seen[r.(map[string]any)["id"].(string)] = true //nolint:errcheck,forcetypeassert // likewise
			}
		}
		if len(seen) != 7 {
			t.Errorf("%s: %d of 7 were listed", kind, len(seen))
		}
		for query, want := range map[string]string{
			"count=0": `"itemsPerPage":0`, "count=-1": `"itemsPerPage":0`, "startIndex=0&count=1": `"startIndex":1`, "startIndex=-5&count=1": `"startIndex":1`,
			"startIndex=100": `"itemsPerPage":0`, "count=100000": `"itemsPerPage":7`, "sortBy=userName": `"itemsPerPage":7`,
		} {
			s.as(t, "GET", kind+"?"+query, "").Is(200, want, `"totalResults":7`)
		}
	}
	for path, want := range map[string]int{
		`/Users?filter=userName eq "user3"`:                                            1,
		`/Users?filter=USERNAME EQ "USER3"`:                                            1,
		`/Users?filter=userName  eq  "user3" `:                                         1,
		`/Users?filter=urn:ietf:params:scim:schemas:core:2.0:User:userName eq "user3"`: 1,
		`/Users?filter=userName eq "us\u0065r3"`:                                       1,
		`/Users?filter=userName eq "user3" and externalId eq "X3"`:                     1,
		`/Users?filter=userName eq "user3" and externalId eq "X4"`:                     0,
		`/Users?filter=externalId eq "X3"`:                                             1,
		`/Users?filter=externalId eq "x3"`:                                             0,
		`/Users?filter=userName eq "User"`:                                             0,
		`/Users?filter=userName eq "a\"b"`:                                             0,
		`/Users?filter=userName eq "\t"`:                                               0,
		`/Users?filter=userName eq "sync"`:                                             0,
		`/Users?filter=id eq "` + s.syncID + `"`:                                       0,
		`/Groups?filter=displayName eq "GROUP3"`:                                       1,
		`/Groups?filter=displayName eq "Group"`:                                        0,
		`/Groups?excludedAttributes=members&filter=displayName eq "Group3"`:            1,
	} {
		name, filter, _ := strings.Cut(path, "filter=")
		s.as(t, "GET", name+"filter="+url.QueryEscape(filter), "").Is(200, fmt.Sprintf(`"totalResults":%d`, want))
	}
}

// What is described is what there is.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.as(t, "GET", "/ServiceProviderConfig", "").Is(200, `"patch":{"supported":true}`, `"maxResults":200`, `"location":"http://localhost:8080/scim/v2/ServiceProviderConfig"`)
	s.as(t, "GET", "/ResourceTypes", "").Is(200, `"totalResults":2`, `"endpoint":"/Users"`, `"endpoint":"/Groups"`)
	s.as(t, "GET", "/ResourceTypes/Group", "").Is(200, `"location":"http://localhost:8080/scim/v2/ResourceTypes/Group"`)
	s.as(t, "GET", "/Schemas", "").Is(200, `"totalResults":2`)
	s.as(t, "GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User", "").Is(200, `"name":"userName"`).Lacks(`"password"`)
	s.Get(t, root+"/Schemas").Is(401)
}

package adminapi_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/edgetest"
)

// schema is what of a JSON Schema says which types a value may have.
type schema struct {
	Ref        string `json:"$ref"`
	Type       any    // a name, or a list of them
	Const      any
	Enum       []any
	Properties map[string]schema
	Examples   []any
}

// takes reports whether a value of that type may be one of the schema's.
func (s schema) takes(typ string) bool {
	switch want := s.Type.(type) {
	case string:
		return want == typ || want == "number" && typ == "integer"
	case []any:
		return slices.Contains(want, any(typ))
	}
	return typ == "string" && (s.Enum != nil || s.Const != nil) || s.Ref != "" && typ == "object"
}

// endpoint is one that takes a JSON body.
type endpoint struct {
	method, path string
	body         schema
}

// endpoints reads from the description what takes a body, with ids of what there is.
func (s *site) endpoints(t *testing.T) []endpoint {
	t.Helper()
	var d struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct{ Schema schema }
			}
		}
		Components struct{ Schemas map[string]schema }
	}
	text := s.Do(t, "GET", "/auth/openapi.json", "").Body
	// Parameters stand beside the operations of a path, and are no operation.
	var raw map[string]any
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	for _, item := range to[map[string]any](t, raw["paths"]) {
		delete(to[map[string]any](t, item), "parameters")
	}
	again, err := json.Marshal(raw)
	if err == nil {
		err = json.Unmarshal(again, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	var all []endpoint
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for method, o := range d.Paths[path] {
			body, ok := o.RequestBody.Content["application/json"]
			if !ok {
				continue
			}
			e := endpoint{strings.ToUpper(method), s.existing(path), body.Schema}
			if name, found := strings.CutPrefix(e.body.Ref, "#/components/schemas/"); found {
				e.body = d.Components.Schemas[name]
			}
			all = append(all, e)
		}
	}
	return all
}

// existing fills in what a path names, with something that there is.
func (s *site) existing(path string) string {
	for prefix, id := range map[string]string{
		"/tokens/": s.made, "/users/": "ada", "/collections/": "4", "/roles/": "curator", "/bindings/": s.bound, "/clients/": "ci",
	} {
		if strings.HasPrefix(path, root+prefix) {
			return strings.Replace(path, "{id}", id, 1)
		}
	}
	return strings.NewReplacer("{name}", "museum", "{external_id}", "17").Replace(path)
}

// furnished is a site with one of everything.
func furnished(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.Collection(t, 4, "Fish")
	s.Client(t, "ci", "read")
	s.User(t, "spadmin", password) // whom the examples name
	s.asAdmin(t, http.StatusCreated, "POST", "/roles", `{"name":"collection-admin","permissions":[]}`)
	s.asAdmin(t, http.StatusCreated, "POST", "/roles", `{"name":"curator","permissions":[]}`)
	s.bound = to[string](t, s.asAdmin(t, http.StatusCreated, "POST", "/bindings", `{"user":"ada","role":"curator","path":"/collections/4"}`)["id"])
	s.linked(t, "museum", "17", s.adaID)
	made := s.Do(t, "POST", root+"/tokens", `{"name":"laptop"}`, session(s.SessionToken(t, "root", password).Value.Reveal()))
	s.made = to[string](t, made.Object()["id"])
	return s
}

// sorry checks a refusal: 4xx, with a reason, in the form of every refusal.
func sorry(t *testing.T, a *edgetest.Answer, what string, want ...int) {
	t.Helper()
	if !slices.Contains(want, a.Status) || a.Header.Get("Content-Type") != "application/problem+json" || a.Str("detail") == "" {
		t.Errorf("%s: %d, want %v with a reason: %s", what, a.Status, want, a.Body)
	}
	for _, internal := range []string{"Go ", "json:", "struct", "Patch.", "internal error"} {
		if strings.Contains(a.Body, internal) {
			t.Errorf("%s: reveals %q: %s", what, internal, a.Body)
		}
	}
}

func TestNoBodyIsAnInternalError(t *testing.T) {
	t.Parallel()
	s := furnished(t)
	all := s.endpoints(t)
	if len(all) < 14 {
		t.Fatalf("found only %d endpoints with a body", len(all))
	}
	signedIn := session(s.SessionToken(t, "root", password).Value.Reveal()) // who may do all of it
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for _, e := range all {
		member := slices.Sorted(maps.Keys(e.body.Properties))[0]
		for name, c := range map[string]struct {
			body string
			want []int
		}{
			"null":               {`null`, []int{400}},
			"a list":             {`[]`, []int{400}},
			"a list of objects":  {`[{}]`, []int{400}},
			"a number":           {`7`, []int{400}},
			"a string":           {`"x"`, []int{400}},
			"half an object":     {`{"` + member + `":`, []int{400}},
			"two values":         {`{}{}`, []int{400}},
			"no JSON":            {`a=b`, []int{400}},
			"invalid UTF-8":      {"{\"" + member + "\":\"\xff\"}", []int{400}},
			"half a surrogate":   {`{"` + member + `":"\ud800"}`, []int{400}},
			"NUL":                {`{"` + member + `":"a\u0000b"}`, []int{400}},
			"twice":              {`{"` + member + `":null,"` + member + `":null}`, []int{400}},
			"unknown":            {`{"nobody knows this":1}`, []int{400}},
			"in other case":      {`{"` + strings.ToUpper(member) + `":null}`, []int{400}},
			"__proto__":          {`{"__proto__":{}}`, []int{400}},
			"deep":               {deep, []int{400}},
			"deep in a member":   {`{"` + member + `":` + deep + `}`, []int{400}},
			"deep lists":         {`{"` + member + `":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, []int{400}},
			"a byte too large":   {`{"` + member + `":"` + strings.Repeat("x", 64<<10-len(member)-7+1) + `"}`, []int{413}},
			"white space, large": {strings.Repeat(" ", 64<<10+1), []int{413}},
		} {
			sorry(t, s.Do(t, e.method, e.path, c.body, signedIn), e.method+" "+e.path+", "+name, c.want...)
		}
		for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/json, application/json"} {
			a := s.Do(t, e.method, e.path, `{}`, signedIn, func(r *http.Request) { r.Header.Set("Content-Type", contentType) })
			sorry(t, a, e.method+" "+e.path+" as "+contentType, 400)
		}
	}
}

func TestNoMemberOfAnotherTypeIsTakenOrAnInternalError(t *testing.T) {
	t.Parallel()
	s := furnished(t)
	values := map[string][]string{
		"null": {`null`}, "string": {`""`, `"x"`, `"` + strings.Repeat("ü", 2000) + `"`, `"\u202e/../"`, `"-1"`, `"%00"`},
		"integer": {`0`, `-1`, `7`, `9223372036854775807`, `9223372036854775808`, `1e400`}, "number": {`1.5`, `1e-7`},
		"boolean": {`true`, `false`}, "array": {`[]`, `[null]`, `["x"]`, `[7]`, `[[]]`, `[{}]`}, "object": {`{}`, `{"x":1}`, `{"action":7,"path":[]}`},
	}
	signedIn := session(s.SessionToken(t, "root", password).Value.Reveal())
	for _, e := range s.endpoints(t) {
		taken := 0
		sample := map[string]any{}
		if len(e.body.Examples) > 0 {
			sample = to[map[string]any](t, e.body.Examples[0])
		}
		for member, schema := range e.body.Properties {
			for typ, list := range values {
				for _, value := range list {
					body := maps.Clone(sample)
					body[member] = json.RawMessage(value)
					text, err := json.Marshal(body)
					if err != nil {
						t.Fatal(err)
					}
					what := e.method + " " + e.path + " with " + member + " " + value
					a := s.Do(t, e.method, e.path, string(text), signedIn)
					switch {
					case typ != "null" && !schema.takes(typ):
						sorry(t, a, what, 400)
					case a.Status >= 400:
						sorry(t, a, what, 400, 403, 404, 409)
					default:
						taken++
					}
				}
			}
		}
		if taken == 0 && e.method+e.path != "PATCH"+root+"/me" && !strings.HasSuffix(e.path, "/smaller") { // which take the one right password, and less scope than there is
			t.Errorf("%s %s takes nothing at all", e.method, e.path)
		}
	}
	s.as(t, s.admin, "GET", "/me", "").Is(http.StatusOK)
	if _, err := s.Session(t.Context(), s.SessionToken(t, "root", password).Value.Reveal()); err != nil {
		t.Errorf("the administrator: %v", err)
	}
}

package openapitest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// complaints gathers what a document would report to a test.
type complaints struct {
	testing.TB
	all []string
}

func (c *complaints) Helper()           {}
func (c *complaints) Error(args ...any) { c.all = append(c.all, fmt.Sprint(args...)) }
func (c *complaints) Errorf(format string, args ...any) {
	c.all = append(c.all, fmt.Sprintf(format, args...))
}

const sound = `{
  "openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "tags": [{"name": "a", "description": "d"}],
  "paths": {"/things/{id}": {"get": {
    "operationId": "one", "summary": "s", "tags": ["a"], "security": [{"bearer": []}],
    "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
    "responses": {"200": {"description": "d", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
      "204": {"description": "d"}}
  }}},
  "components": {"schemas": {"Thing": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}},
    "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}}
}`

func load(t *testing.T, text string) (*Document, *complaints) {
	t.Helper()
	c := &complaints{TB: t}
	return Load(c, []byte(text)), c
}

func TestSoundDocumentHasNoComplaints(t *testing.T) {
	t.Parallel()
	if _, c := load(t, sound); len(c.all) != 0 {
		t.Errorf("complaints: %q", c.all)
	}
}

func TestUnsoundDocumentsAreFound(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"version":             {`"3.1.0"`, `"3.0.3"`},
		"no title":            {`"title": "t", `, ``},
		"unknown member":      {`"summary": "s"`, `"summary": "s", "sumarry": "s"`},
		"no operationId":      {`"operationId": "one", `, ``},
		"undeclared tag":      {`"tags": ["a"]`, `"tags": ["b"]`},
		"undeclared security": {`{"bearer": []}`, `{"basic": []}`},
		"no path parameter":   {`"in": "path"`, `"in": "query"`},
		"optional in path":    {`"required": true, `, ``},
		"other wildcard":      {`/things/{id}`, `/things/{name}`},
		"dangling reference":  {`schemas/Thing"`, `schemas/Thin"`},
		"schema":              {`"type": "integer"`, `"type": "int"`},
		"wrong example":       {`"type": "integer"`, `"type": "integer", "examples": ["7"]`},
		"wrong body example":  {`{"schema": {"$ref": "#/components/schemas/Thing"}}`, `{"schema": {"$ref": "#/components/schemas/Thing"}, "example": {"id": "7"}}`},
		"no description":      {`"204": {"description": "d"}`, `"204": {}`},
		"status":              {`"204"`, `"2xx"`},
		"no slash":            {`"/things`, `"things`},
		"tag twice":           {`"description": "d"}],`, `"description": "d"},{"name": "a", "description": "d"}],`},
		"no content schema":   {`"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}`, `"application/json": {}`},
		"same operation id": {`"paths": {`, `"paths": {"/b": {"get": {"operationId": "one", "summary": "s", "tags": [], "security": [],
			"responses": {"204": {"description": "d"}}}},`},
	} {
		text := strings.Replace(sound, change[0], change[1], 1)
		if text == sound {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, c := load(t, text); len(c.all) == 0 {
			t.Errorf("%s: no complaint", name)
		}
	}
}

func TestRoutesAreHeldAgainstTheDocument(t *testing.T) {
	t.Parallel()
	nothing := func(http.ResponseWriter, *http.Request) {}
	for want, patterns := range map[string][]string{
		"": {"GET /things/{name}"},
		"described but not served: GET /things/{}":        {"POST /others"},
		"not in the API description: POST /others":        {"GET /things/{id}/{$}", "POST /others"},
		"not in the API description: /bare":               {"GET /things/{id}", "/bare", "/beneath/"},
		"not in the API description: DELETE /things/{id}": {"GET /things/{id}", "/things/{id}", "DELETE /things/{id}"},
	} {
		d, c := load(t, sound)
		mux := http.NewServeMux()
		for _, p := range patterns {
			mux.HandleFunc(p, nothing)
		}
		d.CheckRoutes(mux)
		if (want != "") != slices.Contains(c.all, want) || want == "" && len(c.all) > 0 {
			t.Errorf("%v: %q, want %q", patterns, c.all, want)
		}
	}
}

func TestAnswersAreHeldAgainstTheDocument(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status      int
		contentType string
		body        string
		complaint   string
	}{
		"as described":     {200, "application/json; charset=utf-8", `{"id":7}`, ""},
		"without a body":   {204, "", "", ""},
		"other status":     {404, "application/json", `{}`, "404 is not described"},
		"other media type": {200, "text/html", "<p>", "media type"},
		"no body":          {200, "application/json", "", "no body"},
		"missing member":   {200, "application/json", `{}`, "missing property"},
		"unknown member":   {200, "application/json", `{"id":7,"more":1}`, "additional properties"},
		"wrong type":       {200, "application/json", `{"id":"7"}`, "got string"},
		"no JSON":          {200, "application/json", `{`, "not JSON"},
	} {
		d, c := load(t, sound)
		mux := http.NewServeMux()
		mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tc.contentType)
			w.WriteHeader(tc.status)
			_, _ = w.Write([]byte(tc.body))
		})
		w := httptest.NewRecorder()
		d.Watch(mux).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/things/1", nil))
		if w.Code != tc.status || w.Body.String() != tc.body {
			t.Errorf("%s: passed on %d %q", name, w.Code, w.Body)
		}
		if got := strings.Join(c.all, "\n"); (tc.complaint == "") != (got == "") || !strings.Contains(got, tc.complaint) {
			t.Errorf("%s: %q, want %q", name, got, tc.complaint)
		}
	}
}

package adminapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestDescriptionIsServedToEverybody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.Do(t, "GET", "/auth/openapi.json", "")
	if a.Status != 200 || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	var document struct {
		OpenAPI string
		Info    struct{ Version string }
		Servers []struct{ URL, Description string }
	}
	if err := json.Unmarshal([]byte(a.Body), &document); err != nil {
		t.Fatal(err)
	}
	if document.OpenAPI != "3.1.0" || document.Info.Version != "test" || document.Servers[0].URL != "/" ||
		!strings.HasSuffix(document.Servers[0].Description, nodetest.Issuer) {
		t.Errorf("%+v", document)
	}
	again := s.Do(t, "GET", "/auth/openapi.json", "", edgetest.Header("If-None-Match", a.Header.Get("Etag")))
	if again.Status != http.StatusNotModified || again.Body != "" {
		t.Errorf("asked again: %d %q", again.Status, again.Body)
	}
}

// fragments is an edge that describes itself by these.
type fragments []string

func (f fragments) OpenAPI() [][]byte {
	var all [][]byte
	for _, text := range f {
		all = append(all, []byte(text))
	}
	return all
}

func describe(all ...string) (*adminapi.Description, error) {
	return adminapi.Describe(adminapi.Sources{Edges: []adminapi.Described{fragments(all)}})
}

func TestFragmentsAreMerged(t *testing.T) {
	t.Parallel()
	d, err := describe(
		`{"tags":[{"name":"a"}],"paths":{"/a":{"get":{"summary":"one","responses":{"200":{"description":"own"}}}}},
		  "x-common":{"tags":["a"],"summary":"shared","responses":{"200":{"description":"shared"},"401":{"description":"no"}}}}`,
		`{"tags":[{"name":"b"}],"paths":{"/a":{"post":{"summary":"two"}}},"components":{"schemas":{"B":{"type":"string"}}}}`)
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Tags  []struct{ Name string }
		Paths map[string]map[string]struct {
			Summary   string
			Tags      []string
			Responses map[string]struct{ Description string }
		}
		Components struct{ Schemas map[string]any }
		Common     any `json:"x-common"`
	}
	if err := json.Unmarshal(d.JSON(), &m); err != nil {
		t.Fatal(err)
	}
	get := m.Paths["/a"]["get"]
	if get.Summary != "one" || get.Responses["200"].Description != "own" || get.Responses["401"].Description != "no" || get.Tags[0] != "a" {
		t.Errorf("get: %+v", get)
	}
	if post := m.Paths["/a"]["post"]; post.Summary != "two" || post.Tags != nil {
		t.Errorf("post: %+v", post)
	}
	if m.Components.Schemas["B"] == nil || m.Components.Schemas["Problem"] == nil || m.Common != nil || len(m.Tags) != 3 {
		t.Errorf("merged: %+v", m)
	}
}

func TestWhatIsDescribedTwiceIsAnError(t *testing.T) {
	t.Parallel()
	for name, all := range map[string][]string{
		"operation": {`{"paths":{"/a":{"get":{}}}}`, `{"paths":{"/a":{"get":{}}}}`},
		"schema":    {`{"components":{"schemas":{"Problem":{"type":"string"}}}}`},
		"version":   {`{"openapi":"3.0.0"}`},
		"not JSON":  {`{`},
	} {
		if _, err := describe(all...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDescriptionCantBeChangedByWhoReadsIt(t *testing.T) {
	t.Parallel()
	d, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	clear(d.JSON())
	mux := http.NewServeMux()
	d.Register(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/auth/openapi.json", nil))
	if !strings.Contains(w.Body.String(), `"openapi":"3.1.0"`) {
		t.Errorf("served %q", w.Body)
	}
}

// Package explorer is the page on which a person reads and tries the endpoints of the
// API.
package explorer

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/swaggest/swgui/v5/static"

	"github.com/bearerd/bearerd/internal/webui/kit"
)

//go:embed templates
var templates embed.FS

//go:embed openapi.json
var described []byte

// OpenAPI describes the page.
func OpenAPI() []byte { return described }

var (
	//go:embed assets/explorer.css
	stylesheet []byte
	//go:embed assets/explorer.js
	script []byte
)

// pathDocument is the path of the document that the explorer shows.
const pathDocument = "/auth/openapi.json"

// explorerPolicy is the policy of all pages, with what Swagger UI needs in addition: it
// sets styles on its own elements, its icons are data: URLs in its stylesheet, and
// requests that people try go to this server. Scripts are files of this server here too.
const explorerPolicy = "default-src 'none'; style-src 'self'; style-src-attr 'unsafe-inline'; script-src 'self'; " +
	"img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// swaggerUI returns the files of Swagger UI that the page loads, each a gzip.
func swaggerUI() map[string][]byte {
	assets := map[string][]byte{}
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js"} {
		body, err := static.FS.ReadFile(name + ".gz")
		if err != nil {
			panic(err) // the module lacks a file, which a test would have shown
		}
		assets[name] = body
	}
	return assets
}

// Explorer is the page on which a person reads and tries the endpoints.
type Explorer struct {
	*kit.Site

	// Document returns the OpenAPI document that the page shows. It is called when the
	// page is opened, and always returns the same.
	Document func() []byte
}

// Register mounts the page.
func (e *Explorer) Register(mux *http.ServeMux) {
	e.Use(templates)
	e.UseAsset("explorer.css", stylesheet, false)
	e.UseAsset("explorer.js", script, false)
	for name, body := range swaggerUI() {
		e.UseAsset(name, body, true)
	}
	groups := sync.OnceValues(func() ([]endpoints, error) { return readGroups(e.Document()) })
	e.Anybody(mux, "GET "+kit.PathExplorer, func(w http.ResponseWriter, r *kit.Request) error { return e.page(w, r, groups) })
}

// readGroups reads a document as far as the plain list needs it.
func readGroups(document []byte) ([]endpoints, error) {
	var d struct {
		Tags  []struct{ Name, Description string }
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("reading the API description: %w", err)
	}
	byTag := map[string][]endpoint{}
	for path, item := range d.Paths {
		for _, method := range methods {
			raw, there := item[method]
			if !there {
				continue
			}
			one := endpoint{Method: strings.ToUpper(method), Path: path}
			if err := json.Unmarshal(raw, &one.Operation); err != nil {
				return nil, fmt.Errorf("reading the API description: %s %s: %w", method, path, err)
			}
			for _, tag := range one.Operation.Tags {
				byTag[tag] = append(byTag[tag], one)
			}
		}
	}
	var groups []endpoints
	for _, tag := range d.Tags {
		list := byTag[tag.Name]
		if len(list) == 0 {
			continue
		}
		slices.SortFunc(list, func(a, b endpoint) int {
			return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
		})
		groups = append(groups, endpoints{tag.Name, tag.Description, list})
	}
	return groups, nil
}

// explorerView is the page: what scripts load, and the same as a plain list.
type explorerView struct {
	Document string
	Groups   []endpoints
}

// page is for everybody, as the document is.
func (e *Explorer) page(w http.ResponseWriter, r *kit.Request, read func() ([]endpoints, error)) error {
	groups, err := read()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", explorerPolicy)
	return e.Render(w, r, http.StatusOK, "explorer", "API", explorerView{Document: pathDocument, Groups: groups})
}

// endpoints are those of one tag.
type endpoints struct {
	Name, Description string
	List              []endpoint
}

// endpoint is one operation of the document.
type endpoint struct {
	Method, Path string
	Operation    operation
}

// operation is one line of the plain list of endpoints.
type operation struct {
	Summary     string
	Description string
	Tags        []string
	Security    []map[string][]string
}

// Callers returns in words who may call it.
func (o operation) Callers() string {
	var ways []string
	for _, way := range o.Security {
		for name := range way {
			ways = append(ways, name)
		}
		if len(way) == 0 {
			ways = append(ways, "anybody")
		}
	}
	if len(ways) == 0 {
		return "anybody"
	}
	return strings.Join(ways, ", ")
}

// methods in the order of the list.
var methods = []string{"get", "post", "put", "patch", "delete"}

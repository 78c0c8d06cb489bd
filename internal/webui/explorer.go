package webui

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/swaggest/swgui/v5/static"
)

// pathExplorer is where the API explorer stands, and pathDocument what it shows.
const (
	pathExplorer = "/auth/docs"
	pathDocument = "/auth/openapi.json"
)

// explorerPolicy is contentPolicy and what Swagger UI can't do without: it sets
// styles on elements of its own, its icons are data: URLs in its stylesheet, and
// what is tried is asked of this server. Scripts are files of this server here too.
const explorerPolicy = "default-src 'none'; style-src 'self'; style-src-attr 'unsafe-inline'; script-src 'self'; " +
	"img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// explorerAssets are the files of Swagger UI that the page loads, each a gzip.
func explorerAssets() map[string][]byte {
	assets := map[string][]byte{}
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js"} {
		body, err := static.FS.ReadFile(name + ".gz")
		if err != nil {
			panic(err) // the module has lost a file, which a test would have told
		}
		assets[name] = body
	}
	return assets
}

// takesGzip reports whether the client says that it takes gzip (RFC 9110 §12.5.3).
func takesGzip(r *http.Request) bool {
	for _, header := range r.Header.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(header, ",") {
			name, weight, _ := strings.Cut(coding, ";")
			weight = strings.ReplaceAll(weight, " ", "")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") && strings.Trim(weight, "0.") != "q=" {
				return true
			}
		}
	}
	return false
}

// unpack returns what a gzip of ours holds.
func unpack(packed []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(err) // likewise
	}
	body, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	return body
}

// explorer is the page on which a person reads and tries the endpoints.
type explorer struct {
	*Pages
	groups func() ([]endpoints, error) // read once
}

func (p *Pages) newExplorer() *explorer {
	return &explorer{Pages: p, groups: sync.OnceValues(func() ([]endpoints, error) { // as far as the plain list needs it
		var d struct {
			Tags  []struct{ Name, Description string }
			Paths map[string]map[string]json.RawMessage
		}
		if err := json.Unmarshal(p.Explorer(), &d); err != nil {
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
	})}
}

// explorerView is the page: what scripts load, and the same as a plain list.
type explorerView struct {
	Document string
	Groups   []endpoints
}

// page is for everybody, as the document is.
func (e *explorer) page(w http.ResponseWriter, r *request) error {
	groups, err := e.groups()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", explorerPolicy)
	return e.render(w, r, http.StatusOK, "explorer", "API", explorerView{Document: pathDocument, Groups: groups})
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

// Callers says in words who may call it.
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

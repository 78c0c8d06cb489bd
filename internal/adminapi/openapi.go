package adminapi

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the description
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/httpkit"
)

var (
	//go:embed openapi.json
	described []byte
	//go:embed skeleton.json
	skeleton []byte
)

// OpenAPI describes the management API.
func (a *API) OpenAPI() [][]byte { return [][]byte{described} }

// Described is an edge that describes what it serves, as fragments of an OpenAPI 3.1
// document: tags, paths, and components. The member x-common holds the defaults of each
// operation of a fragment.
type Described interface {
	OpenAPI() [][]byte
}

// Sources are what a description is assembled from.
type Sources struct {
	Issuer  string
	Version string
	// SessionCookie is the cookie of those who are signed in; "": the one of the skeleton.
	SessionCookie string
	Edges         []Described // those that are on
}

// Description is the OpenAPI document of all of bearerd's HTTP, at
// /auth/openapi.json.
type Description struct {
	body []byte
	etag string
}

// Describe assembles the description. Two fragments that describe the same
// endpoint or component are an error.
func Describe(s Sources) (*Description, error) {
	document, err := decode(skeleton)
	if err != nil {
		return nil, err
	}
	// Relative to the document's address, so that it fits every host name of this server.
	document["servers"] = []any{map[string]any{"url": cmp.Or(httpkit.IssuerPath(s.Issuer), "/"), "description": "This server, the issuer " + s.Issuer}}
	document["info"].(map[string]any)["version"] = s.Version //nolint:errcheck,forcetypeassert // as the skeleton has it
	if s.SessionCookie != "" {
		//nolint:errcheck,forcetypeassert // as the skeleton has it
		schemes := document["components"].(map[string]any)["securitySchemes"].(map[string]any)
		schemes["session"].(map[string]any)["name"] = s.SessionCookie //nolint:errcheck,forcetypeassert // as the skeleton has it
	}
	for _, edge := range s.Edges {
		for _, fragment := range edge.OpenAPI() {
			if err := addFragment(document, fragment); err != nil {
				return nil, err
			}
		}
	}
	body, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("encoding the API description: %w", err)
	}
	sum := sha256.Sum256(body)
	return &Description{body: body, etag: `"` + hex.EncodeToString(sum[:16]) + `"`}, nil
}

func decode(text []byte) (map[string]any, error) {
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("reading an API description: %w", err)
	}
	return m, nil
}

const common = "x-common"

func addFragment(document map[string]any, text []byte) error {
	fragment, err := decode(text)
	if err != nil {
		return err
	}
	shared, _ := fragment[common].(map[string]any)
	delete(fragment, common)
	paths, _ := fragment["paths"].(map[string]any)
	for _, item := range paths {
		operations, _ := item.(map[string]any)
		for _, operation := range operations {
			if o, ok := operation.(map[string]any); ok {
				complete(o, shared)
			}
		}
	}
	return merge(document, fragment, nil)
}

// complete adds the defaults of its fragment to an operation.
func complete(operation, shared map[string]any) {
	for name, value := range shared {
		has, there := operation[name]
		if !there {
			operation[name] = value
			continue
		}
		own, ok := has.(map[string]any)
		more, both := value.(map[string]any)
		if !ok || !both {
			continue
		}
		for key, v := range more {
			if _, there := own[key]; !there {
				own[key] = v
			}
		}
	}
}

// unique is the depth in the document at which a name may be used only once:
// paths./auth/verify.get, components.schemas.Problem.
const unique = 3

// merge adds a fragment to the document; lists are appended.
func merge(document, fragment map[string]any, at []string) error {
	for _, name := range slices.Sorted(maps.Keys(fragment)) {
		where := append(slices.Clip(at), name)
		old, there := document[name]
		if !there {
			document[name] = fragment[name]
			continue
		}
		if list, ok := old.([]any); ok {
			more, _ := fragment[name].([]any)
			document[name] = append(list, more...)
			continue
		}
		into, ok := old.(map[string]any)
		more, both := fragment[name].(map[string]any)
		if !ok || !both || len(where) >= unique {
			return fmt.Errorf("the API description has %q twice", where)
		}
		if err := merge(into, more, where); err != nil {
			return err
		}
	}
	return nil
}

// JSON is the document.
func (d *Description) JSON() []byte { return slices.Clone(d.body) }

// Register mounts the document, which everybody may read.
func (d *Description) Register(mux *http.ServeMux) {
	httpkit.HandlePublic(mux, "/auth/openapi.json", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Etag", d.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(d.body))
	}))
}

// Package openapitest checks an API description against the code that it describes:
// its structure against OpenAPI 3.1, its paths against the routes of a mux, and its
// statuses, media types and schemas against the answers that a test gets.
package openapitest

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bearerd/bearerd/internal/adminapi"
)

type object = map[string]any

// Document is an API description that a test watches.
type Document struct {
	tb       testing.TB
	root     object
	mu       sync.Mutex // of the compiler
	compiler *jsonschema.Compiler
}

const location = "bearerd:openapi"

// Describe assembles a description and loads it.
func Describe(tb testing.TB, s adminapi.Sources) *Document {
	tb.Helper()
	d, err := adminapi.Describe(s)
	if err != nil {
		tb.Fatal(err)
	}
	return Load(tb, d.JSON())
}

// Load reads a description and reports what is wrong with its structure.
func Load(tb testing.TB, body []byte) *Document {
	tb.Helper()
	d := &Document{tb: tb, compiler: jsonschema.NewCompiler()}
	if err := json.Unmarshal(body, &d.root); err != nil {
		tb.Fatalf("the API description is not JSON: %v", err)
	}
	// A schema here is that of OpenAPI 3.1, JSON Schema 2020-12. An answer must not have
	// members that it doesn't name, so that nothing stays undescribed.
	strict, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	closeObjects(strict)
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	d.compiler.AssertFormat()
	if err := d.compiler.AddResource(location, strict); err != nil {
		tb.Fatal(err)
	}
	for _, complaint := range d.complaints() {
		tb.Error(complaint)
	}
	return d
}

// closeObjects makes every schema that lists properties forbid others, unless it allows them.
func closeObjects(v any) {
	switch v := v.(type) {
	case object:
		if _, open := v["additionalProperties"]; !open && v["type"] == "object" && v["properties"] != nil {
			v["additionalProperties"] = false
		}
		for _, child := range v {
			closeObjects(child)
		}
	case []any:
		for _, child := range v {
			closeObjects(child)
		}
	}
}

// resolve follows a reference within the document; nil when it leads nowhere.
func (d *Document) resolve(v any) object {
	o, _ := v.(object)
	ref, ok := o["$ref"].(string)
	if !ok {
		return o
	}
	return d.at(ref)
}

// at returns what a reference names.
func (d *Document) at(ref string) object {
	pointer, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	at := d.root
	for name := range strings.SplitSeq(pointer, "/") {
		at = child(at, strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
	}
	return at
}

func child(o object, name string) object {
	c, _ := o[name].(object)
	return c
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// sorted returns the names of an object's members, in order.
func sorted(o object) []string { return slices.Sorted(maps.Keys(o)) }

// pointer returns the reference to nested names.
func pointer(names ...string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	for i, name := range names {
		names[i] = escape.Replace(name)
	}
	return "#/" + strings.Join(names, "/")
}

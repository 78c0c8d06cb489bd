package openapitest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// inspection gathers what is wrong with a document.
type inspection struct {
	*Document
	operations map[string]string // where each operationId is
	found      []string
}

func (d *Document) complaints() []string {
	i := &inspection{Document: d, operations: map[string]string{}}
	i.members("the document", d.root, []string{"openapi", "info", "paths"},
		[]string{"servers", "tags", "components", "security", "externalDocs", "jsonSchemaDialect", "webhooks"})
	if !regexp.MustCompile(`^3\.1\.\d+$`).MatchString(text(d.root["openapi"])) {
		i.complain("openapi is %q", d.root["openapi"])
	}
	i.members("info", child(d.root, "info"), []string{"title", "version"},
		[]string{"summary", "description", "license", "contact", "termsOfService"})
	seen := map[string]bool{}
	for _, tag := range list(i.root["tags"]) {
		o, _ := tag.(object)
		i.members("a tag", o, []string{"name", "description"}, nil)
		if seen[text(o["name"])] {
			i.complain("the tag %q is declared twice", o["name"])
		}
		seen[text(o["name"])] = true
	}
	components := child(i.root, "components")
	i.members("components", components, nil, []string{"schemas", "responses", "parameters", "requestBodies", "headers", "securitySchemes"})
	for _, name := range sorted(child(components, "schemas")) {
		i.schema(pointer("components", "schemas", name))
	}
	for _, name := range sorted(child(components, "responses")) {
		i.response("response "+name, child(child(components, "responses"), name), pointer("components", "responses", name))
	}
	for _, name := range sorted(child(components, "parameters")) {
		i.parameter("parameter "+name, child(child(components, "parameters"), name))
	}
	for _, name := range sorted(child(components, "securitySchemes")) {
		i.members("security scheme "+name, child(child(components, "securitySchemes"), name), []string{"type"},
			[]string{"description", "name", "in", "scheme", "bearerFormat", "flows", "openIdConnectUrl"})
	}
	for _, path := range sorted(child(d.root, "paths")) {
		item := child(child(d.root, "paths"), path)
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#") {
			i.complain("%q is no path", path)
		}
		i.members(path, item, nil, append([]string{"parameters", "summary", "description"}, methods...))
		for _, method := range methods {
			if operation := child(item, method); operation != nil {
				i.operation(path, method, operation, list(item["parameters"]))
			}
		}
	}
	i.references("#", d.root)
	i.examples("#", d.root)
	return i.found
}

func (i *inspection) complain(format string, args ...any) {
	i.found = append(i.found, fmt.Sprintf("API description: "+format, args...))
}

// members reports members that an object lacks, and members that it must not have.
func (i *inspection) members(where string, o object, required, optional []string) {
	for _, name := range required {
		if o[name] == nil {
			i.complain("%s has no %s", where, name)
		}
	}
	for _, name := range sorted(o) {
		if !slices.Contains(required, name) && !slices.Contains(optional, name) && !strings.HasPrefix(name, "x-") {
			i.complain("%s has an unknown member %s", where, name)
		}
	}
}

// schema reports a schema that JSON Schema 2020-12 doesn't allow.
func (i *inspection) schema(at string) {
	if _, err := i.compiler.Compile(location + at); err != nil {
		i.complain("schema %s: %v", at, err)
	}
}

var inBraces = regexp.MustCompile(`\{([^{}]*)\}`)

func (i *inspection) operation(path, method string, o object, shared []any) {
	where := strings.ToUpper(method) + " " + path
	i.members(where, o, []string{"operationId", "summary", "tags", "responses", "security"},
		[]string{"description", "parameters", "requestBody", "deprecated"})
	id := text(o["operationId"])
	if other, taken := i.operations[id]; taken {
		i.complain("%s and %s have the same operationId", where, other)
	}
	i.operations[id] = where
	i.pathParameters(where, path, append(slices.Clone(shared), list(o["parameters"])...))
	for _, tag := range list(o["tags"]) {
		if !slices.ContainsFunc(list(i.root["tags"]), func(t any) bool { d, _ := t.(object); return d["name"] == tag }) {
			i.complain("%s: the tag %q is not declared", where, tag)
		}
	}
	for _, choice := range list(o["security"]) {
		schemes, _ := choice.(object)
		for _, name := range sorted(schemes) {
			if child(child(child(i.root, "components"), "securitySchemes"), name) == nil {
				i.complain("%s: the security scheme %q is not declared", where, name)
			}
		}
	}
	if body, ok := o["requestBody"]; ok {
		b := i.resolve(body)
		i.members(where+": the body", b, []string{"content"}, []string{"description", "required"})
		i.content(where+": the body", child(b, "content"), pointer("paths", path, method, "requestBody"))
	}
	responses := child(o, "responses")
	if len(responses) == 0 {
		i.complain("%s has no responses", where)
	}
	for _, status := range sorted(responses) {
		if !regexp.MustCompile(`^([1-5]\d\d|default)$`).MatchString(status) {
			i.complain("%s: %q is no status", where, status)
		}
		r := child(responses, status)
		if r["$ref"] != nil {
			continue // checked where it is defined
		}
		i.response(where+" "+status, r, pointer("paths", path, method, "responses")+"/"+status)
	}
}

func (i *inspection) response(where string, r object, at string) {
	i.members(where, r, []string{"description"}, []string{"headers", "content", "links"})
	i.content(where, child(r, "content"), at)
}

func (i *inspection) content(where string, content object, at string) {
	for _, mediaType := range sorted(content) {
		m := child(content, mediaType)
		i.members(where+" "+mediaType, m, []string{"schema"}, []string{"example", "examples", "encoding"})
		if m["schema"] != nil {
			i.schema(at + "/content/" + strings.ReplaceAll(mediaType, "/", "~1") + "/schema")
		}
	}
}

// pathParameters reports a difference between the parameters in a path and those that are
// declared for it.
func (i *inspection) pathParameters(where, path string, parameters []any) {
	var declared []string
	seen := map[string]bool{}
	for _, p := range parameters {
		o := i.resolve(p)
		i.parameter(where, o)
		name := text(o["in"]) + " " + text(o["name"])
		if seen[name] {
			i.complain("%s: the parameter %q is declared twice", where, name)
		}
		seen[name] = true
		if o["in"] == "path" {
			declared = append(declared, text(o["name"]))
			if o["required"] != true {
				i.complain("%s: the path parameter %q must be required", where, o["name"])
			}
		}
	}
	var used []string
	for _, m := range inBraces.FindAllStringSubmatch(path, -1) {
		used = append(used, m[1])
	}
	slices.Sort(declared)
	slices.Sort(used)
	if !slices.Equal(declared, used) {
		i.complain("%s declares the path parameters %q and has %q", where, declared, used)
	}
}

func (i *inspection) parameter(where string, p object) {
	i.members(where+": a parameter", p, []string{"name", "in", "schema"},
		[]string{"description", "required", "example", "examples", "style", "explode", "deprecated"})
	if !slices.Contains([]string{"path", "query", "header", "cookie"}, text(p["in"])) {
		i.complain("%s: a parameter is in %q", where, p["in"])
	}
}

// references reports references that lead nowhere.
func (i *inspection) references(where string, v any) {
	switch v := v.(type) {
	case object:
		if ref, ok := v["$ref"].(string); ok && i.at(ref) == nil {
			i.complain("%s: %s leads nowhere", where, ref)
		}
		for _, name := range sorted(v) {
			i.references(where+"/"+name, v[name])
		}
	case []any:
		for n, item := range v {
			i.references(fmt.Sprintf("%s/%d", where, n), item)
		}
	}
}

// examples reports examples of schemas and of media types that their schema doesn't
// allow.
func (i *inspection) examples(at string, v any) {
	switch v := v.(type) {
	case object:
		for _, example := range list(v["examples"]) {
			i.example(at, at, example)
		}
		if example, ok := v["example"]; ok && v["schema"] != nil {
			i.example(at, at+"/schema", example)
		}
		for _, name := range sorted(v) {
			i.examples(at+"/"+strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(name), v[name])
		}
	case []any:
		for n, item := range v {
			i.examples(fmt.Sprintf("%s/%d", at, n), item)
		}
	}
}

func (i *inspection) example(where, schema string, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		i.complain("%s: %v", where, err)
		return
	}
	if complaint := i.schemaComplaint(schema, body); complaint != "" {
		i.complain("%s: the example: %s", where, complaint)
	}
}

package scim

import (
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/httpkit"
)

// object is a JSON object. The names of its members are compared without case (RFC 7643
// §2.1).
type object = map[string]any

// readObject reads the body of a request.
func readObject(w http.ResponseWriter, r *request) (object, error) {
	var body object
	accepted := httpkit.JSONBody{Limit: maxBody, Types: []string{typeSCIM, typeJSON}}
	if err := accepted.Decode(w, r.Request, &body); err != nil {
		return nil, &typedError{invalidSyntax, err}
	}
	return body, unambiguous(body)
}

// unambiguous refuses an object with two members whose names differ in case alone.
func unambiguous(v any) error {
	switch v := v.(type) {
	case object:
		seen := make(map[string]bool, len(v))
		for name, member := range v {
			if folded := strings.ToLower(name); seen[folded] {
				return wrong(invalidSyntax, "the attribute %q is repeated", name)
			} else {
				seen[folded] = true
			}
			if err := unambiguous(member); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := unambiguous(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// member returns a member of an object; nil when it isn't there or null.
func member(o object, name string) any {
	for has, v := range o {
		if strings.EqualFold(has, name) {
			return v
		}
	}
	return nil
}

// one returns a value that some clients send in a list of one, or as the member value of an
// object.
func one(v any) any {
	if list, ok := v.([]any); ok && len(list) == 1 {
		v = list[0]
	}
	if o, ok := v.(object); ok {
		v = member(o, "value")
	}
	return v
}

func text(attr string, v any) (string, error) {
	s, ok := one(v).(string)
	if !ok {
		return "", wrong(invalidValue, "%s must be a string", attr)
	}
	return s, nil
}

// flag reads a boolean, which some clients send as a string.
func flag(attr string, v any) (bool, error) {
	switch v := one(v).(type) {
	case bool:
		return v, nil
	case string:
		if strings.EqualFold(v, "true") || strings.EqualFold(v, "false") {
			return strings.EqualFold(v, "true"), nil
		}
	}
	return false, wrong(invalidValue, "%s must be true or false", attr)
}

// operation is one operation of a PATCH (RFC 7644 §3.5.2).
type operation struct {
	op    string // add, replace, remove
	path  *path  // nil: the value is an object with attributes
	value any
}

// readOperations reads the body of a PATCH.
func readOperations(w http.ResponseWriter, r *request) ([]operation, error) {
	body, err := readObject(w, r)
	if err != nil {
		return nil, err
	}
	list, ok := member(body, "Operations").([]any)
	if !ok || len(list) == 0 {
		return nil, wrong(invalidSyntax, "Operations must be a list of at least one operation")
	}
	operations := make([]operation, len(list))
	for i, item := range list {
		if operations[i], err = readOperation(item); err != nil {
			return nil, err
		}
	}
	return operations, nil
}

func readOperation(item any) (o operation, err error) {
	members, ok := item.(object)
	if !ok {
		return o, wrong(invalidSyntax, "an operation must be an object")
	}
	name, _ := member(members, "op").(string)
	switch o.op = strings.ToLower(name); o.op {
	case "add", "replace", "remove":
	default:
		return o, wrong(invalidSyntax, "op must be add, replace or remove")
	}
	o.value = member(members, "value")
	switch named := member(members, "path").(type) {
	case nil:
	case string:
		if named == "" {
			break
		}
		p, err := parsePath(named)
		if err != nil {
			return o, err
		}
		o.path = &p
		return o, nil
	default:
		return o, wrong(invalidPath, "path must be a string")
	}
	switch _, isObject := o.value.(object); {
	case o.op == "remove":
		return o, wrong(noTarget, "remove needs a path")
	case !isObject:
		return o, wrong(invalidValue, "without a path the value must be an object with attributes")
	}
	return o, nil
}

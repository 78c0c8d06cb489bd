package scim

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

const (
	typeSCIM = "application/scim+json"
	typeJSON = "application/json"

	maxBody  = 1 << 20
	maxCount = 200 // resources of one answer
)

// The URIs of messages and schemas (RFC 7643 §8.7, RFC 7644 §8.2).
const (
	uriError = "urn:ietf:params:scim:api:messages:2.0:Error"
	uriList  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	uriUser  = "urn:ietf:params:scim:schemas:core:2.0:User"
	uriGroup = "urn:ietf:params:scim:schemas:core:2.0:Group"
)

// failure is an error as RFC 7644 §3.12 has it.
type failure struct {
	Status int
	Type   scimType
	Detail string
}

func writeFailure(w http.ResponseWriter, f failure) error {
	httpkit.NoStore(w)
	return httpkit.WriteJSONAs(w, f.Status, typeSCIM, struct {
		Schemas []string `json:"schemas"`
		Status  string   `json:"status"`
		Type    scimType `json:"scimType,omitempty"`
		Detail  string   `json:"detail"`
	}{[]string{uriError}, strconv.Itoa(f.Status), f.Type, f.Detail})
}

// scimType says what is wrong with a request (RFC 7644 §3.12, table 9).
type scimType string

const (
	invalidFilter scimType = "invalidFilter"
	uniqueness    scimType = "uniqueness"
	mutability    scimType = "mutability"
	invalidSyntax scimType = "invalidSyntax"
	invalidPath   scimType = "invalidPath"
	noTarget      scimType = "noTarget"
	invalidValue  scimType = "invalidValue"
)

// typedError is a fault with its type.
type typedError struct {
	scimType scimType
	err      error
}

// Error implements error.
func (t *typedError) Error() string { return t.err.Error() }

// Unwrap returns the fault.
func (t *typedError) Unwrap() error { return t.err }

// wrong returns the error of a request that is refused for a reason of that type.
func wrong(t scimType, format string, args ...any) error {
	return &typedError{t, fault.New(fault.Invalid, format, args...)}
}

func scimTypeOf(err error) scimType {
	if t, ok := errors.AsType[*typedError](err); ok {
		return t.scimType
	}
	switch fault.KindOf(err) { //nolint:exhaustive // the rest has no type
	case fault.Invalid:
		return invalidValue
	case fault.Conflict:
		if fault.FieldOf(err) != "version" {
			return uniqueness
		}
	}
	return ""
}

// meta says where a resource is (RFC 7643 §3.1).
type meta struct {
	ResourceType string `json:"resourceType"`
	Location     string `json:"location"`
}

// location is the URL beneath which the endpoints stand.
type location string

func (l location) meta(resourceType, path string) meta { return meta{resourceType, string(l) + path} }

// window is the part of a list that is requested (RFC 7644 §3.4.2.4).
type window struct{ start, count int }

func (w window) skip() int { return w.start - 1 }

func readWindow(query url.Values) (window, error) {
	w := window{start: 1, count: maxCount}
	for name, n := range map[string]*int{"startIndex": &w.start, "count": &w.count} {
		if !query.Has(name) {
			continue
		}
		var err error
		if *n, err = strconv.Atoi(query.Get(name)); err != nil {
			return w, wrong(invalidValue, "%s must be an integer", name)
		}
	}
	w.start, w.count = max(w.start, 1), min(max(w.count, 0), maxCount)
	return w, nil
}

// page is a list of resources (RFC 7644 §3.4.2).
type page[T any] struct {
	Schemas   []string `json:"schemas"`
	Total     int      `json:"totalResults"`
	Start     int      `json:"startIndex"`
	Items     int      `json:"itemsPerPage"`
	Resources []T      `json:"Resources"`
}

func writePage[T any](w http.ResponseWriter, start, total int, resources []T) error {
	return httpkit.WriteJSONAs(w, http.StatusOK, typeSCIM, page[T]{
		Schemas: []string{uriList}, Total: total, Start: start, Items: len(resources), Resources: append([]T{}, resources...),
	})
}

// writeResource answers with a resource. For a created one its URL is in a header, too.
func writeResource(w http.ResponseWriter, status int, m meta, resource any) error {
	if status == http.StatusCreated {
		w.Header().Set("Location", m.Location)
	}
	return httpkit.WriteJSONAs(w, status, typeSCIM, resource)
}

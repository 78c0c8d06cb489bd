package httpkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/bearerd/bearerd/internal/fault"
)

// DecodeJSON reads a JSON body of at most [MaxBody] bytes into dst, a pointer.
// See [DecodeJSONLimit].
func DecodeJSON(w http.ResponseWriter, r *http.Request, dst any) error {
	return DecodeJSONLimit(w, r, MaxBody, dst)
}

// DecodeJSONLimit reads a JSON body of at most limit bytes into dst, a pointer.
// Another content type, an unknown or repeated member, one whose name differs
// in case, a wrong type, bad UTF-8, deep nesting, or anything behind the value
// is a fault of kind Invalid that names the member; a larger body is one of
// kind TooLarge. A null member counts as absent, a null body is refused.
func DecodeJSONLimit(w http.ResponseWriter, r *http.Request, limit int64, dst any) error {
	if err := wantType(r, typeJSON); err != nil {
		return err
	}
	body, err := readBody(w, r, limit)
	if err != nil {
		return err
	}
	return unmarshalStrict(body, dst)
}

// unmarshalStrict is json.Unmarshal for bodies that strangers send.
func unmarshalStrict(body []byte, dst any) error {
	if err := checkJSON(body, reflect.TypeOf(dst)); err != nil {
		return err
	}
	err := json.Unmarshal(body, dst)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "the body does not have the form that is expected here")
	}
	return nil
}

// memberName names the member at a path for a message.
func memberName(path string) string {
	if path == "" {
		return "the body"
	}
	return "the member " + quoted(path)
}

// jsonKind says in JSON's words what a Go type takes.
func jsonKind(t reflect.Type) string {
	switch t.Kind() { //nolint:exhaustive // the rest of Go's kinds take an object or nothing
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "an integer"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "an integer, 0 or more"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	default:
		return "an object"
	}
}

// scalar is a JSON string, number or boolean in the text that a form would have.
type scalar string

// UnmarshalJSON takes what a form can say.
func (s *scalar) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return fmt.Errorf("reading a string: %w", err)
		}
		*s = scalar(text)
	case '{', '[':
		return fault.New(fault.Invalid, "every member must be a string, a number or a boolean")
	default:
		*s = scalar(raw)
	}
	return nil
}

// WriteJSON answers with status and v. An error means that v can't be encoded
// and that nothing was written; a client that went away is no error.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	return writeBody(w, status, typeJSON, v)
}

func writeBody(w http.ResponseWriter, status int, contentType string, v any) error {
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(v); err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
	return nil
}

// NoStore forbids every cache to keep the answer, as RFC 6749 §5.1 asks of
// answers that hold a token.
func NoStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
}

package httpkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/strictjson"
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
	return JSONBody{Limit: limit, Types: []string{typeJSON}}.Decode(w, r, dst)
}

// JSONBody is which JSON bodies an endpoint accepts: the content types, and the limit in
// bytes.
type JSONBody struct {
	Limit int64
	Types []string
}

// Decode is [DecodeJSONLimit] for bodies of these types.
func (b JSONBody) Decode(w http.ResponseWriter, r *http.Request, dst any) error {
	if !slices.ContainsFunc(b.Types, func(accepted string) bool { return wantType(r, accepted) == nil }) {
		return fault.New(fault.Invalid, "the content type must be %s", strings.Join(b.Types, " or "))
	}
	body, err := readBody(w, r, b.Limit)
	if err != nil {
		return err
	}
	return unmarshalStrict(body, dst)
}

// unmarshalStrict is [strictjson.Decode], whose errors become faults that name the
// member.
func unmarshalStrict(body []byte, dst any) error {
	err := strictjson.Decode(body, dst)
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if m, ok := errors.AsType[*strictjson.MemberError](err); ok {
		if m.Path == "" {
			return fault.New(fault.Invalid, "the body %s", m.Problem())
		}
		return fault.New(fault.Invalid, "the member %s %s", quoted(m.Path), m.Problem()).In(field(m.Path))
	}
	for _, known := range []error{
		strictjson.ErrSyntax, strictjson.ErrUTF8, strictjson.ErrNull, strictjson.ErrTrailing, strictjson.ErrDepth,
	} {
		if errors.Is(err, known) {
			return fault.New(fault.Invalid, "the body %s", known)
		}
	}
	return fault.Wrap(err, fault.Invalid, "the body does not have the expected form")
}

// scalar is a JSON string, number or boolean in the text that a form would have.
type scalar string

// UnmarshalJSON accepts what a form can contain.
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

// WriteJSON writes a response with status and v. An error means that v can't be encoded
// and that nothing was written; a client that went away is no error.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	return writeBody(w, status, typeJSON, v)
}

// WriteJSONAs is WriteJSON for JSON of a content type of its own.
func WriteJSONAs(w http.ResponseWriter, status int, contentType string, v any) error {
	return writeBody(w, status, contentType, v)
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

// NoStore forbids caches to keep the response, as RFC 6749 §5.1 requires for responses
// with a token.
func NoStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
}

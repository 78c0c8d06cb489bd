package httpkit

import (
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
)

// MaxBody is the limit of a request body in bytes, where an endpoint has no
// limit of its own.
const MaxBody = 64 << 10

const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// Form reads a form body and never the query. Another content type, a repeated
// parameter, bad escapes or bad UTF-8 are a fault of kind Invalid, more than
// [MaxBody] one of kind TooLarge. A parameter without a value counts as absent
// (RFC 6749 §3.2) and is not in the result.
func Form(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	return present(formWithEmpty(w, r))
}

// IsForm reports whether the content type of a request is that of a form.
func IsForm(r *http.Request) bool { return wantType(r, typeForm) == nil }

// ParseForm is [Form] for a body that was read already.
func ParseForm(body []byte) (url.Values, error) {
	return present(parseParameters(string(body)))
}

// FormOrQuery is [Form], and for a request without a body [Query]. For a request with a
// body, a query with a parameter that the form has too, or with one of names, is refused.
func FormOrQuery(w http.ResponseWriter, r *http.Request, names ...string) (url.Values, error) {
	query, err := QueryWithEmpty(r)
	if err != nil {
		return nil, err
	}
	if r.ContentLength == 0 {
		return present(query, nil)
	}
	form, err := formWithEmpty(w, r)
	if err != nil {
		return nil, err
	}
	for _, name := range append(names, slices.Sorted(maps.Keys(form))...) {
		if query.Has(name) {
			return nil, fault.New(fault.Invalid, "the parameter %s is in the query, and the request has a body", quoted(name)).In(field(name))
		}
	}
	return present(form, nil)
}

// FormLists is [Form] for endpoints where some parameters are lists: those named
// may be repeated.
func FormLists(w http.ResponseWriter, r *http.Request, lists ...string) (url.Values, error) {
	return present(formWithEmpty(w, r, lists...))
}

// Query reads the query with the strictness of [Form].
func Query(r *http.Request) (url.Values, error) {
	return present(QueryWithEmpty(r))
}

// QueryWithEmpty is [Query] for endpoints that refuse a parameter without a value:
// it is in the result without values, so that Has reports it.
func QueryWithEmpty(r *http.Request) (url.Values, error) {
	return parseParameters(r.URL.RawQuery)
}

// FormOrJSON reads a form as [Form] does, or a JSON object of strings, numbers and
// booleans as if it were one: a number is kept as it was written; null and the empty
// string count as absent. A request with neither a body nor a content type has no
// parameters.
func FormOrJSON(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	return present(FormOrJSONWithEmpty(w, r))
}

// FormOrJSONWithEmpty is [FormOrJSON] for endpoints that refuse a parameter without a
// value, as [QueryWithEmpty] is [Query]. A null member still counts as absent.
func FormOrJSONWithEmpty(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.ContentLength == 0 && len(r.Header["Content-Type"]) == 0 {
		return url.Values{}, nil
	}
	if wantType(r, typeJSON) != nil {
		if err := wantType(r, typeForm); err != nil {
			return nil, fault.New(fault.Invalid, "the content type must be %s or %s", typeForm, typeJSON)
		}
		return formWithEmpty(w, r)
	}
	var members map[string]*scalar
	if err := DecodeJSON(w, r, &members); err != nil {
		return nil, err
	}
	values := make(url.Values, len(members))
	for name, value := range members {
		if value != nil {
			add(values, name, string(*value))
		}
	}
	return values, nil
}

func formWithEmpty(w http.ResponseWriter, r *http.Request, lists ...string) (url.Values, error) {
	if err := wantType(r, typeForm); err != nil {
		return nil, err
	}
	body, err := readBody(w, r, MaxBody)
	if err != nil {
		return nil, err
	}
	return parseParameters(string(body), lists...)
}

// present leaves out the parameters without a value.
func present(values url.Values, err error) (url.Values, error) {
	maps.DeleteFunc(values, func(_ string, v []string) bool { return len(v) == 0 })
	return values, err
}

func add(values url.Values, name, value string) {
	all := values[name]
	if value != "" {
		all = append(all, value)
	}
	values[name] = all
}

// parseParameters reads application/x-www-form-urlencoded text. A parameter without
// a value has no values; lists are those that may be repeated.
func parseParameters(text string, lists ...string) (url.Values, error) {
	values := url.Values{}
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		name, value, err := parseParameter(pair)
		if err != nil {
			return nil, err
		}
		if values.Has(name) && !slices.Contains(lists, name) {
			return nil, fault.New(fault.Invalid, "the parameter %s is repeated", quoted(name)).In(field(name))
		}
		add(values, name, value)
	}
	return values, nil
}

func parseParameter(pair string) (name, value string, err error) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, err = url.QueryUnescape(rawName)
	if err != nil || !isStorable(name) {
		return "", "", fault.New(fault.Invalid, "the name of a parameter is not well formed")
	}
	value, err = url.QueryUnescape(rawValue)
	if err != nil || !isStorable(value) {
		return "", "", fault.New(fault.Invalid, "the value of the parameter %s is not well formed", quoted(name)).In(field(name))
	}
	return name, value, nil
}

// isStorable reports whether s is UTF-8 without NUL, which databases refuse.
func isStorable(s string) bool {
	return utf8.ValidString(s) && !strings.Contains(s, "\x00")
}

// maxQuoted is how much of a client's own text is repeated in a message.
const maxQuoted = 64

// quoted returns a client's text in a form that is safe in a message.
func quoted(s string) string {
	if len(s) > maxQuoted {
		s = strings.ToValidUTF8(s[:maxQuoted], "") + "…"
	}
	return `"` + strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == '"' || c == '\\' {
			return '?'
		}
		return c
	}, s) + `"`
}

// field returns a member's or parameter's name in a form that is safe in an error.
func field(name string) string { return strings.Trim(quoted(name), `"`) }

// wantType checks that the content type is want, with any parameters.
func wantType(r *http.Request, want string) error {
	types := r.Header["Content-Type"]
	if len(types) == 1 {
		if got, _, err := mime.ParseMediaType(types[0]); err == nil && got == want {
			return nil
		}
	}
	return fault.New(fault.Invalid, "the content type must be %s", want)
}

// readBody reads at most limit bytes. The query must be as well formed as the body, even
// if it is not used.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if _, err := QueryWithEmpty(r); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(innermost(w), r.Body, limit))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, fault.New(fault.TooLarge, "the body is larger than %d bytes", limit)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "the body could not be read")
	}
	return body, nil
}

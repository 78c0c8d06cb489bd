package httpkit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

type inner struct {
	Action string `json:"action"`
	Path   string `json:"path"`
}

type shared struct {
	Note string    `json:"note"`
	List *[]string `json:"list"`
}

type body struct {
	shared

	Name       string            `json:"name"`
	Disabled   *bool             `json:"disabled"`
	Collection int64             `json:"collection"`
	Scope      []string          `json:"scope"`
	Permission *inner            `json:"permission"`
	Bindings   []inner           `json:"bindings,omitempty"`
	Labels     map[string]inner  `json:"labels"`
	Any        any               `json:"any"`
	Raw        json.RawMessage   `json:"raw"`
	When       time.Time         `json:"when"`
	Plain      map[string]string `json:"plain"`
	Hidden     string            `json:"-"`
	Bare       uint8
	Ratio      float64 `json:"ratio"`
}

func decode(text string, dst any) error {
	return httpkit.DecodeJSON(httptest.NewRecorder(), post("application/json", text), dst)
}

func TestDecodeJSONReadsWhatIsDeclared(t *testing.T) {
	t.Parallel()
	var got body
	err := decode(` {"name":"a\u00e9\ud83d\ude00","disabled":false,"collection":4,"scope":["x","x"],
		"permission":{"action":"*","path":"/"},"bindings":[{"action":"a","path":"b"}],
		"labels":{"k":{"action":"z"}},"any":{"a":[1,{"b":null}]},"raw":[1, 2],"note":"n",
		"when":"2026-01-02T03:04:05Z","Bare":7,"ratio":0.5,"plain":{"A":"1","a":"2"}} `, &got)
	if err != nil {
		t.Fatal(err)
	}
	no := false
	want := body{
		shared: shared{Note: "n"}, Name: "aé😀", Disabled: &no, Collection: 4, Scope: []string{"x", "x"},
		Permission: &inner{Action: "*", Path: "/"}, Bindings: []inner{{Action: "a", Path: "b"}},
		Labels: map[string]inner{"k": {Action: "z"}}, Any: map[string]any{"a": []any{1.0, map[string]any{"b": nil}}},
		Raw: json.RawMessage(`[1, 2]`), When: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Bare: 7, Ratio: 0.5,
		Plain: map[string]string{"A": "1", "a": "2"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(body{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeJSONTakesNullForAbsent(t *testing.T) {
	t.Parallel()
	var got body
	if err := decode(`{"name":null,"disabled":null,"scope":null}`, &got); err != nil || !reflect.DeepEqual(got, body{}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDecodeJSONRefusesAndNamesTheMember(t *testing.T) {
	t.Parallel()
	const malformed = "the body is not well-formed JSON"
	for text, want := range map[string]string{
		`{"nam":"x"}`:                         `the member "nam" is unknown`,
		`{"Name":"x"}`:                        `the member "Name" is unknown`,
		`{"bare":1}`:                          `the member "bare" is unknown`,
		`{"Hidden":"x"}`:                      `the member "Hidden" is unknown`,
		`{"-":"x"}`:                           `the member "-" is unknown`,
		`{"shared":{}}`:                       `the member "shared" is unknown`,
		`{"permission":{"x":1}}`:              `the member "permission.x" is unknown`,
		`{"bindings":[{},{"Path":""}]}`:       `the member "bindings.1.Path" is unknown`,
		`{"labels":{"k":{"x":1}}}`:            `the member "labels.k.x" is unknown`,
		`{"name":"a","name":"b"}`:             `the member "name" is repeated`,
		`{"name":"a","na\u006de":"b"}`:        `the member "name" is repeated`,
		`{"any":{"a":{"b":1,"b":2}}}`:         `the member "any.a.b" is repeated`,
		`{"raw":{"b":1,"b":2}}`:               `the member "raw.b" is repeated`,
		`{"plain":{"b":"1","b":"2"}}`:         `the member "plain.b" is repeated`,
		`{"name":1}`:                          `the member "name" must be a string`,
		`{"disabled":"yes"}`:                  `the member "disabled" must be true or false`,
		`{"collection":"4"}`:                  `the member "collection" must be an integer`,
		`{"collection":4.5}`:                  `the member "collection" must be an integer`,
		`{"collection":1e3}`:                  `the member "collection" must be an integer`,
		`{"collection":99999999999999999999}`: `the member "collection" must be an integer`,
		`{"Bare":-1}`:                         `the member "Bare" must be an integer, 0 or more`,
		`{"ratio":"1"}`:                       `the member "ratio" must be a number`,
		`{"scope":"x"}`:                       `the member "scope" must be a list`,
		`{"permission":[]}`:                   `the member "permission" must be an object`,
		`{"note":1}`:                          `the member "note" must be a string`,
		`{"list":"x"}`:                        `the member "list" must be a list`,
		`{"list":["x",1]}`:                    `the member "list.1" must be a string`,
		`{"bindings":[{"path":1}]}`:           `the member "bindings.0.path" must be a string`,
		`{"labels":{"k":{"path":[]}}}`:        `the member "labels.k.path" must be a string`,
		`{"labels":[]}`:                       `the member "labels" must be an object`,
		`{"Bare":256}`:                        `the member "Bare" must be an integer, 0 or more`,
		`{"when":"yesterday"}`:                "the body does not have the expected form",
		`{"name":"\ud800"}`:                   `the member "name" holds a character that is not allowed`,
		`{"name":"\u0000"}`:                   `the member "name" holds a character that is not allowed`,
		`{"scope":["a","\u0000"]}`:            `the member "scope.1" holds a character that is not allowed`,
		"{\"name\":\"\xff\"}":                 "the body is not valid UTF-8",
		`[]`:                                  "the body must be an object",
		`"x"`:                                 "the body must be an object",
		`null`:                                "the body must not be null",
		` null `:                              "the body must not be null",
		`{} {}`:                               "the body holds more than one JSON value",
		`{}x`:                                 "the body holds more than one JSON value",
		``:                                    malformed,
		` `:                                   malformed,
		`{`:                                   malformed,
		`{"name":}`:                           malformed,
		`{"name":"a",}`:                       malformed,
		`{"scope":["a",]}`:                    malformed,
		`{"scope":["a"`:                       malformed,
		`{name:"a"}`:                          malformed,
		`{1:2}`:                               malformed,
		`{"name":'a'}`:                        malformed,
		`{"name":"a` + "\n" + `"}`:            malformed,
		`{"collection":01}`:                   malformed,
		`{"collection":NaN}`:                  malformed,
		`{"name":"\x41"}`:                     malformed,
		`{"name":"a"/**/}`:                    malformed,
		"\ufeff{}":                            malformed,
	} {
		var dst body
		err := decode(text, &dst)
		if !fault.Is(err, fault.Invalid) || fault.Message(err) != want {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if field := fault.FieldOf(err); strings.Contains(want, `"`+field+`"`) != strings.HasPrefix(want, "the member") {
			t.Errorf("%s: %q is about the field %q", text, want, field)
		}
	}
}

func TestDecodeJSONBoundsNesting(t *testing.T) {
	t.Parallel()
	nested := func(n int) string {
		return `{"any":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}`
	}
	var dst body
	if err := decode(nested(16), &dst); err != nil {
		t.Errorf("16 levels: %v", err)
	}
	if err := decode(nested(17), &dst); fault.Message(err) != "the body nests deeper than 16 levels" {
		t.Errorf("17 levels: %v", err)
	}
	if err := decode(strings.Repeat(`{"a":`, 9000), &dst); !fault.Is(err, fault.Invalid) {
		t.Errorf("9000 levels: %v", err)
	}
}

func TestDecodeJSONWantsItsContentType(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"", formType, "text/json", "application/jsonp", "application/problem+json"} {
		var dst body
		err := httpkit.DecodeJSON(httptest.NewRecorder(), post(contentType, "{}"), &dst)
		if fault.Message(err) != "the content type must be application/json" || !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", contentType, err)
		}
	}
}

func TestWriteJSONWritesNothingThatItCantEncode(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if err := httpkit.WriteJSON(w, http.StatusOK, make(chan int)); err == nil || w.Body.Len() != 0 || len(w.Header()) != 0 {
		t.Errorf("%v, %q, %v", err, w.Body, w.Header())
	}
}

func TestWriteJSONBlamesNobodyForALostClient(t *testing.T) {
	t.Parallel()
	if err := httpkit.WriteJSON(lostClient{}, http.StatusOK, 1); err != nil {
		t.Error(err)
	}
}

type lostClient struct{}

func (lostClient) Header() http.Header       { return http.Header{} }
func (lostClient) WriteHeader(int)           {}
func (lostClient) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func FuzzDecodeJSON(f *testing.F) {
	for _, s := range []string{
		`{"name":"a","scope":["x"],"permission":{"action":"a"}}`, `{"name":"a","NAME":"b"}`, `{"any":[[[]]]}`,
		`{"raw":{"a":1,"a":2}}`, `{"name":"\ud800"}`, `{} 1`, `{"a":}`, `{"labels":{"":{}}}`, `[`, "null",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got, again body
		if err := decode(text, &got); err != nil {
			if kind := fault.KindOf(err); kind != fault.Invalid && kind != fault.TooLarge {
				t.Errorf("refused with %v", err)
			}
			return
		}
		std := json.NewDecoder(bytes.NewReader([]byte(text)))
		std.DisallowUnknownFields()
		if err := std.Decode(&again); err != nil {
			t.Fatalf("took what the standard library refuses: %v", err)
		}
		if diff := cmp.Diff(again, got, cmp.AllowUnexported(body{})); diff != "" {
			t.Errorf("differs from the standard library:\n%s", diff)
		}
	})
}

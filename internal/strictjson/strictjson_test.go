package strictjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/strictjson"
)

// manyMembers are n members, each followed by a comma.
func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":0,`, i)
	}
	return b.String()
}

func TestParseTakesOneObjectOfOneReading(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		`{}`: true, ` {"a":[{"b":1},{"b":2}],"A":null} `: true, `{"a":{"a":{"a":1}}}`: true,
		`{"a":[[],[],[],[],[],[],[],[],[],[],{},{},{},{}]}`: true,
		``: false, `[]`: false, `{"a":1,"a":1}`: false, `{"a":{"b":1,"b":2}}`: false, `{"a":1,"\u0061":1}`: false,
		`{"a":tru}`: false, `{"a":t`: false, `{"a":falsy}`: false, `{"a":nul`: false, `{"a":`: false, `{"a"`: false, `{`: false, `{"a":-}`: false,
		`{"a":[true,false,null,0,-0,1.5,-1E+2,10e-1]}`: true,
		`{} {}`: false, "{\"a\":\"\xff\"}": false, `{"a":"\ud800"}`: false,
	} {
		if _, err := strictjson.Parse([]byte(text)); (err == nil) != good {
			t.Errorf("Parse(%s) = %v", text, err)
		}
	}
	if _, err := strictjson.Parse([]byte("{" + strings.TrimSuffix(manyMembers(4096), ",") + "}")); err != nil {
		t.Errorf("4096 members: %v", err)
	}
	if _, err := strictjson.Parse([]byte("{" + strings.TrimSuffix(manyMembers(4097), ",") + "}")); err == nil {
		t.Error("4097 members are taken")
	}
}

func TestParseKeepsEachMemberAsItStands(t *testing.T) {
	t.Parallel()
	o, err := strictjson.Parse([]byte(` { "a" : [1, 2] ,"A":"x","\u0062":null, "c":{"d":1.50}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := strictjson.Object{
		"a": json.RawMessage("[1, 2]"), "A": json.RawMessage(`"x"`), "b": json.RawMessage("null"), "c": json.RawMessage(`{"d":1.50}`),
	}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var n int
	if err := o.Read("b", &n); !errors.Is(err, strictjson.ErrMember) {
		t.Errorf("a null member that must be there: %v", err)
	}
	if err := o.Optional("b", &n); err != nil {
		t.Errorf("a null member that may be absent: %v", err)
	}
}

func TestARepeatedMemberIsFoundAmongMany(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 15, 16, 17, 40, 1000} {
		for _, again := range []string{"m0", fmt.Sprintf("m%d", max(n-1, 0))} {
			text := "{" + manyMembers(n) + `"last":0,"` + again + `":0}`
			if _, err := strictjson.Parse([]byte(text)); (err == nil) != (n == 0) {
				t.Errorf("%d members, then %s: %v", n, again, err)
			}
		}
	}
}

func TestDecodeTellsWhereItIsWrong(t *testing.T) {
	t.Parallel()
	type item struct {
		Path string `json:"path"`
	}
	type body struct {
		Items []item         `json:"items"`
		Any   map[string]any `json:"any"`
	}
	for text, want := range map[string]string{
		`{"items":[{},{"path":1}]}`:          "items.1.path: must be a string",
		`{"items":[{"path":"a","path":""}]}`: "items.0.path: is repeated",
		`{"items":[{"Path":"a"}]}`:           "items.0.Path: is unknown",
		`{"any":{"a":{"b":"\u0000"}}}`:       "any.a.b: holds a character that is not allowed",
		`{"any":{"a":"\udc00"}}`:             "any.a: holds a character that is not allowed",
		`{"any":{"\ud800":1}}`:               "any: holds a character that is not allowed",
		`[]`:                                 ": must be an object",
	} {
		var dst body
		err := strictjson.Decode([]byte(text), &dst)
		m, ok := errors.AsType[*strictjson.MemberError](err)
		if !ok || m.Path+": "+m.Problem() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// FuzzParse compares with the standard library: what is taken it takes too, with the
// same members.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"b":[{"c":"\u00e9\ud83d\ude00"}]}`, `{"a":1,"a":2}`, `{"a":"\ud800"}`, `{"a":-0.1e+5}`, "{}x", ` { "a" : null } `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := strictjson.Parse(text)
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("took what the standard library refuses: %v", err)
		}
		if diff := cmp.Diff(want, map[string]json.RawMessage(got)); diff != "" {
			t.Errorf("differs from the standard library:\n%s", diff)
		}
	})
}

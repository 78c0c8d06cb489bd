package scim

import (
	"encoding/json"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/provisioning"
	"github.com/bearerd/bearerd/internal/records"
)

// Whatever an operation of a PATCH is, of a user or of a group, it is carried out or
// refused as malformed: nothing panics.
func FuzzOperation(f *testing.F) {
	for _, s := range []string{
		`{"op":"replace","path":"active","value":"False"}`, `{"op":"add","value":{"members":[{"value":"x"}],"name":{"givenName":["y"]}}}`,
		`{"op":"remove","path":"members[value eq \"x\"]"}`, `{"op":"add","path":"emails","value":[{"value":"a@example.org","primary":true},null]}`,
		`{"op":"replace","path":"name","value":{"":"x"}}`, `{"op":"add","path":"emails[type eq \"work\"]","value":[]}`, `{"op":"remove","path":"name.familyName"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var item any
		if json.Unmarshal([]byte(s), &item) != nil {
			return
		}
		o, err := readOperation(item)
		if err == nil {
			d := draftOf(records.OwnedUser{User: identity.User{Username: "ada", Email: "a@example.org"}})
			if err = d.carryOut(o); err == nil {
				d.provided(partly)
			}
			var said provisioning.ProvidedGroup
			if err := carryOut(&said, o); err != nil && (!fault.Is(err, fault.Invalid) || scimTypeOf(err) == "") {
				t.Errorf("%s, of a group: %v", s, err)
			}
		}
		if err != nil && (!fault.Is(err, fault.Invalid) || scimTypeOf(err) == "") {
			t.Errorf("%s: %v", s, err)
		}
	})
}

package scim

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
)

// Whatever is sent as a path or a filter is read as something bounded or refused with the
// type of its kind, and a filter of an attribute and a text says just these.
func FuzzExpressions(f *testing.F) {
	for _, s := range []string{
		"userName", `emails[type eq "work"].value`, `members[value eq "2819c223"]`, `urn:ietf:params:scim:schemas:core:2.0:User:name.familyName`,
		`userName eq "bjensen"`, `title pr and userType eq "Employee"`, `emails[type eq "work" and value co "@example.com"]`, `userName eq "a\"b\\\u00e9"`,
		`id eq "1" and members eq "2"`, "urn:", "[", `a[b eq "c`, `a eq "\`, strings.Repeat("(", 100),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parsePath(s); err != nil {
			if !fault.Is(err, fault.Invalid) || scimTypeOf(err) != invalidPath {
				t.Errorf("path %q: %v", s, err)
			}
		} else if p.attr == "" && !p.extension || p.filtered != (p.where != "") || len(s) > maxExpression && !p.extension {
			t.Errorf("path %q: %+v", s, p)
		}
		if all, err := parseFilter(s); err != nil {
			if !fault.Is(err, fault.Invalid) || scimTypeOf(err) != invalidFilter {
				t.Errorf("filter %q: %v", s, err)
			}
		} else if len(all) == 0 || len(all) > maxExpression {
			t.Errorf("filter %q: %+v", s, all)
		}
		text, err := json.Marshal(s)
		if err != nil || !storable(s) || len(text) > maxExpression-20 {
			return
		}
		all, err := parseFilter("userName eq " + string(text))
		if err != nil || len(all) != 1 || all[0].attr != "username" || all[0].equals != s {
			t.Errorf("%s: %+v, %v", text, all, err)
		}
	})
}

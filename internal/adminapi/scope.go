package adminapi

import (
	"encoding/json"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
)

// scopeList is a scope in a body: one string of names (RFC 6749 §3.3) or a list of
// them. It is nil when none was given.
type scopeList []string

// UnmarshalJSON takes both forms.
func (s *scopeList) UnmarshalJSON(raw []byte) error {
	var text string
	var names []string
	if string(raw) == "null" {
		return nil
	}
	if json.Unmarshal(raw, &text) != nil {
		if json.Unmarshal(raw, &names) != nil {
			return fault.New(fault.Invalid, "the member \"scope\" must be a string or a list of strings").In("scope")
		}
		for _, name := range names {
			if !identity.ValidScopeName(name) {
				return fault.New(fault.InvalidScope, "scope has a name that RFC 6749 does not allow").In("scope")
			}
		}
		text = strings.Join(names, " ")
	}
	names, err := identity.ParseScope(text)
	*s = append(scopeList{}, names...)
	return err
}

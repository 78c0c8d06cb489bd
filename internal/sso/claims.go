package sso

import (
	"encoding/json"
	"slices"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/signin"
)

// Claims are the names of the claims of a source about a person; a claim with an empty
// name isn't read.
type Claims struct {
	Username, FullName, Email, Groups string
	More                              []string // what else is judged: of Allow and ExternalID
}

// Names returns every claim that is read, each once.
func (c Claims) Names() []string {
	names := slices.DeleteFunc(slices.Concat([]string{c.Username, c.FullName, c.Email, c.Groups}, c.More), func(name string) bool { return name == "" })
	slices.Sort(names)
	return slices.Compact(names)
}

// said is what a source has signed: assertion.Claims, openid.Identity.
type said interface {
	Text(name string) (string, error)
	List(name string) ([]string, error)
}

// read returns the statement that claims make. A claim of the wrong type is a refusal:
// the rest of the claims alone could mean something else.
func (c Claims) read(from said, raw func(name string) json.RawMessage) (st signin.Statement, err error) {
	for _, f := range []struct {
		name string
		into *string
	}{{c.Username, &st.Username}, {c.FullName, &st.Name}, {c.Email, &st.Email}} {
		if f.name == "" {
			continue
		}
		if *f.into, err = from.Text(f.name); err != nil {
			return st, errClaim(err, f.name)
		}
	}
	if c.Groups != "" {
		if st.Groups, err = from.List(c.Groups); err != nil {
			return st, errClaim(err, c.Groups)
		}
	}
	st.Claims = make(map[string][]string, len(c.More))
	for _, name := range c.More {
		if text := string(raw(name)); isPlain(text) {
			st.Claims[name] = []string{text} // a number, true or false, as it was written
			continue
		}
		if st.Claims[name], err = from.List(name); err != nil {
			return st, errClaim(err, name)
		}
	}
	return st, nil
}

// isPlain reports whether JSON text is a number, true or false.
func isPlain(text string) bool {
	return text != "" && (text == "true" || text == "false" || text[0] == '-' || text[0] >= '0' && text[0] <= '9')
}

func errClaim(err error, name string) error {
	return fault.Wrap(err, fault.InvalidToken, "the claim %q has another type than it must have", name)
}

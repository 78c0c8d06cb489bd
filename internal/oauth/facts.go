package oauth

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/verification"
)

// facts is what an introspection with facts=true has in addition: who the token's user is
// and what the user may do, so that a verifier elsewhere decides as a node does. It is
// true until the log has an entry about the user, a role, a group or a collection after
// log_seq.
type facts struct {
	Name        string       `json:"name"`
	Email       string       `json:"email"`
	Groups      []string     `json:"groups"`
	Permissions []permission `json:"permissions"`
	// CollectionExists is whether the collection that was asked about exists; nil: none
	// was asked about.
	CollectionExists *bool `json:"collection_exists,omitempty"`
}

// permission is an action and the path that it is allowed at and beneath.
type permission struct {
	Action string `json:"action"`
	Path   string `json:"path"`
}

// factsQuestion is what an introspection asks for besides the token.
type factsQuestion struct {
	facts      bool
	collection *int64 // with facts: does it exist?
}

// questionOf reads the parameters facts and collection.
func questionOf(form url.Values) (q factsQuestion, err error) {
	switch text := form.Get("facts"); text {
	case "true":
		q.facts = true
	case "", "false":
	default:
		return q, fault.New(fault.Invalid, "facts must be true or false").In("facts")
	}
	text := form.Get("collection")
	if text == "" {
		return q, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	switch {
	case !q.facts:
		return q, fault.New(fault.Invalid, "collection is for facts=true").In("collection")
	case err != nil || id < 0 || strconv.FormatInt(id, 10) != text:
		return q, fault.New(fault.Invalid, "collection is not the id of one").In("collection")
	}
	q.collection = &id
	return q, nil
}

// addFacts adds to the answer about a token what is known of its user. The username is then
// the user's current one. It reports whether the token's owner no longer exists.
func (e introspections) addFacts(ctx context.Context, i *introspection, t *verification.Token, q factsQuestion) (gone bool, err error) {
	s, err := e.verifier.Subject(ctx, t)
	if fault.Is(err, fault.NotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	f := &facts{Name: s.Name, Email: s.Email, Groups: append([]string{}, s.Groups...), Permissions: permissionsOf(s)}
	if q.collection != nil {
		exists, err := e.verifier.CollectionExists(ctx, t, *q.collection)
		if err != nil {
			return false, err
		}
		f.CollectionExists = &exists
	}
	i.Username, i.facts = s.Username, f
	return false, nil
}

// permissionsOf returns what a user may do, each once, by path.
func permissionsOf(s *verification.Subject) []permission {
	list := []permission{}
	if s.Client || s.Disabled {
		return list
	}
	seen := map[permission]bool{}
	for _, g := range s.Grants {
		if p := (permission{g.Action, string(g.Path)}); !seen[p] {
			seen[p] = true
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b permission) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Action, b.Action))
	})
	return list
}

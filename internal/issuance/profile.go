package issuance

import (
	"slices"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// Profile is what the verifiers of a deployment read in its JWTs in addition to bearerd's
// own claims. A dialect brings one. It applies to every JWT, however it is issued; the
// zero value adds nothing.
type Profile struct {
	// AsLists writes scope and aud as arrays. bearerd reads both forms.
	AsLists bool
	// Claims returns the claims that are added to a JWT. They can't replace one of
	// bearerd's own: such a token is not signed. Nil adds nothing.
	Claims func(JWT) map[string]any
	// KeyScopes are scopes that every exchange key has, asked for or not. They count as
	// declared, and what an exchange key is made from need not have them.
	KeyScopes []string
}

// JWT is the part of a token about to be signed that a profile may depend on.
type JWT struct {
	Kind     token.Kind
	User     *identity.User // nil: it is issued for a client
	Client   string         // the client that it is issued to; "": none
	TaskType string         // of a task token
}

// claims returns what the profile adds to the token of a request that was decided.
func (p Profile) claims(r *Request) map[string]any {
	if p.Claims == nil {
		return nil
	}
	t := JWT{Kind: r.Kind, User: r.Principal.User, TaskType: r.TaskType}
	if id := r.clientID(); id != identity.OwnClientID {
		t.Client = id
	}
	return p.Claims(t)
}

// gives reports whether every token of this request's kind has the scope.
func (p Profile) gives(r *Request, name string) bool {
	return r.Kind == token.KindExchangeKey && slices.Contains(p.KeyScopes, name)
}

// scope returns the scope that was decided, with what the profile adds.
func (p Profile) scope(r *Request, decided []string) []string {
	if r.Kind != token.KindExchangeKey {
		return decided
	}
	all := slices.Clone(decided)
	for _, name := range p.KeyScopes {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

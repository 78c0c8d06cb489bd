package verification

import (
	"slices"

	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/uses"
)

// traceUses makes the uses of a token be noted, if the token is stored or may have been
// made from a stored one.
func (t *Token) traceUses() {
	stored := t.Kind == token.KindAPIToken || t.Kind == token.KindExchangeKey
	if stored || len(t.Chain) > 0 && slices.Contains(apiKinds, t.Kind) {
		t.lines = new(uses.Lines)
	}
}

// noteUse notes what an accepted token was used for: one line for each scope that was
// required. It allocates nothing where the token was used in the same way before.
func (v *Verifier) noteUse(t *Token, r *Requirements) {
	if v.cfg.Book == nil {
		return
	}
	u := uses.Use{Place: uses.Place{Route: r.Route, Safe: r.SafeMethod}, Collection: uses.NoCollection}
	if u.Route == "" {
		u.Route = uses.Own
	}
	if r.Collection != nil {
		u.Collection = *r.Collection
	}
	if len(r.Scope) == 0 {
		v.cfg.Book.Note(t.lines, u, r.at, t.useIDs)
	}
	for _, name := range r.Scope {
		u.Scope = uses.ShortScope(name)
		v.cfg.Book.Note(t.lines, u, r.at, t.useIDs)
	}
}

// useIDs returns the ids under which a use is stored: the token's own, and those of the
// tokens that it was made from, because a smaller token in place of any of them must
// still allow this use.
func (t *Token) useIDs() []uses.ID {
	var ids []uses.ID
	for _, link := range append([]string{t.ID}, t.Chain...) {
		if link == t.ID && t.jwt != nil && t.Kind != token.KindExchangeKey {
			continue // an access token is not stored
		}
		if id, ok := uses.IDOf(link); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

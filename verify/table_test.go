package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// subject is who a token of the table speaks for, and what it names.
type subject struct {
	*homes
	t          *testing.T
	user       string // id
	name       string // of the user, their client, role and group alike
	collection int64  // 0: the token is bound to none
	parent     string // the id of what the token was made from
	id         string // the token's
	key        token.SigningKey
	actors     []string // who acts for the user: a user, a client of the same name, another client
}

// forge makes a token of the subject's that was decided as of a sequence.
func (s *subject) forge(form string, seq revocation.Seq) string {
	s.t.Helper()
	var collection *int64
	if s.collection != 0 {
		collection = &s.collection
	}
	if form == "opaque" {
		return s.StoredAs(s.t, records.StoredToken{
			ID: s.id, Owner: s.user, ClientID: s.name, Collection: collection, Chain: []string{s.parent}, Seq: seq,
		}).Value.Reveal()
	}
	c := s.Claims(s.user, seq)
	c.ID, c.ClientID, c.Collection, c.Chain, c.Actors = s.id, s.name, collection, []string{s.parent}, s.actors
	raw, err := token.Sign(s.key, token.TypeAccess, c)
	nodetest.Must(s.t, err)
	return raw
}

// row is a kind of entry of the log, and what it does to tokens by where it stands:
// before, at or after the sequence as of which the token was decided.
type row struct {
	what revocation.What
	// act commits one entry that names something of the subject's.
	act func(s *subject) error
	// Why a token is refused; "" where it is accepted, never where it can't exist.
	before, at, after string
	// give and take change access to the subject's collection, of the entries that are
	// about it. Tokens are bound to the collection then.
	give, take func(s *subject) error
	jwtAlone   bool // no other token has such a thing
	delegated  bool // the tokens have actors
}

// never is the verdict on a token that can't exist.
const never = "never"

func table() map[string]row {
	rows := map[string]row{
		// What is killed is killed wherever the kill stands: an id is used once.
		"the token killed": {
			what: revocation.Token, act: func(s *subject) error { return s.kill(s.id) },
			before: token.ReasonRevoked, at: token.ReasonRevoked, after: token.ReasonRevoked,
		},
		"an id of its chain killed": {
			what: revocation.Token, act: func(s *subject) error { return s.kill(s.parent) },
			before: token.ReasonRevoked, at: token.ReasonRevoked, after: token.ReasonRevoked,
		},
		// An end is a kill that is written ahead.
		"the token ended": {
			what: revocation.End, act: func(s *subject) error { return s.end(s.id, 0) },
			before: token.ReasonRevoked, at: token.ReasonRevoked, after: token.ReasonRevoked,
		},
		"an id of its chain ended": {
			what: revocation.End, act: func(s *subject) error { return s.end(s.parent, 0) },
			before: token.ReasonRevoked, at: token.ReasonRevoked, after: token.ReasonRevoked,
		},
		"an end of the token to come":          {what: revocation.End, act: func(s *subject) error { return s.end(s.id, time.Hour) }},
		"an end of an id of its chain to come": {what: revocation.End, act: func(s *subject) error { return s.end(s.parent, time.Hour) }},
		// What was decided as of the cut-off or later knows of it.
		"its subject cut off": {
			what: revocation.Subject, after: token.ReasonRevoked,
			act: func(s *subject) error {
				return nodetest.Second(s.RevokeAllOf(s.t.Context(), caller.Operator(), s.name))
			},
		},
		"its client cut off": {
			what: revocation.Client, after: token.ReasonRevoked,
			act: func(s *subject) error {
				return nodetest.Second(s.UpdateClient(s.t.Context(), caller.Operator(), identity.NewClient{
					ID: s.name, Secret: token.Secret(uuid.NewString() + uuid.NewString()), Grants: nodetest.AllGrants(),
				}))
			},
		},
		"everything cut off": {
			what: revocation.Everything, after: token.ReasonRevoked,
			act: func(s *subject) error {
				return nodetest.Second(s.Journal.Revoke(s.t.Context(), s.Journal.EndEverything("restored"), revocation.WaitDefault))
			},
		},
		// Who has the private half of a revoked key writes what sequence they like. An
		// opaque token is signed by no key.
		"its key revoked": {
			what: revocation.SigningKey, jwtAlone: true,
			act: func(s *subject) error {
				return nodetest.Second(s.RetireKey(s.t.Context(), caller.Operator(), s.key.KID))
			},
			before: token.ReasonRevoked, at: token.ReasonRevoked, after: token.ReasonRevoked,
		},
	}
	for name, act := range actorCuts() {
		act.after, act.delegated, act.jwtAlone = token.ReasonRevoked, true, true
		rows[name] = act
	}
	for name, w := range accessWays() {
		// Nobody is issued a token for a collection at or after the entry that says that
		// they lost access to it.
		rows[name+" taken"] = row{what: w.what, give: w.give, act: w.take, before: never, at: never, after: lostAccess}
		// When access is granted again, older tokens have it too.
		rows[name+" given"] = row{what: w.what, give: w.give, take: w.take, act: w.give}
	}
	return rows
}

// actorCuts are the entries that cut off an actor, current or earlier, user or client. A
// token that was decided as of the entry or later knows of it.
func actorCuts() map[string]row {
	o := caller.Operator()
	return map[string]row{
		"its actor, a client, removed": {what: revocation.Client, act: func(s *subject) error {
			return nodetest.Second(s.RemoveClient(s.t.Context(), o, s.actors[0]))
		}},
		"its earlier actor, a user, cut off": {what: revocation.Subject, act: func(s *subject) error {
			return nodetest.Second(s.RevokeAllOf(s.t.Context(), o, s.actors[1]))
		}},
		"the one before, a user, cut off": {what: revocation.Subject, act: func(s *subject) error {
			return nodetest.Second(s.RevokeAllOf(s.t.Context(), o, s.actors[2]))
		}},
		"its first actor, a client, rotated after a leak": {what: revocation.Client, act: func(s *subject) error {
			_, _, err := s.RotateSecret(s.t.Context(), o, identity.Rotation{ID: s.actors[3], Revoke: true})
			return err
		}},
	}
}

// withActors adds as many actors as there may be to the tokens of a subject.
func (h *homes) withActors(t *testing.T, s *subject) {
	t.Helper()
	client := func(id string) string {
		h.NewClient(t, identity.NewClient{ID: id, Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeTokenExchange}})
		return id
	}
	s.actors = []string{
		client("agent-of-" + s.name), h.User(t, "second-"+s.name, "").ID, h.User(t, "third-"+s.name, "").ID, client("first-of-" + s.name),
	}
}

// accessWay is a way to have access to a collection and to lose it, each by one entry
// but for what must be there at first.
type accessWay struct {
	what       revocation.What
	give, take func(s *subject) error
}

func accessWays() map[string]accessWay {
	o := caller.Operator()
	bind := func(s *subject, b access.Binding) error {
		all, err := s.BindingList(s.t.Context(), o, records.BindingQuery{User: b.User, Group: b.Group})
		if err != nil || len(all) > 0 {
			return err
		}
		return nodetest.Second(s.CreateBinding(s.t.Context(), o, b))
	}
	unbind := func(s *subject, q records.BindingQuery) error {
		all, err := s.BindingList(s.t.Context(), o, q)
		if err != nil {
			return err
		}
		return nodetest.Second(s.RemoveBinding(s.t.Context(), o, all[0].ID))
	}
	permission := func(s *subject) *access.Permission {
		return &access.Permission{Action: access.ActionAccess, Path: access.CollectionPath(s.collection)}
	}
	role := func(s *subject, action string) error {
		r := access.Role{Name: s.name, Permissions: []access.Permission{{Action: action, Path: "/collections"}}}
		if err := s.CreateRole(s.t.Context(), o, r); err != nil {
			return s.UpdateRole(s.t.Context(), o, r)
		}
		return nil
	}
	return map[string]accessWay{
		"a binding of its user's": {
			what: revocation.Access,
			give: func(s *subject) error {
				return bind(s, access.Binding{User: s.user, Permission: permission(s), Path: "/"})
			},
			take: func(s *subject) error { return unbind(s, records.BindingQuery{User: s.user}) },
		},
		"a permission of a role": {
			what: revocation.Role,
			give: func(s *subject) error {
				if err := role(s, access.ActionAccess); err != nil {
					return err
				}
				return bind(s, access.Binding{User: s.user, Role: s.name, Path: "/"})
			},
			take: func(s *subject) error { return role(s, "read") },
		},
		"a binding of a group": {
			what: revocation.Group,
			give: func(s *subject) error {
				return bind(s, access.Binding{Group: s.name, Permission: permission(s), Path: "/"})
			},
			take: func(s *subject) error { return unbind(s, records.BindingQuery{Group: s.name}) },
		},
		"the collection": {
			what: revocation.Collection,
			give: func(s *subject) error {
				if err := bind(s, access.Binding{User: s.user, Permission: &access.Permission{Action: access.ActionAccess, Path: "/collections"}, Path: "/"}); err != nil {
					return err
				}
				return s.CreateCollection(s.t.Context(), o, records.Collection{ID: s.collection, Name: s.name})
			},
			take: func(s *subject) error {
				return nodetest.Second(s.RemoveCollection(s.t.Context(), o, s.collection))
			},
		},
	}
}

func (s *subject) kill(id string) error {
	return nodetest.Second(s.RevokeID(s.t.Context(), caller.Operator(), id))
}

// end commits that a token ends at a later time.
func (s *subject) end(id string, in time.Duration) error {
	b := op.Batch{Log: s.Journal.End(id, s.Time().Add(in))}
	return nodetest.Second(s.Journal.Revoke(s.t.Context(), b, revocation.WaitDefault))
}

// newSubject makes somebody new, with a client, and with access where the row is about it.
func (h *homes) newSubject(t *testing.T, n int, r *row) *subject {
	t.Helper()
	key, err := h.Ring.Signing()
	nodetest.Must(t, err)
	s := &subject{
		homes: h, t: t, name: fmt.Sprintf("subject-%d", n), parent: uuid.NewString(), id: uuid.NewString(), key: key,
	}
	s.user = h.User(t, s.name, "").ID
	nodetest.Must(t, nodetest.Second(h.UpdateUser(t.Context(), caller.Operator(), s.user, identity.UserPatch{Groups: &[]string{s.name}})))
	h.NewClient(t, identity.NewClient{ID: s.name, Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeTokenExchange}})
	if r.what == revocation.SigningKey { // of the subject before this one
		eventually(t, "the new key outside", func() bool { return judge(h.outside, h.Forge(t, s.user, 0).Value.Reveal()) == nil })
	}
	if r.delegated {
		h.withActors(t, s)
	}
	if r.give == nil {
		return s
	}
	s.collection = int64(1000 + n)
	if r.what != revocation.Collection {
		h.Collection(t, s.collection, s.name)
	}
	nodetest.Must(t, r.give(s))
	return s
}

// want compares what the four places say of a token.
func (s *subject) want(when, raw, reason string, seen bool) {
	s.t.Helper()
	s.settle(s.t)
	for name, judge := range s.all() {
		want := reason
		if name == placeVerify && strings.HasPrefix(raw, token.PrefixAPIToken) && !seen && reason != "" {
			// About an opaque token that isn't valid the issuer says only that (RFC 7662
			// §2.2), and about one that was never accepted here nothing else is known.
			want = token.ReasonMalformed
		}
		got := judge(s.t, raw, nodetest.Issuer)
		if name == placeVerify && want == "" && got == lostAccess {
			// It remembers a no for a moment, so as not to ask the issuer each time.
			eventually(s.t, when, func() bool { got = judge(s.t, raw, nodetest.Issuer); return got != lostAccess })
		}
		if got != want {
			s.t.Errorf("%s, %s says %q, want %q", when, name, got, want)
		}
	}
}

// TestTheFourPlacesDecideAlike is the one table: every kind of entry of the log, where
// it stands to the token's sequence, and both forms of token, in every place that
// judges tokens.
func TestTheFourPlacesDecideAlike(t *testing.T) {
	t.Parallel()
	for name, r := range table() {
		for _, form := range []string{"JWT", "opaque"} {
			if r.jwtAlone && form != "JWT" {
				continue
			}
			t.Run(name+"/"+form, func(t *testing.T) {
				t.Parallel()
				h, n := newHomes(t), 0
				for when, reason := range map[string]string{"before": r.before, "at": r.at, "after": r.after} {
					if reason == never {
						continue
					}
					n++
					s := h.newSubject(t, n, &r)
					if when == "after" {
						s.entryAfter(form, &r)
						n++
						h.newSubject(t, n, &r).entryAfterUnseen(form, &r)
						continue
					}
					if r.take != nil {
						nodetest.Must(t, r.take(s))
					}
					seq := s.commit(&r)
					if when == "before" {
						nodetest.Must(t, s.kill(uuid.NewString())) // the log goes on
						seq++
					}
					raw := s.forge(form, seq)
					s.want("the entry "+when, raw, reason, false)
					s.want("the entry "+when+", once more", raw, reason, reason == "")
				}
			})
		}
	}
}

// commit commits the row's entry and returns its sequence. Before that of a key stands
// the kill of what was made from what the key signed.
func (s *subject) commit(r *row) revocation.Seq {
	s.t.Helper()
	head := s.Ledger.Applied()
	nodetest.Must(s.t, r.act(s))
	page, err := s.Store.Entries(s.t.Context(), head, 10)
	nodetest.Must(s.t, err)
	want := []revocation.What{r.what}
	if r.what == revocation.SigningKey {
		want = []revocation.What{revocation.Token, r.what}
	}
	var got []revocation.What
	for _, e := range page.Entries {
		got = append(got, e.What)
	}
	if !slices.Equal(got, want) || s.Ledger.Applied() != head+revocation.Seq(len(want)) {
		s.t.Fatalf("the act committed %+v, want entries about %v", page.Entries, want)
	}
	return head + revocation.Seq(len(want))
}

// entryAfter judges a token that was seen everywhere before the entry came.
func (s *subject) entryAfter(form string, r *row) {
	s.t.Helper()
	raw := s.forge(form, s.Ledger.Applied())
	for range 2 {
		s.want("before the entry", raw, "", true)
	}
	if r.take != nil {
		nodetest.Must(s.t, r.take(s))
		s.want("without access", raw, lostAccess, true)
	}
	s.commit(r)
	for range 2 {
		s.want("the entry after", raw, r.after, true)
	}
}

// entryAfterUnseen judges a token that is presented for the first time when the entry
// has come.
func (s *subject) entryAfterUnseen(form string, r *row) {
	s.t.Helper()
	raw := s.forge(form, s.Ledger.Applied())
	if r.take != nil {
		nodetest.Must(s.t, r.take(s))
	}
	s.commit(r)
	s.want("the entry after, the token new", raw, r.after, false)
}

// A task token is accepted only for its own type, whatever else its audience names.
func TestATaskTokenIsGoodForItsTypeAloneInAllPlaces(t *testing.T) {
	t.Parallel()
	h := newHomes(t)
	ada := h.User(t, "ada", "")
	for name, c := range map[string]struct {
		audiences []string
		own       string // why it is refused as what it is
	}{
		"as it is issued":           {[]string{"TES"}, ""},
		"for this audience too":     {[]string{"TES", nodetest.Issuer}, ""},
		"for another, and itself":   {[]string{nodetest.Issuer, "TES"}, ""},
		"for this audience instead": {[]string{nodetest.Issuer}, "wrong audience"},
	} {
		t.Run(name, func(t *testing.T) {
			claims := h.Claims(ada.ID, h.Ledger.Applied())
			claims.TaskTokenType, claims.Audience = "TES", c.audiences
			raw := h.Sign(t, claims).Value.Reveal()
			h.settle(t)
			for place, judge := range h.all() {
				if got := judge(t, raw, nodetest.Issuer); got != "wrong audience" {
					t.Errorf("for the other audience, %s says %q", place, got)
				}
				if got := judge(t, raw, "TES"); got != c.own {
					t.Errorf("for its type, %s says %q, want %q", place, got, c.own)
				}
			}
		})
	}
}

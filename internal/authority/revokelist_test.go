package authority_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
)

// find gives what refs stand for, to the operator.
func find(t *testing.T, f *authoritytest.Fixture, refs ...string) []authority.Revocable {
	t.Helper()
	var found []authority.Revocable
	for _, ref := range refs {
		r, err := f.FindRevocable(t.Context(), authority.Operator(), ref)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, r)
	}
	return found
}

func TestRevokeTokensTakesBackValuesAndIDsTogether(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.User(t, "ada", "correct horse")
	byValue, byID := f.AccessToken(t, "ada", "correct horse"), f.AccessToken(t, "ada", "correct horse")
	session, other := f.SessionToken(t, "ada", "correct horse"), f.AccessToken(t, "ada", "correct horse")

	before := f.Follower.Applied()
	// An id is one however it is written; standing twice makes no second entry.
	r, err := f.RevokeTokens(t.Context(), find(t, f, byValue.Value.Reveal(), strings.ToUpper(byID.ID), byID.ID, session.ID), true)
	if err != nil || !r.Revoked || r.Seq != before+3 || r.Nodes == nil || r.Nodes.Confirmed != 1 {
		t.Fatalf("%+v, %v; want sequence %d", r, err, before+3)
	}
	for _, dead := range []*authority.Issued{byValue, byID} {
		if _, err := f.Verify(t.Context(), dead.Value.Reveal(), authority.Demand{}); fault.Message(err) != "revoked" {
			t.Errorf("token %s: %v", dead.ID, err)
		}
	}
	if _, err := f.Session(t.Context(), session.Value.Reveal()); fault.Message(err) != "revoked" {
		t.Errorf("the session: %v", err)
	}
	if _, err := f.Verify(t.Context(), other.Value.Reveal(), authority.Demand{}); err != nil {
		t.Errorf("another token of the same user: %v", err)
	}
	if events := f.Events(t, audit.Filter{Action: audit.TokenRevoke}); len(events) != 3 {
		t.Errorf("%d events, want 3", len(events))
	}
}

func TestRevokeIDTakesAnIDHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.User(t, "ada", "correct horse")
	issued := f.AccessToken(t, "ada", "correct horse")
	if _, err := f.RevokeID(t.Context(), authority.Operator(), strings.ToUpper(issued.ID), true); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Verify(t.Context(), issued.Value.Reveal(), authority.Demand{}); fault.Message(err) != "revoked" {
		t.Errorf("%v; want it revoked", err)
	}
}

func TestFindRevocableRefuses(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.User(t, "ada", "correct horse")
	f.User(t, "eve", "battery staple")
	f.User(t, "root", "paper clip", authoritytest.May("delete", "/tokens"))
	hers := f.AccessToken(t, "ada", "correct horse")
	session := f.SessionToken(t, "ada", "correct horse")
	ada, eve, root := f.Login(t, "ada", "correct horse"), f.Login(t, "eve", "battery staple"), f.Login(t, "root", "paper clip")
	for name, c := range map[string]struct {
		caller *authority.Caller
		ref    string
		want   fault.Kind // Internal: none
	}{
		"the owner, a value":         {ada, hers.Value.Reveal(), fault.Internal},
		"the owner, an id":           {ada, session.ID, fault.Internal},
		"delete on tokens, a value":  {root, hers.Value.Reveal(), fault.Internal},
		"delete on tokens, an id":    {root, session.ID, fault.Internal},
		"the operator, an id":        {authority.Operator(), uuid.NewString(), fault.Internal},
		"nobody, a value":            {nil, hers.Value.Reveal(), fault.Forbidden},
		"nobody, an id":              {nil, session.ID, fault.NotFound},
		"nobody, an unknown id":      {nil, uuid.NewString(), fault.NotFound},
		"somebody else, a value":     {eve, hers.Value.Reveal(), fault.Forbidden},
		"somebody else, an id":       {eve, session.ID, fault.NotFound},
		"the owner, an unknown id":   {ada, uuid.NewString(), fault.NotFound},
		"the operator, no token":     {authority.Operator(), "junk", fault.InvalidToken},
		"the operator, nothing":      {authority.Operator(), "", fault.InvalidToken},
		"the operator, a forged one": {authority.Operator(), hers.Value.Reveal() + "A", fault.InvalidToken},
	} {
		_, err := f.FindRevocable(t.Context(), c.caller, c.ref)
		if c.want == fault.Internal && err != nil || c.want != fault.Internal && !fault.Is(err, c.want) {
			t.Errorf("%s: %v; want kind %d", name, err, c.want)
		}
	}
}

func TestRevokeTokensIsBounded(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	many := make([]authority.Revocable, authority.MaxRevocations+1)
	for i := range many {
		many[i] = find(t, f, uuid.NewString())[0]
	}
	before := f.Follower.Applied()
	for _, list := range [][]authority.Revocable{nil, many} {
		if _, err := f.RevokeTokens(t.Context(), list, true); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d tokens: %v", len(list), err)
		}
	}
	r, err := f.RevokeTokens(t.Context(), many[1:], true)
	if err != nil || r.Seq != before+authority.MaxRevocations {
		t.Errorf("%d tokens: %+v, %v", authority.MaxRevocations, r, err)
	}
}

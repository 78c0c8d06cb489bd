package revoking_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/verification"
)

// find returns what refs stand for, to the operator.
func find(t *testing.T, f *nodetest.Fixture, refs ...string) []revoking.Revocable {
	t.Helper()
	var found []revoking.Revocable
	for _, ref := range refs {
		r, err := f.FindRevocable(t.Context(), operator, ref)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, r)
	}
	return found
}

func TestRevokeTokensRevokesValuesAndIDsTogether(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	byValue, byID := f.AccessToken(t, "ada", "correct horse"), f.AccessToken(t, "ada", "correct horse")
	session, other := f.SessionToken(t, "ada", "correct horse"), f.AccessToken(t, "ada", "correct horse")

	before := f.Ledger.Applied()
	// An id is one however it is written; standing twice makes no second entry.
	r, err := f.RevokeTokens(t.Context(), operator, find(t, f, byValue.Value.Reveal(), strings.ToUpper(byID.ID), byID.ID, session.ID))
	if err != nil || !r.Revoked || r.Seq != before+3 || r.Nodes == nil || r.Nodes.Confirmed != 1 {
		t.Fatalf("%+v, %v; want sequence %d", r, err, before+3)
	}
	for _, dead := range []*issuance.Issued{byValue, byID} {
		if _, err := f.Verify(t.Context(), dead.Value.Reveal(), verification.Requirements{}); fault.Message(err) != "revoked" {
			t.Errorf("token %s: %v", dead.ID, err)
		}
	}
	if _, err := f.Session(t.Context(), session.Value.Reveal()); fault.Message(err) != "revoked" {
		t.Errorf("the session: %v", err)
	}
	if _, err := f.Verify(t.Context(), other.Value.Reveal(), verification.Requirements{}); err != nil {
		t.Errorf("another token of the same user: %v", err)
	}
	if events := f.Events(t, audit.Filter{Action: audit.TokenRevoke}); len(events) != 3 {
		t.Errorf("%d events, want 3", len(events))
	}
}

func TestRevokeIDTakesAnIDHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	issued := f.AccessToken(t, "ada", "correct horse")
	if _, err := f.RevokeID(t.Context(), operator, strings.ToUpper(issued.ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{}); fault.Message(err) != "revoked" {
		t.Errorf("%v; want it revoked", err)
	}
}

func TestFindRevocableRefuses(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	f.User(t, "eve", "battery staple")
	f.User(t, "root", "paper clip", nodetest.May("delete", "/tokens"))
	hers := f.AccessToken(t, "ada", "correct horse")
	session := f.SessionToken(t, "ada", "correct horse")
	ada, eve, root := f.Login(t, "ada", "correct horse"), f.Login(t, "eve", "battery staple"), f.Login(t, "root", "paper clip")
	for name, c := range map[string]struct {
		caller *caller.Caller
		ref    string
		want   fault.Kind // Internal: none
	}{
		"the owner, a value":         {ada, hers.Value.Reveal(), fault.Internal},
		"the owner, an id":           {ada, session.ID, fault.Internal},
		"delete on tokens, a value":  {root, hers.Value.Reveal(), fault.Internal},
		"delete on tokens, an id":    {root, session.ID, fault.Internal},
		"the operator, an id":        {operator, uuid.NewString(), fault.Internal},
		"nobody, a value":            {nil, hers.Value.Reveal(), fault.Forbidden},
		"nobody, an id":              {nil, session.ID, fault.NotFound},
		"nobody, an unknown id":      {nil, uuid.NewString(), fault.NotFound},
		"somebody else, a value":     {eve, hers.Value.Reveal(), fault.Forbidden},
		"somebody else, an id":       {eve, session.ID, fault.NotFound},
		"the owner, an unknown id":   {ada, uuid.NewString(), fault.NotFound},
		"the operator, no token":     {operator, "junk", fault.InvalidToken},
		"the operator, nothing":      {operator, "", fault.InvalidToken},
		"the operator, a forged one": {operator, hers.Value.Reveal() + "A", fault.InvalidToken},
	} {
		_, err := f.FindRevocable(t.Context(), c.caller, c.ref)
		if c.want == fault.Internal && err != nil || c.want != fault.Internal && !fault.Is(err, c.want) {
			t.Errorf("%s: %v; want kind %d", name, err, c.want)
		}
	}
}

func TestRevokeTokensIsBounded(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	many := make([]revoking.Revocable, revoking.MaxRevocations+1)
	for i := range many {
		many[i] = find(t, f, uuid.NewString())[0]
	}
	before := f.Ledger.Applied()
	for _, list := range [][]revoking.Revocable{nil, many} {
		if _, err := f.RevokeTokens(t.Context(), operator, list); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d tokens: %v", len(list), err)
		}
	}
	r, err := f.RevokeTokens(t.Context(), operator, many[1:])
	if err != nil || r.Seq != before+revoking.MaxRevocations {
		t.Errorf("%d tokens: %+v, %v", revoking.MaxRevocations, r, err)
	}
}

// What was found for one caller is not another's to revoke.
func TestRevokeTokensIsForWhoFoundThem(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, eve := f.Person(t, "ada"), f.Person(t, "eve")
	issued := f.MadeAccess(t, ada)
	found, err := f.FindRevocable(t.Context(), ada, issued.Value.Reveal())
	nodetest.Must(t, err)
	for name, c := range map[string]*caller.Caller{"somebody else": eve, "nobody": nil} {
		_, err := f.RevokeTokens(t.Context(), c, []revoking.Revocable{found})
		nodetest.WantFault(t, name, err, fault.Forbidden, "belongs to somebody else")
	}
	for _, c := range []*caller.Caller{ada, {}} {
		_, err = f.RevokeTokens(t.Context(), c, []revoking.Revocable{{}})
		nodetest.WantFault(t, "what was not found", err, fault.Forbidden, "belongs to somebody else")
	}
	f.WantAlive(t, "after the refusals", issued)
	nodetest.Must(t, nodetest.Second(f.RevokeTokens(t.Context(), ada, []revoking.Revocable{found})))
	f.WantDead(t, "by its owner", issued)
}

package issuance_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

const (
	office = "10.1.2.3"
	cafe   = "198.51.100.7"
)

func from(t testing.TB, address string) context.Context {
	t.Helper()
	return audit.WithOrigin(t.Context(), audit.Origin{Address: address})
}

func nets(t testing.TB, list ...string) networks.List {
	t.Helper()
	parsed, err := networks.Parse(list)
	nodetest.Must(t, err)
	return parsed
}

// only checks that a token is accepted from the office and refused from anywhere else,
// with the words of the check.
func (f *desk) only(t *testing.T, what string, issued *issuance.Issued) {
	t.Helper()
	needs := verification.Requirements{Kinds: nodetest.EveryKind(), AnyAudience: true}
	for range 2 { // the second time from memory
		if _, err := f.Verify(from(t, office), issued.Value.Reveal(), needs); err != nil {
			t.Errorf("%s from the office: %v", what, err)
		}
		for address, reason := range map[string]string{
			cafe: "the token is not for this network", "::ffff:" + cafe: "the token is not for this network",
			"": "the token is limited to networks, and the client's address is not known",
		} {
			_, err := f.Verify(from(t, address), issued.Value.Reveal(), needs)
			refusal, ok := verification.RefusalOf(err)
			if !fault.Is(err, fault.InvalidToken) || fault.Message(err) != reason || !ok || refusal.Check != token.CheckNetwork {
				t.Errorf("%s from %q: %v", what, address, err)
			}
		}
		if _, err := f.Verify(from(t, "::ffff:"+office), issued.Value.Reveal(), needs); err != nil {
			t.Errorf("%s from the office, mapped into IPv6: %v", what, err)
		}
	}
}

// Whatever is made from a token that is limited to networks is limited to them too,
// through every way of making one.
func TestWhatIsMadeFromALimitedTokenIsLimited(t *testing.T) {
	t.Parallel()
	f := newDesk(t)
	ctx, session := from(t, office), f.SignedIn(t, "ada")
	limit := nets(t, "10.0.0.0/8")
	key := f.ExchangeKey(t, session, credentials.NewCredential{Networks: limit, Scope: []string{"read"}})
	api := f.APIToken(t, session, credentials.NewCredential{Name: "script", Networks: limit, Scope: []string{"read", "credentials"}})
	f.only(t, "an API key", key)
	f.only(t, "an API token", api)

	exchange := func(x issuance.Exchange) issuance.Pair {
		t.Helper()
		pair, err := f.Exchange(ctx, x)
		nodetest.Must(t, err)
		return pair
	}
	ofKey := exchange(issuance.Exchange{Subject: key.Value.Reveal()}).Access
	f.only(t, "an access token of the key", ofKey)
	f.only(t, "an access token of that", exchange(issuance.Exchange{Subject: ofKey.Value.Reveal()}).Access)
	beside := exchange(issuance.Exchange{Subject: api.Value.Reveal(), Client: f.agent, Scope: []string{"read", "offline_access"}})
	f.only(t, "an access token of the API token", beside.Access)
	f.only(t, "the refresh token beside it", beside.Refresh)
	again, err := f.Refresh(ctx, issuance.Refresh{Token: beside.Refresh.Value.Reveal(), Client: f.agent})
	nodetest.Must(t, err)
	f.only(t, "an access token of the refresh token", again.Access)
	f.only(t, "the next refresh token", again.Refresh)

	id, err := f.Identify(ctx, api.Value.Reveal(), verification.Requirements{})
	nodetest.Must(t, err)
	made, err := f.CreateAPIToken(ctx, caller.ByToken(id), credentials.NewCredential{Name: "child", Scope: []string{"read"}})
	nodetest.Must(t, err)
	f.only(t, "an API token that the API token made", made)
	renewed, err := f.Regenerate(ctx, session, api.ID, 0)
	nodetest.Must(t, err)
	f.only(t, "the API token, regenerated", renewed)
	row, err := f.StoredToken(ctx, session, renewed.ID)
	if err != nil || row.Networks.String() != "10.0.0.0/8" {
		t.Errorf("the row says %s, %v", row.Networks, err)
	}
	if events := f.Events(t, audit.Filter{TokenID: key.ID}); !slices.ContainsFunc(events, func(e audit.Event) bool {
		return strings.Contains(e.Reason, "from 10.0.0.0/8")
	}) {
		t.Errorf("the audit log doesn't say from where: %+v", events)
	}
}

// Two limits are both kept; where nothing is left, nothing is issued.
func TestLimitsMeet(t *testing.T) {
	t.Parallel()
	f := newDesk(t)
	session := f.SignedIn(t, "ada")
	wide := f.APIToken(t, session, credentials.NewCredential{
		Name: "wide", Networks: nets(t, "10.0.0.0/8", "2001:db8::/32"), Scope: []string{"read", "credentials"},
	})
	id, err := f.Identify(from(t, office), wide.Value.Reveal(), verification.Requirements{})
	nodetest.Must(t, err)
	narrow, err := f.CreateAPIToken(from(t, office), caller.ByToken(id), credentials.NewCredential{
		Name: "narrow", Networks: nets(t, "10.1.0.0/16", "192.0.2.0/24"), Scope: []string{"read"},
	})
	nodetest.Must(t, err)
	if narrow.Networks.String() != "10.1.0.0/16" {
		t.Errorf("limited to %s", narrow.Networks)
	}
	refusals := f.Refusals(t)
	_, err = f.CreateAPIToken(from(t, office), caller.ByToken(id), credentials.NewCredential{
		Name: "none", Networks: nets(t, "192.0.2.0/24"), Scope: []string{"read"},
	})
	if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "networks" || f.Refusals(t) != refusals+1 {
		t.Errorf("a token for nowhere: %v", err)
	}
}

// Of a delegation both tokens count: the one of who acts is limited, or the one that it
// acts for, and both must be used from within their networks to be exchanged at all.
func TestADelegatedTokenHasTheLimitsOfBoth(t *testing.T) {
	t.Parallel()
	f := newDesk(t)
	limited := func(c *caller.Caller, list ...string) *issuance.Issued {
		return f.Made(t, c, issuance.Request{Kind: token.KindAccess, Client: f.agent.Principal, Networks: nets(t, list...)})
	}
	ada := f.ByPassword(t, "ada")
	act := func(subject, actor *issuance.Issued, address string) (*issuance.Issued, error) {
		pair, err := f.Exchange(from(t, address), issuance.Exchange{Subject: subject.Value.Reveal(), Actor: actor.Value.Reveal(), Client: f.agent})
		return pair.Access, err
	}
	hers, his := limited(ada, "10.0.0.0/8"), limited(f.bob, "10.1.0.0/16", "192.0.2.0/24")
	both, err := act(hers, his, office)
	if err != nil || both.Networks.String() != "10.1.0.0/16" {
		t.Errorf("%v, %v", both, err)
	}
	if one, err := act(f.ada, his, office); err != nil || one.Networks.String() != "10.1.0.0/16 192.0.2.0/24" {
		t.Errorf("the actor's alone: %v, %v", one, err)
	}
	if _, err := act(hers, f.ofBob, cafe); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the subject's token from elsewhere: %v", err)
	}
	if _, err := act(f.ada, his, cafe); !fault.Is(err, fault.Invalid) {
		t.Errorf("the actor's token from elsewhere: %v", err)
	}
	wide := limited(ada, "10.0.0.0/8", "203.0.113.0/24")
	if _, err := act(wide, limited(f.bob, "10.0.0.0/8"), "203.0.113.1"); !fault.Is(err, fault.Invalid) {
		t.Errorf("from a network of one of them: %v", err)
	}
}

// A refresh token from elsewhere is refused and not used up, but a second use of a used
// one revokes the family from wherever it comes.
func TestARefreshTokenFromElsewhere(t *testing.T) {
	t.Parallel()
	f := newDesk(t)
	api := f.APIToken(t, f.SignedIn(t, "ada"), credentials.NewCredential{Name: "script", Networks: nets(t, "10.0.0.0/8"), Scope: []string{"read"}})
	pair, err := f.Exchange(from(t, office), issuance.Exchange{Subject: api.Value.Reveal(), Client: f.agent, Scope: []string{"read", "offline_access"}})
	nodetest.Must(t, err)
	use := func(raw, address string) (issuance.Pair, error) {
		return f.Refresh(from(t, address), issuance.Refresh{Token: raw, Client: f.agent})
	}
	if _, err := use(pair.Refresh.Value.Reveal(), cafe); !fault.Is(err, fault.InvalidGrant) {
		t.Errorf("from elsewhere: %v", err)
	}
	next, err := use(pair.Refresh.Value.Reveal(), office)
	nodetest.Must(t, err)
	_, err = use(next.Refresh.Value.Reveal(), office)
	nodetest.Must(t, err)
	f.Advance(time.Minute) // past the grace
	if _, err := use(pair.Refresh.Value.Reveal(), cafe); !fault.Is(err, fault.InvalidGrant) {
		t.Errorf("a used one from elsewhere: %v", err)
	}
	if _, err := f.Verify(from(t, office), next.Access.Value.Reveal(), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("its family lives on: %v", err)
	}
}

// What is used from elsewhere can still be revoked, by itself too.
func TestATokenFromElsewhereRevokesItself(t *testing.T) {
	t.Parallel()
	f := newDesk(t)
	api := f.APIToken(t, f.SignedIn(t, "ada"), credentials.NewCredential{Name: "script", Networks: nets(t, "10.0.0.0/8"), Scope: []string{"credentials"}})
	if _, err := f.SignIn.Bearer(from(t, cafe), api.Value.Reveal()); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the API took it: %v", err)
	}
	c, err := f.SignIn.BearerToRevoke(from(t, cafe), api.Value.Reveal())
	nodetest.Must(t, err)
	if c.RequireSignedIn() == nil {
		t.Error("it may do more than to revoke itself")
	}
}

package issuance_test

import (
	"slices"
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// across is a deployment where the client web has a token of ada and calls the service
// api, which exchanges it to call the next.
type across struct {
	*nodetest.Fixture

	web, api *caller.Caller
	atWeb    *issuance.Issued // ada's token, with the default audience
	forAPI   *issuance.Issued // ada's token, which web got for api
}

func newAcross(t *testing.T, exchangeFrom ...string) *across {
	t.Helper()
	f := &across{Fixture: nodetest.New(t, nodetest.Options{})}
	client := func(id string, audiences, exchangeFrom []string) *caller.Caller {
		return f.NewClient(t, identity.NewClient{
			ID: id, Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Scopes: []string{"read", "write", "offline_access"},
			Audiences: audiences, ExchangeFrom: exchangeFrom,
		})
	}
	f.web = client("web", []string{"api"}, nil)
	f.api = client("api", []string{"https://next.example"}, exchangeFrom)
	own := f.APIToken(t, f.Person(t, "ada"), credentials.NewCredential{Scope: []string{"read"}})
	get := func(audience string) *issuance.Issued {
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: own.Value.Reveal(), Client: f.web, Audience: audience})
		nodetest.Must(t, err)
		return pair.Access
	}
	f.atWeb, f.forAPI = get(""), get("api")
	return f
}

func (f *across) exchange(t *testing.T, subject *issuance.Issued, client *caller.Caller) (issuance.Pair, error) {
	t.Helper()
	return f.Exchange(t.Context(), issuance.Exchange{
		Subject: subject.Value.Reveal(), Client: client, Audience: "https://next.example", Scope: []string{"read", "offline_access"},
	})
}

func TestAClientExchangesWhatIsMeantForItOrComesFromClientsThatItLists(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lists   []string
		subject func(f *across) *issuance.Issued
		good    bool
	}{
		"another's":             {nil, func(f *across) *issuance.Issued { return f.atWeb }, false},
		"of another than those": {[]string{"phone", "WEB"}, func(f *across) *issuance.Issued { return f.atWeb }, false},
		"of one that it lists":  {[]string{"phone", "web"}, func(f *across) *issuance.Issued { return f.atWeb }, true},
		"one meant for it":      {nil, func(f *across) *issuance.Issued { return f.forAPI }, true},
	} {
		f := newAcross(t, c.lists...)
		pair, err := f.exchange(t, c.subject(f), f.api)
		if !c.good {
			nodetest.WantFault(t, name, err, fault.Invalid, "exchange_from")
			continue
		}
		nodetest.Must(t, err)
		got, err := f.Verify(t.Context(), pair.Access.Value.Reveal(), verification.Requirements{Audience: "https://next.example"})
		nodetest.Must(t, err)
		if got.ClientID != "api" || got.Username != "ada" || !slices.Contains(got.Chain, c.subject(f).ID) || !slices.Contains(got.Chain, token.ClientLink("web")) {
			t.Errorf("%s: %+v", name, got)
		}
		if pair.Access.Expiry.After(c.subject(f).Expiry) {
			t.Errorf("%s outlives what it was made from", name)
		}
	}
}

// To be meant for a client opens the exchange, and nothing else.
func TestATokenForAClientIsExchangedByThatClientAlone(t *testing.T) {
	t.Parallel()
	f := newAcross(t, "web")
	other := f.NewClient(t, identity.NewClient{ID: "other", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), ExchangeFrom: []string{"web"}})
	without := f.NewClient(t, identity.NewClient{ID: "without", Secret: nodetest.ClientSecret, ExchangeFrom: []string{"web"}})
	for name, c := range map[string]struct {
		subject *issuance.Issued
		client  *caller.Caller
		kind    fault.Kind
	}{
		"one for another audience":       {f.forAPI, other, fault.InvalidToken},
		"one for another, its own":       {f.forAPI, f.web, fault.InvalidToken},
		"one for another, without":       {f.forAPI, nil, fault.InvalidToken},
		"a client without the grant":     {f.atWeb, without, fault.UnauthorizedClient},
		"a listed client's, without one": {f.atWeb, nil, fault.InvalidClient},
	} {
		_, err := f.exchange(t, c.subject, c.client)
		nodetest.WantFault(t, name, err, c.kind, "")
	}
	if _, err := f.Verify(t.Context(), f.forAPI.Value.Reveal(), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the token for api at bearerd itself: %v", err)
	}
}

// exchange_from is about exchanging: a refresh token stays with its client.
func TestARefreshTokenIsOfItsClientAlone(t *testing.T) {
	t.Parallel()
	f := newAcross(t, "web")
	pair, err := f.Exchange(t.Context(), issuance.Exchange{
		Subject: f.APIToken(t, f.SignedIn(t, "ada"), credentials.NewCredential{}).Value.Reveal(), Client: f.web, Scope: []string{"offline_access"},
	})
	nodetest.Must(t, err)
	_, err = f.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal(), Client: f.api})
	nodetest.WantFault(t, "another client's refresh token", err, fault.InvalidGrant, "")
}

// What one client made from another's token is revoked with either, and with the token.
func TestWhatWasExchangedIsRevokedWithBothClients(t *testing.T) {
	t.Parallel()
	for name, revoke := range map[string]func(f *across) error{
		"the one it came from, removed": func(f *across) error { return nodetest.Second(f.RemoveClient(t.Context(), caller.Operator(), "web")) },
		"the one it came from, narrowed": func(f *across) error {
			return nodetest.Second(f.UpdateClient(t.Context(), caller.Operator(), identity.NewClient{ID: "web", Grants: []string{identity.GrantTypeDeviceCode}}))
		},
		"the one it came from, rotated after a leak": func(f *across) error {
			_, _, err := f.RotateSecret(t.Context(), caller.Operator(), identity.Rotation{ID: "web", Revoke: true})
			return err
		},
		"the one that it went to": func(f *across) error { return nodetest.Second(f.RemoveClient(t.Context(), caller.Operator(), "api")) },
		"one that stops listing": func(f *across) error {
			c, err := f.Directory.Client(t.Context(), caller.Operator(), "api")
			nodetest.Must(t, err)
			n := identity.NewClientOf(c)
			n.ExchangeFrom = nil
			return nodetest.Second(f.UpdateClient(t.Context(), caller.Operator(), n))
		},
		"the token": func(f *across) error {
			return nodetest.Second(f.RevokeSelf(t.Context(), f.atWeb.Value.Reveal(), revocation.WaitDefault))
		},
	} {
		f := newAcross(t, "web")
		pair, err := f.exchange(t, f.atWeb, f.api)
		nodetest.Must(t, err)
		third, err := f.Exchange(t.Context(), issuance.Exchange{Subject: f.APIToken(t, f.SignedIn(t, "ada"), credentials.NewCredential{}).Value.Reveal()})
		nodetest.Must(t, err)
		nodetest.Must(t, revoke(f))
		f.WantDead(t, name, pair.Access)
		f.WantDead(t, name, pair.Refresh)
		f.WantRowDead(t, name, pair.Refresh)
		f.WantAlive(t, "another token of the user's", third.Access)
	}
}

// A URL is the same with a slash at its end and without; what is issued names it as it is
// configured.
func TestAnAudienceIsTheSameWithASlashAtItsEnd(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	app := f.NewClient(t, identity.NewClient{
		ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Audiences: []string{"https://files.example", "https://maps.example/", "plain"},
	})
	for asked, want := range map[string]string{
		nodetest.Issuer: nodetest.Issuer, nodetest.Issuer + "/": nodetest.Issuer,
		"https://files.example": "https://files.example", "https://files.example/": "https://files.example",
		"https://maps.example": "https://maps.example/", "https://maps.example/": "https://maps.example/",
		"plain": "plain", "plain/": "", "https://files.example//": "", "https://files.example/a": "", "https://FILES.example": "",
	} {
		issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: app, Audience: asked})
		if want == "" {
			nodetest.WantFault(t, asked, err, fault.InvalidTarget, "")
			continue
		}
		nodetest.Must(t, err)
		if issued.Audience != want {
			t.Errorf("%s: for %s, want %s", asked, issued.Audience, want)
		}
		for _, at := range []string{asked, want} {
			if _, err := f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{Audience: at}); err != nil {
				t.Errorf("for %s, at %s: %v", issued.Audience, at, err)
			}
		}
	}
}

package issuance_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

// profiled is a node whose tokens say for whom, for which client and for which task
// they are.
func profiled(t *testing.T) *nodetest.Fixture {
	t.Helper()
	return nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) {
		nodetest.WithTaskTypes(s)
		s.Policy.Scopes = map[string]string{"read": "Read"}
		s.Policy.Profile = issuance.Profile{
			AsLists: true, KeyScopes: []string{"every-key"},
			Claims: func(j issuance.JWT) map[string]any {
				name := ""
				if j.User != nil {
					name = j.User.Username
				}
				return map[string]any{"x": []string{j.Kind.String(), name, j.Client, j.TaskType}}
			},
		}
	}})
}

// said is what a test reads of a token.
type said struct {
	Audience any      `json:"aud"`
	Scope    any      `json:"scope"`
	X        []string `json:"x"`
}

func claimsOf(t *testing.T, issued *issuance.Issued) (c said) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(issued.Value.Reveal(), ".")[1])
	nodetest.Must(t, err)
	nodetest.Must(t, json.Unmarshal(payload, &c))
	return c
}

func TestAProfileHoldsForEveryWayToAJWT(t *testing.T) {
	t.Parallel()
	f := profiled(t)
	ada := f.Person(t, "ada", nodetest.May("create", "/task-tokens/TES"))
	all := identity.NewClient{ID: "app", Secret: "a client secret: long enough / and more?", Grants: nodetest.AllGrants(), Scopes: []string{"read", "offline_access"}}
	app := f.NewClient(t, all)
	key := f.ExchangeKey(t, ada, credentials.NewCredential{})
	exchanged, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key.Value.Reveal()})
	nodetest.Must(t, err)
	byClient, err := f.Exchange(t.Context(), issuance.Exchange{Subject: f.APIToken(t, ada, credentials.NewCredential{}).Value.Reveal(), Client: app})
	nodetest.Must(t, err)
	task, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key.Value.Reveal(), TaskType: "TES"})
	nodetest.Must(t, err)
	own, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: app})
	nodetest.Must(t, err)
	start, err := f.StartDevice(t.Context(), app, []string{"read", "offline_access"}, "")
	nodetest.Must(t, err)
	nodetest.Must(t, f.DecideDevice(t.Context(), ada, start.UserCode, true))
	device, err := f.RedeemDevice(t.Context(), app, start.DeviceCode.Reveal())
	nodetest.Must(t, err)
	refreshed, err := refresh(t, f, app, device)
	nodetest.Must(t, err)
	operator, err := f.IssueFor(t.Context(), caller.Operator(), "ada", &issuance.Request{Kind: token.KindAccess})
	nodetest.Must(t, err)

	for what, x := range map[string]struct {
		issued *issuance.Issued
		want   []string
	}{
		"a session":              {f.MadeAccess(t, ada), []string{"access", "ada", "", ""}},
		"a key":                  {key, []string{"api-key", "ada", "", ""}},
		"an exchange":            {exchanged.Access, []string{"access", "ada", "", ""}},
		"an exchange, by client": {byClient.Access, []string{"access", "ada", "app", ""}},
		"a task token":           {task.Access, []string{"task", "ada", "", "TES"}},
		"client credentials":     {own, []string{"access", "", "app", ""}},
		"a device":               {device.Access, []string{"access", "ada", "app", ""}},
		"a refresh token":        {refreshed.Access, []string{"access", "ada", "app", ""}},
		"the operator":           {operator, []string{"access", "ada", "", ""}},
	} {
		got := claimsOf(t, x.issued)
		if diff := cmp.Diff(x.want, got.X); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		_, listed := got.Audience.([]any)
		if _, scopes := got.Scope.([]any); !listed || !scopes {
			t.Errorf("%s: aud %v, scope %v", what, got.Audience, got.Scope)
		}
	}
	f.WantAlive(t, "a token with lists", own)
}

func TestEveryExchangeKeyHasTheScopesOfTheProfile(t *testing.T) {
	t.Parallel()
	f := profiled(t)
	ada := f.Person(t, "ada")
	maker := f.ByBearer(t, f.MadeAccess(t, ada, identity.ScopeCredentials, "read"))
	for what, x := range map[string]struct {
		by  *caller.Caller
		ask []string
		got []string
	}{
		"asked for none":                    {ada, nil, []string{"every-key"}},
		"asked for another":                 {ada, []string{"read"}, []string{"read", "every-key"}},
		"asked for it too":                  {ada, []string{"every-key", "read"}, []string{"every-key", "read"}},
		"by a token that doesn't have them": {maker, []string{"read"}, []string{"read", "every-key"}},
		"asked for by such a token":         {maker, []string{"every-key", "read"}, []string{"every-key", "read"}},
	} {
		key := f.ExchangeKey(t, x.by, credentials.NewCredential{Scope: x.ask})
		if diff := cmp.Diff(x.got, key.Scope); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		stored, _, err := f.Store.TokenByID(t.Context(), key.ID)
		nodetest.Must(t, err)
		if diff := cmp.Diff(x.got, stored.Scope); diff != "" {
			t.Errorf("%s, the list of tokens (-want +got):\n%s", what, diff)
		}
	}
	if got := f.MadeAccess(t, ada, "read").Scope; !cmp.Equal(got, []string{"read"}) {
		t.Errorf("an access token of the session has %v", got)
	}
	if got := f.APIToken(t, ada, credentials.NewCredential{}).Scope; len(got) > 0 {
		t.Errorf("an API token has %v", got)
	}
	// It is no way past what a token may ask for.
	_, err := f.CreateExchangeKey(t.Context(), maker, credentials.NewCredential{Scope: []string{"undeclared"}})
	nodetest.WantFault(t, "another scope", err, fault.InvalidScope, "")
}

package directory_test

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/verification"
)

// rotate rotates the secret of the client ci, as the operator.
func rotate(t *testing.T, f *nodetest.Fixture, x identity.Rotation) string {
	t.Helper()
	x.ID = "ci"
	secret, _, err := f.RotateSecret(t.Context(), operator, x)
	nodetest.Must(t, err)
	return secret.Reveal()
}

// wantSecrets wants each secret to be good or not, at every node.
func wantSecrets(t *testing.T, when string, want map[string]bool, nodes ...*nodetest.Fixture) {
	t.Helper()
	for secret, good := range want {
		for i, f := range nodes {
			_, err := f.AuthenticateClient(t.Context(), "ci", secret)
			if good != (err == nil) || err != nil && !fault.Is(err, fault.InvalidClient) {
				t.Errorf("%s, at node %d, the secret %s…: %v, want good %v", when, i, secret[:12], err, good)
			}
		}
	}
}

func TestARotatedSecretEndsAtOnceOrWithItsOverlap(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	here.Freeze()
	there.Freeze()
	here.Client(t, "ci", "read")
	first := nodetest.ClientSecret
	wantSecrets(t, "at first", map[string]bool{first: true}, here, there)
	second := rotate(t, here, identity.Rotation{Overlap: 3600})
	wantSecrets(t, "during the overlap", map[string]bool{first: true, second: true, "wrong" + first: false}, here, there)
	for _, f := range []*nodetest.Fixture{here, there} {
		f.Advance(time.Hour)
	}
	wantSecrets(t, "when the overlap has ended", map[string]bool{first: false, second: true}, here, there)
	third := rotate(t, here, identity.Rotation{})
	wantSecrets(t, "without an overlap", map[string]bool{first: false, second: false, third: true}, here, there)
}

// A client has two secrets at most, so that who rotates because of a leak ends what
// leaked by rotating again.
func TestAnotherRotationInAnOverlapEndsTheOldestSecret(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Client(t, "ci", "read")
	first := nodetest.ClientSecret
	second := rotate(t, f, identity.Rotation{Overlap: 3600})
	third := rotate(t, f, identity.Rotation{Overlap: 3600})
	wantSecrets(t, "rotated twice", map[string]bool{first: false, second: true, third: true}, f)
	fourth := rotate(t, f, identity.Rotation{})
	wantSecrets(t, "ended", map[string]bool{first: false, second: false, third: false, fourth: true}, f)
}

func TestARotationRevokesOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	for _, overlap := range []int64{0, 3600} {
		f := nodetest.New(t, nodetest.Options{})
		n := identity.NewClient{ID: "ci", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Scopes: []string{"read", "offline_access"}}
		own, apps := tokensOf(t, f, f.Person(t, "ada"), f.NewClient(t, n))
		rotate(t, f, identity.Rotation{Overlap: overlap})
		for kind, issued := range apps {
			f.WantAlive(t, kind, issued)
		}
		rotate(t, f, identity.Rotation{Overlap: overlap, Revoke: true})
		for kind, issued := range apps {
			f.WantDead(t, kind, issued)
			f.WantRowDead(t, kind, issued)
		}
		f.WantAlive(t, "what was issued to none", own)
	}
}

func TestARotationIsRecordedAndBounded(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Client(t, "ci", "read")
	for name, c := range map[string]struct {
		by   *caller.Caller
		x    identity.Rotation
		kind fault.Kind
	}{
		"by a user":              {f.Person(t, "ada"), identity.Rotation{ID: "ci"}, fault.Forbidden},
		"no client":              {operator, identity.Rotation{ID: "nobody"}, fault.NotFound},
		"a negative overlap":     {operator, identity.Rotation{ID: "ci", Overlap: -1}, fault.Invalid},
		"an overlap for years":   {operator, identity.Rotation{ID: "ci", Overlap: 91 * 86400}, fault.Invalid},
		"an overlap without end": {operator, identity.Rotation{ID: "ci", Overlap: math.MaxInt64}, fault.Invalid},
		"a short secret":         {operator, identity.Rotation{ID: "ci", Secret: "short"}, fault.Invalid},
		"the secret it has":      {operator, identity.Rotation{ID: "ci", Secret: nodetest.ClientSecret}, fault.Conflict},
	} {
		_, _, err := f.RotateSecret(t.Context(), c.by, c.x)
		nodetest.WantFault(t, name, err, c.kind, "")
	}
	rotate(t, f, identity.Rotation{Overlap: 60, Revoke: true})
	good := slices.DeleteFunc(f.Events(t, audit.Filter{Action: audit.ClientSecret, Target: "ci"}), func(e audit.Event) bool { return e.Outcome != audit.OK })
	if len(good) != 1 || !strings.Contains(good[0].Reason, "the old secret ends at ") || !strings.Contains(good[0].Reason, "revoked") {
		t.Errorf("%+v", good)
	}
}

// A public client has no secret that could go on.
func TestARotationMakesAPublicClientConfidential(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.NewClient(t, identity.NewClient{ID: "ci", Grants: []string{identity.GrantTypeDeviceCode}})
	secret := rotate(t, f, identity.Rotation{Overlap: 3600})
	wantSecrets(t, "made confidential", map[string]bool{secret: true, "nothing at all": false}, f)
	if _, err := f.IdentifyClient(t.Context(), "ci"); !fault.Is(err, fault.InvalidClient) {
		t.Errorf("without its secret: %v", err)
	}
	if _, err := f.AuthenticateClient(t.Context(), "ci", ""); !fault.Is(err, fault.InvalidClient) {
		t.Errorf("with an empty secret: %v", err)
	}
}

// What changes something else of a client during an overlap leaves both secrets alone.
func TestAChangeOfAClientKeepsItsOverlap(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Client(t, "ci", "read")
	second := rotate(t, f, identity.Rotation{Overlap: 3600})
	both := map[string]bool{nodetest.ClientSecret: true, second: true}
	c, err := f.Directory.Client(t.Context(), operator, "ci")
	nodetest.Must(t, err)
	n := identity.NewClientOf(c)
	n.Scopes = []string{"read", "write"}
	nodetest.Must(t, nodetest.Second(f.UpdateClient(t.Context(), operator, n)))
	wantSecrets(t, "changed", both, f)
	_, _, err = f.Apply(t.Context(), operator, apply.Desired{Clients: []identity.NewClient{{ID: "ci", Grants: n.Grants, Scopes: []string{"read"}}}})
	nodetest.Must(t, err)
	wantSecrets(t, "applied", both, f)
	n.Secret = "another secret that is long enough, too"
	nodetest.Must(t, nodetest.Second(f.UpdateClient(t.Context(), operator, n)))
	wantSecrets(t, "replaced", map[string]bool{nodetest.ClientSecret: false, second: false, n.Secret.Reveal(): true}, f)
}

func TestNarrowedClientLosesWhatWasIssuedToIt(t *testing.T) {
	t.Parallel()
	before := identity.NewClient{
		ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Scopes: []string{"read", "write", "offline_access"},
		Audiences: []string{"https://a.example", "https://b.example"}, ExchangeFrom: []string{"web", "phone"},
	}
	same := func(n *identity.NewClient) { n.Secret = "" }
	for name, c := range map[string]struct {
		change func(*identity.NewClient)
		dead   bool
	}{
		"the same":              {func(*identity.NewClient) {}, false},
		"in another order":      {func(n *identity.NewClient) { n.Scopes = []string{"write", "offline_access", "read"} }, false},
		"a scope more":          {func(n *identity.NewClient) { n.Scopes = append(slices.Clone(n.Scopes), "more") }, false},
		"an audience more":      {func(n *identity.NewClient) { n.Audiences = append(slices.Clone(n.Audiences), "https://c.example") }, false},
		"a scope less":          {func(n *identity.NewClient) { n.Scopes = n.Scopes[1:] }, true},
		"a scope for another":   {func(n *identity.NewClient) { n.Scopes = []string{"read", "other", "offline_access"} }, true},
		"no scopes any more":    {func(n *identity.NewClient) { n.Scopes = nil }, true},
		"an audience less":      {func(n *identity.NewClient) { n.Audiences = n.Audiences[:1] }, true},
		"a client less":         {func(n *identity.NewClient) { n.ExchangeFrom = n.ExchangeFrom[:1] }, true},
		"a client more":         {func(n *identity.NewClient) { n.ExchangeFrom = append(slices.Clone(n.ExchangeFrom), "tv") }, false},
		"a grant less":          {func(n *identity.NewClient) { n.Grants = n.Grants[:3] }, true},
		"another secret":        {func(n *identity.NewClient) { n.Secret = "another secret that is long enough, too" }, true},
		"the same secret again": {func(n *identity.NewClient) { n.Secret = nodetest.ClientSecret }, false},
	} {
		f := nodetest.New(t, nodetest.Options{})
		ada := f.Person(t, "ada")
		app := f.NewClient(t, before)
		own, apps := tokensOf(t, f, ada, app)
		after := before
		same(&after)
		c.change(&after)
		nodetest.Must(t, nodetest.Second(f.UpdateClient(t.Context(), operator, after)))
		for kind, issued := range apps {
			if c.dead {
				f.WantDead(t, name+", "+kind, issued)
				f.WantRowDead(t, name+", "+kind, issued)
			} else {
				f.WantAlive(t, name+", "+kind, issued)
			}
		}
		f.WantAlive(t, name+", what was issued to none", own)
	}
}

// tokensOf makes a token of the user's own, and those that a client gets.
func tokensOf(t *testing.T, f *nodetest.Fixture, user, app *caller.Caller) (own *issuance.Issued, apps map[string]*issuance.Issued) {
	t.Helper()
	own = f.APIToken(t, user, credentials.NewCredential{Scope: []string{"read"}})
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: own.Value.Reveal(), Client: app, Scope: []string{"read", "offline_access"}})
	nodetest.Must(t, err)
	itself, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: app, Scope: []string{"read"}})
	nodetest.Must(t, err)
	return own, map[string]*issuance.Issued{"access token": pair.Access, "refresh token": pair.Refresh, "its own": itself}
}

func TestRemovedClientLosesWhatWasIssuedToItForGood(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	n := identity.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Scopes: []string{"read", "offline_access"}}
	app := f.NewClient(t, n)
	own, apps := tokensOf(t, f, f.Person(t, "ada"), app)
	nodetest.Must(t, nodetest.Second(f.RemoveClient(t.Context(), operator, "app")))
	check := func(when string) {
		t.Helper()
		for kind, issued := range apps {
			f.WantDead(t, when+", "+kind, issued)
		}
		f.WantAlive(t, when+", what was issued to none", own)
	}
	check("removed")
	for _, secret := range []string{nodetest.ClientSecret, "wrong"} {
		_, err := f.AuthenticateClient(t.Context(), "app", secret)
		nodetest.WantFault(t, "the removed client", err, fault.InvalidClient, "")
	}
	_, err := f.Refresh(t.Context(), issuance.Refresh{Token: apps["refresh token"].Value.Reveal(), Client: app})
	nodetest.WantFault(t, "a refresh by a client that had authenticated before", err, fault.InvalidGrant, "")
	issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: app})
	nodetest.Must(t, err)
	f.WantDead(t, "a token of a client that had authenticated before", issued)
	again := f.NewClient(t, n)
	check("made again")
	issued, err = f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: again})
	nodetest.Must(t, err)
	f.WantAlive(t, "a token of the client that was made again", issued)
}

func TestClientChangesRefuseWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ctx := t.Context()
	f.Client(t, "app", "read")
	newClient := func(id string) error {
		_, _, err := f.CreateClient(ctx, operator, identity.NewClient{ID: id}, false)
		return err
	}
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"a client twice":                 {newClient("app"), fault.Conflict},
		"a client without an id":         {newClient(""), fault.Invalid},
		"a client that could be a user":  {newClient("{5C1E0B2A-8B6F-4B0E-9A66-0A5C0E7D3F11}"), fault.Invalid},
		"a client that stands for none":  {newClient(identity.OwnClientID), fault.Invalid},
		"a client with a short secret":   {nodetest.Second(f.UpdateClient(ctx, operator, identity.NewClient{ID: "app", Secret: "short"})), fault.Invalid},
		"a client with a public secret":  {nodetest.Second(f.UpdateClient(ctx, operator, identity.NewClient{ID: "app", Secret: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})), fault.Invalid},
		"a client with an unknown grant": {nodetest.Second(f.UpdateClient(ctx, operator, identity.NewClient{ID: "app", Grants: []string{"password"}})), fault.Invalid},
		"no client to change":            {nodetest.Second(f.UpdateClient(ctx, operator, identity.NewClient{ID: "x"})), fault.NotFound},
		"no client to remove":            {nodetest.Second(f.RemoveClient(ctx, operator, "x")), fault.NotFound},
	} {
		nodetest.WantFault(t, name, c.err, c.kind, "")
	}
}

// A client with keys has no secret, and keys that nobody could authenticate by are refused.
func TestKeysOfAClient(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	good := assertiontest.New(t, "EdDSA", "k1").JWK()
	private := maps.Clone(good)
	private["d"] = "AA"
	for name, tt := range map[string]struct {
		n     identity.NewClient
		field string
	}{
		"a secret beside":     {identity.NewClient{Keys: identity.ClientKeys{JWKS: assertiontest.Set(good)}, Secret: nodetest.ClientSecret}, "secret"},
		"both":                {identity.NewClient{Keys: identity.ClientKeys{JWKS: assertiontest.Set(good), URI: "https://ci.example/jwks"}}, "jwks_uri"},
		"no set":              {identity.NewClient{Keys: identity.ClientKeys{JWKS: "x"}}, "jwks"},
		"no keys":             {identity.NewClient{Keys: identity.ClientKeys{JWKS: assertiontest.Set()}}, "jwks"},
		"a private key":       {identity.NewClient{Keys: identity.ClientKeys{JWKS: assertiontest.Set(private)}}, "jwks"},
		"a shared key":        {identity.NewClient{Keys: identity.ClientKeys{JWKS: `{"keys":[{"kty":"oct","k":"AAAA"}]}`}}, "jwks"},
		"much":                {identity.NewClient{Keys: identity.ClientKeys{JWKS: strings.Repeat(" ", identity.MaxKeySetBytes) + assertiontest.Set(good)}}, "jwks"},
		"http":                {identity.NewClient{Keys: identity.ClientKeys{URI: "http://ci.example/jwks"}}, "jwks_uri"},
		"no address":          {identity.NewClient{Keys: identity.ClientKeys{URI: "jwks.json"}}, "jwks_uri"},
		"with a user":         {identity.NewClient{Keys: identity.ClientKeys{URI: "https://a:b@ci.example/jwks"}}, "jwks_uri"},
		"neither of them all": {identity.NewClient{}, "grants"},
	} {
		tt.n.ID, tt.n.Grants = "ci", []string{identity.GrantTypeClientCredentials}
		_, _, err := f.CreateClient(t.Context(), operator, tt.n, false)
		nodetest.WantFault(t, name, err, fault.Invalid, "")
		if got := fault.FieldOf(err); got != tt.field {
			t.Errorf("%s: the field is %q: %v", name, got, err)
		}
	}
	n := identity.NewClient{ID: "ci", Keys: identity.ClientKeys{JWKS: assertiontest.Set(good)}, Grants: []string{identity.GrantTypeClientCredentials}}
	c, secret, err := f.CreateClient(t.Context(), operator, n, true)
	if err != nil || secret != "" || c.Public() || c.HasSecret() {
		t.Errorf("%+v %q %v", c, secret, err)
	}
	_, _, err = f.RotateSecret(t.Context(), operator, identity.Rotation{ID: "ci"})
	nodetest.WantFault(t, "a secret for a client with keys", err, fault.Invalid, "")
}

// Replacing all keys revokes what was obtained with them; a rotation, which keeps one, doesn't.
func TestReplacedKeysRevoke(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	one, two := assertiontest.New(t, "EdDSA", "k1").JWK(), assertiontest.New(t, "EdDSA", "k2").JWK()
	set := func(keys ...map[string]any) identity.ClientKeys {
		return identity.ClientKeys{JWKS: assertiontest.Set(keys...)}
	}
	spaced := identity.ClientKeys{JWKS: strings.ReplaceAll(assertiontest.Set(one), ",", " , ")}
	uri, secret := identity.ClientKeys{URI: "https://ci.example/jwks"}, identity.ClientKeys{}
	for name, tt := range map[string]struct {
		from, to identity.ClientKeys
		revokes  bool
	}{
		"the same, written otherwise": {set(one), spaced, false},
		"one more":                    {set(one), set(one, two), false},
		"one fewer":                   {set(one, two), set(two), false},
		"another one":                 {set(one), set(two), true},
		"an address instead":          {set(one), uri, true},
		"another address":             {uri, identity.ClientKeys{URI: "https://ci.example/jwks2"}, true},
		"a set instead":               {uri, set(one), true},
		"a secret instead":            {set(one), secret, true},
		"keys instead of a secret":    {secret, set(one), true},
	} {
		n := identity.NewClient{ID: strings.ReplaceAll(name, " ", "-"), Grants: []string{identity.GrantTypeClientCredentials}}
		as := func(k identity.ClientKeys) identity.NewClient {
			n.Keys, n.Secret = k, ""
			if !k.Any() {
				n.Secret = nodetest.ClientSecret
			}
			return n
		}
		_, _, err := f.CreateClient(t.Context(), operator, as(tt.from), false)
		nodetest.Must(t, err)
		p, err := f.Store.Principal(t.Context(), records.Who{ClientID: n.ID})
		nodetest.Must(t, err)
		issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: caller.ByPrincipal(&p)})
		nodetest.Must(t, err)
		nodetest.Must(t, nodetest.Second(f.UpdateClient(t.Context(), operator, as(tt.to))))
		if _, err := f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{}); (err != nil) != tt.revokes {
			t.Errorf("%s: %v", name, err)
		}
	}
}

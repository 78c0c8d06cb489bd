package clientauth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/clientauth"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

const us = nodetest.Issuer

// claims are those of a good assertion of the client ci, with changes.
func claims(f *nodetest.Fixture, changes map[string]any) map[string]any {
	now := f.Time()
	return assertiontest.With(map[string]any{
		"iss": "ci", "sub": "ci", "aud": us, "jti": uuid.NewString(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}, changes)
}

func register(t *testing.T, f *nodetest.Fixture, id string, keys identity.ClientKeys) {
	t.Helper()
	_, _, err := f.CreateClient(t.Context(), caller.Operator(), identity.NewClient{
		ID: id, Keys: keys, Scopes: []string{"read"}, Grants: []string{identity.GrantTypeClientCredentials},
	}, true)
	nodetest.Must(t, err)
}

func set(keys ...assertiontest.Key) identity.ClientKeys {
	var all []map[string]any
	for _, k := range keys {
		all = append(all, k.JWK())
	}
	return identity.ClientKeys{JWKS: assertiontest.Set(all...)}
}

func authenticate(t *testing.T, f *nodetest.Fixture, assertion string) (*caller.Caller, error) {
	t.Helper()
	return f.ClientAuth.Authenticate(t.Context(), clientauth.Credential{Type: clientauth.Type, Assertion: assertion})
}

func use(t *testing.T, f *nodetest.Fixture, assertion string) error {
	t.Helper()
	c, err := authenticate(t, f, assertion)
	if err != nil {
		return err
	}
	_, err = f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: c})
	return err
}

// TestEveryAlgorithmAndTypeIsTaken: each algorithm of the metadata, and each typ that the draft
// allows.
func TestEveryAlgorithmAndTypeIsTaken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	var keys []assertiontest.Key
	for _, alg := range clientauth.Algorithms() {
		keys = append(keys, assertiontest.New(t, string(alg), string(alg)))
	}
	register(t, f, "ci", set(keys...))
	for _, k := range keys {
		for _, typ := range []string{"client-authentication+jwt", "JWT", ""} {
			if err := use(t, f, k.Sign(typ, claims(f, nil))); err != nil {
				t.Errorf("%s %q: %v", k.Alg, typ, err)
			}
		}
	}
}

// TestEveryRefusalOfAnAssertion changes one thing of a good assertion at a time.
func TestEveryRefusalOfAnAssertion(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	k, other := assertiontest.New(t, "EdDSA", "k1"), assertiontest.New(t, "EdDSA", "k1")
	rs := assertiontest.New(t, "RS256", "k2")
	register(t, f, "ci", set(k, rs))
	register(t, f, "other", set(other))
	f.Client(t, "secret", "read")
	at := func(d time.Duration) int64 { return f.Time().Add(d).Unix() }
	sign := func(changes map[string]any) string { return k.Sign("", claims(f, changes)) }
	public, err := json.Marshal(rs.JWK())
	nodetest.Must(t, err)
	unsigned := strings.Split(k.SignText(`{"alg":"none"}`, `{"iss":"ci","sub":"ci"}`), ".")
	for name, tt := range map[string]struct{ assertion, reason string }{
		"a list of the issuer":           {sign(map[string]any{"aud": []string{us}}), "must be one string"},
		"a list with others":             {sign(map[string]any{"aud": []string{us, "https://x.example"}}), "for other audiences"},
		"the token endpoint":             {sign(map[string]any{"aud": us + "/oauth2/token"}), "another audience"},
		"the issuer with a slash":        {sign(map[string]any{"aud": us + "/"}), "another audience"},
		"another server":                 {sign(map[string]any{"aud": "https://other.example"}), "another audience"},
		"expired":                        {sign(map[string]any{"exp": at(0)}), "expired"},
		"too far ahead":                  {sign(map[string]any{"exp": at(5*time.Minute + 31*time.Second)}), "too far ahead"},
		"without exp":                    {sign(map[string]any{"exp": nil}), "no exp"},
		"issued in the future":           {sign(map[string]any{"iat": at(31 * time.Second)}), "not valid yet"},
		"not valid yet":                  {sign(map[string]any{"nbf": at(31 * time.Second)}), "not valid yet"},
		"without jti":                    {sign(map[string]any{"jti": nil}), "no jti"},
		"without sub":                    {sign(map[string]any{"sub": nil}), "no sub"},
		"another sub":                    {sign(map[string]any{"sub": "other"}), "not its iss"},
		"another typ":                    {k.Sign("at+jwt", claims(f, nil)), "another type"},
		"another client's name":          {sign(map[string]any{"iss": "other", "sub": "other"}), ""},
		"another client's key":           {other.Sign("", claims(f, nil)), ""},
		"a client with a secret":         {sign(map[string]any{"iss": "secret", "sub": "secret"}), ""},
		"nobody":                         {sign(map[string]any{"iss": "nobody", "sub": "nobody"}), ""},
		"no algorithm":                   {strings.Join(unsigned[:2], ".") + ".", ""},
		"the public key for a secret":    {assertiontest.Shared(t, public).As("HS256", "k2").Sign("", claims(f, nil)), ""},
		"a key of another algorithm":     {k.As("EdDSA", "k2").Sign("", claims(f, nil)), ""},
		"a kid that isn't there":         {k.As("EdDSA", "k9").Sign("", claims(f, nil)), ""},
		"no JWT":                         {"x", ""},
		"an iss that is no client's id":  {sign(map[string]any{"iss": strings.Repeat("x", 300)}), ""},
		"a token of our own, nearly one": {k.Sign("at+jwt", map[string]any{"iss": us}), ""},
	} {
		_, err := authenticate(t, f, tt.assertion)
		if tt.reason == "" {
			tt.reason = fault.Message(caller.ErrBadClient)
		}
		if !fault.Is(err, fault.InvalidClient) || !strings.Contains(fault.Message(err), tt.reason) {
			t.Errorf("%s: %v, want %q", name, err, tt.reason)
		}
	}
	for name, good := range map[string]map[string]any{
		"the longest": {"exp": at(5 * time.Minute)}, "without iat": {"iat": nil}, "a clock ahead": {"iat": at(30 * time.Second), "nbf": at(30 * time.Second)},
	} {
		if _, err := authenticate(t, f, sign(good)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheParametersOfARequest(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	k := assertiontest.New(t, "ES256", "k1")
	register(t, f, "ci", set(k))
	good := k.Sign("", claims(f, nil))
	for name, tt := range map[string]struct {
		x    clientauth.Credential
		kind fault.Kind
	}{
		"no type":        {clientauth.Credential{Assertion: good}, fault.Invalid},
		"no assertion":   {clientauth.Credential{Type: clientauth.Type}, fault.Invalid},
		"another type":   {clientauth.Credential{Type: "urn:ietf:params:oauth:client-assertion-type:saml2-bearer", Assertion: good}, fault.InvalidClient},
		"another client": {clientauth.Credential{Type: clientauth.Type, Assertion: good, ClientID: "other"}, fault.InvalidClient},
	} {
		if _, err := f.ClientAuth.Authenticate(t.Context(), tt.x); !fault.Is(err, tt.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := f.ClientAuth.Authenticate(t.Context(), clientauth.Credential{Type: clientauth.Type, Assertion: good, ClientID: "ci"})
	if err != nil || c.Client().ID != "ci" {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestAnAssertionIsGoodOnceOnAllNodes: of many uses at the same time on two nodes one is
// answered, and a request that is refused uses nothing up.
func TestAnAssertionIsGoodOnceOnAllNodes(t *testing.T) {
	t.Parallel()
	onceOnAllNodes(t, nodetest.Options{})
}

func TestAnAssertionIsGoodOnceOnPostgres(t *testing.T) {
	t.Parallel()
	onceOnAllNodes(t, nodetest.Options{Postgres: true})
}

func onceOnAllNodes(t *testing.T, o nodetest.Options) {
	t.Helper()
	here, there := nodetest.Two(t, o)
	k := assertiontest.New(t, "EdDSA", "k1")
	register(t, here, "ci", set(k))
	raw := k.Sign("", claims(here, nil))
	c, err := authenticate(t, here, raw)
	nodetest.Must(t, err)
	_, err = here.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: c, Scope: []string{"write"}})
	nodetest.WantFault(t, "a scope that the client may not have", err, fault.InvalidScope, "")
	var good, refused atomic.Int64
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			switch err := use(t, []*nodetest.Fixture{here, there}[n%2], raw); {
			case err == nil:
				good.Add(1)
			case fault.Is(err, fault.InvalidClient) && strings.Contains(fault.Message(err), "used before"):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if good.Load() != 1 || refused.Load() != 7 {
		t.Errorf("of 8 uses %d were answered and %d refused", good.Load(), refused.Load())
	}
	// What changes nothing else is used up by itself, and another client's jti is another.
	raw = k.Sign("", claims(here, nil))
	c, err = authenticate(t, there, raw)
	nodetest.Must(t, err)
	nodetest.Must(t, there.ClientAuth.UseUp(t.Context(), c))
	nodetest.WantFault(t, "used twice", here.ClientAuth.UseUp(t.Context(), c), fault.InvalidClient, "")
	nodetest.Must(t, there.ClientAuth.UseUp(t.Context(), caller.System()))
}

// published is a client's JWK Set at an address.
type published struct {
	*httptest.Server
	asked atomic.Int64
	body  atomic.Pointer[string] // nil: the server fails
}

func publish(t *testing.T) *published {
	t.Helper()
	p := &published{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		body := p.body.Load()
		if body == nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write([]byte(*body))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *published) shows(keys ...assertiontest.Key) { p.body.Store(new(set(keys...).JWKS)) }

// TestKeysAtAnAddress: an unknown kid has the set fetched again once a minute at most, a key
// that was rotated out is refused when the set has been fetched again, and a set that can't be
// fetched is no refusal.
func TestKeysAtAnAddress(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	old, next := assertiontest.New(t, "EdDSA", "old"), assertiontest.New(t, "EdDSA", "next")
	p := publish(t)
	register(t, f, "ci", identity.ClientKeys{URI: p.URL})
	is := func(what string, k assertiontest.Key, kind fault.Kind, asked int64) {
		t.Helper()
		_, err := authenticate(t, f, k.Sign("", claims(f, nil)))
		if (kind == 0) != (err == nil) || err != nil && !fault.Is(err, kind) || p.asked.Load() != asked {
			t.Errorf("%s: %v, asked %d times, not %d", what, err, p.asked.Load(), asked)
		}
	}
	is("never fetched", old, fault.Unavailable, 1)
	is("right after", old, fault.Unavailable, 1)
	f.Advance(6 * time.Second)
	p.shows(old)
	is("fetched", old, 0, 2)
	is("kept", old, 0, 2)
	f.Advance(61 * time.Second)
	is("an unknown key", next, fault.InvalidClient, 3)
	is("again", next, fault.InvalidClient, 3)
	f.Advance(61 * time.Second)
	p.shows(old, next)
	is("the new key", next, 0, 4)
	p.shows(next)
	f.Advance(6 * time.Minute)
	is("rotated out", old, fault.InvalidClient, 5)
	p.body.Store(nil)
	f.Advance(6 * time.Minute)
	is("the known key while the address is down", next, 0, 6)
	f.Advance(2 * time.Minute)
	is("an unknown key while the address is down", old, fault.Unavailable, 7)
}

// TestChangesOfAClientCountAtOnce: keys that were taken out, and clients that were removed, on
// another node.
func TestChangesOfAClientCountAtOnce(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	old, next := assertiontest.New(t, "EdDSA", "old"), assertiontest.New(t, "EdDSA", "next")
	register(t, here, "ci", set(old, next))
	is := func(what string, k assertiontest.Key, good bool) {
		t.Helper()
		if _, err := authenticate(t, there, k.Sign("", claims(there, nil))); (err == nil) != good || err != nil && !fault.Is(err, fault.InvalidClient) {
			t.Errorf("%s: %v", what, err)
		}
	}
	is("the old one", old, true)
	change := identity.NewClient{ID: "ci", Keys: set(next), Grants: []string{identity.GrantTypeClientCredentials}}
	nodetest.Must(t, nodetest.Second(here.UpdateClient(t.Context(), caller.Operator(), change)))
	is("the old one, rotated out", old, false)
	is("the next one", next, true)
	change.Keys, change.Secret = identity.ClientKeys{}, nodetest.ClientSecret
	nodetest.Must(t, nodetest.Second(here.UpdateClient(t.Context(), caller.Operator(), change)))
	is("a client that has a secret instead", next, false)
	change.Keys, change.Secret = set(next), ""
	nodetest.Must(t, nodetest.Second(here.UpdateClient(t.Context(), caller.Operator(), change)))
	is("keys again", next, true)
	if _, err := there.AuthenticateClient(t.Context(), "ci", nodetest.ClientSecret); !fault.Is(err, fault.InvalidClient) {
		t.Errorf("the secret of a client with keys: %v", err)
	}
	if _, err := there.IdentifyClient(t.Context(), "ci"); !fault.Is(err, fault.InvalidClient) {
		t.Errorf("a client with keys that only names itself: %v", err)
	}
	nodetest.Must(t, nodetest.Second(here.RemoveClient(t.Context(), caller.Operator(), "ci")))
	is("a removed client", next, false)
}

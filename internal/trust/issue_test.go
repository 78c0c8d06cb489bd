package trust_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/trust"
	"github.com/bearerd/bearerd/internal/verification"
)

// partners is a deployment that trusts one issuer.
type partners struct {
	*nodetest.Fixture

	key   assertiontest.Key
	entry records.Issuer
}

const githubURL = "https://token.actions.githubusercontent.com"

// newPartners trusts GitHub Actions, or what change makes of it, for the client ci, and
// links ada to acct:ada@partner for the source partner.
func newPartners(t *testing.T, change ...func(*records.Issuer)) *partners {
	t.Helper()
	f := &partners{
		Fixture: nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Policy.Scopes = map[string]string{"read": "", "write": ""} }}),
		key:     assertiontest.New(t, "RS256", "k1"),
	}
	f.Freeze()
	f.entry = records.Issuer{
		Name: "github", Issuer: githubURL, JWKS: writeFile(t, assertiontest.Set(f.key.JWK())), Once: true, MaxAge: time.Hour,
		Rules: []records.IssuerRule{release()},
	}
	for _, c := range change {
		c(&f.entry)
	}
	f.apply(t, f.entry)
	ada := f.Person(t, "ada")
	_, err := f.Store.Commit(t.Context(), op.Batch{Ops: []op.Op{
		op.AddLink{Link: records.Link{Source: "partner", ExternalID: "acct:ada@partner", UserID: ada.ID(), LinkedAt: f.Time()}},
	}})
	nodetest.Must(t, err)
	return f
}

func release() records.IssuerRule {
	return records.IssuerRule{
		Name: "release", Client: "ci", Scope: []string{"read", "write"}, Audiences: []string{"https://api.example"}, TTL: 15 * time.Minute,
		Match: map[string]json.RawMessage{"repository_id": json.RawMessage(`"123456"`), "ref": json.RawMessage(`"refs/heads/main"`)},
	}
}

// people is a rule for the users of the source partner.
func people(claim, value string) records.IssuerRule {
	return records.IssuerRule{
		Name: "people", UserClaim: "sub", Source: "partner", Scope: []string{"read"},
		Match: map[string]json.RawMessage{claim: json.RawMessage(value)},
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	nodetest.Must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// apply applies an access file with these issuers and no others.
func (f *partners) apply(t *testing.T, issuers ...records.Issuer) []apply.Applied {
	t.Helper()
	done, _, err := f.Apply(t.Context(), caller.Operator(), f.desired(issuers...))
	nodetest.Must(t, err)
	return done
}

func (f *partners) desired(issuers ...records.Issuer) apply.Desired {
	return apply.Desired{
		Clients: []identity.NewClient{
			{ID: "ci", Secret: nodetest.ClientSecret, Scopes: []string{"read", "write"}, Grants: []string{identity.GrantTypeJWTBearer, identity.GrantTypeTokenExchange}},
			{ID: "other", Secret: nodetest.ClientSecret, Scopes: []string{"read"}, Grants: []string{identity.GrantTypeJWTBearer}},
			{ID: "none", Secret: nodetest.ClientSecret, Scopes: []string{"read"}, Grants: []string{identity.GrantTypeClientCredentials}},
		},
		Issuers: issuers,
	}
}

// without applies the access file without issuers, and removes what is not in it.
func (f *partners) without(t *testing.T) {
	t.Helper()
	d := f.desired()
	d.Prune = true
	d.Users = []apply.DesiredUser{{NewUser: identity.NewUser{Username: "ada"}}}
	_, receipt, err := f.Apply(t.Context(), caller.Operator(), d)
	nodetest.Must(t, err)
	if !receipt.Revoked {
		t.Error("removing an issuer isn't acknowledged as a revocation")
	}
}

// github are the claims of a job, as GitHub Actions makes them.
func (f *partners) github(changes ...map[string]any) map[string]any {
	claims := map[string]any{
		"jti": "6f2b6d1c-0f5e-4e6c-9c0b-6f1d8a0d5a11", "sub": "repo:octo/tool:ref:refs/heads/main", "aud": nodetest.Issuer, "iss": githubURL,
		"ref": "refs/heads/main", "sha": "da39a3ee5e6b4b0d3255bfef95601890afd80709", "repository": "octo/tool", "repository_owner": "octo",
		"repository_id": "123456", "repository_owner_id": "42", "run_id": "30433642", "run_attempt": "2", "actor": "octocat", "event_name": "push",
		"ref_type": "branch", "ref_protected": "true", "runner_environment": "github-hosted", "workflow_ref": "octo/tool/.github/workflows/r.yml@refs/heads/main",
		"nbf": f.Time().Add(-10 * time.Minute).Unix(), "exp": f.Time().Add(5 * time.Minute).Unix(), "iat": f.Time().Unix(),
	}
	for _, c := range changes {
		claims = assertiontest.With(claims, c)
	}
	return claims
}

func (f *partners) redeem(t *testing.T, raw string, change ...func(*trust.Assertion)) (*issuance.Issued, error) {
	t.Helper()
	x := trust.Assertion{Value: raw}
	for _, c := range change {
		c(&x)
	}
	return f.IssueForAssertion(t.Context(), x)
}

func (f *partners) verify(t *testing.T, issued *issuance.Issued) (*verification.Token, error) {
	t.Helper()
	return f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{AnyAudience: true})
}

func by(c *caller.Caller) func(*trust.Assertion) {
	return func(x *trust.Assertion) { x.Client = c }
}

func (f *partners) client(t *testing.T, id string) *caller.Caller {
	t.Helper()
	c, err := f.AuthenticateClient(t.Context(), id, nodetest.ClientSecret)
	nodetest.Must(t, err)
	return c
}

func setRules(rules ...records.IssuerRule) func(*records.Issuer) {
	return func(s *records.Issuer) { s.Rules = rules }
}

var sharedSecret = "mJ8s0cQ2vXk4Zr7Lw1Tn9Yb3Hd6Fg5Ae"

// Each real system's token becomes a token by a rule, and what came of it is refused once
// the rule is gone.
func TestTokensOfEachSystemBecomeTokensByARule(t *testing.T) {
	t.Parallel()
	match := func(name, value string) map[string]json.RawMessage {
		return map[string]json.RawMessage{name: json.RawMessage(value)}
	}
	forCI := func(m map[string]json.RawMessage) records.IssuerRule {
		return records.IssuerRule{Name: "r", Match: m, Client: "ci", Scope: []string{"read"}}
	}
	for name, c := range map[string]struct {
		alg, typ string
		entry    func(*records.Issuer)
		claims   map[string]any // besides iss, aud, iat and exp
		client   string         // that authenticates
		user     bool
		life     time.Duration
	}{
		"GitHub Actions": {
			alg: "RS256", typ: "JWT", life: 5 * time.Minute,
			claims: map[string]any{"sub": "repo:octo/tool:ref:refs/heads/main", "repository_id": "123456", "ref": "refs/heads/main", "jti": "g1"},
		},
		"GitLab": {
			alg: "RS256", typ: "JWT", life: time.Hour,
			entry: func(s *records.Issuer) {
				s.Issuer, s.Rules = "https://gitlab.com", []records.IssuerRule{forCI(match("project_id", `"22"`))}
			},
			claims: map[string]any{
				"sub": "project_path:my-group/my-project:ref_type:branch:ref:main", "project_id": "22", "namespace_id": "72", "ref": "main",
				"ref_protected": "true", "user_identities": []any{map[string]any{"provider": "github", "extern_uid": "2435"}}, "jti": "l1",
			},
		},
		"Kubernetes": {
			alg: "RS256", typ: "", life: 3607 * time.Second,
			entry: func(s *records.Issuer) {
				s.Issuer, s.Once = "https://kubernetes.default.svc.cluster.local", false
				s.Rules = []records.IssuerRule{forCI(match("sub", `"system:serviceaccount:build:runner"`))}
			},
			claims: map[string]any{
				"sub": "system:serviceaccount:build:runner", "jti": "s1",
				"kubernetes.io": map[string]any{"namespace": "build", "pod": map[string]any{"name": "p"}, "serviceaccount": map[string]any{"name": "runner"}},
			},
		},
		"SPIFFE": {
			alg: "ES256", typ: "JWT", life: 5 * time.Minute,
			entry: func(s *records.Issuer) {
				s.Issuer, s.Once = "https://spire.example.org", false
				s.Rules = []records.IssuerRule{forCI(match("sub", `"spiffe://example.org/builder"`))}
			},
			claims: map[string]any{"sub": "spiffe://example.org/builder"},
		},
		"ID-JAG": {
			alg: "RS256", typ: "oauth-id-jag+jwt", life: 5 * time.Minute, client: "ci", user: true,
			entry: func(s *records.Issuer) {
				s.Issuer, s.Rules = "https://acme.okta.com", []records.IssuerRule{people("client_id", `"ci"`)}
			},
			claims: map[string]any{"sub": "acct:ada@partner", "client_id": "ci", "scope": "read", "resource": "https://api.example/", "jti": "j1"},
		},
		"Hypothesis": {
			alg: "HS256", typ: "JWT", life: 10 * time.Minute, user: true,
			entry: func(s *records.Issuer) {
				s.Issuer, s.Audience, s.JWKS, s.SecretFile = "4f5c2a6e-8f0a-11ee-a0a6-5b1e0c5b7f6d", "partner.example.org", "", writeFile(t, sharedSecret+"\n")
				s.Rules = []records.IssuerRule{people("iss", `"4f5c2a6e-8f0a-11ee-a0a6-5b1e0c5b7f6d"`)}
			},
			claims: map[string]any{"sub": "acct:ada@partner", "aud": "partner.example.org", "iat": nil, "nbf": true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newPartners(t, func(s *records.Issuer) {
				if c.entry != nil {
					c.entry(s)
				}
			})
			key := f.key
			switch c.alg {
			case "HS256":
				key = assertiontest.Shared(t, []byte(sharedSecret))
			case "ES256":
				key = assertiontest.New(t, "ES256", "es")
				nodetest.Must(t, os.WriteFile(f.entry.JWKS, []byte(assertiontest.Set(key.JWK())), 0o600))
			}
			claims := assertiontest.With(map[string]any{
				"iss": f.entry.Issuer, "aud": nodetest.Issuer, "iat": f.Time().Unix(), "exp": f.Time().Add(c.life).Unix(),
			}, c.claims)
			if claims["nbf"] == true {
				claims["nbf"] = f.Time().Unix()
			}
			var with []func(*trust.Assertion)
			if c.client != "" {
				with = append(with, by(f.client(t, c.client)))
			}
			issued, err := f.redeem(t, key.Sign(c.typ, claims), with...)
			nodetest.Must(t, err)
			got, err := f.verify(t, issued)
			nodetest.Must(t, err)
			if (got.Subject == "ci") == c.user || got.ClientID != map[bool]string{true: "bearerd", false: "ci"}[c.user && c.client == ""] {
				t.Errorf("speaks for %s, issued to %s", got.Subject, got.ClientID)
			}
			f.without(t)
			_, err = f.verify(t, issued)
			nodetest.WantFault(t, "once the rule is gone", err, fault.InvalidToken, "revoked")
			claims["jti"] = "another"
			_, err = f.redeem(t, key.Sign(c.typ, claims), with...)
			nodetest.WantFault(t, "of an issuer that isn't trusted", err, fault.InvalidGrant, "trusted here")
		})
	}
}

func TestATokenOfARuleHasWhatTheRuleSays(t *testing.T) {
	t.Parallel()
	f := newPartners(t)
	issued, err := f.redeem(t, f.key.Sign("JWT", f.github()))
	nodetest.Must(t, err)
	if issued.Lifetime != 900 || !slices.Equal(issued.Scope, []string{"read", "write"}) || issued.Audience != nodetest.Issuer {
		t.Errorf("%+v", issued)
	}
	next := 0
	ask := func(change func(*trust.Assertion)) (*issuance.Issued, error) {
		next++
		return f.redeem(t, f.key.Sign("JWT", f.github(map[string]any{"jti": strings.Repeat("n", next)})), change)
	}
	issued, err = ask(func(x *trust.Assertion) {
		x.Scope, x.Lifetime, x.Audience = []string{"read"}, 60, "https://api.example"
	})
	nodetest.Must(t, err)
	if issued.Lifetime != 60 || !slices.Equal(issued.Scope, []string{"read"}) || issued.Audience != "https://api.example" {
		t.Errorf("%+v", issued)
	}
	for name, c := range map[string]struct {
		change func(*trust.Assertion)
		kind   fault.Kind
	}{
		"another scope":    {func(x *trust.Assertion) { x.Scope = []string{"read", "admin"} }, fault.InvalidScope},
		"credentials":      {func(x *trust.Assertion) { x.Scope = []string{"credentials"} }, fault.InvalidScope},
		"a refresh token":  {func(x *trust.Assertion) { x.Scope = []string{"read", "offline_access"} }, fault.InvalidScope},
		"another audience": {func(x *trust.Assertion) { x.Audience = "https://elsewhere.example" }, fault.InvalidTarget},
		"too long":         {func(x *trust.Assertion) { x.Lifetime = 901 }, fault.Invalid},
	} {
		_, err := ask(c.change)
		nodetest.WantFault(t, name, err, c.kind, "")
	}
}

// A token that was made of one that came of a rule dies with the rule too.
func TestWhatIsMadeFromItIsRevokedWithTheRule(t *testing.T) {
	t.Parallel()
	f := newPartners(t)
	first, err := f.redeem(t, f.key.Sign("JWT", f.github()))
	nodetest.Must(t, err)
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: first.Value.Reveal(), Client: f.client(t, "ci")})
	nodetest.Must(t, err)
	nodetest.Must(t, nodetest.Second(f.verify(t, pair.Access)))
	f.without(t)
	_, err = f.verify(t, pair.Access)
	nodetest.WantFault(t, "made from it", err, fault.InvalidToken, "revoked")
}

func TestChangingOneRuleLeavesTheOthers(t *testing.T) {
	t.Parallel()
	tags := release()
	tags.Name, tags.Match = "tags", map[string]json.RawMessage{"ref": json.RawMessage(`"refs/tags/v1"`)}
	f := newPartners(t, setRules(release(), tags))
	one, err := f.redeem(t, f.key.Sign("JWT", f.github()))
	nodetest.Must(t, err)
	two, err := f.redeem(t, f.key.Sign("JWT", f.github(map[string]any{"ref": "refs/tags/v1", "jti": "2"})))
	nodetest.Must(t, err)
	if done := f.apply(t, f.entry); len(done) > 0 {
		t.Errorf("applying the same again changes %v", done)
	}
	changed := tags
	changed.TTL = time.Minute
	f.entry.Rules = []records.IssuerRule{release(), changed}
	f.apply(t, f.entry)
	nodetest.Must(t, nodetest.Second(f.verify(t, one)))
	_, err = f.verify(t, two)
	nodetest.WantFault(t, "of the rule that changed", err, fault.InvalidToken, "revoked")
	// Added again, it starts clean: the old token stays revoked, a new one is good.
	f.entry.Rules[1] = tags
	f.apply(t, f.entry)
	_, err = f.verify(t, two)
	nodetest.WantFault(t, "of the rule as it was before", err, fault.InvalidToken, "revoked")
	three, err := f.redeem(t, f.key.Sign("JWT", f.github(map[string]any{"ref": "refs/tags/v1", "jti": "3"})))
	nodetest.Must(t, err)
	nodetest.Must(t, nodetest.Second(f.verify(t, three)))
	// Another audience of the issuer changes what every rule is about.
	f.entry.Audience = "https://else.example"
	f.apply(t, f.entry)
	for _, issued := range []*issuance.Issued{one, three} {
		_, err = f.verify(t, issued)
		nodetest.WantFault(t, "of the issuer that changed", err, fault.InvalidToken, "revoked")
	}
}

// A rule that is removed while a token is being issued revokes that token too.
func TestARuleRemovedDuringIssuance(t *testing.T) {
	t.Parallel()
	f := newPartners(t)
	raw := f.key.Sign("JWT", f.github())
	entry, err := f.Store.IssuerOf(t.Context(), githubURL)
	nodetest.Must(t, err)
	f.without(t)
	// Put back as it was read before the removal: what a slow request still holds.
	_, err = f.Store.Commit(t.Context(), op.Batch{Ops: []op.Op{op.AddIssuer{Issuer: entry}}})
	nodetest.Must(t, err)
	issued, err := f.redeem(t, raw)
	nodetest.Must(t, err)
	_, err = f.verify(t, issued)
	nodetest.WantFault(t, "by a rule that was removed meanwhile", err, fault.InvalidToken, "revoked")
}

func TestAnAssertionIsGoodOnce(t *testing.T) {
	t.Parallel()
	f := newPartners(t)
	raw := f.key.Sign("JWT", f.github())
	var good, refused int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := f.redeem(t, raw)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				good++
			case fault.Is(err, fault.InvalidGrant) && strings.Contains(fault.Message(err), "used before"):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if good != 1 || refused != 7 {
		t.Errorf("%d tokens and %d refusals", good, refused)
	}
	// The same jti in another JWT, by whatever name the entry goes.
	f.entry.Name = "renamed"
	d := f.desired(f.entry)
	d.Prune = true
	_, _, err := f.Apply(t.Context(), caller.Operator(), d)
	nodetest.Must(t, err)
	_, err = f.redeem(t, f.key.Sign("JWT", f.github(map[string]any{"run_attempt": "3"})))
	nodetest.WantFault(t, "the jti again", err, fault.InvalidGrant, "used before")
}

// An exp that in microseconds is beyond 64 bits doesn't make the JWT good twice.
func TestAnAssertionThatNeverExpiresIsGoodOnce(t *testing.T) {
	t.Parallel()
	f := newPartners(t)
	raw := f.key.Sign("JWT", f.github(map[string]any{"exp": 9223372036855}))
	_, err := f.redeem(t, raw)
	nodetest.Must(t, err)
	nodetest.Must(t, f.Store.Purge(t.Context(), f.Time()))
	_, err = f.redeem(t, raw)
	nodetest.WantFault(t, "again, after a purge", err, fault.InvalidGrant, "used before")
}

// Without jti what was signed names the JWT: an ECDSA signature has a second spelling.
func TestWithoutJTITheSignedPartIsGoodOnce(t *testing.T) {
	t.Parallel()
	f := newPartners(t)
	key := assertiontest.New(t, "ES256", "es")
	f.entry.JWKS = writeFile(t, assertiontest.Set(key.JWK()))
	f.apply(t, f.entry)
	claims := f.github(map[string]any{"jti": nil})
	first, second := key.Sign("JWT", claims), key.Sign("JWT", claims)
	if first == second {
		t.Fatal("the signatures are the same")
	}
	_, err := f.redeem(t, first)
	nodetest.Must(t, err)
	_, err = f.redeem(t, second)
	nodetest.WantFault(t, "the same with another signature", err, fault.InvalidGrant, "used before")
	_, err = f.redeem(t, key.Sign("JWT", assertiontest.With(claims, map[string]any{"run_attempt": "3"})))
	nodetest.Must(t, err)
}

func TestARefusedRequestUsesNoAssertionUp(t *testing.T) {
	t.Parallel()
	f := newPartners(t)
	raw := f.key.Sign("JWT", f.github())
	_, err := f.redeem(t, raw, func(x *trust.Assertion) { x.Scope = []string{"admin"} })
	nodetest.WantFault(t, "too much", err, fault.InvalidScope, "")
	_, err = f.redeem(t, raw)
	nodetest.Must(t, err)
}

func TestAnIssuerWhoseTokensAreReadAgain(t *testing.T) {
	t.Parallel()
	f := newPartners(t, func(s *records.Issuer) { s.Once = false })
	raw := f.key.Sign("JWT", f.github())
	for range 2 {
		nodetest.Must(t, nodetest.Second(f.redeem(t, raw)))
	}
	f.Advance(5 * time.Minute)
	_, err := f.redeem(t, raw)
	nodetest.WantFault(t, "at exp, without leeway", err, fault.InvalidGrant, "expired")
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	f := newPartners(t)
	at := func(d time.Duration) int64 { return f.Time().Add(d).Unix() }
	for name, c := range map[string]struct {
		claims map[string]any
		reason string
	}{
		"another audience":      {map[string]any{"aud": "https://github.com/octo"}, "another audience"},
		"no audience":           {map[string]any{"aud": nil}, "malformed"},
		"expired":               {map[string]any{"exp": at(0)}, "expired"},
		"no exp":                {map[string]any{"exp": nil}, "no exp"},
		"too old":               {map[string]any{"iat": at(-61 * time.Minute)}, "too long ago"},
		"from the future":       {map[string]any{"iat": at(31 * time.Second)}, "not valid yet"},
		"not before":            {map[string]any{"nbf": at(31 * time.Second)}, "not valid yet"},
		"neither iat nor nbf":   {map[string]any{"iat": nil, "nbf": nil}, "malformed"},
		"no subject":            {map[string]any{"sub": nil}, "no sub"},
		"another repository":    {map[string]any{"repository_id": "123457"}, "ref, repository_id"},
		"a number for a text":   {map[string]any{"repository_id": 123456}, "no rule"},
		"a list with the value": {map[string]any{"repository_id": []string{"123456"}}, "no rule"},
		"a claim that is gone":  {map[string]any{"ref": nil}, "no rule"},
		"a claim in capitals":   {map[string]any{"ref": nil, "REF": "refs/heads/main"}, "no rule"},
		"a longer value":        {map[string]any{"ref": "refs/heads/main2"}, "no rule"},
		"an untrusted issuer":   {map[string]any{"iss": githubURL + "/"}, "trusted here"},
		"bearerd's own":         {map[string]any{"iss": nodetest.Issuer}, "trusted here"},
	} {
		_, err := f.redeem(t, f.key.Sign("JWT", f.github(c.claims)))
		nodetest.WantFault(t, name, err, fault.InvalidGrant, c.reason)
		if err != nil && strings.Contains(err.Error(), "123457") {
			t.Errorf("%s: the refusal holds a value: %v", name, err)
		}
	}
	public := assertiontest.Set(f.key.JWK())
	forger := assertiontest.New(t, "RS256", "k1")
	for name, raw := range map[string]string{
		"another key":       forger.Sign("JWT", f.github()),
		"the public key":    assertiontest.Shared(t, []byte(public)).As("HS256", "k1").Sign("JWT", f.github()),
		"no algorithm":      assertiontest.Encode([]byte(`{"alg":"none"}`)) + "." + strings.Split(f.key.Sign("JWT", f.github()), ".")[1] + ".AA",
		"an access token":   f.key.Sign("at+jwt", f.github()),
		"a sign-in":         f.key.Sign("bearerd-sign-in+jwt", f.github()),
		"an ID-JAG":         f.key.Sign("oauth-id-jag+jwt", f.github()),
		"no JWT":            "abc",
		"nothing":           "",
		"a NUL in iss":      f.key.Sign("JWT", f.github(map[string]any{"iss": "https://a\x00"})),
		"of bearerd itself": f.MadeAccess(t, f.Person(t, "bob"), "read").Value.Reveal(),
	} {
		_, err := f.redeem(t, raw)
		nodetest.WantFault(t, name, err, fault.InvalidGrant, "")
	}
	nodetest.Must(t, nodetest.Second(f.redeem(t, f.key.Sign("JWT", f.github(map[string]any{"aud": nodetest.Issuer + "/oauth2/token"})))))
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	t.Parallel()
	narrow, wide := release(), release()
	narrow.Scope = []string{"read"}
	wide.Name, wide.Match = "wide", map[string]json.RawMessage{"repository_id": json.RawMessage(`"123456"`)}
	f := newPartners(t, setRules(narrow, wide))
	issued, err := f.redeem(t, f.key.Sign("JWT", f.github()))
	nodetest.Must(t, err)
	if !slices.Equal(issued.Scope, []string{"read"}) {
		t.Errorf("scope %q", issued.Scope)
	}
	_, err = f.redeem(t, f.key.Sign("JWT", f.github(map[string]any{"jti": "2"})), func(x *trust.Assertion) { x.Scope = []string{"write"} })
	nodetest.WantFault(t, "what a later rule would allow", err, fault.InvalidScope, "")
}

func TestAClientThatAuthenticatesNeedsTheGrant(t *testing.T) {
	t.Parallel()
	f := newPartners(t, setRules(release(), people("kind", `"person"`)))
	person := func(jti string) string {
		return f.key.Sign("JWT", f.github(map[string]any{"jti": jti, "ref": "x", "kind": "person", "sub": "acct:ada@partner"}))
	}
	_, err := f.redeem(t, f.key.Sign("JWT", f.github()), by(f.client(t, "none")))
	nodetest.WantFault(t, "without the grant", err, fault.UnauthorizedClient, "")
	_, err = f.redeem(t, f.key.Sign("JWT", f.github()), by(f.client(t, "other")))
	nodetest.WantFault(t, "by another client", err, fault.InvalidGrant, "another client")
	_, err = f.redeem(t, f.key.Sign("JWT", f.github()), by(f.client(t, "other")), func(x *trust.Assertion) { x.Exchange = true })
	nodetest.WantFault(t, "by exchange without that grant", err, fault.UnauthorizedClient, "")
	issued, err := f.redeem(t, person("p"), by(f.client(t, "other")))
	nodetest.Must(t, err)
	got, err := f.verify(t, issued)
	nodetest.Must(t, err)
	if got.ClientID != "other" {
		t.Errorf("issued to %s", got.ClientID)
	}
	nodetest.Must(t, nodetest.Second(f.redeem(t, f.key.Sign("JWT", f.github()), by(f.client(t, "ci")))))
	// The person's state counts as for every token of theirs.
	_, err = f.redeem(t, f.key.Sign("JWT", f.github(map[string]any{"jti": "q", "ref": "x", "kind": "person", "sub": "acct:nobody@partner"})))
	nodetest.WantFault(t, "nobody", err, fault.InvalidGrant, "nobody is linked")
	disabled := true
	nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: &disabled})))
	_, err = f.verify(t, issued)
	nodetest.WantFault(t, "of somebody disabled", err, fault.InvalidToken, "")
	_, err = f.redeem(t, person("r"))
	nodetest.WantFault(t, "for somebody disabled", err, fault.InvalidGrant, "disabled")
}

func TestAnIDJAGNeedsTheClientThatItNames(t *testing.T) {
	t.Parallel()
	f := newPartners(t, setRules(people("kind", `"person"`)))
	jag := func(changes map[string]any) string {
		return f.key.Sign("oauth-id-jag+jwt", assertiontest.With(f.github(map[string]any{"kind": "person", "sub": "acct:ada@partner", "client_id": "ci"}), changes))
	}
	_, err := f.redeem(t, jag(nil))
	nodetest.WantFault(t, "without a client", err, fault.InvalidClient, "authenticate")
	_, err = f.redeem(t, jag(nil), by(f.client(t, "other")))
	nodetest.WantFault(t, "by another client", err, fault.InvalidGrant, "another client")
	_, err = f.redeem(t, jag(map[string]any{"client_id": nil}), by(f.client(t, "ci")))
	nodetest.WantFault(t, "without client_id", err, fault.InvalidGrant, "client_id")
	_, err = f.redeem(t, jag(nil), by(f.client(t, "ci")), func(x *trust.Assertion) { x.Exchange = true })
	nodetest.WantFault(t, "by token exchange", err, fault.InvalidGrant, "another type")
	nodetest.Must(t, nodetest.Second(f.redeem(t, jag(nil), by(f.client(t, "ci")))))
}

func TestIssuerAndRuleAreRecorded(t *testing.T) {
	t.Parallel()
	f := newPartners(t)
	issued, err := f.redeem(t, f.key.Sign("JWT", f.github()))
	nodetest.Must(t, err)
	events := f.Events(t, audit.Filter{TokenID: issued.ID, Limit: 10})
	if len(events) != 1 || events[0].Actor != "ci" || !strings.Contains(events[0].Reason, "by the issuer github, rule release") {
		t.Errorf("%+v", events)
	}
	_, err = f.redeem(t, f.key.Sign("JWT", f.github()))
	nodetest.WantFault(t, "again", err, fault.InvalidGrant, "used before")
	events = f.Events(t, audit.Filter{Action: audit.TokenIssue, Limit: 1})
	if events[0].Outcome != audit.Refused || events[0].Reason != "issuer github, rule release: the assertion was used before" {
		t.Errorf("%+v", events)
	}
}

// What nobody can read is nobody's refusal: a client may try again.
func TestKeysThatCantBeRead(t *testing.T) {
	t.Parallel()
	f := newPartners(t, func(s *records.Issuer) { s.JWKS = "/nonexistent/jwks.json" })
	_, err := f.redeem(t, f.key.Sign("JWT", f.github()))
	nodetest.WantFault(t, "without keys", err, fault.Unavailable, "issuer github")
}

func TestTwoNodesRefuseWhatARuleMade(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	f := &partners{Fixture: here, key: assertiontest.New(t, "RS256", "k1")}
	f.entry = records.Issuer{
		Name: "github", Issuer: githubURL, JWKS: writeFile(t, assertiontest.Set(f.key.JWK())), Once: true, MaxAge: time.Hour, Rules: []records.IssuerRule{release()},
	}
	f.apply(t, f.entry)
	issued, err := there.IssueForAssertion(t.Context(), trust.Assertion{Value: f.key.Sign("JWT", f.github())})
	nodetest.Must(t, err)
	nodetest.Must(t, nodetest.Second(there.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{})))
	d := f.desired()
	d.Prune = true
	_, _, err = here.Apply(t.Context(), caller.Operator().Waiting(revocation.WaitNodes), d)
	nodetest.Must(t, err)
	_, err = there.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{})
	nodetest.WantFault(t, "on the other node", err, fault.InvalidToken, token.ReasonRevoked)
}

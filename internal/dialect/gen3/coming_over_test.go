package gen3_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/verification"
)

// TestAFenceKeyIsTradedByTrustingItsOldKeys follows docs/coming-over-fence.md: the issuer
// of that page, and keys as Fence's generate_api_key makes them.
func TestAFenceKeyIsTradedByTrustingItsOldKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	fence := assertiontest.New(t, "RS256", "fence_key_2024")
	_, err := s.Store.Commit(t.Context(), op.Batch{Ops: []op.Op{
		op.AddLink{Link: records.Link{Source: "fence", ExternalID: "17", UserID: s.ada, LinkedAt: s.Time()}},
	}})
	nodetest.Must(t, err)
	issuer := documentedIssuer(t, assertiontest.Set(fence.JWK()))
	nodetest.Must(t, third(s.Apply(t.Context(), caller.Operator(), apply.Desired{Issuers: []records.Issuer{issuer}})))

	now := s.Time().Unix()
	claims := map[string]any{
		"pur": "api_key", "sub": "17", "iss": "https://commons.example.org/user", "aud": []string{"gen3"},
		"iat": now - 3600, "exp": now + 29*24*3600, "jti": uuid.NewString(), "azp": "", "scope": []string{"fence", "openid"},
	}
	key := fence.Sign("JWT", claims)
	for range 2 { // the same key, again and again
		id, err := s.Identify(t.Context(), s.accessToken("", key), verification.Requirements{})
		if err != nil || id.Subject.Username != "ada" {
			t.Fatalf("what an old key was traded for: %v", err)
		}
	}
	if a := s.trade("?expires_in=86400", key); a.status != http.StatusOK {
		t.Errorf("a lifetime above the ceiling: %d %s", a.status, a.text)
	}
	for name, bad := range map[string]string{
		"an access token of Fence's": fence.Sign("JWT", assertiontest.With(claims, map[string]any{"pur": "access"})),
		"one that has ended":         fence.Sign("JWT", assertiontest.With(claims, map[string]any{"exp": now - 1})),
		"somebody unknown's":         fence.Sign("JWT", assertiontest.With(claims, map[string]any{"sub": "18"})),
		"another system's":           fence.Sign("JWT", assertiontest.With(claims, map[string]any{"iss": "https://elsewhere.example"})),
		"a forgery":                  assertiontest.New(t, "RS256", "fence_key_2024").Sign("JWT", claims),
	} {
		s.trade("", bad).refused(t, name, http.StatusUnauthorized)
	}
	s.trade("?task_token=FOO", key).refused(t, "a task token", http.StatusUnauthorized)

	// Disabling the user ends what was made from old keys, and refuses new ones.
	last := s.accessToken("", key)
	nodetest.Must(t, nodetest.Second(s.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: new(true)})))
	if _, err := s.Identify(t.Context(), last, verification.Requirements{}); err == nil {
		t.Error("what an old key of a disabled user was traded for is accepted")
	}
	if a := s.trade("", key); a.status == http.StatusOK {
		t.Error("the old key of a disabled user is traded")
	}
}

func third[A, B any](_ A, _ B, err error) error { return err }

// documentedIssuer returns the issuer of the page, with a file of keys that is there.
func documentedIssuer(t *testing.T, jwks string) records.Issuer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fence-jwks.json")
	nodetest.Must(t, os.WriteFile(file, []byte(jwks), 0o600))
	text, err := os.ReadFile("../../../docs/coming-over-fence.md")
	nodetest.Must(t, err)
	block := regexp.MustCompile("(?s)```yaml\n# in the access file\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("the page has no access file")
	}
	parsed, err := config.ParseAccess("page", []byte(strings.Replace(string(block[1]), "/etc/bearerd/fence-jwks.json", file, 1)))
	nodetest.Must(t, err)
	i := parsed.Issuers[0]
	rule := i.Rules[0]
	match := map[string]json.RawMessage{}
	for name, value := range rule.Match {
		match[name] = value.JSON
	}
	return records.Issuer{
		Name: i.Name, Issuer: i.Issuer, JWKS: i.JWKS, Audience: i.Audience, Once: i.Once == nil || *i.Once, MaxAge: *i.MaxAge,
		Rules: []records.IssuerRule{{Name: rule.Name, Match: match, UserClaim: rule.UserClaim, Source: rule.Source, Scope: strings.Fields(rule.Scope), TTL: rule.TTL}},
	}
}

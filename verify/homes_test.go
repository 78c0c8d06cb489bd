package verify_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/verify"
)

// refusals notes which check refused, as the node counts it.
type refusals struct {
	mu   sync.Mutex
	last token.Check
}

// VerifyRefused notes the check.
func (r *refusals) VerifyRefused(check token.Check) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = check
}

func (r *refusals) take() token.Check {
	r.mu.Lock()
	defer r.mu.Unlock()
	check := r.last
	r.last = 0
	return check
}

// The rest of a node's meter is of no interest here.
func (r *refusals) Verified(token.Kind)        {}
func (r *refusals) Revoked(journal.Revocation) {}
func (r *refusals) Acknowledged(time.Duration) {}
func (r *refusals) Waited(string)              {}
func (r *refusals) Issued(token.Kind)          {}
func (r *refusals) IssueRefused(fault.Kind)    {}
func (r *refusals) LoginTried(string)          {}
func (r *refusals) Limited(quota.Limit)        {}

// homes are the four places where a token is judged, of one node.
type homes struct {
	*node
	outside *verify.Verifier
}

func newHomes(t *testing.T) *homes {
	t.Helper()
	c := newCluster(t, 1)
	return &homes{node: c.node, outside: c.verifier(t)}
}

// home is one place. It returns why a token is refused for an audience, "" where it is
// accepted.
type home func(t testing.TB, raw, audience string) string

const (
	placeNode       = "the node's verifier"
	placeGateway    = "/auth/verify"
	placeIntrospect = "introspection"
	placeVerify     = "package verify"
)

func (h *homes) all() map[string]home {
	return map[string]home{
		placeNode: func(t testing.TB, raw, audience string) string {
			if _, err := h.Verify(t.Context(), raw, verification.Requirements{Audience: audience}); err != nil {
				return fault.Message(err)
			}
			return ""
		},
		placeGateway:    h.forwardAuth,
		placeIntrospect: h.introspect,
		placeVerify: func(t testing.TB, raw, audience string) string {
			v := h.outside
			if audience != nodetest.Issuer {
				v = h.verifierFor(t, audience)
			}
			return errorOf(t, judge(v, raw)).Description
		},
	}
}

func (h *homes) verifierFor(t testing.TB, audience string) *verify.Verifier {
	t.Helper()
	c := (&cluster{nodes: []*node{h.node}}).config()
	c.Audience = audience
	v, err := verify.New(t.Context(), c)
	nodetest.Must(t, err)
	t.Cleanup(v.Close)
	return v
}

func (h *homes) forwardAuth(t testing.TB, raw, audience string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url.String()+"/auth/verify?audience="+url.QueryEscape(audience), nil)
	nodetest.Must(t, err)
	r.Header.Set("Authorization", "Bearer "+raw)
	status, body := h.do(t, r)
	switch {
	case status == http.StatusOK:
		return ""
	case status != http.StatusUnauthorized && status != http.StatusForbidden:
		t.Fatalf("/auth/verify answers %d %v", status, body)
	}
	return fmt.Sprint(body["error_description"])
}

// introspect asks as a resource server that judges the audience itself (RFC 7662 §4).
// The answer says no more than that a token isn't active (§2.2); why is taken from
// what the node counted.
func (h *homes) introspect(t testing.TB, raw, audience string) string {
	t.Helper()
	form := url.Values{"token": {raw}}.Encode()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url.String()+"/oauth2/introspect", strings.NewReader(form))
	nodetest.Must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("api", url.QueryEscape(nodetest.ClientSecret))
	h.refused.take()
	status, body := h.do(t, r)
	if status != http.StatusOK {
		t.Fatalf("introspection answers %d %v", status, body)
	}
	if body["active"] == true {
		if audiences, _ := body["aud"].([]any); body["aud"] != audience && !slices.Contains(audiences, any(audience)) {
			return "wrong audience"
		}
		return ""
	}
	if len(body) != 1 {
		t.Errorf("introspection says more of what isn't active: %v", body)
	}
	switch check := h.refused.take(); check { //nolint:exhaustive // those that the tables expect
	case token.CheckRevoked:
		return token.ReasonRevoked
	case token.CheckAccess:
		return lostAccess
	case token.CheckAudience:
		return "wrong audience"
	default:
		return "refused by " + check.String()
	}
}

func (h *homes) do(t testing.TB, r *http.Request) (status int, body map[string]any) {
	t.Helper()
	answer, err := (&http.Client{}).Do(r)
	nodetest.Must(t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	nodetest.Must(t, err)
	if len(text) > 0 {
		nodetest.Must(t, json.Unmarshal(text, &body))
	}
	return answer.StatusCode, body
}

// settle waits until the verifier outside knows what the node knows.
func (h *homes) settle(t testing.TB) {
	t.Helper()
	applied(t, h.outside, h.Ledger.Applied())
}

const lostAccess = "no access to the collection"

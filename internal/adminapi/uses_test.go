package adminapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
)

// usesOf reads what a token was used for.
func usesOf(t *testing.T, s *site, id string, by edgetest.Option) (u adminapi.TokenUses) {
	t.Helper()
	nodetest.Must(t, s.FlushBook(t.Context()))
	a := s.Do(t, "GET", root+"/tokens/"+id+"/uses", "", by)
	if a.Status != http.StatusOK {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	nodetest.Must(t, json.Unmarshal([]byte(a.Body), &u))
	return u
}

// The life of a token that may do too much: what it and its children are used for is
// shown, what it never needed, and a smaller one takes its place while the old one goes on.
func TestATokenIsReplacedByASmallerOne(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Freeze()
	credentials := edgetest.Bearer(s.AccessToken(t, "root", password, identity.ScopeCredentials, "read", "write", "admin").Value.Reveal())
	old := made(t, s.Do(t, "POST", root+"/tokens", `{"name":"script","scope":"read write admin","networks":["192.0.2.0/24"]}`, credentials))
	four := int64(4)
	s.Collection(t, 4, "Fish")
	needs := verification.Requirements{Scope: []string{"read"}, Route: "/api", SafeMethod: true, AnyNetwork: true}
	for range 3 {
		_, err := s.Verify(t.Context(), old.Token, needs)
		nodetest.Must(t, err)
	}
	s.Advance(time.Minute)
	child, err := s.Exchange(audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.7"}), issuance.Exchange{Subject: old.Token})
	nodetest.Must(t, err)
	needs.SafeMethod, needs.Collection = false, &four
	_, err = s.Verify(t.Context(), child.Access.Value.Reveal(), needs)
	nodetest.Must(t, err)
	refused := needs
	refused.Scope = []string{"delete"}
	if _, err := s.Verify(t.Context(), old.Token, refused); !fault.Is(err, fault.InsufficientScope) {
		t.Fatal(err)
	}
	got := usesOf(t, s, old.ID, credentials)
	if got.UnusedScope != "write" || got.Unseen || got.Unasked { // it was traded at bearerd, where admin counts
		t.Errorf("%+v", got)
	}
	var lines []string
	for _, u := range got.Items {
		line := u.Route + " " + u.Methods + " " + u.Scope
		if u.Collection != nil {
			line += " in 4"
		}
		lines = append(lines, line)
	}
	if text := strings.Join(lines, ", "); text != "/api unsafe read in 4, bearerd unsafe , /api safe read" || got.Items[2].Count != 3 || got.Items[2].LastAt.Before(*got.Items[2].FirstAt) {
		t.Errorf("%s: %+v", text, got.Items)
	}

	for _, bad := range []struct {
		body   string
		status int
	}{
		{`{}`, 400}, {`{"scope":"read write admin"}`, 400}, {`{"scope":"read delete"}`, 400}, {`{"scope":"read","overlap":0}`, 400}, {`{"scope":"read","overlap":-1}`, 400},
	} {
		if a := s.Do(t, "POST", root+"/tokens/"+old.ID+"/smaller", bad.body, credentials); a.Status != bad.status {
			t.Errorf("%s: %d %s", bad.body, a.Status, a.Body)
		}
	}
	a := s.Do(t, "POST", root+"/tokens/"+old.ID+"/smaller", `{"scope":"read","overlap":600}`, credentials)
	smaller := made(t, a)
	if smaller.Name != "script" || smaller.Scope != "read" || !strings.Contains(a.Body, "192.0.2.0/24") {
		t.Errorf("%s", a.Body)
	}
	if again := s.Do(t, "POST", root+"/tokens/"+old.ID+"/smaller", `{"scope":"read","overlap":60}`, credentials); again.Status != http.StatusConflict {
		t.Errorf("twice: %d %s", again.Status, again.Body)
	}
	for range 2 { // a use of the new one doesn't end the old one
		for _, raw := range []string{smaller.Token, old.Token} {
			if _, err := s.Verify(t.Context(), raw, verification.Requirements{AnyNetwork: true}); err != nil {
				t.Error(err)
			}
		}
	}
	if row, _, err := s.Store.TokenByID(t.Context(), smaller.ID); err != nil || row.Replaces != "" {
		t.Errorf("it replaces %q, %v", row.Replaces, err)
	}
	s.Advance(10 * time.Minute)
	if _, err := s.Verify(t.Context(), old.Token, verification.Requirements{AnyNetwork: true}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("after the overlap: %v", err)
	}
	if _, err := s.Verify(t.Context(), smaller.Token, verification.Requirements{AnyNetwork: true}); err != nil {
		t.Error(err)
	}
	if a := s.Do(t, "GET", root+"/tokens/"+old.ID+"/uses", "", edgetest.Bearer(s.ada)); a.Status != http.StatusNotFound && a.Status != http.StatusForbidden {
		t.Errorf("somebody else saw them: %d", a.Status)
	}
}

package hypothesis_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/verification"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/dialect/hypothesis"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

// get asks for a path with one header; a name that is empty is none.
func (s *site) get(t *testing.T, path, name, value string) (int, http.Header, string) {
	t.Helper()
	var with []edgetest.Option
	if name != "" {
		with = append(with, edgetest.Header(name, value))
	}
	a := edgetest.At(t, s.url).Get(t, path, with...)
	return a.Status, a.Header, a.Body
}

// userID returns the userid of a profile: a string, or nil.
func userID(t *testing.T, body string) any {
	t.Helper()
	var profile map[string]any
	if err := json.Unmarshal([]byte(body), &profile); err != nil {
		t.Fatal(err)
	}
	return profile["userid"]
}

func TestAUserIDCanBeTakenApart(t *testing.T) {
	t.Parallel()
	for username, want := range map[string]string{
		"ada.l_1":         "acct:ada.l_1@h.example",
		"ada@example.org": "acct:ada%40example.org@h.example",
		"a:b%c":           "acct:a%3Ab%25c@h.example",
		"ädä":             "acct:%C3%A4d%C3%A4@h.example",
	} {
		t.Run(username, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nodetest.Options{}, func(d *hypothesis.Dialect) { d.Domain = "h.example" })
			s.User(t, username, password)
			_, _, body := s.get(t, "/api/profile", "Authorization", "Bearer "+s.AccessToken(t, username, password).Value.Reveal())
			if got := userID(t, body); got != want {
				t.Errorf("userid %v, want %s", got, want)
			}
		})
	}
}

func TestAClientIsNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	s.Client(t, "ci")
	client, err := s.AuthenticateClient(t.Context(), "ci", nodetest.ClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := s.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	status, _, body := s.get(t, "/api/profile", "Authorization", "Bearer "+issued.Value.Reveal())
	if status != http.StatusOK || userID(t, body) != nil || strings.Contains(body, "user_info") {
		t.Errorf("%d %s", status, body)
	}
}

func TestALostCollectionIs403(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	s.Collection(t, 4, "Fish")
	s.User(t, "lis", password, nodetest.May("access", "/collections/4"))
	c, four := s.Login(t, "lis", password, 4), int64(4)
	issued, err := s.Issue(t.Context(), c, &issuance.Request{Kind: token.KindAccess, Principal: c.Principal, Collection: &four})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.RemoveAccess(t.Context(), caller.Operator(), "lis", access.CollectionPath(4)); err != nil {
		t.Fatal(err)
	}
	status, header, body := s.get(t, "/api/profile", "Authorization", "Bearer "+issued.Value.Reveal())
	if status != http.StatusForbidden || !strings.Contains(header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
		t.Errorf("%d %v %s", status, header, body)
	}
}

func TestOnlyASessionGetsAToken(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	for name, cookie := range map[string]string{
		"junk":            "junk",
		"a developer's":   s.developerToken(t),
		"an access token": s.AccessToken(t, "ada", password).Value.Reveal(),
		"another cookie":  "; session=" + s.session,
	} {
		if status, _, body := s.get(t, "/api/token", "Cookie", "bearerd_session="+cookie); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

func TestTheTokenEndsWithTheSession(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	s.Advance(12*time.Hour - 10*time.Minute)
	status, header, raw := s.get(t, "/api/token", "Cookie", "bearerd_session="+s.session)
	if status != http.StatusOK || header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", status, header)
	}
	got, err := s.Verify(t.Context(), raw, verification.Requirements{})
	if err != nil {
		t.Fatal(err)
	}
	if left := got.Expiry.Sub(s.Time()); left > 10*time.Minute || left < 9*time.Minute {
		t.Errorf("lives %v", left)
	}
}

func TestWithoutATokenEndpointThereIsNone(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{}, func(d *hypothesis.Dialect) { d.Token = nil })
	edgetest.At(t, s.url).Submit(t, "/api/token", "grant_type", "refresh_token").Is(http.StatusMethodNotAllowed)
}

// away is a store that can't be asked about users once it is gone.
type away struct {
	contract.Store
	gone *bool
}

func (s away) Principal(ctx context.Context, who records.Who) (records.Principal, error) {
	if *s.gone && who.Username == "" {
		return records.Principal{}, fault.New(fault.Unavailable, "the store is away")
	}
	return s.Store.Principal(ctx, who)
}

func TestAnUnreachableStoreIs503(t *testing.T) {
	t.Parallel()
	gone := false
	s := newSite(t, nodetest.Options{Store: func(real contract.Store) contract.Store { return away{real, &gone} }})
	gone = true
	status, header, body := s.get(t, "/api/token", "Cookie", "bearerd_session="+s.session)
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || !strings.Contains(body, `"status":"failure"`) {
		t.Errorf("%d %v %s", status, header, body)
	}
}

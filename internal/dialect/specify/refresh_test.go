package specify_test

import (
	"encoding/json"
	"testing"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
)

// tokens is the answer to a password, and to a refresh token.
type tokens struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
}

func (a answer) tokens(t *testing.T) (got tokens) {
	t.Helper()
	a.is(t, 200)
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestARefreshTokenComesOnlyWhenItIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	for body, want := range map[string]bool{good: false, good + "&refresh=false": false, good + "&refresh=true": true} {
		if got := s.send("POST", tokenPath, body).tokens(t); got.RefreshToken != "" != want {
			t.Errorf("%s: %q", body, got.RefreshToken)
		}
	}
	got := s.send("POST", tokenPath, `{"username":"ada","password":"correct horse","collectionid":4,"refresh":true}`, jsonBody()).tokens(t)
	if got.RefreshToken == "" || got.ExpiresIn != 1800 {
		t.Errorf("by JSON: %+v", got)
	}
	for _, refresh := range []string{"", "1", "True", "yes", "true&refresh=true"} {
		s.send("POST", tokenPath, good+"&refresh="+refresh).is(t, 400)
	}
}

func TestARefreshedPairStaysInItsCollection(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	first := s.send("POST", tokenPath, good+"&refresh=true&expires=60").tokens(t)
	second := s.send("POST", refreshPath, form("refresh_token", first.RefreshToken, "expires", "120")).tokens(t)
	if second.ExpiresIn != 120 || second.RefreshToken == "" || second.RefreshToken == first.RefreshToken {
		t.Errorf("%+v", second)
	}
	got, err := s.Verify(t.Context(), second.AccessToken, verification.Requirements{})
	if err != nil || got.Username != "ada" || got.Collection == nil || *got.Collection != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	s.send("POST", refreshPath, form("refresh_token", second.RefreshToken, "collectionid", "5")).tokens(t) // what it doesn't know is nothing to it
}

func TestARefreshTokenEndsWithTheAccess(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	lost := s.send("POST", tokenPath, good+"&refresh=true").tokens(t)
	if _, _, err := s.RemoveAccess(t.Context(), caller.Operator(), "ada", access.CollectionPath(4)); err != nil {
		t.Fatal(err)
	}
	s.send("POST", refreshPath, form("refresh_token", lost.RefreshToken)).is(t, 400)
}

func TestRefreshingIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	pair := s.send("POST", tokenPath, good+"&refresh=true").tokens(t)
	for name, c := range map[string]struct {
		path, body string
		options    []option
		status     int
	}{
		"nothing":            {refreshPath, "", nil, 400},
		"an empty one":       {refreshPath, "refresh_token=", nil, 400},
		"two":                {refreshPath, form("refresh_token", pair.RefreshToken) + "&refresh_token=x", nil, 400},
		"junk":               {refreshPath, "refresh_token=junk", nil, 400},
		"an access token":    {refreshPath, form("refresh_token", pair.AccessToken), nil, 400},
		"in the URL":         {refreshPath + "?" + form("refresh_token", pair.RefreshToken), "", nil, 400},
		"in both":            {refreshPath + "?refresh_token=x", form("refresh_token", pair.RefreshToken), nil, 400},
		"a lifetime of none": {refreshPath, form("refresh_token", pair.RefreshToken, "expires", "0"), nil, 400},
		"an empty lifetime":  {refreshPath, form("refresh_token", pair.RefreshToken) + "&expires=", nil, 400},
		"above the ceiling":  {refreshPath, form("refresh_token", pair.RefreshToken, "expires", "3601"), nil, 400},
		"with a bad Bearer":  {refreshPath, form("refresh_token", pair.RefreshToken), []option{bearer("junk")}, 401},
		"as a Bearer":        {revPath, form("access_token", pair.AccessToken), []option{bearer(pair.RefreshToken)}, 401},
		"revoking both":      {revPath, form("access_token", pair.AccessToken, "refresh_token", pair.RefreshToken), []option{bearer(pair.AccessToken)}, 400},
		"revoking in a URL":  {revPath + "?" + form("access_token", pair.AccessToken), "", []option{bearer(pair.AccessToken)}, 400},
	} {
		if a := s.send("POST", c.path, c.body, c.options...); a.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, c.status)
		}
	}
	s.send("POST", refreshPath, form("refresh_token", pair.RefreshToken)).tokens(t) // none of these used it up
}

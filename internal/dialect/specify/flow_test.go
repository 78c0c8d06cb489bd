package specify_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/verification"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// TestTheDocumentedFlow is what a script does: it asks for the context, signs in
// with the CSRF token, gets a token, uses it, revokes it.
func TestTheDocumentedFlow(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	do := func(want int, method, path, contentType, body string, out any) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		at, _ := url.Parse(s.url)
		for _, c := range jar.Cookies(at) {
			if c.Name == "csrftoken" {
				r.Header.Set("X-CSRFToken", c.Value)
			}
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != want {
			t.Fatalf("%s %s: %d, want %d", method, path, res.StatusCode, want)
		}
		if out != nil {
			if err := json.NewDecoder(res.Body).Decode(out); err != nil {
				t.Fatal(err)
			}
		}
	}

	var context struct{ Collections map[string]int64 }
	do(200, "GET", loginPath, "", "", &context)
	id := context.Collections["KU Fish Voucher Collection"]
	do(204, "PUT", loginPath, "application/json", fmt.Sprintf(`{"username":"ada","password":"%s","collection":%d}`, password, id), nil)

	var issued struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	do(200, "POST", tokenPath, formType, form("username", "ada", "password", password, "collectionid", "4"), &issued)
	if issued.ExpiresIn != 1800 {
		t.Errorf("expires in %d", issued.ExpiresIn)
	}
	got, err := s.Verify(t.Context(), issued.AccessToken, verification.Requirements{Collection: &id})
	if err != nil || got.Username != "ada" || *got.Collection != 4 {
		t.Fatalf("verified: %+v, %v", got, err)
	}
	do(204, "POST", revPath, formType, form("access_token", issued.AccessToken), nil)
	if _, err := s.Verify(t.Context(), issued.AccessToken, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("after revoking: %v", err)
	}
	do(204, "PUT", loginPath, "application/json", `{"username":null,"password":null,"collection":null}`, nil)
	do(403, "POST", revPath, formType, form("access_token", issued.AccessToken), nil)
}

func TestUsualLifetimeIsTheOriginalsOrTheCeiling(t *testing.T) {
	t.Parallel()
	for ceiling, want := range map[time.Duration]string{2 * time.Hour: `"expires_in":1800}`, 10 * time.Minute: `"expires_in":600}`} {
		s := newSite(t, nodetest.Options{Settings: func(p *node.Settings) { p.Policy.AccessTTL, p.Policy.AccessMax = ceiling, ceiling }})
		a := s.send("POST", tokenPath, good)
		a.is(t, 200)
		if !strings.Contains(a.body, want) {
			t.Errorf("ceiling %s: %s", ceiling, a.body)
		}
	}
}

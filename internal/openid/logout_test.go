package openid_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/openid/openidtest"
)

const event = "http://schemas.openid.net/event/backchannel-logout"

func TestLogoutTokens(t *testing.T) {
	t.Parallel()
	at := openidtest.New(t, clock)
	p := newParty(t, at, nil)
	got, err := p.Logout(t.Context(), at.LogoutToken(nil))
	if err != nil || got.Subject != "248289761001" || got.Session != "s1" || got.ID == "" || !got.Until.After(now.Add(5*time.Minute)) {
		t.Fatalf("%+v, %v", got, err)
	}
	for name, changes := range map[string]map[string]any{
		"a session alone":     {"sub": nil},
		"a subject alone":     {"sid": nil},
		"an event with words": {"events": map[string]any{event: map[string]any{"x": 1}, "https://other.example/event": map[string]any{}}},
		"a list of one":       {"aud": []string{openidtest.ClientID}},
		"no exp":              {"exp": nil},
		"five minutes old":    {"iat": now.Add(-5 * time.Minute).Unix()},
	} {
		if _, err := p.Logout(t.Context(), at.LogoutToken(changes)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, changes := range map[string]map[string]any{
		"neither session nor subject": {"sub": nil, "sid": nil},
		"no events":                   {"events": nil},
		"another event":               {"events": map[string]any{"https://other.example/event": map[string]any{}}},
		"an event of null":            {"events": map[string]any{event: nil}},
		"an event of text":            {"events": map[string]any{event: "x"}},
		"events in a list":            {"events": []string{event}},
		"a nonce":                     {"nonce": "no-1"},
		"no jti":                      {"jti": nil},
		"another client":              {"aud": "portal"},
		"another issuer":              {"iss": "https://evil.example"},
		"expired":                     {"exp": now.Unix()},
		"no iat":                      {"iat": nil},
		"too old":                     {"iat": now.Add(-301 * time.Second).Unix()},
		"of the future":               {"iat": now.Add(31 * time.Second).Unix()},
		"a session of no text":        {"sid": 4},
	} {
		if got, err := p.Logout(t.Context(), at.LogoutToken(changes)); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	claims := map[string]any{
		"iss": at.Issuer, "aud": openidtest.ClientID, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": "x", "sub": "1",
		"events": map[string]any{event: map[string]any{}},
	}
	other := assertiontest.New(t, "ES256", "k1")
	for name, row := range map[string]struct {
		raw  string
		good bool
	}{
		"the type of any JWT":  {at.Key.Sign("JWT", claims), true},
		"no type":              {at.Key.Sign("", claims), true},
		"the type of a token":  {at.Key.Sign("at+jwt", claims), false},
		"of another key":       {other.Sign("logout+jwt", claims), false},
		"of HS256":             {assertiontest.Shared(t, []byte(openidtest.Secret)).Sign("logout+jwt", claims), false},
		"unsigned":             {unsigned(at.Key.Sign("logout+jwt", claims)), false},
		"nothing":              {"", false},
		"an ID token":          {at.Key.Sign("", assertiontest.With(claims, map[string]any{"events": nil})), false},
		"an ID token, a nonce": {at.Key.Sign("", assertiontest.With(claims, map[string]any{"events": nil, "nonce": "no-1"})), false},
	} {
		if _, err := p.Logout(t.Context(), row.raw); (err == nil) != row.good || err != nil && !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A logout that can't be judged now is not refused: the provider tries again.
func TestALogoutOfAProviderThatIsAway(t *testing.T) {
	t.Parallel()
	at := openidtest.New(t, clock)
	raw := at.LogoutToken(nil)
	at.Serve("/jwks", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	if _, err := newParty(t, at, nil).Logout(t.Context(), raw); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

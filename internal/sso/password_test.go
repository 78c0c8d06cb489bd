package sso_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/sso"
)

var (
	secret = []byte("kZ8#vT2!qR5$wN7%yB4^xC6&jM9*hL3@")
	now    = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
)

func clock() time.Time { return now }

// application returns a check of passwords at an application that answers so.
func application(t *testing.T, answer http.HandlerFunc) *sso.PasswordCheck {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	keys, err := assertion.Secret("secret_file", secret)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := assertion.New(assertion.Config{Issuer: "https://museum.example.org", Keys: keys, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	client, err := remote.NewClient("")
	if err != nil {
		t.Fatal(err)
	}
	app := &sso.App{Name: "museum", Audience: "https://auth.example.org", Claims: sso.Claims{Username: "preferred_username"}, Verifier: verifier}
	return sso.NewPasswordCheck(app, server.URL+"/check", secretfile.Fixed(secret), client, clock)
}

// says answers with an assertion.
func says(t *testing.T, w http.ResponseWriter, nonce string, changes map[string]any) {
	claims := assertiontest.With(map[string]any{
		"iss": "https://museum.example.org", "aud": "https://auth.example.org", "nonce": nonce, "sub": "7",
		"iat": now.Unix(), "exp": now.Unix() + 30, "jti": "j", "preferred_username": "grace",
	}, changes)
	_ = json.NewEncoder(w).Encode(map[string]string{"assertion": assertiontest.Shared(t, secret).Sign("bearerd-sign-in+jwt", claims)})
}

// The application can tell who asks, when, and what, and answers with an assertion for
// that question.
func TestAPasswordIsAskedAboutWithASignature(t *testing.T) {
	t.Parallel()
	check := application(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, secret)
		_, _ = mac.Write([]byte("bearerd-password\n" + r.Header.Get("X-Bearerd-Time") + "\n"))
		_, _ = mac.Write(body)
		var asked struct{ Username, Password, Request string }
		if err := json.Unmarshal(body, &asked); err != nil || r.Method != http.MethodPost || r.Header.Get("X-Bearerd-Time") != "1777896000" ||
			r.Header.Get("X-Bearerd-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) || asked.Username != "Grace ü" {
			t.Errorf("asked %s with %v", body, r.Header)
		}
		if asked.Password != "right" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		says(t, w, asked.Request, nil)
	})
	st, err := check.CheckPassword(t.Context(), "Grace ü", "right")
	if err != nil || st.ExternalID != "7" || st.Username != "grace" {
		t.Errorf("%+v, %v", st, err)
	}
	if _, err := check.CheckPassword(t.Context(), "Grace ü", "wrong"); !fault.Is(err, fault.BadCredentials) {
		t.Errorf("a wrong password: %v", err)
	}
}

// Whatever isn't the application's yes or no lets nobody in, and says that it can't be
// asked.
func TestOtherAnswersAboutAPassword(t *testing.T) {
	t.Parallel()
	nonce := func(r *http.Request) string {
		var asked struct{ Request string }
		_ = json.NewDecoder(r.Body).Decode(&asked)
		return asked.Request
	}
	for name, answer := range map[string]http.HandlerFunc{
		"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"403": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		},
		"nothing":       func(http.ResponseWriter, *http.Request) {},
		"no JSON":       func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "yes") },
		"no assertion":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"ok":true}`) },
		"huge":          func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat(" ", 1<<20)) },
		"another nonce": func(w http.ResponseWriter, _ *http.Request) { says(t, w, "another", nil) },
		"expired": func(w http.ResponseWriter, r *http.Request) {
			says(t, w, nonce(r), map[string]any{"exp": now.Unix() - 1})
		},
		"another issuer": func(w http.ResponseWriter, r *http.Request) {
			says(t, w, nonce(r), map[string]any{"iss": "https://evil.example"})
		},
	} {
		if _, err := application(t, answer).CheckPassword(t.Context(), "grace", "right"); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	hangs := application(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	if _, err := hangs.CheckPassword(ctx, "grace", "right"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("an application that hangs: %v", err)
	}
}

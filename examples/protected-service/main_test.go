package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/verify"
	"github.com/bearerd/bearerd/verify/verifytest"
)

func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	server := httptest.NewServer(newHandler(issuer.Verifier(t)))
	defer server.Close()

	reader := issuer.Token(verifytest.Claims{Subject: "ada", Scope: []string{"read"}, Collection: 4})
	writer := issuer.APIToken(verifytest.Claims{Subject: "bob", Scope: []string{"read", "write"}})
	for _, c := range []struct {
		method, path, raw string
		status            int
		answers           string
	}{
		{"GET", "/readyz", "", 200, `"ready":true`},
		{"GET", "/specimens", "", 401, `{}`},
		{"GET", "/specimens", "junk", 401, `"invalid_token"`},
		{"GET", "/whoami", reader, 200, `"subject":"ada"`},
		{"POST", "/specimens", reader, 403, `"the scope write is needed"`},
		{"POST", "/specimens", writer, 201, ``},
		{"GET", "/specimens", reader, 200, `{"name":"Salmo trutta","added_by":"bob"}`},
		{"GET", "/collections/4/specimens", reader, 200, `Salmo`},
		{"GET", "/collections/42/specimens", reader, 403, `"the token is for another collection"`},
		{"GET", "/collections/4/specimens", writer, 403, `"the token is for no collection"`},
		{"GET", "/collections/four/specimens", reader, 400, `"the request names no collection"`},
	} {
		status, body := send(t, server, c.method, c.path, c.raw)
		if status != c.status || !strings.Contains(body, c.answers) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, status, body, c.status, c.answers)
		}
	}

	issuer.Revoke(reader)
	issuer.RevokeAll("bob")
	for _, raw := range []string{reader, writer} {
		if status, body := send(t, server, "GET", "/specimens", raw); status != http.StatusUnauthorized || !strings.Contains(body, `"revoked"`) {
			t.Errorf("after its revocation: %d %s", status, body)
		}
	}
}

// The service that was started before its issuer refuses, and then serves.
func TestItStartsBeforeItsIssuer(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	issuer.SetDown(true)
	c := issuer.Config()
	c.StartRefusing = true
	v, err := verify.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	server := httptest.NewServer(newHandler(v))
	defer server.Close()
	raw := issuer.Token(verifytest.Claims{})
	for _, path := range []string{"/readyz", "/whoami"} {
		if status, body := send(t, server, "GET", path, raw); status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	issuer.SetDown(false)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if status, _ := send(t, server, "GET", "/readyz", ""); status == http.StatusOK {
			break
		}
		if time.Now().After(end) {
			t.Fatal("never ready")
		}
	}
	if status, body := send(t, server, "GET", "/whoami", raw); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
}

func send(t *testing.T, server *httptest.Server, method, path, raw string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(`{"name":"Salmo trutta"}`))
	if err != nil {
		t.Fatal(err)
	}
	if raw != "" {
		r.Header.Set("Authorization", "Bearer "+raw)
	}
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

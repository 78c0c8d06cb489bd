package httpkit_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// leaked are tokens where they don't belong.
var leaked = []string{
	"bda_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
	"eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2F1dGguZXhhbXBsZSJ9.c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl",
}

// TestNoTokenIsLogged puts tokens into all that a request brings and a handler adds.
func TestNoTokenIsLogged(t *testing.T) {
	t.Parallel()
	for _, secret := range leaked {
		h := httpkit.Handle(func(_ http.ResponseWriter, r *http.Request) error {
			e := httpkit.EventOf(r.Context())
			e.Principal, e.PrincipalName, e.TokenID, e.AskedMethod, e.AskedURI, e.Outcome = secret, secret, secret, secret, "/x/"+secret+"?t="+secret, "refused "+secret
			return fmt.Errorf("asking about %s: %w", secret, errors.New(secret))
		}, plainErrors)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method, r.RemoteAddr = secret, "10.0.0.1:1"
		r.URL = &url.URL{Path: "/auth/verify#access_token=" + secret, RawQuery: "token=" + secret}
		r.Header.Set(httpkit.HeaderRequestID, secret)
		r.Header.Set("X-Forwarded-For", secret)
		r.Header.Set("User-Agent", secret)
		w, lines := observed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(statusOnly{w, http.StatusInternalServerError}, r)
		}), r)
		line := oneLine(t, lines)
		if text := fmt.Sprint(line); strings.Contains(text, secret[10:30]) || !strings.Contains(text, "[token]") {
			t.Errorf("the log says %s", text)
		}
		if line["path"] != "/auth/verify#access_token=[token]" || line["error"] != "asking about [token]: [token]" {
			t.Errorf("path %v, error %v", line["path"], line["error"])
		}
		if id := w.Header().Get(httpkit.HeaderRequestID); strings.Contains(id, secret[10:30]) {
			t.Errorf("the request is called %s", id)
		}
	}
}

// statusOnly answers with a status of its own.
type statusOnly struct {
	http.ResponseWriter
	status int
}

func (w statusOnly) WriteHeader(int) { w.ResponseWriter.WriteHeader(w.status) }

// TestATokenAtTheBoundOfThePathIsNotLogged moves a token over the place where a path is
// cut.
func TestATokenAtTheBoundOfThePathIsNotLogged(t *testing.T) {
	t.Parallel()
	for _, secret := range leaked {
		for before := 440; before < 520; before++ {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.URL = &url.URL{Path: "/" + strings.Repeat("a/", before/2) + secret}
			_, lines := observed(t, http.NotFoundHandler(), r)
			if path := fmt.Sprint(oneLine(t, lines)["path"]); strings.Contains(path, secret[:20]) || len(path) > 512 {
				t.Fatalf("%d characters before it: %s", before, path)
			}
		}
	}
}

func TestNoErrorRepeatsAToken(t *testing.T) {
	t.Parallel()
	for _, secret := range leaked {
		r := post("application/x-www-form-urlencoded", url.QueryEscape(secret)+"=1&"+url.QueryEscape(secret)+"=2")
		_, err := httpkit.Form(httptest.NewRecorder(), r)
		if err == nil || strings.Contains(err.Error()+fault.FieldOf(err), secret[:20]) || !strings.Contains(fault.Message(err), "[token]") {
			t.Errorf("%v, field %q", err, fault.FieldOf(err))
		}
		var dst struct{}
		err = httpkit.DecodeJSON(httptest.NewRecorder(), post("application/json", `{"`+secret+`":1}`), &dst)
		if err == nil || strings.Contains(err.Error()+fault.FieldOf(err), secret[:20]) {
			t.Errorf("%v, field %q", err, fault.FieldOf(err))
		}
	}
}

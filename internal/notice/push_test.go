package notice_test

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/token"
)

// What is pushed is a Security Event Token that verifies by the JWK Set and says who, what
// and when, and that has no part of a token's value nor any other secret.
func TestAPushIsASecurityEventToken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: wanting(notice.Interest{Receiver: receiver})})
	f.Freeze()
	ada := f.Person(t, "ada")
	root := f.Person(t, "root", nodetest.Admin())
	s := newSite(t, f.Ring.JWKS)
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.7", RequestID: "r-1"})
	issued, err := f.CreateAPIToken(ctx, ada, credentials.NewCredential{Name: "laptop bda_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", Lifetime: 3600})
	nodetest.Must(t, err)
	session := f.SignedIn(t, "ada")
	nodetest.Must(t, f.EndSession(t.Context(), session))
	nodetest.Must(t, nodetest.Second(f.RevokeID(t.Context(), root, issued.ID)))
	newSender(t, f, "one", s.push(f)).deliver(t)
	if len(s.faults) != 0 || len(s.claims) != 3 {
		t.Fatalf("%d arrived: %v", len(s.claims), s.faults)
	}
	now := float64(f.Time().Unix())
	user := map[string]any{"format": "iss_sub", "iss": nodetest.Issuer, "sub": ada.ID()}
	about := map[string]any{
		"id": issued.ID, "kind": "api-token", "name": "laptop [token]", "created_at": now, "expires_at": now + 3600,
	}
	for _, claims := range s.claims {
		if claims["jti"] == "" || claims["exp"] != nil || claims["sub"] != nil {
			t.Errorf("%v", claims)
		}
		delete(claims, "jti")
	}
	want := map[string]any{
		"iss": nodetest.Issuer, "aud": s.URL, "iat": now, "toe": now, "txn": "r-1", "sub_id": user,
		"events": map[string]any{notice.TokenCreated: map[string]any{
			"event_timestamp": now, "initiating_entity": "user", "actor": ada.ID(), "address": "192.0.2.7", "token": about,
		}},
	}
	if diff := cmp.Diff(want, as[map[string]any](t, s.claims[0])); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	ended := map[string]any{
		"iss": nodetest.Issuer, "aud": s.URL, "iat": now, "toe": now,
		"sub_id": map[string]any{"format": "complex", "user": user, "session": map[string]any{"format": "opaque", "id": session.Token.ID}},
		"events": map[string]any{notice.SessionRevoked: map[string]any{"event_timestamp": now, "initiating_entity": "user"}},
	}
	if diff := cmp.Diff(ended, as[map[string]any](t, s.claims[1])); diff != "" {
		t.Errorf("session ended (-want +got):\n%s", diff)
	}
	value := issued.Value.Reveal()
	for _, raw := range s.raw {
		part, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
		nodetest.Must(t, err)
		for _, secret := range []string{value, value[4:16], value[len(value)-8:], "0123456789ABCDEF", "of the receiver"} {
			if strings.Contains(string(part), secret) {
				t.Errorf("%s is in %s", secret, part)
			}
		}
	}
}

// 202 acknowledges, 400 refuses for good, and everything else is tried again.
func TestWhatAReceiverAnswers(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: wanting(notice.Interest{Receiver: receiver})})
	f.Freeze()
	s := newSite(t, f.Ring.JWKS)
	m := notice.Message{Fact: notice.Fact{ID: "id", Event: notice.UserDisabled, Subject: "ada", At: f.Time()}}
	ask := func(status int, header, body string) error {
		s.answer = func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
		return s.push(f).Send(t.Context(), []notice.Message{m})
	}
	if err := ask(http.StatusAccepted, "", "anything"); err != nil {
		t.Errorf("202: %v", err)
	}
	var refused *notice.RefusedError
	if err := ask(http.StatusBadRequest, "", `{"err":"invalid_audience","description":"not\nmine"}`); !errors.As(err, &refused) ||
		refused.Code != "invalid_audience" || refused.Description != "not\uFFFDmine" {
		t.Errorf("400: %v", err)
	}
	if err := ask(http.StatusBadRequest, "", `{"err":"Bearer of the receiver","description":"of the receiver is no secret of mine"}`); !errors.As(err, &refused) ||
		refused.Code != "Bearer [secret]" || refused.Description != "[secret] is no secret of mine" {
		t.Errorf("400 that repeats the secret: %v", err)
	}
	if err := ask(http.StatusBadRequest, "", "<html>"); !errors.As(err, &refused) {
		t.Errorf("400 without an error: %v", err)
	}
	for _, status := range []int{200, 204, 301, 401, 403, 404, 413, 429, 500, 503} {
		if err := ask(status, "", ""); err == nil || errors.As(err, &refused) {
			t.Errorf("%d: %v", status, err)
		}
	}
	for status, remark := range map[int]string{200: "202 alone acknowledges", 302: "redirects are not followed", 401: "another secret", 404: "at this address"} {
		if err := ask(status, "", ""); err == nil || !strings.Contains(err.Error(), remark) {
			t.Errorf("%d: %v", status, err)
		}
	}
	var later *notice.LaterError
	if err := ask(http.StatusServiceUnavailable, "120", ""); !errors.As(err, &later) || later.After != 2*time.Minute {
		t.Errorf("503 with Retry-After: %v", err)
	}
	s.Close()
	if err := ask(http.StatusAccepted, "", ""); err == nil || errors.As(err, &refused) {
		t.Errorf("a receiver that is gone: %v", err)
	}
}

// A Security Event Token is no token of another kind: no door takes it.
func TestASecurityEventTokenIsNoToken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: wanting(notice.Interest{Receiver: receiver})})
	ada := f.Person(t, "ada")
	f.APIToken(t, ada, credentials.NewCredential{})
	s := newSite(t, f.Ring.JWKS)
	newSender(t, f, "one", s.push(f)).deliver(t)
	if len(s.raw) != 1 {
		t.Fatal("nothing arrived")
	}
	if _, err := f.Bearer(t.Context(), s.raw[0]); err == nil {
		t.Error("it is taken for a Bearer token")
	}
	key, err := f.Ring.Signing()
	nodetest.Must(t, err)
	if _, err := token.SignEvent(key, token.Event{Issuer: nodetest.Issuer, Audience: "x", ID: "y", Type: "z"}); err == nil {
		t.Error("an event without a time is signed")
	}
}

package server_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/server"
)

// TestWebhookTellsOnceOfWhatEndsSoon: a token in its last week is told of, signed,
// once; after a failure it is told again; one that lives longer is not.
func TestWebhookTellsOnceOfWhatEndsSoon(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	session, err := f.Session(t.Context(), f.SessionToken(t, "ada", "correct horse").Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	const day = int64(24 * 60 * 60)
	for name, lifetime := range map[string]int64{"ends soon": 6 * day, "lives on": 8 * day, "never ends": 0} {
		if _, err := f.CreateAPIToken(t.Context(), session, credentials.NewCredential{Name: name, Lifetime: lifetime}); err != nil {
			t.Fatal(err)
		}
	}
	secret := []byte("of the webhook")
	told := make(chan string, 10)
	var failed atomic.Bool
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		var notice struct{ Event, Name, Username string }
		_ = json.Unmarshal(body, &notice)
		signature := "sha256=" + hex.EncodeToString(mac.Sum(nil))
		if !failed.Swap(true) || r.Header.Get("X-Bearerd-Signature") != signature {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		told <- notice.Event + " " + notice.Username + ": " + notice.Name
	}))
	t.Cleanup(hook.Close)
	h := &server.Webhook{
		Tokens: f.Tokens, URL: hook.URL, Secret: secretfile.Fixed(secret), Every: 10 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	if got := <-told; got != "token.expiring ada: ends soon" {
		t.Errorf("told %q", got)
	}
	if due, err := f.Store.Expiring(t.Context(), f.Time(), f.Time().Add(7*24*time.Hour), 10); err != nil || len(due) != 0 {
		t.Errorf("told of and still due: %v %v", due, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(told) != 0 {
		t.Errorf("told more: %q", <-told)
	}
}

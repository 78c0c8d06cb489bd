package server

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/issuance"
)

// Webhook notifies a URL of tokens that expire within a week, each once. What is sent is
// JSON with the header X-Bearerd-Signature: sha256= and the HMAC-SHA-256 of the
// body, in hexadecimal, when there is a secret. An answer other than 2xx is a
// failure, which is tried again an hour later.
type Webhook struct {
	Issuance *issuance.Issuance
	URL      string
	Secret   []byte        // empty: what is sent is not signed
	Every    time.Duration // 0: an hour
	Log      *slog.Logger
}

const (
	webhookEvery   = time.Hour
	webhookTimeout = 10 * time.Second
)

// expiring is the body of a notice. It names the token and never shows it.
type expiring struct {
	Event     string    `json:"event"` // token.expiring
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Name      string    `json:"name"`
	Prefix    string    `json:"prefix"`
	Last4     string    `json:"last4"`
	Owner     string    `json:"owner"` // the subject
	Username  string    `json:"username"`
	Email     string    `json:"email"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Run notifies at once and then from time to time, until ctx ends.
func (h *Webhook) Run(ctx context.Context) error {
	every := h.Every
	if every == 0 {
		every = webhookEvery
	}
	client := &http.Client{
		Timeout:       webhookTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		err := h.Issuance.NotifyExpiring(ctx, func(ctx context.Context, n issuance.Notice) error { return h.send(ctx, client, n) })
		if err != nil && ctx.Err() == nil {
			h.Log.WarnContext(ctx, "telling of tokens that end soon", slog.Any("error", err))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (h *Webhook) send(ctx context.Context, client *http.Client, n issuance.Notice) error {
	t := n.Token
	body, err := json.Marshal(expiring{
		Event: "token.expiring", ID: t.ID, Kind: t.Kind.String(), Name: t.Name, Prefix: t.Prefix, Last4: t.Last4,
		Owner: t.Owner, Username: n.Username, Email: n.Email, ExpiresAt: t.ExpiresAt,
	})
	if err != nil {
		return fmt.Errorf("encoding a notice: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making a notice: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if len(h.Secret) > 0 {
		mac := hmac.New(sha256.New, h.Secret)
		mac.Write(body)
		r.Header.Set("X-Bearerd-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	res, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("sending a notice: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // the connection can be used again
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("sending a notice: the webhook answered %d", res.StatusCode)
	}
	return nil
}

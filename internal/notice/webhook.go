package notice

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/secretfile"
)

// WebhookReceiver is the name of the webhook among the receivers.
const WebhookReceiver = "webhook"

// Webhook sends notices of tokens that expire within a week, each as JSON, with the header
// X-Bearerd-Signature: sha256= and the HMAC-SHA-256 of the body, in hexadecimal, where there
// is a secret. An answer other than 2xx is a failure, which is tried again.
type Webhook struct {
	URL    string
	Secret *secretfile.Secret // none: what is sent is not signed
	Client *http.Client
}

var _ Receiver = (*Webhook)(nil)

const webhookTimeout = 10 * time.Second

// NewWebhook returns a webhook that follows no redirect.
func NewWebhook(url string, secret *secretfile.Secret) *Webhook {
	return &Webhook{URL: url, Secret: secret, Client: &http.Client{
		Timeout:       webhookTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// expiring is the body. It names the token and never shows it.
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

// Group returns "": each notice is a request.
func (*Webhook) Group(Message) string { return "" }

// Send sends a notice. One of a token or a user that is gone by now is left out.
func (h *Webhook) Send(ctx context.Context, group []Message) error {
	for _, m := range group {
		if m.Token == nil || m.User == nil {
			continue
		}
		if err := h.send(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (h *Webhook) send(ctx context.Context, m Message) error {
	t := m.Token
	body, err := json.Marshal(expiring{
		Event: "token.expiring", ID: t.ID, Kind: t.Kind.String(), Name: t.Name, Prefix: t.Prefix, Last4: t.Last4,
		Owner: t.Owner, Username: m.User.Username, Email: m.User.Email, ExpiresAt: t.ExpiresAt,
	})
	if err != nil {
		return fmt.Errorf("encoding a notice: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("making a notice: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	if h.Secret.IsSet() {
		mac := hmac.New(sha256.New, h.Secret.Bytes())
		mac.Write(body)
		r.Header.Set("X-Bearerd-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	return exchange(h.Client, r, 0)
}

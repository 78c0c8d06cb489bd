package issuerclient

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/strictjson"
	"github.com/bearerd/bearerd/internal/token"
)

// streamScopes are the scopes of the verifier's own access token.
const streamScopes = "revocations introspect"

// maxTokenLife is the longest lifetime of that token that the issuer may state.
const maxTokenLife = 24 * time.Hour

// credentials is the verifier's own access token, with which it reads the stream.
type credentials struct {
	cfg   Config
	web   *web
	clock func() time.Duration

	mu      sync.Mutex
	token   string
	renewAt time.Duration // on the clock
	endsAt  time.Duration
}

// bearer returns a valid token, and asks for a new one when a fifth of its lifetime or
// less is left. The caller limits the rate.
func (c *credentials) bearer(ctx context.Context, s *site) (raw string, left time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	if c.token == "" || now >= c.renewAt {
		if err := c.renew(ctx, s, now); err != nil {
			return "", 0, err
		}
	}
	return c.token, c.endsAt - now, nil
}

// drop forgets the token, because the issuer refused it.
func (c *credentials) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = ""
}

func (c *credentials) renew(ctx context.Context, s *site, now time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	a, err := c.web.post(ctx, "an access token for the revocations", s.token, c.cfg, url.Values{
		"grant_type": {"client_credentials"}, "scope": {streamScopes},
	})
	if err != nil {
		if e, ok := errors.AsType[*statusError](err); ok && e.code == "invalid_scope" {
			return fmt.Errorf("%w: the client needs the scopes revocations and introspect", err)
		}
		return err
	}
	raw, life, err := parseAccessToken(a.body)
	if err != nil {
		return fmt.Errorf("the answer of the token endpoint: %w", err)
	}
	c.token, c.renewAt, c.endsAt = raw, now+life-life/5, now+life
	return nil
}

// parseAccessToken reads an answer of RFC 6749 §5.1.
func parseAccessToken(body []byte) (raw string, life time.Duration, err error) {
	o, err := strictjson.Parse(body)
	if err != nil {
		return "", 0, err
	}
	var kind string
	var seconds int64
	if err := firstError(o.Read("access_token", &raw), o.Read("token_type", &kind), o.Read("expires_in", &seconds)); err != nil {
		return "", 0, err
	}
	if _, ok, err := token.ParseBearer([]string{kind + " " + raw}); err != nil || !ok || seconds <= 0 {
		return "", 0, errors.New("it holds no valid Bearer token")
	}
	return raw, time.Duration(min(seconds, int64(maxTokenLife/time.Second))) * time.Second, nil
}

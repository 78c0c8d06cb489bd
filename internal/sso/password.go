package sso

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/strictjson"
)

const (
	passwordTimeout = 5 * time.Second
	passwordsAtOnce = 16 // checks in flight; more wait for one of them
	passwordLabel   = "bearerd-password"
)

// PasswordCheck asks an application whether a password is right. It implements
// signin.PasswordChecker. Requests are signed, so that the application answers nobody else.
type PasswordCheck struct {
	app    *App
	url    string
	secret *secretfile.Secret
	client *http.Client
	now    func() time.Time
	slots  chan struct{}
}

// NewPasswordCheck returns a check at a URL, whose requests are signed with the secret.
func NewPasswordCheck(app *App, url string, secret *secretfile.Secret, client *http.Client, now func() time.Time) *PasswordCheck {
	return &PasswordCheck{app: app, url: url, secret: secret, client: client, now: now, slots: make(chan struct{}, passwordsAtOnce)}
}

// CheckPassword returns who somebody is at the application. The error is BadCredentials
// when the application says that the password is wrong; an answer that is neither, or
// none within 5 seconds, is Unavailable.
func (p *PasswordCheck) CheckPassword(ctx context.Context, username, password string) (signin.Statement, error) {
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return signin.Statement{}, p.unavailable(ctx.Err())
	}
	defer func() { <-p.slots }()
	request := rand.Text()
	body, err := json.Marshal(map[string]string{"username": username, "password": password, "request": request})
	if err != nil {
		return signin.Statement{}, err
	}
	raw, err := p.ask(ctx, body)
	if err != nil {
		return signin.Statement{}, err
	}
	_, st, err := p.app.judge(ctx, raw, assertion.Expect{Nonce: request})
	if err != nil {
		return signin.Statement{}, p.unavailable(err)
	}
	return st, nil
}

// ask posts the request, and returns the assertion of the answer.
func (p *PasswordCheck) ask(ctx context.Context, body []byte) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return "", p.unavailable(err)
	}
	at := strconv.FormatInt(p.now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Bearerd-Time", at)
	r.Header.Set("X-Bearerd-Signature", "sha256="+hex.EncodeToString(p.sign(at, body)))
	res, err := p.client.Do(r)
	if err != nil {
		return "", p.unavailable(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return "", fault.New(fault.BadCredentials, "the application refuses the password")
	case res.StatusCode != http.StatusOK:
		return "", p.unavailable(fmt.Errorf("it answered %d", res.StatusCode))
	case err != nil:
		return "", p.unavailable(err)
	}
	o, err := strictjson.Parse(answer)
	if err != nil {
		return "", p.unavailable(err)
	}
	var raw string
	if err := o.Read("assertion", &raw); err != nil {
		return "", p.unavailable(err)
	}
	return raw, nil
}

// sign returns the HMAC-SHA-256 of a label, the time and the body, with newlines between.
func (p *PasswordCheck) sign(at string, body []byte) []byte {
	mac := hmac.New(sha256.New, p.secret.Bytes())
	_, _ = mac.Write([]byte(passwordLabel + "\n" + at + "\n"))
	_, _ = mac.Write(body)
	return mac.Sum(nil)
}

func (p *PasswordCheck) unavailable(err error) error {
	return fault.Wrap(err, fault.Unavailable, "%s can't check passwords now", p.app.Name).Retry(time.Second)
}

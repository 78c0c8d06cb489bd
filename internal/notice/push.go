package notice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/token"
)

// Push sends notices as Security Event Tokens by HTTP (RFC 8935), each by itself.
type Push struct {
	URL    string
	Secret *secretfile.Secret // sent as a Bearer token; nil: none
	Client *http.Client
	Issuer string
	// Key returns the key that signs now.
	Key func(ctx context.Context) (token.SigningKey, error)
	Now func() time.Time
}

var _ Receiver = (*Push)(nil)

// Group returns "": each notice is a request.
func (*Push) Group(Message) string { return "" }

// Send pushes a notice. 202 alone acknowledges it, and 400 refuses it for good.
func (p *Push) Send(ctx context.Context, group []Message) error {
	for _, m := range group {
		if err := p.push(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (p *Push) push(ctx context.Context, m Message) error {
	key, err := p.Key(ctx)
	if err != nil {
		return err
	}
	set, err := token.SignEvent(key, token.Event{
		Issuer: p.Issuer, Audience: p.URL, ID: m.ID, IssuedAt: p.Now(), At: m.At, Txn: m.RequestID,
		Subject: m.subjectID(p.Issuer), Type: m.Event, Payload: m.payload(),
	})
	if err != nil {
		return &RefusedError{Code: "unsendable", Description: err.Error()} // too long, and always will be
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, strings.NewReader(set))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/secevent+jwt")
	r.Header.Set("Accept", "application/json")
	if p.Secret.IsSet() {
		r.Header.Set("Authorization", "Bearer "+string(p.Secret.Bytes()))
	}
	err = exchange(p.Client, r, http.StatusAccepted)
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return &RefusedError{Code: p.Secret.HideIn(refused.Code, ""), Description: p.Secret.HideIn(refused.Description, "")}
	}
	return p.Secret.Hide(err, "")
}

// exchange makes a request and reads the answer, which wants a status of its own.
func exchange(client *http.Client, r *http.Request, want int) error {
	res, err := client.Do(r)
	if err != nil {
		// The log and the pages name the receiver; a URL may have a secret in its query.
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // so that the connection can be used again
	switch {
	case res.StatusCode == want, want == 0 && res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusBadRequest && want != 0:
		return refusalOf(body)
	}
	err = fmt.Errorf("the receiver answered %d%s", res.StatusCode, remark(res.StatusCode, want))
	if seconds, parseErr := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 31); parseErr == nil {
		return &LaterError{After: time.Duration(seconds) * time.Second, Err: err}
	}
	return err
}

// remark returns what to do about an answer that is neither the wanted one nor a failure of the
// receiver.
func remark(status, want int) string {
	switch {
	case status/100 == 2:
		return fmt.Sprintf(": %d alone acknowledges a notice", want)
	case status/100 == 3:
		return ": redirects are not followed; configure the address that it leads to"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ": it wants another secret"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return ": it takes no notices at this address"
	}
	return ""
}

const maxAnswer = 16 << 10

// refusalOf reads why a receiver refuses a notice (RFC 8935 §2.3). What it says is made fit
// for the log.
func refusalOf(body []byte) *RefusedError {
	var said struct {
		Err         string `json:"err"`
		Description string `json:"description"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Err == "" {
		return &RefusedError{Code: "400", Description: "without an error that RFC 8935 defines"}
	}
	clean := audit.Event{Action: said.Err, Reason: said.Description}.Clean()
	return &RefusedError{Code: clean.Action, Description: clean.Reason}
}

// subjectID returns whom a notice concerns (RFC 9493).
func (m Message) subjectID(issuer string) map[string]any {
	if m.Subject == "" {
		return map[string]any{"format": "opaque", "id": m.Fact.Token}
	}
	user := map[string]any{"format": "iss_sub", "iss": issuer, "sub": m.Subject}
	if m.Session == "" {
		return user
	}
	return map[string]any{"format": "complex", "user": user, "session": map[string]any{"format": "opaque", "id": m.Session}}
}

// payload returns what the event says.
func (m Message) payload() map[string]any {
	out := map[string]any{"event_timestamp": m.At.Unix()}
	add := func(name, value string) {
		if value != "" {
			out[name] = value
		}
	}
	add("initiating_entity", m.By)
	if m.Event == CredentialChange {
		out["credential_type"], out["change_type"] = "password", m.Change
		return out
	}
	if m.Event == SessionRevoked {
		return out
	}
	add("actor", m.Actor)
	add("address", m.Address)
	add("network", m.Network)
	if m.Reason != "" {
		out["reason_admin"] = map[string]any{"en": m.Reason}
	}
	if m.Removed {
		out["removed"] = true
	}
	if m.All {
		out["all"] = true
	}
	if m.Fact.Token != "" {
		out["token"] = m.token()
	}
	return out
}

// token returns what may be said of a token: never a part of its value.
func (m Message) token() map[string]any {
	out := map[string]any{"id": m.Fact.Token}
	t := m.Token
	if t == nil {
		return out
	}
	out["kind"], out["created_at"] = t.Kind.String(), t.CreatedAt.Unix()
	if t.Name != "" {
		out["name"] = t.Name
	}
	if len(t.Scope) > 0 {
		out["scope"] = strings.Join(t.Scope, " ")
	}
	if t.ClientID != "" {
		out["client_id"] = t.ClientID
	}
	if t.Replaces != "" {
		out["replaces"] = t.Replaces
	}
	if !t.ExpiresAt.IsZero() {
		out["expires_at"] = t.ExpiresAt.Unix()
	}
	return out
}

package openid

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/fault"
)

// logoutEvent is the event of a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// maxLogoutAge is how long ago a logout token may have been issued. It bounds those of
// providers that follow a draft without exp, as older versions of Keycloak do.
const maxLogoutAge = 5 * time.Minute

// logoutTypes are the types of logout tokens: their own, and those of providers that are
// older than it. An ID token is never one, because it has no event.
var logoutTypes = []string{"logout+jwt", "JWT", ""}

// Logout is what a provider says has ended.
type Logout struct {
	Subject string    // empty: the user of the session
	Session string    // empty: every session of the subject
	ID      string    // jti, which can be used once
	At      time.Time // when it was issued
	// Until is when the token would be refused for its age: until then its ID is remembered.
	Until time.Time
}

// Logout judges a logout token (OpenID Connect Back-Channel Logout 1.0 §2.6). Whether it
// was used before is left to the caller. The errors are those of assertion.Verifier, and a
// fault of kind Unavailable when the provider's metadata can't be read.
func (p *Provider) Logout(ctx context.Context, raw string) (*Logout, error) {
	m, err := p.metadata.Get(ctx, nil)
	if err != nil {
		return nil, err
	}
	c, err := m.verifier.Verify(ctx, raw, assertion.Expect{
		Types: logoutTypes, Audience: []string{p.cfg.ClientID}, NoNonce: true, NeedID: true, NoSubject: true, NoExpiry: true, MaxAge: maxLogoutAge,
	})
	if err != nil {
		return nil, err
	}
	var events map[string]map[string]any
	if err := c.Members().Read("events", &events); err != nil || events[logoutEvent] == nil {
		return nil, fault.Wrap(err, fault.InvalidToken, "the token is no logout token")
	}
	session, err := c.Text("sid")
	if err != nil || session == "" && c.Subject == "" {
		return nil, fault.Wrap(err, fault.InvalidToken, "the logout token names neither a subject nor a session")
	}
	return &Logout{Subject: c.Subject, Session: session, ID: c.ID, At: c.IssuedAt, Until: c.IssuedAt.Add(maxLogoutAge + skew)}, nil
}

package notice

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/records/upkeep"
)

// The events.
const (
	TokenCreated     = "urn:bearerd:event:token-created"     // #nosec G101 -- the name of an event
	TokenNewNetwork  = "urn:bearerd:event:token-new-network" // #nosec G101 -- the name of an event
	TokenExpiring    = "urn:bearerd:event:token-expiring"    // #nosec G101 -- the name of an event
	TokenRevoked     = "urn:bearerd:event:token-revoked"     // #nosec G101 -- by somebody else
	TokenLeaked      = "urn:bearerd:event:token-leaked"      // #nosec G101 -- the name of an event
	UserDisabled     = "urn:bearerd:event:user-disabled"     // or removed
	SessionRevoked   = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	CredentialChange = "https://schemas.openid.net/secevent/caep/event-type/credential-change" // #nosec G101 -- the name of an event
)

var events = []string{
	TokenCreated, TokenNewNetwork, TokenExpiring, TokenRevoked, TokenLeaked, UserDisabled, SessionRevoked, CredentialChange,
}

// Events lists every event.
func Events() []string { return slices.Clone(events) }

// Fact is something that happened. What the database can say of its user and its token is
// read when it is sent.
type Fact struct {
	ID      string    `json:"-"` // the jti
	Event   string    `json:"-"`
	Subject string    `json:"-"` // the user's subject, or a client's id
	At      time.Time `json:"-"`

	By        string `json:"by,omitempty"`    // user, admin or system, as CAEP has it
	Actor     string `json:"actor,omitempty"` // subject or client id
	RequestID string `json:"request,omitempty"`
	Address   string `json:"address,omitempty"` // from where
	Network   string `json:"network,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Token     string `json:"token,omitempty"`   // its id
	Session   string `json:"session,omitempty"` // its id; of an ended session that is known
	Change    string `json:"change,omitempty"`  // of a credential: create, update or revoke
	Removed   bool   `json:"removed,omitempty"` // the user is removed
	All       bool   `json:"all,omitempty"`     // every token of the user
}

// Values of By.
const (
	ByUser   = "user"
	ByAdmin  = "admin"
	BySystem = "system"
)

// notice returns the fact as it is stored.
func (f Fact) notice() (upkeep.Notice, error) {
	text, err := json.Marshal(f)
	return upkeep.Notice{ID: f.ID, Event: f.Event, Subject: f.Subject, At: f.At, Fact: text}, err
}

// factOf reads a fact as it is stored.
func factOf(n upkeep.Notice) (Fact, error) {
	f := Fact{ID: n.ID, Event: n.Event, Subject: n.Subject, At: n.At}
	return f, json.Unmarshal(n.Fact, &f)
}

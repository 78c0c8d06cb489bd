package adminapi

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// own are the endpoints of what callers see and change of themselves.
type own struct {
	accounts       *account.Accounts
	issuance       *issuance.Issuance
	tokens         *credentials.Tokens
	revoker        *revoking.Revoker
	directory      *directory.Directory
	cookies        httpkit.Cookies
	sessionCookies []string
}

func (e own) routes() []route {
	return []route{
		{"GET", "/me", e.read, "", anybody},
		{"PATCH", "/me", e.changePassword, "wait", e.mayChange(audit.UserPassword)},
		{"POST", "/me/revoke-all", e.revokeAll, "wait", e.mayRevokeAll},
		{"GET", "/me/sessions", e.sessions, "", mayManageOwn},
		{"DELETE", "/me/sessions/{id}", e.endSession, "wait", mayManageOwn},
		{"GET", "/me/links", e.links, "", mayManageOwn},
		{"DELETE", "/me/links/{source}/{external_id}", e.unlink, "wait", e.mayChange(audit.UserUnlink)},
	}
}

// mayManageOwn is the gate of what users see and end of their own.
func mayManageOwn(r *request) error {
	if err := r.caller.RequireManageTokens(); err != nil {
		return err
	}
	if r.caller.Subject == nil || r.caller.Subject.Client {
		return fault.New(fault.Forbidden, "this is for users")
	}
	return nil
}

// mayChange returns the gate of changes of how the caller signs in.
func (e own) mayChange(action string) gate {
	return func(r *request) error { return e.accounts.MayChangeOwn(r.Context(), r.caller, action) }
}

func (e own) mayRevokeAll(r *request) error {
	return e.revoker.MayRevokeAll(r.Context(), r.caller, r.caller.ID())
}

// self returns who the caller is and by which credential. Of a client only the id is
// known.
type self struct {
	Type string `json:"type"` // user or client
	person
	Administrator bool       `json:"administrator"`
	Token         credential `json:"token"`
}

// credential is the credential of a caller.
type credential struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind"`
	Scope      string     `json:"scope"`
	Collection *int64     `json:"collection"`
	Networks   []string   `json:"networks"`
	ClientID   string     `json:"client_id"`
	ExpiresAt  *time.Time `json:"expires_at"`
}

func credentialOf(t *verification.Token) credential {
	return credential{
		ID: t.ID, Kind: t.Kind.String(), Scope: identity.FormatScope(t.Scope), Collection: t.Collection,
		Networks: t.Networks.Strings(), ClientID: t.ClientID, ExpiresAt: instant(t.Expiry),
	}
}

func (e own) read(w http.ResponseWriter, r *request) error {
	s := r.caller.Subject
	answer := self{Type: "client", person: person{ID: s.ID, Groups: []string{}}, Token: credentialOf(r.caller.Token)}
	if !s.Client {
		answer.Type = "user"
		answer.person = person{
			ID: s.ID, Username: s.Username, Name: s.Name, Email: s.Email, Groups: append([]string{}, s.Groups...), Disabled: s.Disabled,
		}
		answer.Administrator = s.May(access.Any, access.Root).Allowed
	}
	return httpkit.WriteJSON(w, http.StatusOK, answer)
}

func (e own) revokeAll(w http.ResponseWriter, r *request) error {
	_, err := e.revoker.RevokeAll(r.Context(), r.caller, r.caller.ID())
	return done(w, err)
}

// changePassword changes the caller's password. Everything of the user is revoked, and the
// answer sets a new session in place of the caller's.
func (e own) changePassword(w http.ResponseWriter, r *request) error {
	var body struct {
		Password *string `json:"password"`
		Current  *string `json:"current_password"`
	}
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	switch {
	case body.Password == nil:
		return missing("password")
	case body.Current == nil:
		return missing("current_password")
	}
	c, collection, err := e.accounts.ChangePassword(r.Context(), r.caller, account.PasswordChange{
		Current: token.Secret(*body.Current), New: token.Secret(*body.Password),
	})
	if err != nil {
		return err
	}
	session, err := e.issuance.StartSession(r.Context(), c, collection)
	if err != nil {
		return err
	}
	e.cookies.SetSession(w, e.sessionCookies, session.Value.Reveal(), time.Duration(session.Lifetime)*time.Second)
	u := c.Principal.User
	return httpkit.WriteJSON(w, http.StatusOK, self{
		Type: "user", person: UserOf(*u).person, Administrator: c.Subject.May(access.Any, access.Root).Allowed,
		Token: credential{ID: session.ID, Kind: session.Kind.String(), Collection: session.Collection, ExpiresAt: instant(session.Expiry)},
	})
}

// session is one of the caller's sessions.
type session struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`         // the program that the user signed in with
	Source       *string    `json:"source"`       // that vouched for the user; null: bearerd, by a password
	SignedInAt   *time.Time `json:"signed_in_at"` // when the user authenticated; null: that is not known
	CreatedAt    *time.Time `json:"created_at"`
	LastUsedAt   *time.Time `json:"last_used_at"`
	LastUsedFrom *string    `json:"last_used_from"`
	ExpiresAt    *time.Time `json:"expires_at"`
	Current      bool       `json:"current"` // the caller's own
}

func (e own) sessions(w http.ResponseWriter, r *request) error {
	list, err := e.tokens.Sessions(r.Context(), r.caller)
	if err != nil {
		return err
	}
	return writeList(w, list, "", func(t records.StoredToken) session {
		return session{
			ID: t.ID, Name: t.Name, Source: named(t.SignIn.Source), SignedInAt: instant(t.SignIn.At), CreatedAt: instant(t.CreatedAt),
			LastUsedAt: instant(t.LastUsedAt), LastUsedFrom: named(t.LastUsedBy), ExpiresAt: instant(t.ExpiresAt),
			Current: t.ID == r.caller.TokenID(),
		}
	})
}

func (e own) endSession(w http.ResponseWriter, r *request) error {
	t, err := e.tokens.OwnSession(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	_, err = e.revoker.RevokeID(r.Context(), r.caller, t.ID)
	return done(w, err)
}

func (e own) links(w http.ResponseWriter, r *request) error {
	return writeLinks(w, r, e.directory, r.caller.ID())
}

func (e own) unlink(w http.ResponseWriter, r *request) error {
	l, err := pathLink(r)
	if err == nil {
		_, err = e.accounts.Unlink(r.Context(), r.caller, l)
	}
	return done(w, err)
}

package adminapi

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

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

// mayChangeOwn returns the gate of changes of how the caller signs in.
func (a *API) mayChangeOwn(action string) gate {
	return func(r *request) error { return a.Accounts.MayChangeOwn(r.Context(), r.caller, action) }
}

// changeMe changes the caller's password. Everything of the user is revoked, and the
// answer sets a new session in place of the caller's.
func (a *API) changeMe(w http.ResponseWriter, r *request) error {
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
	c, collection, err := a.Accounts.ChangePassword(r.Context(), r.caller, account.PasswordChange{
		Current: token.Secret(*body.Current), New: token.Secret(*body.Password),
	})
	if err != nil {
		return err
	}
	session, err := a.Issuance.StartSession(r.Context(), c, collection)
	if err != nil {
		return err
	}
	a.Cookies.SetSession(w, a.SessionCookies, session.Value.Reveal(), time.Duration(session.Lifetime)*time.Second)
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

func (a *API) mySessions(w http.ResponseWriter, r *request) error {
	list, err := a.Tokens.Sessions(r.Context(), r.caller)
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

func (a *API) endMySession(w http.ResponseWriter, r *request) error {
	t, err := a.Tokens.OwnSession(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	_, err = a.Revoker.RevokeID(r.Context(), r.caller, t.ID)
	return done(w, err)
}

// Link is a link between a user and an account at a source.
type Link struct {
	Source     string     `json:"source"`
	ExternalID string     `json:"external_id"`
	LinkedAt   *time.Time `json:"linked_at"`
}

// LinkOf returns a link as it is shown.
func LinkOf(l records.Link) Link {
	return Link{Source: l.Source, ExternalID: l.ExternalID, LinkedAt: instant(l.LinkedAt)}
}

func (a *API) myLinks(w http.ResponseWriter, r *request) error {
	return a.listLinks(w, r, r.caller.ID())
}

func (a *API) userLinks(w http.ResponseWriter, r *request) error { return a.listLinks(w, r, r.id) }

func (a *API) listLinks(w http.ResponseWriter, r *request, ref string) error {
	links, err := a.Directory.Links(r.Context(), r.caller, ref)
	if err != nil {
		return err
	}
	return writeList(w, links, "", LinkOf)
}

// pathLink reads the link that the path names.
func pathLink(r *request) (records.Link, error) {
	l := records.Link{Source: r.PathValue("source"), ExternalID: r.PathValue("external_id")}
	if err := mayBeID(l.Source); err != nil {
		return l, err
	}
	return l, mayBeID(l.ExternalID)
}

func (a *API) unlinkMe(w http.ResponseWriter, r *request) error {
	l, err := pathLink(r)
	if err == nil {
		_, err = a.Accounts.Unlink(r.Context(), r.caller, l)
	}
	return done(w, err)
}

func (a *API) linkUser(w http.ResponseWriter, r *request) error {
	var body struct {
		Source     string `json:"source"`
		ExternalID string `json:"external_id"`
	}
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	l, err := a.Directory.LinkUser(r.Context(), r.caller, r.id, body.Source, body.ExternalID)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusCreated, LinkOf(l))
}

func (a *API) unlinkUser(w http.ResponseWriter, r *request) error {
	l, err := pathLink(r)
	if err == nil {
		_, err = a.Directory.UnlinkUser(r.Context(), r.caller, r.id, l)
	}
	return done(w, err)
}

// passwordLink is a link with which a user sets a password, shown only once.
type passwordLink struct {
	URL       string     `json:"url"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func (a *API) createPasswordLink(w http.ResponseWriter, r *request) error {
	link, err := a.Accounts.CreatePasswordLink(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusCreated, passwordLink{URL: link.URL(a.Policy.Issuer), ExpiresAt: instant(link.ExpiresAt)})
}

// accountRoutes are the endpoints about how users sign in.
func (a *API) accountRoutes() []route {
	return []route{
		{"PATCH", "/me", a.changeMe, "wait", a.mayChangeOwn(audit.UserPassword)},
		{"GET", "/me/sessions", a.mySessions, "", mayManageOwn},
		{"DELETE", "/me/sessions/{id}", a.endMySession, "wait", mayManageOwn},
		{"GET", "/me/links", a.myLinks, "", mayManageOwn},
		{"DELETE", "/me/links/{source}/{external_id}", a.unlinkMe, "wait", a.mayChangeOwn(audit.UserUnlink)},
		{"GET", "/users/{id}/links", a.userLinks, "", a.mayReadUser},
		{"POST", "/users/{id}/links", a.linkUser, "", a.mayDo(audit.UserLink)},
		{"DELETE", "/users/{id}/links/{source}/{external_id}", a.unlinkUser, "wait", a.mayDo(audit.UserUnlink)},
		{"POST", "/users/{id}/password-link", a.createPasswordLink, "", a.mayDo(audit.UserPasswordLink)},
	}
}

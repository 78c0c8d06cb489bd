package adminapi

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/records"
)

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

// writeLinks answers with the links of a user.
func writeLinks(w http.ResponseWriter, r *request, d *directory.Directory, ref string) error {
	links, err := d.Links(r.Context(), r.caller, ref)
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

// accounts are the endpoints of how users sign in.
type accounts struct {
	accounts  *account.Accounts
	directory *directory.Directory
	issuer    string // whose pages a link to set a password leads to
}

func (e accounts) routes() []route {
	return []route{
		{"POST", "/users/{id}/unlock", e.unlock, "", mayDo(e.directory, audit.UserUnlock)},
		{"GET", "/users/{id}/links", e.links, "", mayReadUser(e.directory)},
		{"POST", "/users/{id}/links", e.link, "", mayDo(e.directory, audit.UserLink)},
		{"DELETE", "/users/{id}/links/{source}/{external_id}", e.unlink, "wait", mayDo(e.directory, audit.UserUnlink)},
		{"POST", "/users/{id}/password-link", e.createPasswordLink, "", mayDo(e.directory, audit.UserPasswordLink)},
	}
}

func (e accounts) unlock(w http.ResponseWriter, r *request) error {
	return done(w, e.accounts.Unlock(r.Context(), r.caller, r.id))
}

func (e accounts) links(w http.ResponseWriter, r *request) error {
	return writeLinks(w, r, e.directory, r.id)
}

func (e accounts) link(w http.ResponseWriter, r *request) error {
	var body struct {
		Source     string `json:"source"`
		ExternalID string `json:"external_id"`
	}
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	l, err := e.directory.LinkUser(r.Context(), r.caller, r.id, body.Source, body.ExternalID)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusCreated, LinkOf(l))
}

func (e accounts) unlink(w http.ResponseWriter, r *request) error {
	l, err := pathLink(r)
	if err == nil {
		_, err = e.directory.UnlinkUser(r.Context(), r.caller, r.id, l)
	}
	return done(w, err)
}

// passwordLink is a link with which a user sets a password, shown only once.
type passwordLink struct {
	URL       string     `json:"url"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func (e accounts) createPasswordLink(w http.ResponseWriter, r *request) error {
	link, err := e.accounts.CreatePasswordLink(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusCreated, passwordLink{URL: link.URL(e.issuer), ExpiresAt: instant(link.ExpiresAt)})
}

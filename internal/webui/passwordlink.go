package webui

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
)

// passwordLinkView is the page on which somebody sets a password by a link.
type passwordLinkView struct {
	Link, Password field
}

func (p *Pages) passwordLinkPage(w http.ResponseWriter, r *request) error {
	return p.render(w, r, http.StatusOK, "passwordlink", "Set a password", passwordLinkView{})
}

// setByLink sets a password by a link, and leads to the sign-in page. The secret part of the
// link stands behind its #, which browsers send to nobody: the script fills it in, and
// without a script somebody pastes the link.
func (p *Pages) setByLink(w http.ResponseWriter, r *request) error {
	form, err := httpkit.FormOrJSON(w, r.Request)
	if err != nil {
		return err
	}
	var view passwordLinkView
	view.Link.Value = secretOf(form.Get("link"))
	if view.Link.Value == "" {
		view.Link.Error = "Paste the link that you were sent."
	}
	if form.Get("password") == "" {
		view.Password.Error = "Enter the new password."
	}
	if view.Link.Error+view.Password.Error != "" {
		return p.render(w, r, http.StatusBadRequest, "passwordlink", "Set a password", view)
	}
	_, err = p.Accounts.UsePasswordLink(r.Context(), token.Secret(view.Link.Value), token.Secret(form.Get("password")))
	if err == nil {
		p.forgetSessions(w)
		return p.seeOther(w, pathLogin+"?notice=password")
	}
	switch fault.FieldOf(err) {
	case "link":
		view.Link = field{Error: sentence(fault.Message(err)) + " Ask an administrator for a new one."}
	case "password":
		view.Password.Error = sentence(fault.Message(err))
	default:
		return err
	}
	if wantsJSON(r.Request) {
		return err
	}
	return p.render(w, r, httpkit.Status(fault.KindOf(err)), "passwordlink", "Set a password", view)
}

// secretOf returns the secret part of a link, or of what somebody has pasted in its place.
func secretOf(pasted string) string {
	pasted = strings.TrimSpace(pasted)
	return pasted[strings.LastIndexByte(pasted, '#')+1:]
}

// createPasswordLink creates a link for the user that the path names, and shows it.
func (p *Pages) createPasswordLink(r *request, _ url.Values) (result, error) {
	link, err := p.Accounts.CreatePasswordLink(r.Context(), r.caller, r.PathValue("id"))
	if err != nil {
		return result{}, err
	}
	return result{link: &madeLink{
		Username: link.Username, URL: link.URL(p.Policy.Issuer), Expires: link.ExpiresAt, Back: r.URL.Path,
	}}, nil
}

// madeLink is the page that shows a link to set a password, this once.
type madeLink struct {
	Username, URL, Back string
	Expires             time.Time
}

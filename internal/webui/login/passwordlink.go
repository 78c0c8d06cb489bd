package login

import (
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// passwordLinkView is the page on which somebody sets a password by a link.
type passwordLinkView struct {
	Link, Password kit.Field
}

func (p *SignIn) passwordLinkPage(w http.ResponseWriter, r *kit.Request) error {
	return p.Render(w, r, http.StatusOK, "passwordlink", "Set a password", passwordLinkView{})
}

// setByLink sets a password by a link, and leads to the sign-in page. The secret part of
// the link is after its #, which browsers don't send: the script fills it in, and without
// the script people paste the link.
func (p *SignIn) setByLink(w http.ResponseWriter, r *kit.Request) error {
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
		return p.Render(w, r, http.StatusBadRequest, "passwordlink", "Set a password", view)
	}
	_, err = p.Accounts.UsePasswordLink(r.Context(), token.Secret(view.Link.Value), token.Secret(form.Get("password")))
	if err == nil {
		p.ForgetSessions(w)
		return p.SeeOther(w, kit.PathLogin+"?notice=password")
	}
	switch fault.FieldOf(err) {
	case "link":
		view.Link = kit.Field{Error: kit.Sentence(fault.Message(err)) + " Ask an administrator for a new one."}
	case "password":
		view.Password.Error = kit.Sentence(fault.Message(err))
	default:
		return err
	}
	if kit.WantsJSON(r.Request) {
		return err
	}
	return p.Render(w, r, httpkit.Status(fault.KindOf(err)), "passwordlink", "Set a password", view)
}

// secretOf returns the secret part of a link, or of the text that somebody has pasted in
// its place.
func secretOf(pasted string) string {
	pasted = strings.TrimSpace(pasted)
	return pasted[strings.LastIndexByte(pasted, '#')+1:]
}

package webui

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/httpkit"
)

func (p *Pages) logoutPage(w http.ResponseWriter, r *request) error {
	return p.render(w, r, http.StatusOK, "logout", "Sign out", nil)
}

// logout ends every session that the browser has here, with the access tokens made
// from it. Signing out twice is success.
func (p *Pages) logout(w http.ResponseWriter, r *request) error {
	for _, raw := range httpkit.SessionCookies(r.Request, p.SessionCookies) {
		c, err := p.SignIn.Session(r.Context(), raw)
		if lost(err) {
			continue
		}
		if err == nil {
			err = p.Revoker.EndSession(r.Context(), c)
		}
		if err != nil {
			return err
		}
	}
	p.forgetSessions(w)
	return p.seeOther(w, pathLogin+"?notice=signed-out")
}

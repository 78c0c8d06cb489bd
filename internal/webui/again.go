package webui

import (
	"net/http"
	"net/url"
)

// toSignInAgain sends somebody whose sign-in was too long ago for what they asked to sign in
// again, and from there back to a page of ours.
func (p *Pages) toSignInAgain(w http.ResponseWriter, back string) error {
	q := url.Values{"next": {p.base + back}, "notice": {"again"}, "again": {"true"}}
	return p.seeOther(w, pathLogin+"?"+q.Encode())
}

// typedAgain are the fields of the form for a new token that come back after signing in
// again.
var typedAgain = []string{"name", "scope", "collection", "expires", "until"}

// backToTokenForm returns the page with the form for a new token, filled in as it was sent.
func backToTokenForm(form url.Values) string {
	q := url.Values{}
	for _, name := range typedAgain {
		if form.Get(name) != "" {
			q[name] = form[name]
		}
	}
	return pathTokens + "?" + q.Encode()
}

// Package webui is bearerd's web pages: signing in and out, a user's own tokens,
// the page on which a device is connected, administration, and the API explorer.
//
// Pages are rendered by the server and work without the script. They carry one
// stylesheet and one script, both from this server and nothing inline, which the
// Content-Security-Policy enforces; the explorer, which is not of our making, has two
// more of each and a policy of its own. No page may be kept by a cache, and a token's
// value stands in the answer to the POST that made it and nowhere else.
//
// A page needs a session: a user who has none, or has lost it, is sent to sign in
// and led back. What a POST does is refused when another site made the browser send
// it. Who may do what is the authority's to say; what a page doesn't offer is a
// convenience, not a rule.
package webui

import (
	_ "embed" // the description
	"net/http"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/traffic"
)

// Pages are the web pages.
type Pages struct {
	SignIn    *signin.Authenticator
	Accounts  *account.Accounts
	Issuance  *issuance.Issuance
	Tokens    *credentials.Tokens
	Flows     *authorizing.Flows
	Revoker   *revoking.Revoker
	Directory *directory.Directory
	Explainer *explain.Explainer
	Status    func() revocation.Status // how this node stands in the revocation log
	Policy    issuance.Policy
	Now       func() time.Time

	CrossOrigin    *httpkit.CrossOrigin // nil: nobody can sign in or change anything
	Cookies        httpkit.Cookies      // how cookies are made
	SessionCookies []string             // those that carry a session; the first is the one that is set
	Challenge      httpkit.Challenge    // what a 401 answers with
	Overlap        time.Duration        // how long an old value lives when nothing is chosen, offered first
	Passwords      bool                 // people sign in with passwords, kept here or checked by a source
	Ways           Ways                 // the other ways to sign in
	Documents      *clientdoc.Reader    // of clients that nobody registered; nil: they can't ask
	// DeveloperPrefix is what begins the token of the developer page, which a dialect has, at
	// /profile/developer and /account/developer; "": there is no such page.
	DeveloperPrefix string
	// Traffic is what the charts of administration show; nil: there are none.
	Traffic traffic.Log
	// Explorer returns the OpenAPI document that the API explorer shows. It is asked
	// when the explorer is, and always answers the same; nil: there is no explorer.
	Explorer func() []byte

	theme *theme
	base  string // the issuer's path, which stands before every path of a link
}

// Paths of the pages that others link to.
const (
	pathLogin  = "/auth/login"
	pathTokens = "/auth/tokens" // #nosec G101 -- a path
	pathDevice = "/auth/device"
)

// request is a request whose caller is known.
type request struct {
	*http.Request
	caller *caller.Caller // nil: nobody signed in, on pages that are for anybody
}

// page serves one page.
type page func(w http.ResponseWriter, r *request) error

// Register mounts the pages. It panics when a template doesn't parse, which a test
// would have told.
func (p *Pages) Register(mux *http.ServeMux) {
	p.base = httpkit.IssuerPath(p.Policy.Issuer)
	p.theme = newTheme(p.base, p.Now)
	mux.Handle("GET "+pathAssets+"{sum}/{name}", http.HandlerFunc(p.theme.serveAsset))

	p.anybody(mux, "GET "+pathLogin, p.loginPage)
	p.anybody(mux, "POST "+pathLogin, p.login)
	p.anybody(mux, "GET /auth/logout", p.logoutPage)
	p.anybody(mux, "POST /auth/logout", p.logout)

	p.anybody(mux, "GET "+account.PathPasswordLink, p.passwordLinkPage)
	p.anybody(mux, "POST "+account.PathPasswordLink, p.setByLink)
	p.registerWays(mux)
	p.registerAuthorize(mux)
	p.registerAccount(mux)

	p.user(mux, "GET /auth/{$}", p.home)
	p.user(mux, "GET "+pathTokens, p.tokensPage)
	p.user(mux, "POST "+pathTokens, p.createToken)
	p.user(mux, "GET /auth/tokens/{id}/regenerate", p.regeneratePage)
	p.user(mux, "POST /auth/tokens/{id}/regenerate", p.regenerate)
	p.user(mux, "GET /auth/tokens/{id}/revoke", p.revokePage)
	p.user(mux, "POST /auth/tokens/{id}/revoke", p.revoke)
	p.user(mux, "GET /auth/tokens/revoke-all", p.revokeAllPage)
	p.user(mux, "POST /auth/tokens/revoke-all", p.revokeAll)
	p.user(mux, "GET "+pathDevice, p.devicePage)
	p.user(mux, "POST "+pathDevice, p.decideDevice)
	// The pages of administration.
	p.admin(mux, "GET "+pathAdmin+"{$}", p.overview)
	p.adminForms(mux, "users", p.showUsers, p.userForms())
	p.adminForms(mux, "users/{id}", p.showUser, p.formsOfUser())
	p.adminForms(mux, "collections", p.showCollections, p.collectionForms())
	p.adminForms(mux, "roles", p.showRoles, p.roleForms())
	p.adminForms(mux, "bindings", p.showBindings, p.bindingForms())
	p.adminForms(mux, "clients", p.showClients, p.clientForms())
	p.admin(mux, "GET "+pathAdmin+"issuers", p.issuersPage)
	p.adminForms(mux, "keys", p.showKeys, p.keyForms())
	p.admin(mux, "GET "+pathAdmin+"audit", p.auditPage)
	p.admin(mux, "GET "+pathAdmin+"audit/export", p.exportAudit)
	p.admin(mux, "GET "+pathAdmin+"inspector", p.inspectorPage)
	p.admin(mux, "POST "+pathAdmin+"inspector", p.inspect)
	if p.Explorer != nil {
		p.anybody(mux, "GET "+pathExplorer, p.newExplorer().page)
	}
	if p.DeveloperPrefix != "" {
		for _, path := range developerPaths {
			p.user(mux, "GET "+path, p.developerPage)
			p.user(mux, "POST "+path, p.renewDeveloperToken)
		}
	}
}

// developerPaths are those of the developer page of the Hypothesis service.
var developerPaths = []string{"/profile/developer", "/account/developer"}

// Paths implements server.Dialect.
func (p *Pages) Paths() []string {
	if p.DeveloperPrefix == "" {
		return nil
	}
	return slices.Clone(developerPaths)
}

var (
	//go:embed openapi.json
	described []byte
	//go:embed openapi-admin.json
	describedAdmin []byte
	//go:embed openapi-explorer.json
	describedExplorer []byte
	//go:embed openapi-ways.json
	describedWays []byte
	//go:embed openapi-backchannel.json
	describedBackchannel []byte
	//go:embed openapi-hypothesis.json
	describedDeveloper []byte
)

// OpenAPI describes the pages that are on.
func (p *Pages) OpenAPI() [][]byte {
	fragments := [][]byte{described, describedAdmin}
	if p.Explorer != nil {
		fragments = append(fragments, describedExplorer)
	}
	if len(p.Ways.Sources) > 0 {
		fragments = append(fragments, describedWays, describedBackchannel)
	}
	if p.DeveloperPrefix != "" {
		fragments = append(fragments, describedDeveloper)
	}
	return fragments
}

// anybody mounts a page that needs no session. Its caller is known where there is one
// session and no more: who has two can sign out here.
func (p *Pages) anybody(mux *http.ServeMux, pattern string, serve page) {
	p.mount(mux, pattern, func(w http.ResponseWriter, r *http.Request) error {
		c, err := p.caller(r)
		if err != nil && !lost(err) && !fault.Is(err, fault.Invalid) {
			return err
		}
		return serve(w, &request{Request: r, caller: c})
	})
}

// user mounts a page that needs a session.
func (p *Pages) user(mux *http.ServeMux, pattern string, serve page) {
	p.mount(mux, pattern, func(w http.ResponseWriter, r *http.Request) error {
		_, byToken, err := httpkit.Bearer(r)
		if err != nil {
			return err
		}
		if byToken {
			return fault.New(fault.Unauthenticated, "this page is for people who are signed in; tokens are for the API")
		}
		c, err := p.caller(r)
		if lost(err) {
			return p.toLogin(w, r, err)
		}
		if err != nil {
			return err
		}
		err = serve(w, &request{Request: r, caller: c})
		if fault.Is(err, fault.SignInAgain) && !wantsJSON(r) {
			return p.toSignInAgain(w, r.URL.Path)
		}
		return err
	})
}

// mount puts around a page what each one needs.
func (p *Pages) mount(mux *http.ServeMux, pattern string, serve httpkit.HandlerFunc) {
	p.mountFrom(mux, pattern, p.checkOrigin, serve)
}

// mountFrom is mount for a page that says itself where a request may come from.
func (p *Pages) mountFrom(mux *http.ServeMux, pattern string, check func(*http.Request) error, serve httpkit.HandlerFunc) {
	guarded := httpkit.Handle(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Security-Policy", contentPolicy)
		httpkit.NoStore(w)
		if err := check(r); err != nil {
			return err
		}
		return serve(w, r)
	}, p.writeError)
	mux.Handle(pattern, httpkit.SecurityHeaders(guarded))
}

// checkOrigin refuses what another site made the browser send.
func (p *Pages) checkOrigin(r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	if p.CrossOrigin == nil {
		return fault.New(fault.Forbidden, "these pages are read-only on this server")
	}
	return p.CrossOrigin.Check(r)
}

// home leads to the page that people come for.
func (p *Pages) home(w http.ResponseWriter, r *request) error {
	return p.seeOther(w, pathTokens)
}

// seeOther leads the browser to one of these pages.
func (p *Pages) seeOther(w http.ResponseWriter, path string) error {
	return redirect(w, p.base+path)
}

// redirect leads the browser to a path of this host.
func redirect(w http.ResponseWriter, path string) error {
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

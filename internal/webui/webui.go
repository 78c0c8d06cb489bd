// Package webui is bearerd's web pages, assembled from the packages beneath it: signing
// in and out, a user's own tokens and account, consent, administration, and the API
// explorer.
//
// Pages are rendered by the server and work without the script. They carry one
// stylesheet and one script, both from this server and nothing inline, which the
// Content-Security-Policy enforces; the explorer, which is Swagger UI, has two more of
// each and a policy of its own. No page may be kept by a cache, and a token's value is in
// the answer to the POST that created it and nowhere else.
//
// A page needs a session: a user who has none, or has lost it, is sent to sign in
// and led back. What a POST does is refused when another site made the browser send
// it. The operations decide who may do what; what a page doesn't offer is a
// convenience, not a rule.
package webui

import (
	"net/http"
	"time"

	accounts "github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/shadow"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/traffic"
	"github.com/bearerd/bearerd/internal/usage"
	"github.com/bearerd/bearerd/internal/webui/account"
	"github.com/bearerd/bearerd/internal/webui/admin"
	"github.com/bearerd/bearerd/internal/webui/authorize"
	"github.com/bearerd/bearerd/internal/webui/explorer"
	"github.com/bearerd/bearerd/internal/webui/kit"
	"github.com/bearerd/bearerd/internal/webui/login"
)

// Pages are the web pages.
type Pages struct {
	SignIn    *signin.Authenticator
	Accounts  *accounts.Accounts
	Issuance  *issuance.Issuance
	Tokens    *credentials.Tokens
	Usage     *usage.Reader
	Flows     *authorizing.Flows
	Revoker   *revoking.Revoker
	Directory *directory.Directory
	Explainer *explain.Explainer
	Status    func() revocation.Status // how far this node has applied the revocation log
	Policy    issuance.Policy
	Now       func() time.Time

	CrossOrigin    *httpkit.CrossOrigin // nil: nobody can sign in or change anything
	Cookies        httpkit.Cookies      // how cookies are made
	SessionCookies []string             // those that carry a session; the first is the one that is set
	Challenge      httpkit.Challenge    // the challenge of a 401
	Overlap        time.Duration        // how long an old value stays valid when nothing is chosen, offered first
	Passwords      bool                 // people sign in with passwords, kept here or checked by a source
	Ways           login.Ways           // the other ways to sign in
	Documents      *clientdoc.Reader    // of clients that nobody registered; nil: they can't ask
	// DeveloperPrefix is the prefix of the token on a dialect's developer page, which is
	// at /profile/developer and /account/developer; "": there is no such page.
	DeveloperPrefix string
	// Traffic is what the charts of administration show of this node, and Cluster what
	// they show of all nodes; nil: there are none.
	Traffic traffic.Log
	Cluster admin.Cluster
	// Shadow is what report-only routes would have refused, and ReportOnly which routes of
	// this configuration those are.
	Shadow     *shadow.Log
	ReportOnly []string
	// Explorer returns the OpenAPI document that the API explorer shows. It is called
	// when the explorer is opened, and always returns the same; nil: there is no
	// explorer.
	Explorer func() []byte
	Name     string    // what the pages call this server; "": bearerd
	Logo     *kit.Logo // beside the name; nil: bearerd's own mark
	Front    bool      // the page at / is this server's, because no application is behind it

	site *kit.Site
}

// Register mounts the pages. It panics when a template doesn't parse, which a test
// would have shown.
func (p *Pages) Register(mux *http.ServeMux) {
	site := kit.New(kit.Config{
		Issuer: p.Policy.Issuer, Now: p.Now, Sessions: p.SignIn.Session,
		CrossOrigin: p.CrossOrigin, Cookies: p.Cookies, SessionCookies: p.SessionCookies, Challenge: p.Challenge,
		Name: p.Name, Logo: p.Logo, DeveloperPage: p.DeveloperPrefix != "", Explorer: p.Explorer != nil, Menu: admin.Menu,
	})
	p.site = site
	site.ServeAssets(mux)
	(&login.SignIn{
		Site: site, Authenticator: p.SignIn, Accounts: p.Accounts, Issuance: p.Issuance, Revoker: p.Revoker,
		Passwords: p.Passwords, Ways: p.Ways, Recent: p.Policy.Fresh, Front: p.Front,
	}).Register(mux)
	(&authorize.Consent{
		Site: site, Authenticator: p.SignIn, Issuance: p.Issuance, Flows: p.Flows, Directory: p.Directory, Documents: p.Documents, Policy: p.Policy,
	}).Register(mux)
	account.Register(mux, site, account.Operations{
		Accounts: p.Accounts, Issuance: p.Issuance, Tokens: p.Tokens, Usage: p.Usage, Flows: p.Flows, Revoker: p.Revoker, Directory: p.Directory,
		Policy: p.Policy, Overlap: p.Overlap, Sources: p.Ways.Sources, DeveloperPrefix: p.DeveloperPrefix,
	})
	admin.Register(mux, site, admin.Operations{
		Accounts: p.Accounts, Tokens: p.Tokens, Revoker: p.Revoker, Directory: p.Directory, Explainer: p.Explainer,
		Status: p.Status, Traffic: p.Traffic, Cluster: p.Cluster, Shadow: p.Shadow, ReportOnly: p.ReportOnly,
	})
	if p.Explorer != nil {
		(&explorer.Explorer{Site: site, Document: p.Explorer}).Register(mux)
	}
}

// Refuse answers a request that no endpoint serves: with a page for a browser. The pages
// must be registered.
func (p *Pages) Refuse(w http.ResponseWriter, r *http.Request, err error) { p.site.Refuse(w, r, err) }

// Paths implements server.Dialect.
func (p *Pages) Paths() []string {
	if p.DeveloperPrefix == "" {
		return nil
	}
	return account.DeveloperPaths()
}

// OpenAPI describes the pages that are on.
func (p *Pages) OpenAPI() [][]byte {
	fragments := [][]byte{kit.OpenAPI(), authorize.OpenAPI(), admin.OpenAPI()}
	fragments = append(fragments, login.OpenAPI(len(p.Ways.Sources) > 0, p.Front)...)
	fragments = append(fragments, account.OpenAPI(p.DeveloperPrefix != "")...)
	if p.Explorer != nil {
		fragments = append(fragments, explorer.OpenAPI())
	}
	return fragments
}

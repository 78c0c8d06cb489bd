// Package account is the pages for users themselves: their tokens, their account, the
// page on which a device is connected, and the developer page of the Hypothesis service.
package account

import (
	"embed"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/sso"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/usage"
	"github.com/bearerd/bearerd/internal/webui/kit"
	"github.com/bearerd/bearerd/internal/webui/tokenrow"
)

//go:embed templates
var templates embed.FS

var (
	//go:embed openapi.json
	described []byte
	//go:embed openapi-developer.json
	describedDeveloper []byte
)

// OpenAPI describes the pages; the developer page where there is one.
func OpenAPI(developer bool) [][]byte {
	if !developer {
		return [][]byte{described}
	}
	return [][]byte{described, describedDeveloper}
}

// Operations are what people do here, and what the pages offer.
type Operations struct {
	Accounts  *account.Accounts
	Issuance  *issuance.Issuance
	Tokens    *credentials.Tokens
	Usage     *usage.Reader
	Flows     *authorizing.Flows
	Revoker   *revoking.Revoker
	Directory *directory.Directory
	Policy    issuance.Policy
	Overlap   time.Duration // how long an old value stays valid when nothing is chosen, offered first
	Sources   sso.Sources   // that can be linked
	// DeveloperPrefix is the prefix of the token on the developer page; "": there is no
	// such page.
	DeveloperPrefix string
}

// Register mounts the pages.
func Register(mux *http.ServeMux, site *kit.Site, o Operations) {
	site.Use(templates)
	(&accountPage{site, o.Accounts, o.Issuance, o.Tokens, o.Revoker, o.Sources}).register(mux)
	tokens := &tokenPages{site, o.Issuance, o.Tokens, o.Revoker, o.Directory, o.Policy, o.Overlap}
	tokens.register(mux)
	(&usePages{tokens, o.Usage}).register(mux)
	(&devicePage{site, o.Issuance, o.Flows, o.Policy}).register(mux)
	if o.DeveloperPrefix != "" {
		(&developerPage{site, o.Tokens, o.DeveloperPrefix}).register(mux)
	}
}

// accountPage is the page of one's own account.
type accountPage struct {
	*kit.Site

	Accounts *account.Accounts
	Issuance *issuance.Issuance
	Tokens   *credentials.Tokens
	Revoker  *revoking.Revoker
	Sources  sso.Sources // that can be linked
}

// accountView is that page.
type accountView struct {
	kit.State
	account.Account
	KeptBy   string // the name of what keeps the password, as people read it; "": bearerd
	Sessions []sessionRow
	Others   bool // there are sessions other than this one
	Linked   []linkRow
	Connect  []kit.Way // the sources that can be linked
}

// sessionRow is a session as its owner sees it.
type sessionRow struct {
	tokenrow.Row
	Current bool
	By      string // how the user signed in
}

// linkRow is a link as the user sees it.
type linkRow struct {
	records.Link
	Title string
	Owner bool // the user's owner identifies them by it
}

// register mounts the page.
func (p *accountPage) register(mux *http.ServeMux) {
	forms := p.accountForms()
	p.User(mux, "GET "+kit.PathAccount, func(w http.ResponseWriter, r *kit.Request) error {
		return p.showAccount(w, r, http.StatusOK, kit.State{Notice: kit.Notice(r.URL.Query().Get("notice"))})
	})
	p.User(mux, "POST "+kit.PathAccount, func(w http.ResponseWriter, r *kit.Request) error { return p.RunForm(w, r, p.showAccount, forms) })
}

func (p *accountPage) accountForms() map[string]kit.Action {
	return map[string]kit.Action{
		"password":    {Do: p.changePassword, Fields: kit.FieldsNamed("password", "current_password")},
		"end-session": {Do: p.endSession},
		"end-others":  {Do: p.endOthers},
		"unlink": {Do: p.unlinkOwn, Ask: kit.Asks("title", "Disconnect NAME?", "Disconnect",
			"You can't sign in with this account of NAME any more, and your other sessions that began with NAME are ended.")},
	}
}

func (p *accountPage) showAccount(w http.ResponseWriter, r *kit.Request, status int, s kit.State) error {
	account, err := p.Accounts.Account(r.Context(), r.Caller)
	if err != nil {
		return err
	}
	view := accountView{State: s, Account: account}
	if account.Keeper != "" {
		view.KeptBy = p.Accounts.Title(account.Keeper)
	}
	sessions, err := p.Tokens.Sessions(r.Context(), r.Caller)
	if err != nil {
		return err
	}
	for _, t := range sessions {
		row := sessionRow{Row: tokenrow.Of(t, nil, p.Now()), Current: t.ID == r.Caller.TokenID(), By: "a password"}
		if t.SignIn.Source != "" {
			row.By = p.Accounts.Title(t.SignIn.Source)
		}
		if row.Current {
			view.Sessions = slices.Insert(view.Sessions, 0, row)
			continue
		}
		view.Sessions, view.Others = append(view.Sessions, row), true
	}
	for _, l := range account.Links {
		view.Linked = append(view.Linked, linkRow{Link: l, Title: p.Accounts.Title(l.Source), Owner: l.Source == account.User.Owner})
	}
	view.Connect = p.connectable(account.Links)
	return p.Render(w, r, status, "account", "Your account", view)
}

// connectable returns the sources that somebody with these links can link from here: those
// that have a page of their own.
func (p *accountPage) connectable(links []records.Link) []kit.Way {
	var list []kit.Way
	for _, s := range p.Sources {
		if s.Header != nil || slices.ContainsFunc(links, func(l records.Link) bool { return l.Source == s.Name }) {
			continue
		}
		q := url.Values{"next": {p.Base + kit.PathAccount}}
		list = append(list, kit.Way{Name: s.Name, Title: s.Title, Address: kit.PathWays + s.Name + "/link?" + q.Encode(), Away: s.Away()})
	}
	return list
}

// changePassword changes the password; the browser gets a session in place of the old one.
func (p *accountPage) changePassword(r *kit.Request, form url.Values) (kit.Result, error) {
	for _, f := range []struct{ name, problem string }{
		{"current_password", "enter your current password"},
		{"password", "enter the new password"},
	} {
		if form.Get(f.name) == "" {
			return kit.Result{}, fault.New(fault.Invalid, "%s", f.problem).In(f.name)
		}
	}
	c, collection, err := p.Accounts.ChangePassword(r.Context(), r.Caller, account.PasswordChange{
		Current: token.Secret(form.Get("current_password")), New: token.Secret(form.Get("password")),
	})
	if err != nil {
		return kit.Result{}, err
	}
	session, err := p.Issuance.StartSession(r.Context(), c, collection)
	return kit.Result{To: kit.PathAccount + "?notice=password-changed", Session: begun(session)}, err
}

func (p *accountPage) endSession(r *kit.Request, form url.Values) (kit.Result, error) {
	t, err := p.Tokens.OwnSession(r.Context(), r.Caller, form.Get("id"))
	if err == nil {
		_, err = p.Revoker.RevokeID(r.Context(), r.Caller, t.ID)
	}
	return kit.Result{To: kit.PathAccount + "?notice=session-ended"}, err
}

// endOthers ends every session but this one.
func (p *accountPage) endOthers(r *kit.Request, _ url.Values) (kit.Result, error) {
	sessions, err := p.Tokens.Sessions(r.Context(), r.Caller)
	if err != nil {
		return kit.Result{}, err
	}
	var others []string
	for _, t := range sessions {
		if t.ID != r.Caller.TokenID() {
			others = append(others, t.ID)
		}
	}
	_, err = p.Revoker.RevokeIDs(r.Context(), r.Caller, others)
	return kit.Result{To: kit.PathAccount + "?notice=sessions-ended"}, err
}

func (p *accountPage) unlinkOwn(r *kit.Request, form url.Values) (kit.Result, error) {
	_, err := p.Accounts.Unlink(r.Context(), r.Caller, records.Link{Source: form.Get("source"), ExternalID: form.Get("external_id")})
	return kit.Result{To: kit.PathAccount + "?notice=disconnected"}, err
}

// begun returns the new session for the browser.
func begun(session *issuance.Issued) *kit.Session {
	if session == nil {
		return nil
	}
	return &kit.Session{Value: session.Value, Lifetime: time.Duration(session.Lifetime) * time.Second}
}

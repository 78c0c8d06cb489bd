package webui

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// pathAccount is the page of one's own account.
const pathAccount = "/auth/account"

// accountView is that page.
type accountView struct {
	formState
	account.Account
	KeptBy   string // how people read the name of what keeps the password; "": bearerd
	Sessions []sessionRow
	Others   bool // there are sessions beside this one
	Linked   []linkRow
	Connect  []way // the sources that can be linked
}

// sessionRow is a session as its owner sees it.
type sessionRow struct {
	tokenRow
	Current bool
	By      string // how the user signed in
}

// linkRow is a link as the user sees it.
type linkRow struct {
	records.Link
	Title string
	Owner bool // by it the user's owner knows them
}

func (p *Pages) registerAccount(mux *http.ServeMux) {
	forms := p.accountForms()
	p.user(mux, "GET "+pathAccount, func(w http.ResponseWriter, r *request) error {
		return p.showAccount(w, r, http.StatusOK, formState{Notice: notices[r.URL.Query().Get("notice")]})
	})
	p.user(mux, "POST "+pathAccount, func(w http.ResponseWriter, r *request) error { return p.run(w, r, p.showAccount, forms) })
}

func (p *Pages) accountForms() map[string]formAction {
	return map[string]formAction{
		"password":    {do: p.changePassword, fields: fieldsNamed("password", "current_password")},
		"end-session": {do: p.endSession},
		"end-others":  {do: p.endOthers},
		"unlink": {do: p.unlinkOwn, ask: asks("title", "Disconnect NAME?", "Disconnect",
			"You can't sign in with this account of NAME any more, and your other sessions that began with NAME are ended.")},
	}
}

func (p *Pages) showAccount(w http.ResponseWriter, r *request, status int, s formState) error {
	account, err := p.Accounts.Account(r.Context(), r.caller)
	if err != nil {
		return err
	}
	view := accountView{formState: s, Account: account}
	if account.Keeper != "" {
		view.KeptBy = p.Accounts.Title(account.Keeper)
	}
	sessions, err := p.Tokens.Sessions(r.Context(), r.caller)
	if err != nil {
		return err
	}
	for _, t := range sessions {
		row := sessionRow{tokenRow: p.row(t, nil), Current: t.ID == r.caller.TokenID(), By: "a password"}
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
	return p.render(w, r, status, "account", "Your account", view)
}

// connectable returns the sources that somebody with these links can link from here: those
// that have a page of their own.
func (p *Pages) connectable(links []records.Link) []way {
	var list []way
	for _, s := range p.Ways.Sources {
		if s.Header != nil || slices.ContainsFunc(links, func(l records.Link) bool { return l.Source == s.Name }) {
			continue
		}
		q := url.Values{"next": {p.base + pathAccount}}
		list = append(list, way{Name: s.Name, Title: s.Title, Address: PathWays + s.Name + "/link?" + q.Encode(), Away: s.Away()})
	}
	return list
}

// changePassword changes the password; the browser gets a session in place of the old one.
func (p *Pages) changePassword(r *request, form url.Values) (result, error) {
	for _, f := range []struct{ name, problem string }{
		{"current_password", "enter your current password"},
		{"password", "enter the new password"},
	} {
		if form.Get(f.name) == "" {
			return result{}, fault.New(fault.Invalid, "%s", f.problem).In(f.name)
		}
	}
	c, collection, err := p.Accounts.ChangePassword(r.Context(), r.caller, account.PasswordChange{
		Current: token.Secret(form.Get("current_password")), New: token.Secret(form.Get("password")),
	})
	if err != nil {
		return result{}, err
	}
	session, err := p.Issuance.StartSession(r.Context(), c, collection)
	return result{to: pathAccount + "?notice=password-changed", session: session}, err
}

func (p *Pages) endSession(r *request, form url.Values) (result, error) {
	t, err := p.Tokens.OwnSession(r.Context(), r.caller, form.Get("id"))
	if err == nil {
		_, err = p.Revoker.RevokeID(r.Context(), r.caller, t.ID)
	}
	return result{to: pathAccount + "?notice=session-ended"}, err
}

// endOthers ends every session but this one.
func (p *Pages) endOthers(r *request, _ url.Values) (result, error) {
	sessions, err := p.Tokens.Sessions(r.Context(), r.caller)
	if err != nil {
		return result{}, err
	}
	var others []string
	for _, t := range sessions {
		if t.ID != r.caller.TokenID() {
			others = append(others, t.ID)
		}
	}
	_, err = p.Revoker.RevokeIDs(r.Context(), r.caller, others)
	return result{to: pathAccount + "?notice=sessions-ended"}, err
}

func (p *Pages) unlinkOwn(r *request, form url.Values) (result, error) {
	_, err := p.Accounts.Unlink(r.Context(), r.caller, records.Link{Source: form.Get("source"), ExternalID: form.Get("external_id")})
	return result{to: pathAccount + "?notice=disconnected"}, err
}

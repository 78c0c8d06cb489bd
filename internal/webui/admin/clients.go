package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// clientPages are the pages of OAuth clients.
type clientPages struct {
	office

	Directory *directory.Directory
}

// clientsView is the page of all OAuth clients.
type clientsView struct {
	kit.State
	Clients   []identity.Client
	List      kit.List
	Grants    []grantType
	Edit      *identity.Client // the one that is being changed
	Scopes    string
	Targets   string
	From      string // whose tokens it may exchange
	Redirects string
	JWKS      string
	JWKSURI   string
	now       time.Time
}

// OldUntil returns until when a client's old secret is valid; zero if there is none.
func (v clientsView) OldUntil(c identity.Client) (t time.Time) {
	if c.OldSecretGood(v.now) {
		t = c.OldSecretUntil
	}
	return t
}

// grantType is a grant type and its purpose.
type grantType struct{ Name, Short, Text string }

var grantTypes = []grantType{
	{identity.GrantTypeClientCredentials, "client_credentials", "gets tokens for itself, with its secret or key"},
	{identity.GrantTypeRefreshToken, "refresh_token", "renews access without asking the user again"},
	{identity.GrantTypeJWTBearer, "jwt-bearer", "exchanges the tokens of trusted issuers"},
	{identity.GrantTypeTokenExchange, "token-exchange", "exchanges tokens of users for its own"},
	{identity.GrantTypeAuthorizationCode, "authorization_code", "asks people for access in their browser"},
	{identity.GrantTypeDeviceCode, "device_code", "is connected by a user on another screen"},
}

// clientSecret is a page that shows a client's secret only once.
type clientSecret struct {
	ID, Value string
	OldUntil  time.Time // until when the old one is valid; zero: there is none
	Warning   string    // of the client's id
}

// showOnce is the result of a form that has created a secret.
func showOnce(secret clientSecret) kit.Result {
	return kit.Result{Once: &kit.Shown{Template: "secret", Title: "The client's secret", Data: secret}}
}

const toClients = kit.PathAdmin + "clients"

func (p *clientPages) showClients(w http.ResponseWriter, r *kit.Request, status int, s kit.State) error {
	q := r.URL.Query()
	view := clientsView{State: s, List: kit.NewList(toClients, "client", "id or name", q, kit.Sorted()), Grants: grantTypes, now: p.Now()}
	edit := q.Get("edit")
	if s.At == "update" {
		edit = s.Typed.Get("id")
	}
	if edit != "" {
		c, err := p.Directory.Client(r.Context(), r.Caller, edit)
		switch {
		case err == nil:
			view.edit(c)
		case !fault.Is(err, fault.NotFound):
			return err
		}
	}
	page, err := p.Directory.ClientPage(r.Context(), r.Caller, view.List.Things(q))
	if err != nil {
		return err
	}
	view.Clients = kit.PageOf(&view.List, page)
	return p.Render(w, r, status, "clients", "Clients", view)
}

// edit shows a client in the form.
func (v *clientsView) edit(c identity.Client) {
	v.Edit = &c
	v.Scopes, v.Targets = identity.FormatScope(c.Scopes), strings.Join(c.Audiences, "\n")
	v.From, v.Redirects = strings.Join(c.ExchangeFrom, "\n"), strings.Join(c.RedirectURIs, "\n")
	v.JWKS, v.JWKSURI = c.Keys.JWKS, c.Keys.URI
}

func (p *clientPages) clientForms() map[string]kit.Action {
	return map[string]kit.Action{
		"create": {Do: p.createClient, Fields: kit.FieldsNamed("id", "name", "redirect_uris", "scopes", "audiences", "exchange_from", "jwks", "jwks_uri")},
		"update": {Fields: kit.FieldsNamed("name", "redirect_uris", "scopes", "audiences", "exchange_from", "jwks", "jwks_uri"), Do: kit.Reading(readClient, toClients+"?notice=saved",
			func(ctx context.Context, c *caller.Caller, n identity.NewClient) error {
				_, err := p.Directory.UpdateClient(ctx, c, n)
				return err
			})},
		"renew": {Do: p.renewSecret, Ask: askRenewSecret},
		"remove": {Do: p.removeClient, Ask: kit.Asks("id", "Remove the client NAME?", "Remove",
			"Every token that was issued to it stops working at once.", "This can't be undone.")},
	}
}

func readClient(form url.Values) (identity.NewClient, error) {
	scopes, err := identity.ParseScope(form.Get("scopes"))
	return identity.NewClient{
		ID: form.Get("id"), Grants: form["grants"], Scopes: scopes, Audiences: kit.Words(form.Get("audiences"), "\r\n"),
		ExchangeFrom: kit.Words(form.Get("exchange_from"), "\r\n"), Name: form.Get("name"), RedirectURIs: kit.Words(form.Get("redirect_uris"), "\r\n"),
		Keys: identity.ClientKeys{JWKS: strings.TrimSpace(form.Get("jwks")), URI: strings.TrimSpace(form.Get("jwks_uri"))},
	}, fault.In("scopes", err)
}

func (p *clientPages) createClient(r *kit.Request, form url.Values) (kit.Result, error) {
	n, err := readClient(form)
	if err != nil {
		return kit.Result{}, err
	}
	public := form.Get("public") == "yes"
	c, secret, err := p.Directory.CreateClient(r.Context(), r.Caller, n, !public)
	warning := identity.BasicWarning(c.ID, "")
	switch {
	case err != nil:
		return kit.Result{}, err
	case secret != "":
		return showOnce(clientSecret{ID: c.ID, Value: secret.Reveal(), Warning: warning}), nil
	case warning != "":
		return kit.Result{Text: "The client is created, but " + warning + ".", Warn: true}, nil
	}
	return kit.Result{To: toClients + "?notice=made"}, nil
}

func (p *clientPages) renewSecret(r *kit.Request, form url.Values) (kit.Result, error) {
	id := form.Get("id")
	if id == "" {
		return kit.Result{}, fault.New(fault.Invalid, "the client is missing")
	}
	rotation := identity.Rotation{ID: id, Revoke: form.Get("revoke") == "yes"}
	if s := form.Get("overlap"); s != "" {
		var err error
		if rotation.Overlap, err = strconv.ParseInt(s, 10, 64); err != nil {
			return kit.Result{}, fault.New(fault.Invalid, "the overlap is a number of seconds").In("overlap")
		}
	}
	secret, c, err := p.Directory.RotateSecret(r.Context(), r.Caller, rotation)
	if err != nil {
		return kit.Result{}, err
	}
	shown := clientSecret{ID: id, Value: secret.Reveal(), Warning: identity.BasicWarning(id, "")}
	if c.OldSecretGood(p.Now()) {
		shown.OldUntil = c.OldSecretUntil
	}
	return showOnce(shown), nil
}

func (p *clientPages) removeClient(r *kit.Request, form url.Values) (kit.Result, error) {
	_, err := p.Directory.RemoveClient(r.Context(), r.Caller, form.Get("id"))
	return kit.Result{To: toClients + "?notice=removed"}, err
}

func askRenewSecret(r *kit.Request, form url.Values) (kit.Question, error) {
	q, err := kit.Asks("id", "A new secret for NAME?", "Create new secret",
		"The client has two secrets at most. If an older one is still valid, it ends at once.")(r, form)
	q.Picks = []kit.Pick{
		{Name: "overlap", Legend: "The secret that it has now", Options: []kit.Choice{
			{Value: "86400", Text: "works for 24 hours more, beside the new one", Chosen: true},
			{Value: "604800", Text: "works for 7 days more"},
			{Value: "0", Text: "stops working at once"},
		}},
		{Name: "revoke", Legend: "The tokens that it has", Options: []kit.Choice{
			{Value: "no", Text: "stay as they are", Chosen: true},
			{Value: "yes", Text: "are revoked at once, as after a leak"},
		}},
	}
	return q, err
}

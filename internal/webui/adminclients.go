package webui

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
)

// clientsView is the page of all OAuth clients.
type clientsView struct {
	formState
	Clients   []identity.Client
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

// OldUntil returns until when a client's old secret is good; zero where there is none.
func (v clientsView) OldUntil(c identity.Client) (t time.Time) {
	if c.OldSecretGood(v.now) {
		t = c.OldSecretUntil
	}
	return t
}

// grantType is a grant type with what it is for.
type grantType struct{ Name, Short, Text string }

var grantTypes = []grantType{
	{identity.GrantTypeClientCredentials, "client_credentials", "gets tokens for itself, with its secret or key"},
	{identity.GrantTypeRefreshToken, "refresh_token", "renews access without asking the user again"},
	{identity.GrantTypeJWTBearer, "jwt-bearer", "brings the tokens of trusted issuers"},
	{identity.GrantTypeTokenExchange, "token-exchange", "exchanges tokens of users for its own"},
	{identity.GrantTypeAuthorizationCode, "authorization_code", "asks people for access in their browser"},
	{identity.GrantTypeDeviceCode, "device_code", "is connected by a user on another screen"},
}

// shortGrant returns the last part of a grant type's name.
func shortGrant(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

// clientSecret is a page that shows a client's secret this once.
type clientSecret struct {
	ID, Value string
	OldUntil  time.Time // until when the old one is good; zero: there is none
	Warning   string    // of the client's id
}

const toClients = pathAdmin + "clients"

func (p *Pages) showClients(w http.ResponseWriter, r *request, status int, s formState) error {
	all, err := p.Directory.ClientList(r.Context(), r.caller)
	if err != nil {
		return err
	}
	view := clientsView{formState: s, Clients: all, Grants: grantTypes, now: p.Now()}
	edit := r.URL.Query().Get("edit")
	if s.At == "update" {
		edit = s.Typed.Get("id")
	}
	for i := range all {
		if all[i].ID == edit {
			view.Edit = &all[i]
			view.Scopes, view.Targets = identity.FormatScope(all[i].Scopes), strings.Join(all[i].Audiences, "\n")
			view.From, view.Redirects = strings.Join(all[i].ExchangeFrom, "\n"), strings.Join(all[i].RedirectURIs, "\n")
			view.JWKS, view.JWKSURI = all[i].Keys.JWKS, all[i].Keys.URI
		}
	}
	return p.render(w, r, status, "clients", "Clients", view)
}

func (p *Pages) clientForms() map[string]formAction {
	return map[string]formAction{
		"create": {do: p.createClient, fields: fieldsNamed("id", "name", "redirect_uris", "scopes", "audiences", "exchange_from", "jwks", "jwks_uri")},
		"update": {fields: fieldsNamed("name", "redirect_uris", "scopes", "audiences", "exchange_from", "jwks", "jwks_uri"), do: reading(readClient, toClients+"?notice=saved",
			func(ctx context.Context, c *caller.Caller, n directory.NewClient) error {
				_, err := p.Directory.UpdateClient(ctx, c, n)
				return err
			})},
		"renew": {do: p.renewSecret, ask: askRenewSecret},
		"remove": {do: p.removeClient, ask: asks("id", "Remove the client NAME?", "Remove",
			"Every token that was issued to it stops working at once.", "This can't be undone.")},
	}
}

func readClient(form url.Values) (directory.NewClient, error) {
	scopes, err := identity.ParseScope(form.Get("scopes"))
	return directory.NewClient{
		ID: form.Get("id"), Grants: form["grants"], Scopes: scopes, Audiences: words(form.Get("audiences"), "\r\n"),
		ExchangeFrom: words(form.Get("exchange_from"), "\r\n"), Name: form.Get("name"), RedirectURIs: words(form.Get("redirect_uris"), "\r\n"),
		Keys: identity.ClientKeys{JWKS: strings.TrimSpace(form.Get("jwks")), URI: strings.TrimSpace(form.Get("jwks_uri"))},
	}, fault.In("scopes", err)
}

func (p *Pages) createClient(r *request, form url.Values) (result, error) {
	n, err := readClient(form)
	if err != nil {
		return result{}, err
	}
	public := form.Get("public") == "yes"
	c, secret, err := p.Directory.CreateClient(r.Context(), r.caller, n, !public)
	warning := identity.BasicWarning(c.ID, "")
	switch {
	case err != nil:
		return result{}, err
	case secret != "":
		return result{secret: &clientSecret{ID: c.ID, Value: secret.Reveal(), Warning: warning}}, nil
	case warning != "":
		return result{text: "The client is created, but " + warning + ".", warn: true}, nil
	}
	return result{to: toClients + "?notice=made"}, nil
}

func (p *Pages) renewSecret(r *request, form url.Values) (result, error) {
	id := form.Get("id")
	if id == "" {
		return result{}, fault.New(fault.Invalid, "the client is missing")
	}
	rotation := directory.Rotation{ID: id, Revoke: form.Get("revoke") == "yes"}
	if s := form.Get("overlap"); s != "" {
		var err error
		if rotation.Overlap, err = strconv.ParseInt(s, 10, 64); err != nil {
			return result{}, fault.New(fault.Invalid, "the overlap is a number of seconds").In("overlap")
		}
	}
	secret, c, err := p.Directory.RotateSecret(r.Context(), r.caller, rotation)
	if err != nil {
		return result{}, err
	}
	shown := &clientSecret{ID: id, Value: secret.Reveal(), Warning: identity.BasicWarning(id, "")}
	if c.OldSecretGood(p.Now()) {
		shown.OldUntil = c.OldSecretUntil
	}
	return result{secret: shown}, nil
}

func (p *Pages) removeClient(r *request, form url.Values) (result, error) {
	_, err := p.Directory.RemoveClient(r.Context(), r.caller, form.Get("id"))
	return result{to: toClients + "?notice=removed"}, err
}

func askRenewSecret(r *request, form url.Values) (question, error) {
	q, err := asks("id", "A new secret for NAME?", "Create new secret",
		"The client has two secrets at most. If an older one is still good, it ends at once.")(r, form)
	q.Picks = []pick{
		{"overlap", "The secret that it has now", []choice{
			{Value: "86400", Text: "works for 24 hours more, beside the new one", Chosen: true},
			{Value: "604800", Text: "works for 7 days more"},
			{Value: "0", Text: "stops working at once"},
		}},
		{"revoke", "The tokens that it has", []choice{
			{Value: "no", Text: "stay as they are", Chosen: true},
			{Value: "yes", Text: "are revoked at once, as after a leak"},
		}},
	}
	return q, err
}

package webui

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
)

// clientsView is the page of all OAuth clients.
type clientsView struct {
	formState
	Clients []identity.Client
	Grants  []grantType
	Edit    *identity.Client // the one that is being changed
	Scopes  string
	Targets string
}

// grantType is a grant type with what it is for.
type grantType struct{ Name, Short, Text string }

var grantTypes = []grantType{
	{identity.GrantTypeClientCredentials, "client_credentials", "gets tokens for itself, with its secret"},
	{identity.GrantTypeRefreshToken, "refresh_token", "renews access without asking the user again"},
	{identity.GrantTypeTokenExchange, "token-exchange", "exchanges tokens of users for its own"},
	{identity.GrantTypeDeviceCode, "device_code", "is connected by a user on another screen"},
}

// shortGrant returns the last part of a grant type's name.
func shortGrant(name string) string { return name[strings.LastIndexByte(name, ':')+1:] }

// clientSecret is a page that shows a client's secret this once.
type clientSecret struct{ ID, Value string }

const toClients = pathAdmin + "clients"

func (p *Pages) showClients(w http.ResponseWriter, r *request, status int, s formState) error {
	all, err := p.Directory.ClientList(r.Context(), r.caller)
	if err != nil {
		return err
	}
	view := clientsView{formState: s, Clients: all, Grants: grantTypes}
	edit := r.URL.Query().Get("edit")
	if s.At == "update" {
		edit = s.Typed.Get("id")
	}
	for i := range all {
		if all[i].ID == edit {
			view.Edit = &all[i]
			view.Scopes, view.Targets = identity.FormatScope(all[i].Scopes), strings.Join(all[i].Audiences, "\n")
		}
	}
	return p.render(w, r, status, "clients", "Clients", view)
}

func (p *Pages) clientForms() map[string]formAction {
	return map[string]formAction{
		"create": {do: p.createClient, fields: fieldsNamed("id", "scopes", "audiences")},
		"update": {fields: fieldsNamed("scopes", "audiences"), do: reading(readClient, toClients+"?notice=saved",
			func(ctx context.Context, c *caller.Caller, n directory.NewClient) error {
				_, err := p.Directory.UpdateClient(ctx, c, n)
				return err
			})},
		"renew": {do: p.renewSecret, ask: asks("id", "A new secret for NAME?", "Create new secret",
			"The current secret stops working at once, and every token that was issued to the client is revoked.")},
		"remove": {do: p.removeClient, ask: asks("id", "Remove the client NAME?", "Remove",
			"Every token that was issued to it stops working at once.", "This can't be undone.")},
	}
}

func readClient(form url.Values) (directory.NewClient, error) {
	scopes, err := identity.ParseScope(form.Get("scopes"))
	return directory.NewClient{
		ID: form.Get("id"), Grants: form["grants"], Scopes: scopes, Audiences: words(form.Get("audiences"), "\r\n"),
	}, fault.In("scopes", err)
}

func (p *Pages) createClient(r *request, form url.Values) (result, error) {
	n, err := readClient(form)
	if err != nil {
		return result{}, err
	}
	public := form.Get("public") == "yes"
	c, secret, err := p.Directory.CreateClient(r.Context(), r.caller, n, !public)
	if err != nil || secret == "" {
		return result{to: toClients + "?notice=made"}, err
	}
	return result{secret: &clientSecret{c.ID, secret.Reveal()}}, nil
}

func (p *Pages) renewSecret(r *request, form url.Values) (result, error) {
	id := form.Get("id")
	if id == "" {
		return result{}, fault.New(fault.Invalid, "the client is missing")
	}
	secret, err := p.Directory.RenewClientSecret(r.Context(), r.caller, id)
	return result{secret: &clientSecret{id, secret.Reveal()}}, err
}

func (p *Pages) removeClient(r *request, form url.Values) (result, error) {
	_, err := p.Directory.RemoveClient(r.Context(), r.caller, form.Get("id"))
	return result{to: toClients + "?notice=removed"}, err
}

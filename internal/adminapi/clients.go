package adminapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// Client is an OAuth client as it is shown. Its secret is only in the answer to its
// creation, and only if bearerd generated it.
type Client struct {
	ID             string          `json:"id"`
	Public         bool            `json:"public"`
	Grants         []string        `json:"grants"`
	Scopes         []string        `json:"scopes"`
	Audiences      []string        `json:"audiences"`
	ExchangeFrom   []string        `json:"exchange_from"`
	Name           string          `json:"name"`
	RedirectURIs   []string        `json:"redirect_uris"`
	JWKS           json.RawMessage `json:"jwks,omitempty"` // the keys by which it authenticates, in place of a secret
	JWKSURI        string          `json:"jwks_uri,omitempty"`
	OldSecretUntil *time.Time      `json:"old_secret_until,omitempty"` // while an old secret is good
	Owner          string          `json:"owner"`
	Secret         string          `json:"secret,omitempty"`
	Warning        string          `json:"warning,omitempty"` // of what was sent
}

// ClientOf returns a client as it is shown at this time.
func ClientOf(c identity.Client, now time.Time) Client {
	out := Client{
		ID: c.ID, Public: c.Public(), Grants: some(c.Grants), Scopes: some(c.Scopes), Audiences: some(c.Audiences),
		ExchangeFrom: some(c.ExchangeFrom), Name: c.Name, RedirectURIs: some(c.RedirectURIs), Owner: c.Owner,
		JWKSURI: c.Keys.URI,
	}
	if c.Keys.JWKS != "" {
		out.JWKS = json.RawMessage(c.Keys.JWKS)
	}
	if c.OldSecretGood(now) {
		out.OldSecretUntil = new(c.OldSecretUntil)
	}
	return out
}

// clientPatch is a change of a client; what isn't named stays.
type clientPatch struct {
	Secret       *string          `json:"secret"`
	Grants       *[]string        `json:"grants"`
	Scopes       *[]string        `json:"scopes"`
	Audiences    *[]string        `json:"audiences"`
	ExchangeFrom *[]string        `json:"exchange_from"`
	Name         *string          `json:"name"`
	RedirectURIs *[]string        `json:"redirect_uris"`
	JWKS         *json.RawMessage `json:"jwks"` // {}: none
	JWKSURI      *string          `json:"jwks_uri"`
}

// keys returns the keys of a client after the patch: a client has a secret, a set or the
// address of one, so naming one of them removes the others.
func (p clientPatch) keys(k identity.ClientKeys) identity.ClientKeys {
	if p.Secret != nil || p.JWKS != nil || p.JWKSURI != nil && *p.JWKSURI != "" {
		k = identity.ClientKeys{}
	}
	if p.JWKS != nil {
		var set bytes.Buffer
		if json.Compact(&set, *p.JWKS) == nil && set.String() != "{}" {
			k.JWKS = set.String()
		}
	}
	if p.JWKSURI != nil {
		k.URI = *p.JWKSURI
	}
	return k
}

// on returns c with the patch.
func (p clientPatch) on(c identity.Client) (identity.NewClient, error) {
	n := identity.NewClientOf(c)
	if p.Grants != nil {
		n.Grants = *p.Grants
	}
	if p.Scopes != nil {
		n.Scopes = *p.Scopes
	}
	if p.Audiences != nil {
		n.Audiences = *p.Audiences
	}
	if p.ExchangeFrom != nil {
		n.ExchangeFrom = *p.ExchangeFrom
	}
	if p.Name != nil {
		n.Name = *p.Name
	}
	if p.RedirectURIs != nil {
		n.RedirectURIs = *p.RedirectURIs
	}
	n.Keys = p.keys(n.Keys)
	if p.Secret == nil {
		return n, nil
	}
	n.Secret = token.Secret(*p.Secret)
	_, err := identity.DigestSecret(*p.Secret)
	return n, err
}

// newClient is a client to be created. Without a secret one is generated for it, unless
// it has keys or is public. A client is public, too, if all its grants are for public
// clients.
type newClient struct {
	ID     string `json:"id"`
	Public *bool  `json:"public"`
	clientPatch
}

// public reports whether the client is to have no secret.
func (n newClient) public() (bool, error) {
	switch {
	case n.Public == nil:
		return n.Secret == nil && forPublic(value(n.Grants)), nil
	case *n.Public && n.Secret != nil:
		return false, fault.New(fault.Invalid, "a public client has no secret").In("secret")
	case *n.Public && (n.JWKS != nil || n.JWKSURI != nil):
		return false, fault.New(fault.Invalid, "a public client has no keys").In("public")
	}
	return *n.Public, nil
}

// forPublic reports whether there are grants and all of them need no secret.
func forPublic(grants []string) bool {
	return len(grants) > 0 && !slices.ContainsFunc(grants, func(g string) bool {
		return g != identity.GrantTypeDeviceCode && g != identity.GrantTypeRefreshToken && g != identity.GrantTypeAuthorizationCode
	})
}

// clients are the endpoints of OAuth clients.
type clients struct {
	directory *directory.Directory
	now       func() time.Time
}

func (e clients) routes() []route {
	return []route{
		{"GET", "/clients", e.list, listing, administrator},
		{"POST", "/clients", e.create, "", mayDo(e.directory, audit.ClientCreate)},
		{"GET", "/clients/{id}", e.read, "", administrator},
		{"PATCH", "/clients/{id}", e.update, "wait", mayDo(e.directory, audit.ClientUpdate)},
		{"DELETE", "/clients/{id}", revokes(func() operation { return e.directory.RemoveClient }), "wait", mayDo(e.directory, audit.ClientRemove)},
		{"POST", "/clients/{id}/secret", e.rotateSecret, "wait", mayDo(e.directory, audit.ClientSecret)},
	}
}

func (e clients) list(w http.ResponseWriter, r *request) error {
	return serveCounted(w, r, "id", e.directory.ClientPage, func(c identity.Client) Client { return ClientOf(c, e.now()) })
}

func (e clients) create(w http.ResponseWriter, r *request) error {
	var body newClient
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	n, err := body.on(identity.Client{ID: body.ID})
	if err != nil {
		return err
	}
	public, err := body.public()
	if err != nil {
		return err
	}
	made, secret, err := e.directory.CreateClient(r.Context(), r.caller, n, !public)
	if err != nil {
		return err
	}
	answer := ClientOf(made, e.now())
	answer.Secret, answer.Warning = secret.Reveal(), identity.BasicWarning(made.ID, n.Secret.Reveal())
	return httpkit.WriteJSON(w, http.StatusCreated, answer)
}

func (e clients) read(w http.ResponseWriter, r *request) error {
	c, err := e.directory.Client(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, ClientOf(c, e.now()))
}

func (e clients) update(w http.ResponseWriter, r *request) error {
	var body clientPatch
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	c, err := e.directory.Client(r.Context(), r.caller, r.id)
	if err != nil {
		return err
	}
	n, err := body.on(c)
	if err != nil {
		return err
	}
	if body != (clientPatch{}) {
		c, err = e.directory.UpdateClient(r.Context(), r.caller, n)
	}
	if err != nil {
		return err
	}
	answer := ClientOf(c, e.now())
	if n.Secret != "" {
		answer.Warning = identity.BasicWarning(c.ID, n.Secret.Reveal())
	}
	return httpkit.WriteJSON(w, http.StatusOK, answer)
}

// secretRotation asks for a new secret of a client.
type secretRotation struct {
	Overlap int64 `json:"overlap"` // seconds for which the old one stays valid beside it
	Revoke  bool  `json:"revoke"`  // what was issued to the client
}

// newSecret is the answer to it.
type newSecret struct {
	Secret         string     `json:"secret"`
	OldSecretUntil *time.Time `json:"old_secret_until,omitempty"`
}

func (e clients) rotateSecret(w http.ResponseWriter, r *request) error {
	var body secretRotation
	if err := httpkit.DecodeJSON(w, r.Request, &body); err != nil {
		return err
	}
	secret, c, err := e.directory.RotateSecret(r.Context(), r.caller, identity.Rotation{ID: r.id, Overlap: body.Overlap, Revoke: body.Revoke})
	if err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusOK, newSecret{Secret: secret.Reveal(), OldSecretUntil: ClientOf(c, e.now()).OldSecretUntil})
}

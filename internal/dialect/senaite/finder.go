package senaite

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/cache"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/token"
)

// Credentials finds the dialect's credentials other than Bearer: a password in HTTP
// Basic, then a token in the cookie token, then one in the header X-JWT-Auth-Token. Make
// one with [NewCredentials].
//
// A password is traded for an access token, as by /login, and then that token is judged,
// so it ends when the user's tokens are revoked. Checking a password is slow on purpose
// and is recorded, which is too much for clients that send it with every request. So the
// token is kept for a few minutes under a keyed hash of the password and the address it
// came from, with a key of this process, and a new one is issued when it is no longer
// valid.
type Credentials struct {
	signIn   *signin.Authenticator
	issuance *issuance.Issuance
	now      func() time.Time
	key      []byte
	kept     *cache.Cache[string] // tokens
}

var _ httpkit.CredentialFinder = (*Credentials)(nil)

// How many tokens of passwords are kept, and for how long.
const (
	keptFor    = 5 * time.Minute
	keptBudget = 4 << 20
	keptToken  = 1 << 10 // bytes of a typical one
)

// NewCredentials returns the finder.
func NewCredentials(s *signin.Authenticator, i *issuance.Issuance, now func() time.Time) *Credentials {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // it never fails
	return &Credentials{signIn: s, issuance: i, now: now, key: key, kept: cache.New(cache.Config[string]{
		Budget: keptBudget, Typical: keptToken, MaxAge: keptFor,
		Cost: func(key, value string) int64 { return int64(len(key) + len(value)) },
	})}
}

// Find implements httpkit.CredentialFinder.
func (c *Credentials) Find(r *http.Request) (httpkit.Credential, error) {
	pair, found, err := httpkit.Basic(r)
	if err != nil {
		return httpkit.Credential{}, err
	}
	if found {
		raw, err := c.trade(r, pair)
		return httpkit.Credential{Token: raw, Ambient: true}, err
	}
	return findToken(r)
}

// Places implements httpkit.CredentialFinder.
func (*Credentials) Places() httpkit.Places {
	return httpkit.Places{Headers: []string{tokenHeader}, Cookies: []string{tokenCookie}, Schemes: []string{"basic"}}
}

// trade returns a token for a password. The error is that of the login.
func (c *Credentials) trade(r *http.Request, pair httpkit.BasicPair) (string, error) {
	ctx := r.Context()
	place := c.place(pair, audit.OriginOf(ctx).Address)
	if raw, ok := c.kept.Get(place, c.now()); ok {
		switch _, err := c.signIn.Bearer(ctx, raw); {
		case err == nil:
			return raw, nil
		case !fault.Is(err, fault.InvalidToken):
			return "", err
		}
	}
	caller, err := c.signIn.Login(ctx, signin.Credentials{Username: pair.Name, Password: pair.Password})
	if err != nil {
		return "", err
	}
	issued, err := c.issuance.Issue(ctx, caller, &issuance.Request{Kind: token.KindAccess, Principal: caller.Principal})
	if err != nil {
		return "", err
	}
	raw := issued.Value.Reveal()
	c.kept.Put(place, raw, c.now())
	return raw, nil
}

// place returns the key under which the token for a password is kept. Neither name nor
// password has a NUL.
func (c *Credentials) place(pair httpkit.BasicPair, address string) string {
	mac := hmac.New(sha256.New, c.key)
	_, _ = mac.Write([]byte(address + "\x00" + pair.Name + "\x00" + pair.Password))
	return string(mac.Sum(nil))
}

// Tokens finds what Credentials finds where no password can be checked: a request with one
// is refused, so that the password reaches no application.
type Tokens struct{}

var errNoPassword = fault.New(fault.Unauthenticated, "passwords are not checked here: get a token from the issuer and send that")

var _ httpkit.CredentialFinder = Tokens{}

// Find implements httpkit.CredentialFinder.
func (Tokens) Find(r *http.Request) (httpkit.Credential, error) {
	_, found, err := httpkit.Basic(r)
	switch {
	case err != nil:
		return httpkit.Credential{}, err
	case found:
		return httpkit.Credential{}, errNoPassword
	}
	return findToken(r)
}

// Places implements httpkit.CredentialFinder.
func (Tokens) Places() httpkit.Places { return (*Credentials)(nil).Places() }

// findToken returns the token in the cookie token or in the header X-JWT-Auth-Token.
func findToken(r *http.Request) (httpkit.Credential, error) {
	raw, err := httpkit.OnlyToken(httpkit.TokenCookies(r, tokenCookie), "more than one cookie holds a token")
	if raw != "" || err != nil {
		return httpkit.Credential{Token: raw, Ambient: true}, err
	}
	raw, err = httpkit.OnlyToken(r.Header[tokenHeader], "more than one "+tokenHeader+" header")
	return httpkit.Credential{Token: raw}, err
}

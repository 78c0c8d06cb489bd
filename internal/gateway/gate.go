package gateway

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/shadow"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/uses"
	"github.com/bearerd/bearerd/internal/verification"
)

// Gate decides whether a request is allowed, and who sent it.
type Gate struct {
	Verifier *verification.Verifier
	Now      func() time.Time
	// Challenge is the challenge without an error, for a request without a token: the
	// realm, and the address of the metadata of the protected resource.
	Challenge httpkit.Challenge
	// MetadataOf returns the address of the metadata of the protected resource (RFC 9728) for
	// an audience; "": the challenge has the address in Challenge. Nil: it always is "".
	MetadataOf func(audience string) string
	// Finders look for a token where the Authorization header has none, in their
	// order. A dialect brings its own.
	Finders []httpkit.CredentialFinder
	// CrossOrigin judges unsafe requests whose token a browser sends by itself; nil
	// refuses them all.
	CrossOrigin *httpkit.CrossOrigin
	Announcer   Announcer // names the caller to the application
	// Shadow counts what report-only routes would have refused; nil: nothing is counted.
	Shadow *shadow.Log
	// LooksLikeToken distinguishes a token that was sent as a password from a password, where a
	// dialect accepts passwords; nil: by the forms of bearerd's own tokens.
	LooksLikeToken func(raw string) bool
	// TokensPage is the URL of the page on which people create tokens; "": there is none.
	TokensPage string
}

// admitted is a request that is allowed.
type admitted struct {
	identity *verification.Identity // whom its token was issued to; nil: it has no token, and needs none
	raw      string                 // the token
	needs    *verification.Requirements
	session  bool // it came in by a session, which a browser holds
}

var (
	errNoToken        = fault.New(fault.Unauthenticated, "a bearer token is needed")
	errOtherUser      = fault.New(fault.InvalidToken, "the token belongs to a user other than the one that Basic names")
	errTwoCredentials = fault.New(fault.Invalid, "the request has more than one credential")
	errForeignOrigin  = fault.New(fault.Forbidden, "cross-origin request refused")
)

var sessionsOnly = []token.Kind{token.KindSession}

// admit decides about a request: it finds the token, checks that it may come from where
// it was sent, and that it has what is required. The path of the application may not be
// known and decides nothing: it is only noted as the token's use. The error is a fault:
// Unauthenticated without a token where one is needed, Invalid when it is ambiguous which
// token is meant, and those of [httpkit.CredentialFinder.Find] and
// [verification.Verifier.Identify].
func (g *Gate) admit(r *http.Request, a *ask, m method, path string) (admitted, error) {
	c, err := g.find(r, &a.doors)
	if err == nil && c.Ambient {
		err = g.checkOrigin(r, m, c.Check)
	}
	switch {
	case err != nil:
		return admitted{}, err
	case c.Token == "" && a.optional:
		return admitted{}, nil
	case c.Token == "":
		return admitted{}, closedDoor(r, &a.doors)
	}
	needs := a.of(m)
	if c.Session {
		ofSession := *needs
		ofSession.Kinds, ofSession.SessionCollection = sessionsOnly, true
		needs = &ofSession
	}
	asked := *needs
	asked.Route, asked.SafeMethod = a.route, m.named && m.safe()
	if asked.Route == "" {
		asked.Route = uses.Segment(path)
	}
	id, err := g.Verifier.Identify(r.Context(), c.Token, asked)
	if refusal, ok := errors.AsType[*token.Refusal](err); ok && refusal.Check == token.CheckScope {
		err = &scopeError{err, needs.Scope}
	}
	if err == nil && c.User != "" && c.User != "token" && identity.FoldName(c.User) != identity.FoldName(id.Subject.Username) {
		return admitted{}, errOtherUser
	}
	return admitted{id, c.Token, needs, c.Session}, err
}

// find returns the token of a request; its Token is "" when there is none. The first
// place that holds one decides, whether or not a later one holds a valid token. Between
// Bearer and the doors there is no order: more than one credential is refused.
func (g *Gate) find(r *http.Request, d *doors) (c httpkit.Credential, err error) {
	authorization := r.Header["Authorization"]
	raw, _, err := token.ParseBearer(authorization)
	if err != nil {
		return httpkit.Credential{}, err
	}
	c.Token = raw
	for _, name := range d.headers {
		raw, err := httpkit.OnlyToken(r.Header[name], "more than one "+name+" header")
		switch {
		case err != nil:
			return httpkit.Credential{}, err
		case raw != "" && c.Token != "":
			return httpkit.Credential{}, errTwoCredentials
		case raw != "":
			c.Token = raw
		}
	}
	if d.token {
		raw, found, err := token.ParseCredentials(authorization, "token")
		switch {
		case err != nil:
			return httpkit.Credential{}, err
		case found && c.Token != "":
			return httpkit.Credential{}, errTwoCredentials
		case found:
			c.Token = raw
		}
	}
	if d.basic {
		pair, found, err := httpkit.Basic(r)
		if err != nil {
			return httpkit.Credential{}, err
		}
		// What a dialect accepts as a password is not a token.
		found = found && (g.looksLikeToken(pair.Password) || !slices.ContainsFunc(g.Finders, takesBasic))
		switch {
		case found && c.Token != "":
			return httpkit.Credential{}, errTwoCredentials
		case found:
			c = httpkit.Credential{Token: pair.Password, User: pair.Name, Ambient: true}
		}
	}
	if c.Ambient || c.Token != "" {
		return c, nil
	}
	for _, finder := range g.Finders {
		if c, err := finder.Find(r); err != nil || c.Token != "" {
			return c, err
		}
	}
	return httpkit.Credential{}, nil
}

func (g *Gate) looksLikeToken(raw string) bool {
	if g.LooksLikeToken == nil {
		return token.LooksLikeToken(raw)
	}
	return g.LooksLikeToken(raw)
}

func takesBasic(f httpkit.CredentialFinder) bool { return slices.Contains(f.Places().Schemes, "basic") }

// checkOrigin refuses a token that another site made a browser send with an unsafe
// method, and what the check of the place where it was found refuses.
func (g *Gate) checkOrigin(r *http.Request, m method, check func(*http.Request) error) error {
	switch {
	case m.safe():
		return nil
	case g.CrossOrigin == nil:
		return errForeignOrigin
	}
	judged := *r
	judged.Method = m.name
	if err := g.CrossOrigin.Check(&judged); err != nil || check == nil {
		return err
	}
	return check(&judged)
}

// closedDoor is the error of a request without a token. Where it has credentials of
// another scheme, the error names the schemes that are accepted.
func closedDoor(r *http.Request, d *doors) error {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme == "" {
		return errNoToken
	}
	return fault.New(fault.Unauthenticated, "credentials of the scheme %.20q are not accepted here: send the token as %s", scheme, d)
}

// expiry returns when the caller's token expires, where that is soon; else "".
func (g *Gate) expiry(id *verification.Identity) string {
	if id == nil || !id.Token.ExpiringSoon(g.Now()) {
		return ""
	}
	return httpkit.Expiry(id.Token.Expiry)
}

// warn adds a header to the answer when the caller's token expires soon.
func (g *Gate) warn(h http.Header, id *verification.Identity) {
	if soon := g.expiry(id); soon != "" {
		h.Set(httpkit.HeaderTokenExpires, soon)
	}
}

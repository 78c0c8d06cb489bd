package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Gate decides whether a request is allowed, and who sent it.
type Gate struct {
	Verifier *verification.Verifier
	Now      func() time.Time
	// Challenge is the bare one, for a request without a token: its realm, and
	// where the metadata of the protected resource stands.
	Challenge httpkit.Challenge
	// Finders look for a token where the Authorization header has none, in their
	// order. A dialect brings its own.
	Finders []httpkit.CredentialFinder
	// CrossOrigin judges unsafe requests whose token a browser sends unasked; nil
	// refuses them all.
	CrossOrigin *httpkit.CrossOrigin
}

var errNoToken = fault.New(fault.Unauthenticated, "a bearer token is needed")

// admitted is a request that is allowed.
type admitted struct {
	identity *verification.Identity // whom its token speaks for; nil: it has none, and needs none
	raw      string                 // the token
	needs    *verification.Requirements
}

// admit decides about a request. The error is a fault: Unauthenticated without a token
// where one is needed, Invalid when it is ambiguous which token is meant, and those of
// [httpkit.CredentialFinder.Find] and [verification.Verifier.Identify].
func (g *Gate) admit(r *http.Request, a *ask) (admitted, error) {
	c, err := g.find(r)
	switch {
	case err != nil:
		return admitted{}, err
	case c.Token == "" && a.optional:
		return admitted{}, nil
	case c.Token == "":
		return admitted{}, errNoToken
	}
	needs := &a.requirements
	if c.Session {
		ofSession := a.requirements
		ofSession.Kinds, ofSession.SessionCollection = sessionsOnly, true
		needs = &ofSession
	}
	id, err := g.Verifier.Identify(r.Context(), c.Token, *needs)
	if refusal, ok := errors.AsType[*token.Refusal](err); ok && refusal.Check == token.CheckScope {
		err = &scopeError{err, a.requirements.Scope}
	}
	return admitted{id, c.Token, needs}, err
}

var sessionsOnly = []token.Kind{token.KindSession}

// warn says in the answer that the caller's token ends soon.
func (g *Gate) warn(h http.Header, id *verification.Identity) {
	if id != nil && id.Token.ExpiringSoon(g.Now()) {
		httpkit.WarnOfExpiry(h, id.Token.Expiry)
	}
}

// scopeError is a refusal for too small a scope, with the one that is needed.
type scopeError struct {
	error
	needed []string
}

func (e *scopeError) Unwrap() error { return e.error }

// find returns the token of a request; its Token is "" when there is none. The first
// place that holds one decides: a good token further on does not rescue a bad one.
func (g *Gate) find(r *http.Request) (httpkit.Credential, error) {
	raw, found, err := token.ParseBearer(r.Header["Authorization"])
	if found || err != nil {
		return httpkit.Credential{Token: raw}, err
	}
	for _, finder := range g.Finders {
		c, err := finder.Find(r)
		switch {
		case err != nil:
			return httpkit.Credential{}, err
		case c.Token == "":
		case c.Ambient:
			return c, g.checkOrigin(r, c.Check)
		default:
			return c, nil
		}
	}
	return httpkit.Credential{}, nil
}

var errForeignOrigin = fault.New(fault.Forbidden, "cross-origin request refused")

// checkOrigin refuses a token in a cookie that another site made a browser send
// with an unsafe method, and what the check of the token's own place refuses. A proxy
// that asks for a decision sends GET, and names the method of the request it asks about
// in a header.
func (g *Gate) checkOrigin(r *http.Request, check func(*http.Request) error) error {
	judged := *r
	for _, name := range []string{"X-Forwarded-Method", "X-Original-Method"} {
		for _, method := range r.Header[name] {
			if !safe(method) {
				judged.Method = method
			}
		}
	}
	switch {
	case safe(judged.Method):
		return nil
	case g.CrossOrigin == nil:
		return errForeignOrigin
	}
	if err := g.CrossOrigin.Check(&judged); err != nil || check == nil {
		return err
	}
	return check(&judged)
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// refusePassword says what is wrong with a password, for which RFC 6750 has no words.
func refusePassword(w http.ResponseWriter, c httpkit.Challenge, err error) {
	w.Header().Set("WWW-Authenticate", c.String())
	httpkit.NoStore(w)
	_ = httpkit.WriteJSON(w, http.StatusUnauthorized, struct { // strings can be encoded
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{httpkit.Code(fault.BadCredentials), fault.Message(err)})
}

// refuse answers in the words of RFC 6750; unclear is the status where it is
// ambiguous which token is meant.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, err error, unclear int) {
	httpkit.EventOf(r.Context()).Outcome = fault.Message(err)
	c, ok := g.Challenge.For(err)
	if !ok {
		httpkit.BearerErrors(g.Challenge)(w, r, err)
		return
	}
	if s, ok := errors.AsType[*scopeError](err); ok {
		c.Scope = strings.Join(s.needed, " ")
	}
	status := httpkit.Status(fault.KindOf(err))
	if fault.Is(err, fault.BadCredentials) {
		refusePassword(w, c, err)
		return
	}
	if fault.Is(err, fault.Invalid) {
		status = unclear
	}
	httpkit.WriteChallenge(w, status, c)
}

// identityHeaders are what the application learns of who is calling, in the order
// of [identification]. All of them are always sent, so that none of a client's own can
// survive. The names are canonical.
var identityHeaders = [...]string{
	"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups",
	"X-Bearerd-Subject", "X-Bearerd-Token-Id", "X-Bearerd-Token-Kind",
	"X-Bearerd-Scope", "X-Bearerd-Collection", "X-Bearerd-Audience",
}

// identification holds the values of identityHeaders; the zero value is nobody's.
type identification [len(identityHeaders)]string

// identityOf describes a caller; nil is nobody. A client is no user: its id never
// stands where a username would. A value that can't stand in a header, of which
// there should be none, is left out.
func identityOf(c *verification.Identity) *identification {
	var id identification
	if c == nil {
		return &id
	}
	if s := c.Subject; !s.Client {
		id[0], id[1], id[2], id[3] = sendable(s.Username), sendable(s.Name), sendable(s.Email), list(s.Groups, ",")
	}
	t := c.Token
	id[4], id[5], id[6] = sendable(t.Subject), sendable(t.ID), t.Kind.String()
	id[7] = list(t.Scope, " ")
	if t.Collection != nil {
		id[8] = strconv.FormatInt(*t.Collection, 10)
	}
	id[9] = list(t.Audience, " ")
	return &id
}

// set puts the ten headers into h in place of any that are there.
func (id *identification) set(h http.Header) {
	for i, name := range identityHeaders {
		h[name] = id[i : i+1 : i+1]
	}
}

// rendered is identityOf, made once for each token that is kept: neither a token nor
// a subject is ever changed, and a later reading of either is another value.
func rendered(c *verification.Identity) *identification {
	if c == nil {
		return identityOf(nil)
	}
	if v := c.Token.View(); v != nil && v.Subject == c.Subject {
		if id, ok := v.Rendered.(*identification); ok {
			return id
		}
	}
	id := identityOf(c)
	c.Token.SetView(&verification.View{Subject: c.Subject, Rendered: id})
	return id
}

// list joins those of the values that can be sent and told apart again.
func list(values []string, separator string) string {
	if len(values) == 1 {
		return item(values[0], separator)
	}
	var items []string
	for _, v := range values {
		if v = item(v, separator); v != "" {
			items = append(items, v)
		}
	}
	return strings.Join(items, separator)
}

func item(s, separator string) string {
	if strings.Contains(s, separator) {
		return ""
	}
	return sendable(s)
}

// sendable returns s, or nothing where s can't be sent as it is: what is not UTF-8,
// what has control characters, and what has space at an end, which the receiver
// would cut off and so read somebody else's name.
func sendable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || strings.TrimSpace(s) != s {
		return ""
	}
	return s
}

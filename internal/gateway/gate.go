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
	"github.com/bearerd/bearerd/internal/verification"
)

// Gate decides whether a request is allowed, and who sent it.
type Gate struct {
	Verifier *verification.Verifier
	Now      func() time.Time
	// Challenge is the bare one, for a request without a token: its realm, and
	// where the metadata of the protected resource stands.
	Challenge httpkit.Challenge
	// Metadata are the addresses of the metadata of protected resources (RFC 9728), by their
	// audience; of any other audience the challenge names the usual one.
	Metadata map[string]string
	// Finders look for a token where the Authorization header has none, in their
	// order. A dialect brings its own.
	Finders []httpkit.CredentialFinder
	// Forms tell a token that came as a password from a password, where a dialect takes
	// those.
	Forms token.Forms
	// CrossOrigin judges unsafe requests whose token a browser sends unasked; nil
	// refuses them all.
	CrossOrigin *httpkit.CrossOrigin
	Announcer   Announcer // names the caller to the application
	// Shadow counts what report-only routes would have refused; nil: nothing is counted.
	Shadow *shadow.Log
	// TokensPage is the URL of the page on which people create tokens; "": there is none.
	TokensPage string
}

// ask is what a token has to be good for, and where it may stand. It is never changed once
// it is made.
type ask struct {
	requirements verification.Requirements
	// safe is asked in place of requirements of a request whose method is safe
	// (RFC 9110 §9.2.1), and both of one whose method isn't known; nil: it makes no
	// difference.
	safe      *verification.Requirements
	both      *verification.Requirements
	optional  bool // a request without a token may pass
	preflight bool // a CORS preflight passes as nobody
	doors     doors
	// reportOnly lets every request pass as it came: what would have been refused is
	// counted under label.
	reportOnly bool
	label      string
}

// setSafeScope asks another scope of safe methods.
func (a *ask) setSafeScope(scope []string) {
	safe, both := a.requirements, a.requirements
	safe.Scope = scope
	both.Scope = slices.Concat(a.requirements.Scope, scope)
	a.safe, a.both = &safe, &both
}

// of returns what is asked of a request with that method.
func (a *ask) of(m method) *verification.Requirements {
	switch {
	case a.safe == nil:
		return &a.requirements
	case m.named && m.safe():
		return a.safe
	case m.named:
		return &a.requirements
	}
	return a.both
}

// method is that of the request that is judged.
type method struct {
	name   string // an unsafe one, where any of several that are named is unsafe
	named  bool   // beside the request's own, where that is a proxy's
	agreed bool   // all that are named are this one
}

// safe reports whether the method changes nothing (RFC 9110 §9.2.1).
func (m method) safe() bool { return safe(m.name) }

// methodAskedAbout returns the method that a proxy asks about, which it names in a header.
// It counts as safe only if each such header that is there says so, and the request's own
// method is safe too.
func methodAskedAbout(r *http.Request) method {
	m := method{name: r.Method, agreed: true}
	for _, header := range []string{"X-Forwarded-Method", "X-Original-Method"} {
		for _, name := range r.Header[header] {
			m.agreed = m.agreed && (!m.named || m.name == name)
			if safe(m.name) {
				m.name = name
			}
			m.named = true
		}
	}
	return m
}

var errNoToken = fault.New(fault.Unauthenticated, "a bearer token is needed")

// admitted is a request that is allowed.
type admitted struct {
	identity *verification.Identity // whom its token speaks for; nil: it has none, and needs none
	raw      string                 // the token
	needs    *verification.Requirements
	session  bool // it came in by a session, which a browser holds
}

// admit decides about a request. The error is a fault: Unauthenticated without a token
// where one is needed, Invalid when it is ambiguous which token is meant, and those of
// [httpkit.CredentialFinder.Find] and [verification.Verifier.Identify].
func (g *Gate) admit(r *http.Request, a *ask, m method) (admitted, error) {
	c, err := g.find(r, &a.doors, m)
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
	id, err := g.Verifier.Identify(r.Context(), c.Token, *needs)
	if refusal, ok := errors.AsType[*token.Refusal](err); ok && refusal.Check == token.CheckScope {
		err = &scopeError{err, needs.Scope}
	}
	if err == nil && c.User != "" && c.User != "token" && identity.FoldName(c.User) != identity.FoldName(id.Subject.Username) {
		return admitted{}, errOtherUser
	}
	return admitted{id, c.Token, needs, c.Session}, err
}

var errOtherUser = fault.New(fault.InvalidToken, "the token is not of the user that Basic names")

// closedDoor is the error of a request without a token. Where it has credentials of
// another sort it says which are taken.
func closedDoor(r *http.Request, d *doors) error {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme == "" {
		return errNoToken
	}
	return fault.New(fault.Unauthenticated, "credentials of the scheme %.20q are not taken here: send the token as %s", scheme, d)
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
func (g *Gate) find(r *http.Request, d *doors, m method) (httpkit.Credential, error) {
	raw, found, err := token.ParseBearer(r.Header["Authorization"])
	if err != nil {
		return httpkit.Credential{}, err
	}
	if d.any() {
		c, err := d.find(r, raw, g)
		switch {
		case err != nil:
			return httpkit.Credential{}, err
		case c.Ambient:
			return c, g.checkOrigin(r, m, nil)
		case c.Token != "":
			return c, nil
		}
	}
	if found {
		return httpkit.Credential{Token: raw}, nil
	}
	for _, finder := range g.Finders {
		c, err := finder.Find(r)
		switch {
		case err != nil:
			return httpkit.Credential{}, err
		case c.Token == "":
		case c.Ambient:
			return c, g.checkOrigin(r, m, c.Check)
		default:
			return c, nil
		}
	}
	return httpkit.Credential{}, nil
}

var errForeignOrigin = fault.New(fault.Forbidden, "cross-origin request refused")

// checkOrigin refuses a token that another site made a browser send with an unsafe
// method, and what the check of the token's own place refuses.
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

// safe reports whether a method changes nothing (RFC 9110 §9.2.1).
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
// ambiguous which token is meant. Beside them the body says what to do, to a person who
// wants to read a page as a page.
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
	advice := g.advice(err, c.Scope)
	if a, ok := errors.AsType[*askError](err); ok && status == http.StatusUnauthorized {
		if a.ask.doors.basic {
			w.Header().Add("WWW-Authenticate", `Basic realm="`+token.ChallengeText(c.Realm)+`", charset="UTF-8"`)
		}
		// What to ask for (RFC 6750 §3), and of whom (RFC 9728 §5.1).
		c.Scope = strings.Join(a.ask.requirements.Scope, " ")
		if at := g.Metadata[a.ask.requirements.Audience]; at != "" {
			c.ResourceMetadata = at
		}
	}
	httpkit.Refuse(w, r, status, c, advice)
}

// askError is a refusal of what an ask would not have refused.
type askError struct {
	error
	ask *ask
}

func (e *askError) Unwrap() error { return e.error }

// advice says in a sentence or two what is missing and how to get it.
func (g *Gate) advice(err error, scope string) string {
	var text, where string
	if g.TokensPage != "" {
		where = " at " + g.TokensPage
	}
	message := fault.Message(err)
	switch kind := fault.KindOf(err); {
	case kind == fault.Unauthenticated && !errors.Is(err, errNoToken):
		text = upper(message) + "."
	case kind == fault.Unauthenticated:
		text = "This needs a token: send it as Authorization: Bearer TOKEN."
	case scope != "":
		return "The token lacks a scope that is needed (" + scope + "). Create one that has it" + where + "."
	case kind == fault.InsufficientScope:
		return "The token doesn't reach this: " + message + "."
	default:
		text = "The token is not accepted: " + message + "."
	}
	if where != "" {
		text += " Create one" + where + "."
	}
	return text
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// refusal marks an error for what the ask would have taken.
func (a *ask) refusal(err error) error {
	if !a.doors.basic && len(a.requirements.Scope) == 0 && a.requirements.Audience == "" {
		return err
	}
	return &askError{err, a}
}

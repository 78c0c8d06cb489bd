package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
)

// scopeError is a refusal for too small a scope, with the one that is needed.
type scopeError struct {
	error
	needed []string
}

func (e *scopeError) Unwrap() error { return e.error }

// askError is a refusal of what an ask would not have refused.
type askError struct {
	error
	ask *ask
}

func (e *askError) Unwrap() error { return e.error }

// refusal marks an error for what the ask would have taken.
func (a *ask) refusal(err error) error {
	if !a.doors.basic && len(a.requirements.Scope) == 0 && a.requirements.Audience == "" {
		return err
	}
	return &askError{err, a}
}

// refusePassword responds with what is wrong with a password, for which RFC 6750 has no
// error.
func refusePassword(w http.ResponseWriter, c httpkit.Challenge, err error) {
	w.Header().Set("WWW-Authenticate", c.String())
	httpkit.NoStore(w)
	_ = httpkit.WriteJSON(w, http.StatusUnauthorized, struct { // strings can be encoded
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{httpkit.Code(fault.BadCredentials), fault.Message(err)})
}

// refuse answers in the words of RFC 6750; unclear is the status where it is
// ambiguous which token is meant. In addition the body says what to do; for a person with
// a browser it is a page.
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
		if at := g.metadataOf(a.ask.requirements.Audience); at != "" {
			c.ResourceMetadata = at
		}
	}
	httpkit.Refuse(w, r, status, c, advice)
}

func (g *Gate) metadataOf(audience string) string {
	if g.MetadataOf == nil {
		return ""
	}
	return g.MetadataOf(audience)
}

// advice returns a sentence or two about what is missing and how to get it.
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

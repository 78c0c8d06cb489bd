package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/shadow"
	"github.com/bearerd/bearerd/internal/token"
)

// reportOnlyHeader is in every answer of a route that isn't enforced, so that nobody
// mistakes it for protected.
const reportOnlyHeader = "Bearerd-Report-Only"

// judgement is how a request would have been answered.
type judgement struct {
	err     error  // by which it would have been refused; nil: it would have been let in
	tokenID string // of a genuine token that was refused
}

// judge decides about a request as admit does, and whether the headers could name the
// caller. A preflight, which is never refused, isn't judged.
func (g *Gate) judge(r *http.Request, a *ask, m method, path string) judgement {
	c, err := g.admit(r, a, m, path)
	if err == nil {
		return judgement{err: g.Announcer.announce(r.Context(), http.Header{}, c.identity)}
	}
	j := judgement{err: err}
	refusal, ok := errors.AsType[*token.Refusal](err)
	if ok && c.raw != "" && refusal.Check != token.CheckWellFormed && refusal.Check != token.CheckSignature {
		if t, err := g.Verifier.Genuine(r.Context(), c.raw); err == nil { // its facts are known from the decision
			j.tokenID = t.ID
		}
	}
	return j
}

// report passes a request on unchanged, with its own credentials, and with the headers
// that name the caller empty: the application's own checks decide. It counts what would
// have been refused, with what the application answered.
func (p *Proxy) report(w http.ResponseWriter, r *http.Request, f *forwarding, j judgement) error {
	f.report, f.announced = true, http.Header{}
	if err := p.Gate.Announcer.announce(r.Context(), f.announced, nil); err != nil {
		return err
	}
	counted := false
	f.answered = func(status int) {
		counted = true
		p.Gate.shadow(r, j, shadow.Refusal{Route: f.route.ask.label, Method: r.Method, Path: f.path, Status: status})
	}
	err := p.forward(w, r, f)
	if !counted {
		f.answered(http.StatusBadGateway)
	}
	return err
}

// report answers that a request may pass, with no caller named, and counts what would
// have been refused. What the application answers is not known here.
func (f *ForwardAuth) report(r *http.Request, a *ask, m method) (Answer, error) {
	var j judgement
	if !m.named || m.name != http.MethodOptions || !isPreflight(r.Header) {
		j = f.Gate.judge(r, a, m, r.Header.Get("X-Forwarded-Uri"))
	}
	f.Gate.shadow(r, j, shadow.Refusal{Route: a.label, Method: m.name, Path: pathAskedAbout(r)})
	nobody, err := f.Gate.Announcer.announcement(r.Context(), nil)
	if err != nil {
		return Answer{}, err
	}
	httpkit.EventOf(r.Context()).Mute()
	return Answer{announced: nobody, reportOnly: true}, nil
}

// pathAskedAbout returns the path of the request that a proxy asks about, with its query,
// where the proxy names it.
func pathAskedAbout(r *http.Request) string {
	for _, name := range []string{"X-Forwarded-Uri", "X-Original-Uri", "X-Original-Url"} {
		uri := r.Header.Get(name)
		if _, rest, absolute := strings.Cut(uri, "://"); absolute {
			_, uri, _ = strings.Cut(rest, "/")
			uri = "/" + uri
		}
		if strings.HasPrefix(uri, "/") {
			return uri
		}
	}
	_, beneath, found := strings.Cut(strings.TrimPrefix(pathAsSent(r.URL), pathExtAuthz), "/")
	if found && strings.HasPrefix(r.URL.Path, pathExtAuthz) {
		return "/" + beneath
	}
	return ""
}

// shadow counts a request on a report-only route.
func (g *Gate) shadow(r *http.Request, j judgement, s shadow.Refusal) {
	if j.err == nil {
		g.Shadow.Allow()
		return
	}
	s.Reason, s.TokenID = reasonOf(j.err), j.tokenID
	httpkit.EventOf(r.Context()).Outcome = "report only: " + s.Reason
	g.Shadow.Refuse(s)
}

// reasonOf says in a few words why a request would have been refused. What its client
// typed is not in them.
func reasonOf(err error) string {
	if refusal, ok := errors.AsType[*token.Refusal](err); ok {
		return refusal.Reason
	}
	switch {
	case errors.Is(err, errNoToken):
		return "no token"
	case fault.Is(err, fault.Unauthenticated):
		return "no token, but other credentials"
	case errors.Is(err, errOtherUser), errors.Is(err, errForeignOrigin), errors.Is(err, errTwoCredentials):
		return fault.Message(err)
	case fault.Is(err, fault.Unavailable):
		return "bearerd could not decide"
	}
	if _, ok := errors.AsType[requestError](err); ok {
		return fault.Message(err)
	}
	return httpkit.Code(fault.KindOf(err))
}

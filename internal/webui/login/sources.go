package login

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/sso"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// Ways are the ways to sign in other than passwords. The zero value has none.
type Ways struct {
	Sources  sso.Sources
	Requests *sso.Requests // the sign-ins under way in the browser; set if there is a source
	Fresh    time.Duration // how recent a repeated sign-in must be
}

// ways serves signing in by the sources.
type ways struct {
	*SignIn
	Ways
}

func (p *SignIn) registerWays(mux *http.ServeMux) {
	if len(p.Ways.Sources) == 0 {
		return
	}
	s := ways{p, p.Ways}
	p.Anybody(mux, "GET "+kit.PathWays+"{source}", s.begin)
	p.Anybody(mux, "GET "+kit.PathWays+"{source}/callback", s.callback)
	p.Anybody(mux, "POST "+kit.PathWays+"{source}/password", s.password)
	p.User(mux, "GET "+kit.PathWays+"{source}/link", s.linkPage)
	p.User(mux, "POST "+kit.PathWays+"{source}/link", s.link)
	mux.Handle("POST "+kit.PathWays+"{source}/backchannel-logout", httpkit.SecurityHeaders(httpkit.Handle(func(w http.ResponseWriter, r *http.Request) error {
		httpkit.NoStore(w)
		return s.backchannelLogout(w, r)
	}, writeLogoutError)))
	// The application's page posts here from its own site.
	p.MountFrom(mux, "POST "+kit.PathWays+"{source}", s.fromSource, func(w http.ResponseWriter, r *http.Request) error {
		return s.answer(w, &kit.Request{Request: r})
	})
}

// list returns the ways for a page that leads to next afterwards. Again is the parameter of
// that name, for a sign-in that must be a recent one.
func (w Ways) list(next, again string) []kit.Way {
	list := make([]kit.Way, len(w.Sources))
	for i, s := range w.Sources {
		q := url.Values{}
		if next != "" {
			q.Set("next", next)
		}
		if again != "" {
			q.Set("again", again)
		}
		address := kit.PathWays + s.Name
		if len(q) > 0 {
			address += "?" + q.Encode()
		}
		list[i] = kit.Way{Name: s.Name, Title: s.Title, Address: address, Away: s.Away()}
	}
	return list
}

// mostOf returns how long ago the sign-in may have been, by the parameter again: true
// means as recent as this server requires for what matters, a number is seconds. 0: any
// time.
func (w Ways) mostOf(again string) time.Duration {
	if again == "true" {
		return w.Fresh
	}
	seconds, err := strconv.ParseUint(again, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// begin sends the browser to a source; a proxy that signs people in has answered already.
func (s ways) begin(w http.ResponseWriter, r *kit.Request) error {
	src, err := s.Sources.Find(r.PathValue("source"))
	if err != nil {
		return err
	}
	q := r.URL.Query()
	asked := sso.Request{Source: src.Name, Next: kit.OwnPath(q.Get("next"), s.Issuer), App: src.App != nil, MaxAge: src.MaxAge}
	if most := s.mostOf(q.Get("again")); most > 0 && (asked.MaxAge == 0 || most < asked.MaxAge) {
		asked.MaxAge = most
	}
	if src.Header != nil {
		st, err := src.Header.Read(r.Request)
		if err != nil {
			return s.refused(w, r, src, asked, s.Authenticator.RefuseSource(r.Context(), src.Name, err))
		}
		return s.finish(w, r, src, asked, st)
	}
	address, err := s.send(w, r, src, asked)
	if err != nil {
		return s.refused(w, r, src, asked, err)
	}
	return kit.Redirect(w, address)
}

// send notes a request in the browser, and returns where the browser is to go.
func (s ways) send(w http.ResponseWriter, r *kit.Request, src sso.Source, asked sso.Request) (string, error) {
	asked, err := s.Requests.Begin(w, r.Request, asked)
	if err != nil {
		return "", err
	}
	return src.Begin(r.Context(), asked)
}

// fromSource refuses an answer that a site other than the source made the browser send.
func (s ways) fromSource(r *http.Request) error {
	src, err := s.Sources.Find(r.PathValue("source"))
	switch {
	case err != nil:
		return err
	case src.App == nil:
		return fault.New(fault.NotFound, "nothing is posted here")
	case !src.App.FromSource(r):
		return fault.New(fault.Forbidden, "cross-origin request refused")
	}
	return nil
}

// answer takes the assertion of an application.
func (s ways) answer(w http.ResponseWriter, r *kit.Request) error {
	src, err := s.Sources.Find(r.PathValue("source"))
	if err != nil {
		return err
	}
	form, err := httpkit.Form(w, r.Request)
	if err != nil {
		return err
	}
	asked := sso.Request{Source: src.Name}
	nonce, st, err := src.App.Read(r.Context(), form.Get("assertion"))
	if err == nil {
		asked, err = s.Requests.Take(w, r.Request, src.Name, nonce)
	}
	if err != nil {
		return s.refused(w, r, src, asked, s.Authenticator.RefuseSource(r.Context(), src.Name, err))
	}
	return s.finish(w, r, src, asked, st)
}

// callback takes the answer of a provider.
func (s ways) callback(w http.ResponseWriter, r *kit.Request) error {
	src, err := s.Sources.Find(r.PathValue("source"))
	if err != nil {
		return err
	}
	if src.Provider == nil {
		return fault.New(fault.NotFound, "there is no such page")
	}
	query := r.URL.Query()
	asked, err := s.Requests.Take(w, r.Request, src.Name, query.Get("state"))
	if err != nil {
		return s.refused(w, r, src, asked, s.Authenticator.RefuseSource(r.Context(), src.Name, err))
	}
	st, err := src.Provider.Finish(r.Context(), src.Name, query, asked)
	if err != nil {
		return s.refused(w, r, src, asked, s.Authenticator.RefuseSource(r.Context(), src.Name, err))
	}
	return s.finish(w, r, src, asked, st)
}

// finish signs somebody in, or links an account to the person who asked for it, and
// redirects to where they came from.
func (s ways) finish(w http.ResponseWriter, r *kit.Request, src sso.Source, asked sso.Request, st signin.Statement) error {
	if asked.Nonce != "" {
		st.Once = append(st.Once, asked.Once())
	}
	if err := asked.CheckAge(st, s.Now()); err != nil {
		return s.refused(w, r, src, asked, s.Authenticator.RefuseSource(r.Context(), src.Name, err))
	}
	if asked.Link != "" {
		if err := s.Authenticator.LinkTo(r.Context(), asked.Link, st); err != nil {
			return s.refused(w, r, src, asked, err)
		}
		return kit.Redirect(w, asked.Next)
	}
	c, err := s.Authenticator.Vouch(r.Context(), st)
	if _, needs := errors.AsType[*signin.NeedsPasswordError](err); needs {
		return s.askPassword(w, r, src, asked, st, "")
	}
	if err != nil {
		return s.refused(w, r, src, asked, err)
	}
	return s.startSession(w, r, c, asked.Next)
}

// linking is the form for the password of an existing user, to whom an account is to be
// linked.
type linking struct {
	Source, Title, Username string
	Sealed                  string // what the source said, and where it leads to
	Problem                 string
}

// pending is what a source said, until the password has been typed.
type pending struct {
	Statement signin.Statement
	Request   sso.Request
}

const purposePending = "linking by password"

func (s ways) askPassword(w http.ResponseWriter, r *kit.Request, src sso.Source, asked sso.Request, st signin.Statement, problem string) error {
	if asked.Begun.IsZero() { // by a proxy, which answers at once
		asked.Begun = s.Now()
	}
	sealed, err := s.Requests.Sealer.Seal(purposePending, pending{st, asked})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if problem != "" {
		status = http.StatusUnauthorized
	}
	return s.Render(w, r, status, "linking", "Your password, once", linking{
		Source: src.Name, Title: src.Title, Username: st.Username, Sealed: sealed, Problem: problem,
	})
}

// password links somebody who has typed their password to what the source said of them.
func (s ways) password(w http.ResponseWriter, r *kit.Request) error {
	src, err := s.Sources.Find(r.PathValue("source"))
	if err != nil {
		return err
	}
	form, err := httpkit.Form(w, r.Request)
	if err != nil {
		return err
	}
	var was pending
	if s.Requests.Sealer.Open(purposePending, form.Get("said"), &was) != nil || was.Request.Source != src.Name || was.Request.Over(s.Now()) {
		return s.refused(w, r, src, was.Request, fault.New(fault.Unauthenticated, "that took longer than five minutes: begin again"))
	}
	c, err := s.Authenticator.VouchWithPassword(r.Context(), was.Statement, form.Get("password"))
	switch {
	case fault.Is(err, fault.BadCredentials):
		return s.askPassword(w, r, src, was.Request, was.Statement, "Wrong password.")
	case fault.Is(err, fault.Limited):
		s.SetFailureHeaders(w, err)
		return s.askPassword(w, r, src, was.Request, was.Statement, kit.Sentence(fault.Message(err))+" Try again in "+kit.InWords(fault.RetryAfter(err))+".")
	case err != nil:
		return s.refused(w, r, src, was.Request, err)
	}
	return s.startSession(w, r, c, was.Request.Next)
}

// linkPage asks somebody who is signed in whether they want to link an account.
func (s ways) linkPage(w http.ResponseWriter, r *kit.Request) error {
	src, err := s.linkable(r)
	if err != nil {
		return err
	}
	next := kit.OwnPath(r.URL.Query().Get("next"), s.Issuer)
	return s.Render(w, r, http.StatusOK, "link", "Connect "+src.Title, linkView{Source: src.Name, Title: src.Title, Next: next})
}

type linkView struct{ Source, Title, Next, Address string }

// link sends somebody who is signed in to a source, to link themselves to who they are
// there. The way leads over a page: a form must not lead to another site.
func (s ways) link(w http.ResponseWriter, r *kit.Request) error {
	src, err := s.linkable(r)
	if err != nil {
		return err
	}
	form, err := httpkit.Form(w, r.Request)
	if err != nil {
		return err
	}
	next := kit.OwnPath(form.Get("next"), s.Issuer)
	if next == "" {
		next = s.Base + kit.PathTokens
	}
	asked := sso.Request{Source: src.Name, Next: next, Link: r.Caller.ID(), App: src.App != nil, MaxAge: src.MaxAge}
	address, err := s.send(w, r, src, asked)
	if err != nil {
		return s.refused(w, r, src, asked, err)
	}
	w.Header().Set("Refresh", "0; url="+address)
	return s.Render(w, r, http.StatusOK, "link", "Connect "+src.Title, linkView{Source: src.Name, Title: src.Title, Address: address})
}

// linkable returns the source that somebody may link an account of: they have signed in a
// moment ago, and the source says who they are by a page of its own.
func (s ways) linkable(r *kit.Request) (sso.Source, error) {
	src, err := s.Sources.Find(r.PathValue("source"))
	if err != nil {
		return src, err
	}
	if src.Header != nil {
		return src, fault.New(fault.Forbidden, "%s links accounts when people sign in, and not here", src.Title)
	}
	return src, r.Caller.RequireFreshSession(s.Now(), s.Recent)
}

// refused is the page of a sign-in that failed, with the other ways to sign in.
type refused struct {
	Message, RequestID string
	Title              string
	Ways               []kit.Way
	Password           bool   // there is a form for passwords
	Next               string // where the sign-in was to lead
}

// refused answers a sign-in by a source that has failed. A script that asks for JSON gets a
// problem of RFC 9457.
func (s ways) refused(w http.ResponseWriter, r *kit.Request, src sso.Source, asked sso.Request, err error) error {
	kind := fault.KindOf(err)
	if kit.WantsJSON(r.Request) || kind == fault.Internal {
		return err
	}
	httpkit.EventOf(r.Context()).Fail(err) // the page doesn't show the cause
	s.SetFailureHeaders(w, err)
	again := ""
	if asked.MaxAge > 0 && asked.MaxAge != src.MaxAge {
		again = strconv.FormatInt(int64(asked.MaxAge/time.Second), 10)
	}
	view := refused{
		Message: kit.Sentence(fault.Message(err)), RequestID: httpkit.EventOf(r.Context()).RequestID(), Title: src.Title,
		Ways: s.list(asked.Next, again), Password: s.Passwords, Next: asked.Next,
	}
	return s.Render(w, &kit.Request{Request: r.Request}, httpkit.Status(kind), "refused", "You are not signed in", view)
}

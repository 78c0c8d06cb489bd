// Package authorize is the authorization endpoint of OAuth: the page on which a person
// decides whether a client may act for them.
package authorize

import (
	"context"
	"embed"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

//go:embed templates
var templates embed.FS

//go:embed openapi.json
var described []byte

// OpenAPI describes the page.
func OpenAPI() []byte { return described }

// PathAuthorize is the authorization endpoint (RFC 6749 §3.1).
const PathAuthorize = "/oauth2/authorize"

// Consent serves the authorization endpoint: it asks a person whether a client may have
// what it asks for, and answers the client by way of the browser.
type Consent struct {
	*kit.Site

	Authenticator *signin.Authenticator
	Issuance      *issuance.Issuance
	Flows         *authorizing.Flows
	Directory     *directory.Directory
	Documents     *clientdoc.Reader // of clients that nobody registered; nil: they can't ask
	Policy        issuance.Policy
}

// Register mounts it.
func (a *Consent) Register(mux *http.ServeMux) {
	a.Use(templates)
	a.Anybody(mux, "GET "+PathAuthorize, a.ask)
	a.Anybody(mux, "POST "+PathAuthorize, a.decide)
}

// authorization is an authorization request whose client and redirect URI are known to be
// good: every other refusal goes back to the client.
type authorization struct {
	client   *records.Principal
	byURL    bool // nobody registered the client: it is described by a document that it names
	redirect identity.Redirect
	params   url.Values
}

// parameters are those of an authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC
// 8707 §2, OpenID Connect Core 1.0 §3.1.2.1). Others are ignored, as RFC 6749 §3.1 wants.
var parameters = []string{
	"client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge", "code_challenge_method", "resource", "prompt", "max_age",
}

// read returns the request, or the error of one that must not be redirected.
func (a *Consent) read(ctx context.Context, c *caller.Caller, q url.Values) (*authorization, error) {
	params := url.Values{}
	for _, name := range parameters {
		switch values := q[name]; {
		case len(values) > 1 && (name == "client_id" || name == "redirect_uri"):
			return nil, fault.New(fault.Invalid, "%s is in the request twice", name).In(name)
		case len(values) > 0 && values[0] != "":
			params[name] = values
		}
	}
	id := params.Get("client_id")
	if id == "" {
		return nil, fault.New(fault.Invalid, "the request doesn't say which client asks: client_id is missing").In("client_id")
	}
	client, byURL, err := a.clientOf(ctx, c, id)
	if err != nil {
		return nil, err
	}
	redirect, ok := identity.MatchRedirect(client.Client.RedirectURIs, params.Get("redirect_uri"))
	if !ok {
		return nil, fault.New(fault.Invalid, "the redirect URI of the request is none of those that the client is registered with").In("redirect_uri")
	}
	return &authorization{client: client, byURL: byURL, redirect: redirect, params: params}, nil
}

// clientOf returns the client of an id: one that is registered or, for a person who is
// signed in, the one that the document at a URL describes. The error is Unauthenticated for nobody.
func (a *Consent) clientOf(ctx context.Context, c *caller.Caller, id string) (client *records.Principal, byURL bool, err error) {
	client, err = a.Authenticator.ClientNamed(ctx, id)
	if !fault.Is(err, fault.NotFound) {
		return client, false, err
	}
	if a.Documents == nil || !identity.IsClientURL(id) {
		return nil, false, fault.New(fault.Invalid, "no client of that id is registered here").In("client_id")
	}
	if _, err := a.Documents.Check(id); err != nil {
		return nil, false, err
	}
	if c == nil {
		return nil, false, caller.ErrSignIn
	}
	document, err := a.Documents.Read(ctx, c.ID(), id)
	if err != nil {
		return nil, false, err
	}
	return &records.Principal{Client: document, Seq: c.AsOf()}, true, nil
}

// asked decides whether a person may be asked about the request.
func (a *Consent) asked(ctx context.Context, x *authorization) (*authorizing.Asked, error) {
	for name, values := range x.params {
		if len(values) > 1 && name == "resource" {
			return nil, fault.New(fault.InvalidTarget, "a token is for one resource").In(name)
		}
		if len(values) > 1 {
			return nil, fault.New(fault.Invalid, "%s is in the request twice", name).In(name)
		}
	}
	for _, prompt := range x.prompts() {
		if !slices.Contains([]string{"none", "login", "consent"}, prompt) || prompt == "none" && len(x.prompts()) > 1 {
			return nil, fault.New(fault.Invalid, "prompt is none, or login and consent").In("prompt")
		}
	}
	if s := x.params.Get("max_age"); s != "" {
		if _, err := strconv.ParseUint(s, 10, 31); err != nil {
			return nil, fault.New(fault.Invalid, "max_age is a number of seconds").In("max_age")
		}
	}
	asked, err := a.Flows.Ask(ctx, x.client, x.redirect, authorizing.Asking{
		ResponseType: x.params.Get("response_type"), Challenge: x.params.Get("code_challenge"), ChallengeMethod: x.params.Get("code_challenge_method"),
		Scope: x.params.Get("scope"), Resource: x.params.Get("resource"),
	})
	if err == nil {
		asked.Omitted, asked.Document = x.params.Get("redirect_uri") == "", x.byURL
	}
	return asked, err
}

func (x *authorization) prompts() []string { return strings.Fields(x.params.Get("prompt")) }

func (x *authorization) prompted(prompt string) bool { return slices.Contains(x.prompts(), prompt) }

// ask serves an authorization request.
func (a *Consent) ask(w http.ResponseWriter, r *kit.Request) error {
	x, err := a.read(r.Context(), r.Caller, r.URL.Query())
	if fault.Is(err, fault.Unauthenticated) {
		return a.ToLogin(w, r.Request, err)
	}
	if err != nil {
		return err
	}
	asked, err := a.asked(r.Context(), x)
	if err != nil {
		return a.answer(w, x, err)
	}
	if done, err := a.signInFirst(w, r, x, timeToReturn); done || err != nil {
		return err
	}
	if !x.prompted("consent") {
		known, err := a.Flows.Remembered(r.Context(), r.Caller, asked)
		if err != nil {
			return a.answer(w, x, err)
		}
		if known != nil {
			return a.allow(w, r, x, asked, *known)
		}
	}
	if x.prompted("none") {
		return a.refuse(w, x, "consent_required", "the person has to be asked")
	}
	return a.page(w, r, http.StatusOK, x, asked, "")
}

// How much older than the request allows the sign-in may be: for the way back from it,
// and for the person to decide.
const (
	timeToReturn = 2 * time.Minute
	timeToDecide = 10 * time.Minute
	justNow      = time.Minute // the age that a source is asked for, if the request allows no earlier sign-in
)

// most returns how long ago the person may have signed in for the request; ok is false
// where it doesn't limit that.
func (x *authorization) most() (most time.Duration, ok bool) {
	if x.prompted("login") {
		return 0, true
	}
	seconds, err := strconv.ParseUint(x.params.Get("max_age"), 10, 31)
	return time.Duration(seconds) * time.Second, err == nil
}

// signInFirst leads somebody who isn't signed in, or signed in too long ago for the
// request, to sign in and back. done is set when it has answered.
func (a *Consent) signInFirst(w http.ResponseWriter, r *kit.Request, x *authorization, slack time.Duration) (done bool, err error) {
	most, limited := x.most()
	switch {
	case r.Caller == nil || r.Caller.Subject.Client:
	case !limited:
		return false, nil
	default:
		at := r.Caller.Token.SignedIn
		if !at.IsZero() && a.Now().Sub(at) <= most+slack && (slack > timeToReturn || !x.prompted("login")) {
			return false, nil
		}
	}
	if x.prompted("none") {
		return true, a.refuse(w, x, "login_required", "nobody is signed in, or it was too long ago")
	}
	if !limited {
		return true, a.leadToSignIn(w, x.params, "")
	}
	// The way back has the same parameters without login, or it would never end.
	back := maps.Clone(x.params)
	back.Set("prompt", strings.Join(slices.DeleteFunc(x.prompts(), func(p string) bool { return p == "login" }), " "))
	back.Set("max_age", strconv.FormatInt(int64(most/time.Second), 10))
	return true, a.leadToSignIn(w, back, strconv.FormatInt(int64(max(most, justNow)/time.Second), 10))
}

// leadToSignIn redirects to the sign-in page, and from there back to the request.
func (a *Consent) leadToSignIn(w http.ResponseWriter, back url.Values, again string) error {
	q := url.Values{"next": {a.Base + PathAuthorize + "?" + back.Encode()}}
	if again != "" {
		q.Set("again", again)
	}
	return a.SeeOther(w, kit.PathLogin+"?"+q.Encode())
}

// consentView is the page on which a person decides.
type consentView struct {
	Request  string // the request, for the form
	Client   string
	Host     string // where the answer goes, in full
	Unproven bool   // any program on the person's device could claim to be this client
	ByURL    string // the host whose document is all that is known of the client; "": it is registered
	Resource string // "" where there is only one
	Scopes   []kit.ScopeChoice
	Listed   []collectionChoice
	Further  bool // there are more: an id is typed
	Lives    []expiryChoice
	Problem  string
}

type collectionChoice struct {
	ID   int64
	Name string
}

type expiryChoice struct {
	Days int64
	Text string
}

func (a *Consent) page(w http.ResponseWriter, r *kit.Request, status int, x *authorization, asked *authorizing.Asked, problem string) error {
	view := consentView{
		Request: x.params.Encode(), Client: x.client.Client.ID, Host: x.redirect.Host, Unproven: x.redirect.Unproven, Problem: problem,
	}
	if at, err := url.Parse(x.client.Client.ID); err == nil && x.byURL {
		view.ByURL = at.Host
	}
	if name := x.client.Client.Name; name != "" {
		view.Client = name
	}
	if len(a.Policy.Resources) > 0 {
		view.Resource = asked.Resource.URL
	}
	described := a.Issuance.DeclaredScopes()
	for _, name := range asked.Scope {
		strong := name == identity.ScopeAdmin || name == identity.ScopeCredentials
		view.Scopes = append(view.Scopes, kit.ScopeChoice{Name: name, Text: described[name], Strong: strong})
	}
	open, more, err := a.Directory.CollectionsOpenTo(r.Context(), r.Caller)
	if err != nil {
		return err
	}
	view.Further = more
	for _, c := range open {
		view.Listed = append(view.Listed, collectionChoice{c.ID, c.Name})
	}
	most := int64(a.Policy.AuthorizationMax / (24 * time.Hour))
	for _, days := range []int64{1, 7, 30, 90, 365} {
		if days < most {
			view.Lives = append(view.Lives, expiryChoice{days, strconv.FormatInt(days, 10) + " days"})
		}
	}
	w.Header().Set("Content-Security-Policy", strings.Replace(kit.ContentPolicy, "form-action 'self'", "form-action 'self' "+formTarget(x.redirect), 1))
	return a.Render(w, r, status, "consent", "Allow access?", view)
}

// formTarget returns the source expression of where the answer to the form may lead to: the
// client's origin or, of an app's own scheme, the scheme.
func formTarget(redirect identity.Redirect) string {
	u, err := url.Parse(redirect.URI)
	if err != nil {
		return ""
	}
	switch {
	case u.Scheme == "http" && strings.HasPrefix(u.Host, "["):
		return "http:" // a policy can't name an IPv6 address; it is this machine's
	case u.Scheme == "https" || u.Scheme == "http":
		return u.Scheme + "://" + u.Host
	}
	return u.Scheme + ":"
}

// decide takes a person's decision.
func (a *Consent) decide(w http.ResponseWriter, r *kit.Request) error {
	form, err := httpkit.FormLists(w, r.Request, "scope")
	if err != nil {
		return err
	}
	params, err := url.ParseQuery(form.Get("request"))
	if err != nil {
		return fault.New(fault.Invalid, "the form is damaged: begin again")
	}
	if r.Caller == nil {
		return a.ToLogin(w, r.Request, caller.ErrSignIn)
	}
	x, err := a.read(r.Context(), r.Caller, params)
	if err != nil {
		return err
	}
	asked, err := a.asked(r.Context(), x)
	if err != nil {
		return a.answer(w, x, err)
	}
	if done, err := a.signInFirst(w, r, x, timeToReturn+timeToDecide); done || err != nil {
		return err
	}
	if form.Get("decision") != "allow" {
		return a.refuse(w, x, "access_denied", "the person refused")
	}
	allowed := authorizing.Allowed{Scope: form["scope"], Remember: form.Get("remember") == "yes"}
	if allowed.Scope == nil {
		allowed.Scope = []string{}
	}
	if s := form.Get("collection"); s != "" {
		id, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return a.page(w, r, http.StatusBadRequest, x, asked, "Choose a collection from the list.")
		}
		allowed.Collection = &id
	}
	if s := form.Get("days"); s != "" {
		days, err := strconv.ParseInt(s, 10, 32)
		if err != nil || days < 1 {
			return a.page(w, r, http.StatusBadRequest, x, asked, "Choose how long from the list.")
		}
		allowed.Lifetime = days * 24 * 60 * 60
	}
	return a.allow(w, r, x, asked, allowed)
}

// allow stores what a person allows and sends the code to the client.
func (a *Consent) allow(w http.ResponseWriter, r *kit.Request, x *authorization, asked *authorizing.Asked, allowed authorizing.Allowed) error {
	code, err := a.Flows.Allow(r.Context(), r.Caller, asked, allowed)
	if fault.Is(err, fault.SignInAgain) && !x.prompted("none") {
		return a.leadToSignIn(w, x.params, "true")
	}
	if err != nil {
		return a.answer(w, x, err)
	}
	return a.send(w, x, url.Values{"code": {code.Reveal()}})
}

// answer sends a refusal back to the client, as RFC 6749 §4.1.2.1 requires.
func (a *Consent) answer(w http.ResponseWriter, x *authorization, err error) error {
	var code string
	switch fault.KindOf(err) { //nolint:exhaustive // the rest isn't the client's to know
	case fault.Invalid:
		code = "invalid_request"
	case fault.InvalidScope, fault.InsufficientScope:
		code = "invalid_scope"
	case fault.InvalidTarget:
		code = "invalid_target"
	case fault.UnauthorizedClient:
		code = "unauthorized_client"
	case fault.UnsupportedGrantType:
		code = "unsupported_response_type"
	case fault.AccessDenied, fault.Forbidden:
		code = "access_denied"
	case fault.Unavailable, fault.Limited:
		code = "temporarily_unavailable"
	case fault.SignInAgain:
		code = "login_required"
	default:
		return err
	}
	if scope, ok := errors.AsType[*issuance.ScopeError](err); ok {
		return a.refuse(w, x, code, scope.Error())
	}
	return a.refuse(w, x, code, fault.Message(err))
}

func (a *Consent) refuse(w http.ResponseWriter, x *authorization, code, description string) error {
	return a.send(w, x, url.Values{"error": {code}, "error_description": {printable(description)}})
}

// printable returns a description with the characters that RFC 6749 §4.1.2.1 allows.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '\''
		}
		return r
	}, s)
}

// send answers the client by way of the browser, with the state of its request and the
// issuer (RFC 9207).
func (a *Consent) send(w http.ResponseWriter, x *authorization, q url.Values) error {
	u, err := url.Parse(x.redirect.URI)
	if err != nil {
		return err
	}
	all := u.Query()
	maps.Copy(all, q)
	if state := x.params.Get("state"); state != "" {
		all.Set("state", state)
	}
	all.Set("iss", a.Issuer)
	u.RawQuery = all.Encode()
	httpkit.NoStore(w)
	return kit.Redirect(w, u.String())
}

package account

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// devicePage is the page on which a user connects a device (RFC 8628 §3.3).
type devicePage struct {
	*kit.Site

	Issuance *issuance.Issuance
	Flows    *authorizing.Flows
	Policy   issuance.Policy
}

// register mounts the page.
func (p *devicePage) register(mux *http.ServeMux) {
	p.User(mux, "GET "+kit.PathDevice, p.show)
	p.User(mux, "POST "+kit.PathDevice, p.decideDevice)
}

// deviceView is that page: it asks for
// the code, then shows what the device would get, then takes the decision.
type deviceView struct {
	Code     kit.Field
	Waiting  *waitingDevice // nil until the code is known
	Decided  string         // "approved" or "denied", once it is
	ClientID string
	Error    string
}

// waitingDevice is which client asks for what.
type waitingDevice struct {
	Code     string // as the device shows it
	ClientID string
	Scopes   []kit.ScopeChoice
	Audience string // "" when it is the usual one
}

func (p *devicePage) show(w http.ResponseWriter, r *kit.Request) error {
	q, err := httpkit.Query(r.Request)
	if err != nil {
		return err
	}
	view := deviceView{Code: kit.Field{Value: q.Get("user_code")}}
	if view.Code.Value == "" {
		return p.renderDevice(w, r, http.StatusOK, view)
	}
	d, err := p.Flows.PendingDevice(r.Context(), r.Caller, view.Code.Value)
	if err != nil {
		return p.deviceRefused(w, r, view, err)
	}
	x := &waitingDevice{Code: d.UserCode, ClientID: d.ClientID}
	if n := len(d.UserCode) / 2; n > 0 {
		x.Code = d.UserCode[:n] + "-" + d.UserCode[n:]
	}
	if d.Audience != "" && d.Audience != p.Policy.DefaultAudience {
		x.Audience = d.Audience
	}
	described := p.Issuance.DeclaredScopes()
	described[identity.ScopeOfflineAccess] = "stay connected without asking you again"
	for _, name := range d.Scope { // a scope without a description is shown by its name
		strong := name == identity.ScopeAdmin || name == identity.ScopeCredentials
		x.Scopes = append(x.Scopes, kit.ScopeChoice{Name: name, Text: described[name], Strong: strong})
	}
	view.Waiting = x
	return p.renderDevice(w, r, http.StatusOK, view)
}

// decideDevice connects a device, or refuses it.
func (p *devicePage) decideDevice(w http.ResponseWriter, r *kit.Request) error {
	form, err := httpkit.FormOrJSON(w, r.Request)
	if err != nil {
		return err
	}
	view := deviceView{Code: kit.Field{Value: form.Get("user_code")}}
	decision := form.Get("decision")
	switch {
	case view.Code.Value == "":
		view.Code.Error = "Enter the code that the device shows."
		return p.renderDevice(w, r, http.StatusBadRequest, view)
	case decision != "approve" && decision != "deny":
		view.Error = "Choose Connect or Deny."
		return p.renderDevice(w, r, http.StatusBadRequest, view)
	}
	d, err := p.Flows.PendingDevice(r.Context(), r.Caller, view.Code.Value)
	if err == nil {
		err = p.Flows.DecideDevice(r.Context(), r.Caller, view.Code.Value, decision == "approve")
	}
	if fault.Is(err, fault.SignInAgain) && !kit.WantsJSON(r.Request) {
		return p.ToSignInAgain(w, kit.PathDevice+"?"+url.Values{"user_code": {d.UserCode}}.Encode())
	}
	if err != nil {
		return p.deviceRefused(w, r, view, err)
	}
	view.ClientID, view.Decided = d.ClientID, "denied"
	if decision == "approve" {
		view.Decided = "approved"
	}
	return p.renderDevice(w, r, http.StatusOK, view)
}

// deviceRefused asks for the code again, with the reason.
func (p *devicePage) deviceRefused(w http.ResponseWriter, r *kit.Request, view deviceView, err error) error {
	kind := fault.KindOf(err)
	switch kind { //nolint:exhaustive // the rest is no answer to a code
	case fault.NotFound, fault.Conflict:
		view.Code.Error = "Wrong or expired code. Check the code, or start again on the device."
	case fault.Limited:
		view.Code.Error = "There were too many wrong codes. Try again in " + kit.InWords(fault.RetryAfter(err)) + "."
	default:
		return err
	}
	if kit.WantsJSON(r.Request) {
		return err
	}
	p.SetFailureHeaders(w, err)
	return p.renderDevice(w, r, httpkit.Status(kind), view)
}

func (p *devicePage) renderDevice(w http.ResponseWriter, r *kit.Request, status int, view deviceView) error {
	return p.Render(w, r, status, "device", "Connect a device", view)
}

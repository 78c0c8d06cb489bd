package hypothesis

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// others returns a handler that passes requests for which elsewhere returns true to the
// application. Scripts of every origin may read bearerd's responses, as in the original,
// because nothing here is authenticated by a cookie.
func (d *Dialect) others(elsewhere func(*http.Request) bool, own http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.Application != nil && elsewhere(r) {
			d.Application.ServeHTTP(w, r)
			return
		}
		allowEveryOrigin(w.Header())
		own.ServeHTTP(w, r)
	})
}

// bearerElsewhere reports whether a request carries a Bearer token that is not bearerd's.
func (d *Dialect) bearerElsewhere(r *http.Request) bool {
	raw, found, err := httpkit.Bearer(r)
	return err == nil && found && !d.isOurs(raw)
}

// isOurs reports whether a value has a form of bearerd's own tokens. The original's
// tokens have other prefixes, or another length.
func (d *Dialect) isOurs(raw string) bool { return isJWT(raw) || d.isOpaque(raw) }

// isJWT reports whether a value has the form of a JWT, by any signer.
func isJWT(raw string) bool { return token.LooksLikeToken(raw) && strings.Count(raw, ".") == 2 }

// isOpaque reports whether a value has the form of an opaque token of bearerd's.
func (d *Dialect) isOpaque(raw string) bool {
	_, err := d.Forms.Parse(raw)
	return err == nil
}

// ownGrants are the grant types of bearerd's token endpoint that the original doesn't
// have.
var ownGrants = []string{
	identity.GrantTypeClientCredentials, identity.GrantTypeTokenExchange, identity.GrantTypeDeviceCode,
}

// grant serves the token endpoint. Authorization codes, grant tokens and its own refresh
// tokens belong to the application.
func (d *Dialect) grant(w http.ResponseWriter, r *http.Request) error {
	form, ok := readForm(r)
	if !ok {
		return errForm
	}
	name := form.Get("grant_type")
	ours := slices.Contains(ownGrants, name) || name == identity.GrantTypeRefreshToken && d.isOurs(form.Get("refresh_token"))
	if d.Application != nil && !ours {
		return d.leave(w, r, form)
	}
	allowEveryOrigin(w.Header())
	d.Token.ServeHTTP(w, r)
	return nil
}

// leave passes a request to the application, unless it has a token of bearerd's in a
// place where bearerd doesn't look for one: the application could use that token.
func (d *Dialect) leave(w http.ResponseWriter, r *http.Request, form url.Values) error {
	for name, values := range form {
		if slices.ContainsFunc(values, d.isOpaque) {
			return fault.New(fault.Invalid, "the parameter %.64q holds a token of another kind", name)
		}
	}
	d.Application.ServeHTTP(w, r)
	return nil
}

var errForm = fault.New(fault.Invalid, "the form is not well formed, repeats a parameter, or is in the URL")

// fields are the parameters of these endpoints, which must not be in a URL.
var fields = []string{
	"grant_type", "code", "refresh_token", "assertion", "token", "token_type_hint", "client_id", "client_secret",
}

// readForm reads the form of a request ahead. ok is false for what bearerd always
// refuses: a form that is not well formed or repeats a parameter, because the application
// could read it in another way, and a secret in the URL. A body that is no form, or too
// long for a form of bearerd's, is read as an empty form.
func readForm(r *http.Request) (form url.Values, ok bool) {
	body, whole, err := httpkit.ReadAhead(r, httpkit.MaxBody)
	if err != nil {
		return nil, false
	}
	query, err := httpkit.QueryWithEmpty(r)
	if err != nil || slices.ContainsFunc(fields, query.Has) {
		return nil, false
	}
	if !whole || !httpkit.IsForm(r) {
		return nil, true
	}
	form, err = httpkit.ParseForm(body)
	return form, err == nil
}

// allowEveryOrigin allows scripts of every origin to read a response, unless its CORS
// headers are already set. It never allows cookies.
func allowEveryOrigin(h http.Header) {
	if h.Get(allowOrigin) == "" {
		h.Set(allowOrigin, "*")
	}
}

const allowOrigin = "Access-Control-Allow-Origin"

// preflight answers the CORS preflight of a request that bearerd serves, and allows what
// the original's clients send. Every other OPTIONS request is passed to the application.
func (d *Dialect) preflight(method string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		asked := r.Header.Values("Access-Control-Request-Method")
		switch {
		case r.Header.Get("Origin") != "" && len(asked) == 1 && asked[0] == method:
			allowEveryOrigin(h)
			h.Set("Access-Control-Allow-Methods", method)
			h.Set("Access-Control-Allow-Headers", "authorization, content-type, hypothesis-client-version, x-client-id")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusOK)
		case d.Application != nil:
			d.Application.ServeHTTP(w, r)
		default:
			_ = httpkit.MethodNotAllowed(w, r, method)
		}
	})
}

// writeTokenError writes a fault in the format of RFC 6749 §5.2.
func (d *Dialect) writeTokenError(w http.ResponseWriter, _ *http.Request, err error) {
	kind := fault.KindOf(err)
	allowEveryOrigin(w.Header())
	httpkit.SetRetryAfter(w, err)
	httpkit.NoStore(w)
	_ = httpkit.WriteJSON(w, httpkit.Status(kind), struct { // strings can be encoded
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{httpkit.Code(kind), fault.Message(err)})
}

// writeFormError writes a fault in the formats of RFC 6749 §5.2 and of the original.
func (d *Dialect) writeFormError(w http.ResponseWriter, _ *http.Request, err error) {
	kind := fault.KindOf(err)
	allowEveryOrigin(w.Header())
	httpkit.SetRetryAfter(w, err)
	httpkit.NoStore(w)
	_ = httpkit.WriteJSON(w, httpkit.Status(kind), failure{ // strings can be encoded
		Status: "failure", Reason: fault.Message(err), Error: httpkit.Code(kind), Description: fault.Message(err),
	})
}

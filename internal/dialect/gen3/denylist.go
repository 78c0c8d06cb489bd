package gen3

import (
	_ "embed" // the description
	"encoding/json"
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/verification"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// Denylist answers a gateway that asks whether a token was revoked. It is apart
// from [Dialect] because it can be kept to an inner listener: whoever asks needs no
// credentials.
type Denylist struct {
	Verifier *verification.Verifier
}

// Register mounts the endpoint.
func (d *Denylist) Register(mux *http.ServeMux) {
	serve(mux, "POST /credentials/token/denylisted", d.denylisted, writeError(httpkit.Challenge{}))
}

// Paths implements server.Dialect.
func (d *Denylist) Paths() []string { return []string{"/credentials/token/denylisted"} }

//go:embed openapi-denylist.json
var describedDenylist []byte

// OpenAPI describes the endpoint.
func (d *Denylist) OpenAPI() [][]byte { return [][]byte{describedDenylist} }

var errDenylisted = fault.New(fault.Forbidden, "Token is denylisted")

// denylisted refuses tokens of ours that were revoked, expired ones and those of
// older keys too. It lets pass all else, junk and nothing included: what is no
// token of ours is for whoever is asked next to refuse.
func (d *Denylist) denylisted(w http.ResponseWriter, r *http.Request) error {
	tokens, err := presented(w, r)
	if err != nil {
		return err
	}
	for _, raw := range tokens {
		dead, err := d.Verifier.Denylisted(r.Context(), raw)
		if err != nil {
			return err
		}
		if dead {
			return errDenylisted
		}
	}
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, struct{}{})
}

// presented returns the token of the body or else, where the body has none, those of
// the Authorization headers: which of several the service behind will take isn't
// known.
func presented(w http.ResponseWriter, r *http.Request) ([]string, error) {
	raw, err := bodyToken(w, r)
	if fault.Is(err, fault.TooLarge) {
		return nil, err
	}
	if err == nil && raw != "" {
		return []string{raw}, nil
	}
	var all []string
	for _, header := range r.Header["Authorization"] {
		if scheme, raw, _ := strings.Cut(header, " "); strings.EqualFold(scheme, "bearer") {
			all = append(all, strings.TrimSpace(raw))
		}
	}
	return all, nil
}

// bodyToken returns the member or field token of the body. Gateways often don't say
// of what type the body is, or repeat what their client said.
func bodyToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if isForm(r) {
		form, err := httpkit.Form(w, r)
		return form.Get("token"), err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Content-Type", "application/json")
	var body map[string]json.RawMessage
	if err := httpkit.DecodeJSON(w, r, &body); err != nil {
		return "", err
	}
	var raw string
	if err := json.Unmarshal(body["token"], &raw); err != nil {
		return "", nil
	}
	return raw, nil
}

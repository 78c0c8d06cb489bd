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

// Denylist serves the endpoint by which a gateway asks whether a token was revoked. It is
// separate from [Dialect] because it can be limited to an internal listener: it needs no
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

// denylisted refuses revoked tokens of bearerd, including expired ones and those of older
// keys. It accepts everything else, even invalid values and requests without a token: the
// service behind the gateway refuses those.
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

// presented returns the token of the body or, where the body has none, those of all
// Authorization headers: it isn't known which of several the service behind will use.
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

// bodyToken returns the member or field token of the body. Gateways often send no content
// type for the body, or repeat their client's.
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

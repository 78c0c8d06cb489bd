package webui

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/keyring"
)

// keysView is the page of the signing keys.
type keysView struct {
	formState
	Keys   []keyring.Key
	Shared bool // one secret is shared with the application
}

const toKeys = pathAdmin + "keys"

func (p *Pages) showKeys(w http.ResponseWriter, r *request, status int, s formState) error {
	keys, err := p.Directory.KeyList(r.Context(), r.caller)
	if err != nil {
		return err
	}
	view := keysView{formState: s, Keys: keys, Shared: p.Directory.SharedSecret()}
	return p.render(w, r, status, "keys", "Signing keys", view)
}

func (p *Pages) keyForms() map[string]formAction {
	return map[string]formAction{
		"rotate": {do: func(r *request, form url.Values) (result, error) {
			return result{to: toKeys + "?notice=rotated"}, p.Directory.RotateKeys(r.Context(), r.caller, form.Get("now") == "yes")
		}},
		"retire": {
			ask: asks("kid", "Retire this key?", "Retire it",
				"Every token that NAME signed stops working at once. If it signs now, the next key takes over.",
				"To change keys without ending tokens, rotate them instead. This can't be undone."),
			do: func(r *request, form url.Values) (result, error) {
				_, err := p.Directory.RetireKey(r.Context(), r.caller, form.Get("kid"))
				return result{to: toKeys + "?notice=retired"}, err
			},
		},
	}
}

package admin

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// keyPages are the pages of signing keys.
type keyPages struct {
	office

	Directory *directory.Directory
}

// keysView is the page of the signing keys.
type keysView struct {
	kit.State
	Keys   []keyring.Key
	Shared bool // one secret is shared with the application
}

const toKeys = kit.PathAdmin + "keys"

func (p *keyPages) showKeys(w http.ResponseWriter, r *kit.Request, status int, s kit.State) error {
	keys, err := p.Directory.KeyList(r.Context(), r.Caller)
	if err != nil {
		return err
	}
	view := keysView{State: s, Keys: keys, Shared: p.Directory.SharedSecret()}
	return p.Render(w, r, status, "keys", "Signing keys", view)
}

func (p *keyPages) keyForms() map[string]kit.Action {
	return map[string]kit.Action{
		"rotate": {Do: func(r *kit.Request, form url.Values) (kit.Result, error) {
			return kit.Result{To: toKeys + "?notice=rotated"}, p.Directory.RotateKeys(r.Context(), r.Caller, form.Get("now") == "yes")
		}},
		"retire": {
			Ask: kit.Asks("kid", "Retire this key?", "Retire it",
				"Every token that NAME signed stops working at once. If it signs now, the next key takes over.",
				"To change keys without ending tokens, rotate them instead. This can't be undone."),
			Do: func(r *kit.Request, form url.Values) (kit.Result, error) {
				_, err := p.Directory.RetireKey(r.Context(), r.Caller, form.Get("kid"))
				return kit.Result{To: toKeys + "?notice=retired"}, err
			},
		},
	}
}

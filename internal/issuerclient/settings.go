package issuerclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bearerd/bearerd/internal/foreign"
	"github.com/bearerd/bearerd/internal/strictjson"
	"github.com/bearerd/bearerd/internal/token"
)

// settings are what must be known about the issuer's configuration to recognise its tokens and
// to give the same answers. An edge learns them from each stream's hello, before its first
// heartbeat, so there is no lease without them; a service has them in its configuration. They
// are never changed.
type settings struct {
	text      []byte // as the hello has them
	forms     token.Forms
	resources map[string]string // the metadata of protected resources, by audience
}

// newSettings returns what follows from a prefix of API tokens and shapes of other systems'.
func newSettings(prefix string, shapes []foreign.Shape) (*settings, error) {
	forms, err := token.NewForms(prefix, furtherPrefixes...)
	if err != nil {
		return nil, fmt.Errorf("APITokenPrefix: %w", err)
	}
	if forms, err = withForeign(forms, shapes); err != nil {
		return nil, fmt.Errorf("ForeignTokens: %w", err)
	}
	return &settings{forms: forms}, nil
}

// withForeign adds the shapes of other systems' tokens.
func withForeign(forms token.Forms, shapes []foreign.Shape) (token.Forms, error) {
	var own []foreign.Own
	for prefix, pattern := range forms.OwnPatterns() {
		own = append(own, foreign.Own{Name: "a token of bearerd's, " + prefix + "…,", Pattern: pattern})
	}
	compiled, err := foreign.New(shapes, own...)
	return forms.WithForeign(compiled), err
}

var (
	errNoSettings = errors.New("a hello without settings (the version of the issuer is too old for an edge)")
	// errSettings ends a stream that goes on where another one ended. Everything is read
	// again, so that nothing stays that was read by other settings.
	errSettings = errors.New("the issuer's configuration has changed")
)

// parseSettings reads the settings in a hello.
func parseSettings(text []byte) (*settings, error) {
	o, err := strictjson.Parse(text)
	if err != nil {
		return nil, err
	}
	var prefix string
	var shapes []struct {
		Name    string `json:"name"`
		Pattern string `json:"pattern"`
		Prefix  string `json:"prefix"`
	}
	var resources map[string]string
	if err := firstError(
		o.Read("api_token_prefix", &prefix), o.Optional("foreign_tokens", &shapes), o.Optional("resources", &resources),
	); err != nil {
		return nil, err
	}
	list := make([]foreign.Shape, len(shapes))
	for i, s := range shapes {
		list[i] = foreign.Shape(s)
	}
	s, err := newSettings(prefix, list)
	if err != nil {
		return nil, err
	}
	s.text, s.resources = bytes.Clone(text), resources
	return s, nil
}

// learn takes over the settings of a hello, and reports whether they are others than before.
func (v *Client) learn(text json.RawMessage) (changed bool, err error) {
	if len(text) == 0 {
		return false, errNoSettings
	}
	before := v.settings.Load()
	if before != nil && bytes.Equal(before.text, text) {
		return false, nil
	}
	s, err := parseSettings(text)
	if err != nil {
		return false, fmt.Errorf("the settings in a hello: %w", err)
	}
	v.settings.Store(s)
	return before != nil, nil
}

// LooksLikeToken reports whether a value has the shape of a token of the issuer's. While those
// are not known, it reports true: what is asked of a token is then refused with 503.
func (v *Client) LooksLikeToken(raw string) bool {
	s := v.settings.Load()
	return s == nil || s.forms.LooksLikeToken(raw)
}

// MetadataOf returns the address of the metadata of the protected resource that has an
// audience; "" for none.
func (v *Client) MetadataOf(audience string) string {
	if s := v.settings.Load(); s != nil {
		return s.resources[audience]
	}
	return ""
}

package wiring

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/dialect/hypothesis"
	"github.com/bearerd/bearerd/internal/feed"
	"github.com/bearerd/bearerd/internal/foreign"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/oauth"
	"github.com/bearerd/bearerd/internal/token"
)

// resourcesOf returns the protected resources of the configuration.
func resourcesOf(c config.Config) []issuance.Resource {
	all := make([]issuance.Resource, len(c.Resources))
	for i, r := range c.Resources {
		all[i] = issuance.Resource{URL: r.URL, Audience: r.TokenAudience(), Scopes: r.Scopes}
	}
	return all
}

// takesClientURLs reports whether clients that nobody registered may ask people.
func takesClientURLs(c config.Config) bool {
	return c.Authorization.ClientMetadata != config.ClientMetadataOff
}

// clientDocuments returns the reader of the documents of clients that nobody registered;
// nil where they can't ask. instead is for tests.
func clientDocuments(c config.Config, instead clientdoc.Config, now func() time.Time) (*clientdoc.Reader, error) {
	if !takesClientURLs(c) {
		return nil, nil //nolint:nilnil // there is none
	}
	instead.Now = now
	if c.Authorization.ClientMetadata == config.ClientMetadataTrusted {
		instead.Hosts = c.Authorization.TrustedHosts
	}
	return clientdoc.New(instead)
}

// clientKeySet returns what fetches the keys of clients that nobody registered; nil where there
// are no such clients.
func clientKeySet(documents *clientdoc.Reader) func(ctx context.Context, address string) ([]byte, http.Header, error) {
	if documents == nil {
		return nil
	}
	return documents.KeySet
}

// clientURL returns which clients that nobody registered are known by a URL: those whose
// document may be read.
func clientURL(documents *clientdoc.Reader) func(id string) bool {
	if documents == nil {
		return nil
	}
	return func(id string) bool {
		_, err := documents.Check(id)
		return err == nil
	}
}

// siteResources returns the protected resources as their metadata describes them.
func siteResources(c config.Config) []oauth.Resource {
	all := make([]oauth.Resource, len(c.Resources))
	for i, r := range c.Resources {
		all[i] = oauth.Resource{URL: r.URL, Scopes: r.Scopes}
	}
	return all
}

// metadataOf returns the addresses of the metadata of the protected resources, by audience.
func metadataOf(c config.Config) map[string]string {
	at := make(map[string]string, len(c.Resources))
	for _, r := range c.Resources {
		at[r.TokenAudience()] = oauth.MetadataOf(r.URL)
	}
	return at
}

// edgeSettings returns what an edge learns of the configuration, so that it answers as a node
// does.
func edgeSettings(c config.Config) (feed.Settings, error) {
	s := feed.Settings{APITokenPrefix: c.APIToken.Prefix, Resources: metadataOf(c)}
	for _, t := range c.ForeignTokens {
		s.ForeignTokens = append(s.ForeignTokens, feed.ForeignToken(t))
	}
	return s, s.Check()
}

// ownForms returns what bearerd's own tokens look like.
func ownForms(forms token.Forms) []foreign.Own {
	var own []foreign.Own
	patterns := forms.OwnPatterns()
	for _, prefix := range slices.Sorted(maps.Keys(patterns)) {
		own = append(own, foreign.Own{Name: "a token of bearerd's, " + prefix + "…,", Pattern: patterns[prefix]})
	}
	return own
}

// tokenForms returns what opaque tokens look like.
func tokenForms(c config.Config) (token.Forms, error) {
	forms, err := token.NewForms(c.APIToken.Prefix, hypothesis.TokenPrefix) // its tokens are read without the dialect, too
	if err != nil {
		return forms, fmt.Errorf("api_token.prefix: %w", err)
	}
	shapes, err := c.ForeignShapes(ownForms(forms)...)
	return forms.WithForeign(shapes), err
}

func policyOf(c config.Config) issuance.Policy {
	return issuance.Policy{
		Issuer: c.Issuer, DefaultAudience: c.DefaultAudience(),
		AccessTTL: c.AccessToken.TTL, AccessMax: c.AccessToken.MaxTTL,
		ExchangeKeyMax: c.APIKey.MaxTTL, APITokenMax: c.APIToken.MaxTTL, APITokenOverlap: c.APIToken.Overlap,
		RefreshIdle: c.RefreshToken.IdleTTL, RefreshGrace: c.RefreshToken.Grace,
		SessionMax: sessionLife, Fresh: c.SignIn.Fresh, AuthorizationMax: c.Authorization.MaxTTL, Resources: resourcesOf(c), TaskMax: c.TaskCeilings(), Scopes: c.Scopes,
		Profile: profileOf(c),
	}
}

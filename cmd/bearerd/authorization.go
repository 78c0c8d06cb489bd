package main

import (
	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/oauth"
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

// clientDocuments returns what reads the documents of clients that nobody registered; nil
// where they can't ask.
func (i *instance) clientDocuments() (*clientdoc.Reader, error) {
	if !takesClientURLs(i.config) {
		return nil, nil //nolint:nilnil // there is none
	}
	c := clientdoc.Config{Now: i.now}
	if i.config.Authorization.ClientMetadata == config.ClientMetadataTrusted {
		c.Hosts = i.config.Authorization.TrustedHosts
	}
	return clientdoc.New(c)
}

// siteResources returns the protected resources as their metadata says them.
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

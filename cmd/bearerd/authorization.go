package main

import (
	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/issuance"
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

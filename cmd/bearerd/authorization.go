package main

import (
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

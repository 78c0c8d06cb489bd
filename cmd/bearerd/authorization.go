package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/feed"
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

// insecureClientMetadata is the flag of tests that reads the documents of clients at another
// address than their host's, which need not be a public one. Nothing else lifts that rule.
const insecureClientMetadata = "insecure-client-metadata"

// insecureDocuments reads the values of the flag, each HOST=ADDR:PORT,CA_FILE: documents of
// that host are read at the address, and its certificate, like every other host's, must then
// be of one of the files.
func insecureDocuments(values []string) (clientdoc.Config, error) {
	if len(values) == 0 {
		return clientdoc.Config{}, nil
	}
	c := clientdoc.Config{
		Instead: map[string]netip.AddrPort{}, TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()},
	}
	for _, value := range values {
		host, rest, _ := strings.Cut(value, "=")
		at, file, _ := strings.Cut(rest, ",")
		address, err := netip.ParseAddrPort(at)
		if err != nil || host == "" || file == "" {
			return c, fmt.Errorf("--%s is HOST=ADDR:PORT,CA_FILE, not %q", insecureClientMetadata, value)
		}
		pem, err := os.ReadFile(file) //nolint:gosec // the operator names the file
		if err != nil {
			return c, fmt.Errorf("--%s: %w", insecureClientMetadata, err)
		}
		if !c.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return c, fmt.Errorf("--%s: %s has no certificate", insecureClientMetadata, file)
		}
		c.Instead[host] = address
	}
	return c, nil
}

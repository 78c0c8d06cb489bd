package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/token"
)

// Authorization says how clients ask people for access.
type Authorization struct {
	ClientMetadata string        `yaml:"client_metadata"` // clients that are known by a document alone: ask, trusted or off
	TrustedHosts   []string      `yaml:"trusted_hosts"`   // whose documents are taken with trusted
	MaxTTL         time.Duration `yaml:"max_ttl"`         // how long what a person allows lasts at most
}

// Values of Authorization.ClientMetadata.
const (
	ClientMetadataAsk     = "ask"
	ClientMetadataTrusted = "trusted"
	ClientMetadataOff     = "off"
)

// Resource is a protected resource (RFC 9728) that clients ask for by its URL.
type Resource struct {
	URL      string   `yaml:"url"`
	Audience string   `yaml:"audience"` // of its tokens; empty: the URL
	Scopes   []string `yaml:"scopes"`   // that are offered for it; none: those that are declared
}

// TokenAudience returns the audience of the resource's tokens.
func (r Resource) TokenAudience() string {
	if r.Audience != "" {
		return r.Audience
	}
	return r.URL
}

func (a Authorization) check(k *checker) {
	k.lifetime("authorization.max_ttl", a.MaxTTL)
	if !slices.Contains([]string{ClientMetadataAsk, ClientMetadataTrusted, ClientMetadataOff}, a.ClientMetadata) {
		k.fail("authorization.client_metadata", "", "must be ask, trusted or off, not %q", a.ClientMetadata)
	}
	if a.ClientMetadata == ClientMetadataTrusted && len(a.TrustedHosts) == 0 {
		k.fail("authorization.trusted_hosts", "write [assistant.example.com]", "must name the hosts whose documents are taken")
	}
	for i, host := range a.TrustedHosts {
		if !hostName.MatchString(host) || host != strings.ToLower(host) {
			k.fail(fmt.Sprintf("authorization.trusted_hosts[%d]", i), "write assistant.example.com", "must be a host name in lower case, without a port, not %q", host)
		}
	}
}

func (c Config) checkResources(k *checker) {
	seen := map[string]int{}
	for i, r := range c.Resources {
		key := fmt.Sprintf("resources[%d]", i)
		u, err := url.Parse(r.URL)
		switch {
		case err != nil || u.Scheme != "https" && (u.Scheme != "http" || !token.IsLoopback(u.Hostname())) || u.Hostname() == "":
			k.fail(key+".url", "write https://museum.example.org/api", "must be an https URL with a host, or http on this machine, not %q", r.URL)
		case u.User != nil || strings.ContainsAny(r.URL, "?#") || u.Host != strings.ToLower(u.Host):
			k.fail(key+".url", "", "must have no user, query or fragment, and its host in lower case")
		case u.Path != "" && u.Path != "/" && !isCleanPath(strings.TrimSuffix(u.EscapedPath(), "/")):
			k.fail(key+".url", "", "must not have escapes, empty segments, . or .. in its path")
		}
		plain := strings.TrimSuffix(r.URL, "/")
		if first, twice := seen[plain]; twice {
			k.fail(key+".url", "", "is that of resources[%d]", first)
		}
		seen[plain] = i
		if r.TokenAudience() == c.DefaultAudience() && r.Audience != "" && plain != c.Issuer {
			k.fail(key+".audience", "choose another name", "is the default audience: a token for this resource would be good for everything else")
		}
		for j, scope := range r.Scopes {
			if !scopeName.MatchString(scope) {
				k.fail(fmt.Sprintf("%s.scopes[%d]", key, j), "", "a scope is printable ASCII without spaces, quotes and backslashes")
			}
		}
	}
}

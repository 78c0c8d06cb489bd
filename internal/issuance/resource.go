package issuance

import (
	"net/url"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Resource is a protected resource that grants are for (RFC 9728, RFC 8707).
type Resource struct {
	URL      string
	Audience string
	Scopes   []string // those that are offered for it; none: those that are declared
}

// Resource returns the protected resource that a request names: the one with the longest
// URL that the name equals or is beneath. A request that names none is for the only one.
func (p Policy) Resource(asked string) (Resource, error) {
	all := p.Resources
	if len(all) == 0 {
		all = []Resource{{URL: p.Issuer, Audience: p.DefaultAudience}}
	}
	if asked == "" {
		if len(all) == 1 {
			return all[0], nil
		}
		return Resource{}, fault.New(fault.InvalidTarget, "the request must name a resource").In("resource")
	}
	u, err := url.Parse(asked)
	if err != nil || !u.IsAbs() || u.Host == "" || u.User != nil || strings.ContainsAny(asked, "?#") {
		return Resource{}, fault.New(fault.InvalidTarget, "a resource is an absolute URL without query and fragment").In("resource")
	}
	var found *Resource
	for i := range all {
		if beneath(all[i].URL, u) && (found == nil || len(all[i].URL) > len(found.URL)) {
			found = &all[i]
		}
	}
	if found == nil {
		return Resource{}, fault.New(fault.InvalidTarget, "there is no such resource").In("resource")
	}
	return *found, nil
}

// beneath reports whether a URL equals another or is beneath it by whole segments. One
// slash at the end is ignored.
func beneath(base string, u *url.URL) bool {
	b, err := url.Parse(base)
	if err != nil || !strings.EqualFold(b.Scheme, u.Scheme) || !strings.EqualFold(b.Host, u.Host) {
		return false
	}
	root, path := strings.TrimSuffix(b.EscapedPath(), "/"), strings.TrimSuffix(u.EscapedPath(), "/")
	return (path == root || strings.HasPrefix(path, root+"/")) && !strings.Contains(path+"/", "/../") && !strings.Contains(path+"/", "/./")
}

// IsFor reports whether a grant is for the resource, or the audience, that a client names.
func (p Policy) IsFor(grant *verification.Token, named string) bool {
	if token.SameAudience(named, grant.Audience[0]) {
		return true
	}
	r, err := p.Resource(named)
	return err == nil && r.Audience == grant.Audience[0]
}

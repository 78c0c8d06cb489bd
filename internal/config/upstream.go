package config

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	plainName  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	methodForm = regexp.MustCompile(`^[A-Z][A-Z-]*$`)
	headerForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)
	doorForm   = regexp.MustCompile(`^(basic|token|header:[A-Za-z][A-Za-z0-9-]*)$`)
	plainGroup = regexp.MustCompile(`^[^,\x00-\x1f]+$`)
)

// check checks the application and its routes.
func (u Upstream) check(k *checker) {
	if u.URL == "" {
		if len(u.Routes) > 0 {
			k.fail("upstream.routes", "set upstream.url", "say nothing without an upstream.url")
		}
	} else if at, err := url.Parse(u.URL); err != nil || at.Scheme != "http" && at.Scheme != "https" ||
		at.Hostname() == "" || at.User != nil || at.RawQuery != "" || at.Fragment != "" {
		k.fail("upstream.url", "write http://127.0.0.1:8000", "must be an http or https URL without user, query and fragment")
	}
	u.checkTelling(k)
	seen := map[string]int{}
	for i, r := range u.Routes {
		key := fmt.Sprintf("upstream.routes[%d]", i)
		if r.Path != "/" && !isCleanPath(strings.TrimSuffix(r.Path, "/")) {
			k.fail(key+".path", "write /api/", "must be a path prefix without escapes, empty segments, . and .., not %q", r.Path)
		}
		switch r.Require {
		case RequireNone:
			if r.ReportOnly() {
				k.fail(key+".enforce", "set require to token or optional", "reports what is refused, but nothing is where no token is required")
			}
			if r.Audience != "" || r.Scope != "" || r.Permission != (Permission{}) || len(r.TokensIn) > 0 {
				k.fail(key, "set require to token or optional", "asks for an audience, scope or permission, or names places of tokens, but requires no token")
			}
		case RequireOptional, RequireToken:
		default:
			k.fail(key+".require", "", "must be none, optional or token, not %q", r.Require)
		}
		k.scopeList(key+".scope", r.Scope)
		k.doors(key+".tokens_in", r.TokensIn)
		if (r.Permission.Action == "") != (r.Permission.Path == "") {
			k.fail(key+".permission", "", "needs both an action and a path")
		}
		for _, at := range r.places(k, key) {
			if first, twice := seen[at]; twice {
				k.fail(fmt.Sprintf("upstream.routes[%d].path", i), "", "covers the same as upstream.routes[%d]", first)
				break
			}
			seen[at] = i
		}
	}
}

func checkRequirements(k *checker, all map[string]NamedRequirement) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r, key := all[name], "requirements."+name
		if !plainName.MatchString(name) {
			k.fail(key, "", "must be named by letters, digits, '-', '_' and '.'")
		}
		k.scopeList(key+".scope", r.Scope)
		if r.SafeScope != nil {
			k.scopeList(key+".safe_scope", *r.SafeScope)
		}
		k.doors(key+".in", r.In)
		if (r.Action == "") != (r.Path == "") {
			k.fail(key, "", "needs both an action and a path, or neither")
		}
		if r.Collection != nil && *r.Collection < 0 {
			k.fail(key+".collection", "", "must be the number of a collection")
		}
	}
}

// places returns path and method of each request that a route is for.
func (r Route) places(k *checker, key string) []string {
	path := strings.TrimSuffix(r.Path, "/")
	if len(r.Methods) == 0 {
		return []string{path}
	}
	var places []string
	for _, m := range r.Methods {
		if !methodForm.MatchString(m) {
			k.fail(key+".methods", "write GET", "must be methods in capitals, not %q", m)
		}
		if places = append(places, path+" "+m); m == "GET" {
			places = append(places, path+" HEAD")
		}
	}
	return places
}

// toldFields are the values that a header can carry about the caller.
var toldFields = []string{
	"username", "name", "email", "groups", "subject", "token_id", "token_kind", "scope", "collection", "audience",
}

// checkTelling checks how the headers name the caller to the application.
func (u Upstream) checkTelling(k *checker) {
	for _, name := range slices.Sorted(maps.Keys(u.Headers)) {
		switch field := u.Headers[name]; {
		case !headerForm.MatchString(name):
			k.fail("upstream.headers."+name, "write X-Remote-User", "must be a header's name of letters, digits and hyphens")
		case !slices.Contains(toldFields, field):
			k.fail("upstream.headers."+name, "", "must be one of %s, not %q", strings.Join(toldFields, ", "), field)
		}
	}
	if !slices.Contains([]string{"utf-8", "percent", "ascii"}, u.Encoding) {
		k.fail("upstream.encoding", "", "must be utf-8, percent or ascii, not %q", u.Encoding)
	}
	if u.Cookies != CookiesDrop && u.Cookies != CookiesKeep {
		k.fail("upstream.cookies", "", "must be drop or keep, not %q", u.Cookies)
	}
	for _, pattern := range u.Groups {
		if !plainGroup.MatchString(pattern) {
			k.fail("upstream.groups", "", "must be names of groups with * and ?, not %q", pattern)
		}
	}
}

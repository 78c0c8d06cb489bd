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

// checkUpstream checks the application, its routes and the named requirements.
func (k *checker) checkUpstream() {
	if k.Upstream.URL == "" {
		if len(k.Upstream.Routes) > 0 {
			k.fail("upstream.routes", "set upstream.url", "say nothing without an upstream.url")
		}
	} else if u, err := url.Parse(k.Upstream.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" ||
		u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		k.fail("upstream.url", "write http://127.0.0.1:8000", "must be an http or https URL without user, query and fragment")
	}
	k.checkTelling()
	seen := map[string]int{}
	for i, r := range k.Upstream.Routes {
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
		k.checkScopeList(key+".scope", r.Scope)
		k.checkDoors(key+".tokens_in", r.TokensIn)
		if (r.Permission.Action == "") != (r.Permission.Path == "") {
			k.fail(key+".permission", "", "needs both an action and a path")
		}
		for _, at := range k.placesOf(key, r) {
			if first, twice := seen[at]; twice {
				k.fail(fmt.Sprintf("upstream.routes[%d].path", i), "", "covers the same as upstream.routes[%d]", first)
				break
			}
			seen[at] = i
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.Requirements)) {
		r, key := k.Requirements[name], "requirements."+name
		if !plainName.MatchString(name) {
			k.fail(key, "", "must be named by letters, digits, '-', '_' and '.'")
		}
		k.checkScopeList(key+".scope", r.Scope)
		if r.SafeScope != nil {
			k.checkScopeList(key+".safe_scope", *r.SafeScope)
		}
		k.checkDoors(key+".in", r.In)
		if (r.Action == "") != (r.Path == "") {
			k.fail(key, "", "needs both an action and a path, or neither")
		}
		if r.Collection != nil && *r.Collection < 0 {
			k.fail(key+".collection", "", "must be the number of a collection")
		}
	}
}

// placesOf returns path and method of each request that a route is for.
func (k *checker) placesOf(key string, r Route) []string {
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

func (k *checker) checkScopeList(key, list string) {
	for name := range strings.SplitSeq(list, " ") {
		if list != "" && !scopeName.MatchString(name) {
			k.fail(key, "", "must be scope names with one space between them, not %q", list)
			return
		}
	}
}

func (k *checker) checkDoors(key string, list []string) {
	for _, door := range list {
		if !doorForm.MatchString(door) {
			k.fail(key, "write [basic]", "must be basic, token or header:NAME, not %q", door)
		}
	}
}

// toldFields are the values that a header can carry about the caller.
var toldFields = []string{
	"username", "name", "email", "groups", "subject", "token_id", "token_kind", "scope", "collection", "audience",
}

// checkTelling checks how the headers name the caller to the application.
func (k *checker) checkTelling() {
	u := k.Upstream
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

package openapitest

import (
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// CheckRoutes reports routes of the muxes that the document doesn't describe, and
// operations that no route serves. A pattern without a method is described by any
// operation at its path; beneath a pattern that ends in a slash nothing is. Preflights
// are sent by browsers only, and are not described.
func (d *Document) CheckRoutes(muxes ...*http.ServeMux) {
	d.tb.Helper()
	var served []string
	for _, mux := range muxes {
		served = append(served, patterns(mux)...)
	}
	for _, complaint := range d.routeComplaints(served) {
		d.tb.Error(complaint)
	}
}

func (d *Document) routeComplaints(served []string) []string {
	var complaints []string
	described := map[string][]string{}
	for path, item := range child(d.root, "paths") {
		for _, method := range methods {
			if o, ok := item.(object); ok && o[method] != nil {
				described[plain(path)] = append(described[plain(path)], strings.ToUpper(method))
			}
		}
	}
	for _, pattern := range served {
		method, path := split(pattern)
		switch {
		case method == http.MethodOptions:
		case method != "" && !slices.Contains(described[path], method):
			complaints = append(complaints, "not in the API description: "+pattern)
		case method == "" && described[path] == nil && !strings.HasSuffix(pattern, "/"):
			complaints = append(complaints, "not in the API description: "+pattern)
		}
	}
	for path, methods := range described {
		for _, method := range methods {
			if !slices.ContainsFunc(served, func(pattern string) bool {
				m, p := split(pattern)
				return p == path && (m == method || m == "")
			}) {
				complaints = append(complaints, "described but not served: "+method+" "+path)
			}
		}
	}
	slices.Sort(complaints)
	return complaints
}

func split(pattern string) (method, path string) {
	if m, p, ok := strings.Cut(pattern, " "); ok {
		return m, plain(p)
	}
	return "", plain(pattern)
}

var wildcard = regexp.MustCompile(`\{[^{}]*\}`)

// plain returns a path without the names of its wildcards and without the slash at
// its end, with which and without which some endpoints are served alike.
func plain(path string) string {
	path = strings.TrimSuffix(path, "{$}")
	return wildcard.ReplaceAllString(strings.TrimRight(path, "/"), "{}")
}

// patterns lists what is registered on a mux, from its unexported fields.
func patterns(mux *http.ServeMux) []string {
	index := reflect.ValueOf(mux).Elem().FieldByName("index")
	seen := map[string]bool{}
	add := func(list reflect.Value) {
		for i := range list.Len() {
			seen[list.Index(i).Elem().FieldByName("str").String()] = true
		}
	}
	add(index.FieldByName("multis"))
	for _, key := range index.FieldByName("segments").MapKeys() {
		add(index.FieldByName("segments").MapIndex(key))
	}
	var all []string
	for pattern := range seen {
		all = append(all, pattern)
	}
	slices.Sort(all)
	return all
}

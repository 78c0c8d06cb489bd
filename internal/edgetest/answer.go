package edgetest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// Answer is the answer to a request. Its checks report to the test that sent it.
type Answer struct {
	What   string // the method and path of the request
	Status int
	Header http.Header
	Body   string

	t testing.TB
}

// Is ends the test unless the answer has the status, and reports each text that its
// body doesn't contain.
func (a *Answer) Is(status int, texts ...string) *Answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("%s: status %d, want %d: %s", a.What, a.Status, status, a.Body)
	}
	for _, text := range texts {
		if !strings.Contains(a.Body, text) {
			a.t.Errorf("%s: %q is missing in\n%s", a.What, text, a.Body)
		}
	}
	return a
}

// Lacks reports each text that the body contains.
func (a *Answer) Lacks(texts ...string) {
	a.t.Helper()
	for _, text := range texts {
		if strings.Contains(a.Body, text) {
			a.t.Errorf("%s: %q is in\n%s", a.What, text, a.Body)
		}
	}
}

// Leads checks that the answer is a redirect after a form (303).
func (a *Answer) Leads(to string) {
	a.t.Helper()
	a.Is(http.StatusSeeOther)
	if got := a.Header.Get("Location"); got != to {
		a.t.Errorf("%s leads to %.100q, want %q", a.What, got, to)
	}
}

// Uncached checks that no cache keeps the answer.
func (a *Answer) Uncached() {
	a.t.Helper()
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		a.t.Errorf("%s: Cache-Control is %q", a.What, got)
	}
}

// Challenged checks that a 401 has a challenge.
func (a *Answer) Challenged() {
	a.t.Helper()
	if a.Status == http.StatusUnauthorized && a.Header.Get("WWW-Authenticate") == "" {
		a.t.Errorf("%s: a 401 without a challenge", a.What)
	}
}

// Problem checks that the answer is a problem of RFC 9457 with its own status and a
// request id, and returns its members.
func (a *Answer) Problem() map[string]any {
	a.t.Helper()
	body := a.Object()
	if body["status"] != float64(a.Status) || a.Header.Get("Content-Type") != "application/problem+json" {
		a.t.Errorf("%s: %d %s %s", a.What, a.Status, a.Header.Get("Content-Type"), a.Body)
	}
	if id, _ := body["request_id"].(string); id == "" {
		a.t.Errorf("%s: no request id: %s", a.What, a.Body)
	}
	a.Challenged()
	return body
}

// Cookies returns the cookies that the answer sets, by name.
func (a *Answer) Cookies() map[string]*http.Cookie {
	cookies := map[string]*http.Cookie{}
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		cookies[c.Name] = c
	}
	return cookies
}

// Object returns the members of a JSON object; nil if there is no body.
func (a *Answer) Object() map[string]any {
	a.t.Helper()
	if a.Body == "" {
		return nil
	}
	return Decode[map[string]any](a)
}

// Str returns a member of a JSON object that must be a string.
func (a *Answer) Str(name string) string {
	a.t.Helper()
	s, ok := a.Object()[name].(string)
	if !ok {
		a.t.Fatalf("%s: no string %q in %s", a.What, name, a.Body)
	}
	return s
}

// Decode reads the JSON body of an answer.
func Decode[T any](a *Answer) (body T) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.Body), &body); err != nil {
		a.t.Fatalf("%s: %v: %s", a.What, err, a.Body)
	}
	return body
}

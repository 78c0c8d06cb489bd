// Package edgetest serves edges over a node on a real listener, sends requests to
// them, and checks the answers.
package edgetest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/adminapi/openapitest"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// The content types of request bodies.
const (
	TypeForm = "application/x-www-form-urlencoded"
	TypeJSON = "application/json"
)

// Edge is what Serve serves.
type Edge interface {
	adminapi.Described
	Register(mux *http.ServeMux)
}

// Site sends requests to a server. It follows no redirect and unpacks no answer.
type Site struct {
	URL   string
	HTTP  *http.Client
	Type  string        // the content type of a body when no option sets one
	Check func(*Answer) // is called with every answer; nil: nothing is
}

// Serve serves edges, with their API description. It reports every
// answer that the description doesn't contain. The audit log records each request as
// "r-1" from 192.0.2.1, or from the address that From sets.
func Serve(t testing.TB, now func() time.Time, edges ...Edge) *Site {
	t.Helper()
	mux := http.NewServeMux()
	sources := adminapi.Sources{Issuer: nodetest.Issuer, Version: "test"}
	for _, e := range edges {
		e.Register(mux)
		sources.Edges = append(sources.Edges, e)
	}
	description, err := adminapi.Describe(sources)
	if err != nil {
		t.Fatal(err)
	}
	description.Register(mux)
	document := openapitest.Load(t, description.JSON())
	document.CheckRoutes(mux)
	observer := httpkit.NewObserver(httpkit.ObserverConfig{
		Logger: slog.New(slog.DiscardHandler), Now: now, Proxies: httpkit.Proxies{netip.MustParsePrefix("127.0.0.0/8")},
		Context: func(ctx context.Context, e *httpkit.Event) context.Context {
			address := e.ClientAddress()
			if e.Address().IsLoopback() {
				address = "192.0.2.1"
			}
			return audit.WithOrigin(ctx, audit.Origin{Address: address, RequestID: "r-1", Agent: e.Agent()})
		},
	})
	server := httptest.NewServer(observer.Wrap(document.Watch(mux)))
	t.Cleanup(server.Close)
	return At(t, server.URL)
}

// At returns the Site of a server that runs already.
func At(t testing.TB, address string) *Site {
	t.Helper()
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(client.CloseIdleConnections)
	return &Site{URL: address, HTTP: client}
}

// CrossOrigin returns the check of a request's origin for the fixtures' issuer.
func CrossOrigin(t testing.TB) *httpkit.CrossOrigin {
	t.Helper()
	origin, err := httpkit.NewCrossOrigin(nodetest.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	return origin
}

// Browser returns the same Site with cookies of its own.
func (s *Site) Browser(t testing.TB) *Site {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := *s
	b.HTTP = &http.Client{Transport: s.HTTP.Transport, CheckRedirect: s.HTTP.CheckRedirect, Jar: jar}
	return &b
}

// Cookie returns the value of a cookie that a Browser has; "" if it has none.
func (s *Site) Cookie(t testing.TB, name string) string {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.HTTP.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// Get sends a GET.
func (s *Site) Get(t testing.TB, path string, options ...Option) *Answer {
	t.Helper()
	return s.Do(t, http.MethodGet, path, "", options...)
}

// Submit posts a form of names and values in turn.
func (s *Site) Submit(t testing.TB, path string, pairs ...string) *Answer {
	t.Helper()
	return s.Do(t, http.MethodPost, path, Form(pairs...), Type(TypeForm))
}

// Do sends a request with a body; "" is none.
func (s *Site) Do(t testing.TB, method, path, body string, options ...Option) *Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" && s.Type != "" {
		r.Header.Set("Content-Type", s.Type)
	}
	return s.Send(t, r, options...)
}

// Send sends a request.
func (s *Site) Send(t testing.TB, r *http.Request, options ...Option) *Answer {
	t.Helper()
	a, err := s.Try(t, r, options...)
	if err != nil {
		t.Fatal(err)
	}
	if s.Check != nil {
		s.Check(a)
	}
	return a
}

// Try is Send for a request that may get no whole answer.
func (s *Site) Try(t testing.TB, r *http.Request, options ...Option) (*Answer, error) {
	t.Helper()
	for _, o := range options {
		o(r)
	}
	a := &Answer{What: r.Method + " " + r.URL.Path, t: t}
	res, err := s.HTTP.Do(r)
	if err != nil {
		return a, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	a.Status, a.Header, a.Body = res.StatusCode, res.Header, string(text)
	return a, err
}

// Option changes a request before it is sent.
type Option func(*http.Request)

// Header adds a header field.
func Header(name, value string) Option {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

// Type sets the content type.
func Type(value string) Option {
	return func(r *http.Request) { r.Header.Set("Content-Type", value) }
}

// Bearer adds a token to a request.
func Bearer(token string) Option { return Header("Authorization", "Bearer "+token) }

// Basic authenticates a client (RFC 6749, section 2.3.1).
func Basic(id, secret string) Option {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

// Cookie adds a cookie.
func Cookie(name, value string) Option { return Header("Cookie", name+"="+value) }

// From sends a request from an address, as a proxy reports it.
func From(address string) Option { return Header("X-Forwarded-For", address) }

// Form returns the body of a form of names and values in turn.
func Form(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, url.QueryEscape(pairs[i])+"="+url.QueryEscape(pairs[i+1]))
	}
	return strings.Join(list, "&")
}

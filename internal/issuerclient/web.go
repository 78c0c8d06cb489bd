package issuerclient

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/strictjson"
)

// Limits of what is read from the issuer, in bytes, and of how long that takes.
const (
	maxDocument = 256 << 10 // metadata, JWK Set
	maxAnswer   = 64 << 10  // introspection, token
	maxFacts    = 4 << 20   // introspection with all that a user may do
	askTimeout  = 10 * time.Second
)

// web makes HTTP requests to the issuer.
type web struct {
	client *http.Client
}

func newWeb(own *http.Client) *web {
	var transport http.RoundTripper
	if own != nil {
		transport = own.Transport
	}
	if transport == nil {
		transport = ownTransport()
	}
	return &web{client: &http.Client{Transport: transport, CheckRedirect: checkRedirect}}
}

// ownTransport returns a transport that shares no connection with the rest of the
// service.
func ownTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	own := t.Clone()
	own.MaxIdleConnsPerHost = 2 * askersAtOnce
	own.ResponseHeaderTimeout = askTimeout
	return own
}

// checkRedirect follows redirects of documents within their origin. All other requests
// have a secret and are not redirected.
func checkRedirect(r *http.Request, via []*http.Request) error {
	first := via[0]
	if first.Method != http.MethodGet || first.Header.Get("Authorization") != "" || len(via) > 3 ||
		r.URL.Scheme != first.URL.Scheme || r.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// answer is a complete response of limited size.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// statusError is the error of a response with another status than expected.
type statusError struct {
	what   string
	status int
	code   string        // the error member, where it is one of OAuth's
	after  time.Duration // Retry-After
}

func (e *statusError) Error() string {
	text := e.what + " answered " + strconv.Itoa(e.status)
	if e.code != "" {
		text += " (" + e.code + ")"
	}
	if e.status/100 == 3 {
		text += ", a redirect that is not followed"
	}
	return text
}

func refusedStatus(what string, status int, header http.Header, body []byte) error {
	e := &statusError{what: what, status: status}
	if seconds, err := strconv.Atoi(header.Get("Retry-After")); err == nil && seconds > 0 {
		e.after = min(time.Duration(seconds)*time.Second, maxPause)
	}
	if o, err := strictjson.Parse(body); err == nil {
		var code string
		if o.Optional("error", &code) == nil && len(code) <= 40 && strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") == "" {
			e.code = code
		}
	}
	return e
}

// get reads a document.
func (w *web) get(ctx context.Context, what, address string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return answer{}, fmt.Errorf("asking for %s: %w", what, err)
	}
	r.Header.Set("Accept", "application/json")
	return w.ask(r, what, maxDocument)
}

// post sends a form, with the client's id and secret in Basic (RFC 6749 §2.3.1).
func (w *web) post(ctx context.Context, what, address string, c Config, form url.Values) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, fmt.Errorf("asking for %s: %w", what, err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(c.ClientSecret))
	if form.Has("facts") {
		return w.ask(r, what, maxFacts)
	}
	return w.ask(r, what, maxAnswer)
}

// ask returns an answer of status 200; every other one is an error.
func (w *web) ask(r *http.Request, what string, limit int64) (answer, error) {
	a, err := w.do(r, what, limit)
	if err == nil && a.status != http.StatusOK {
		return answer{}, refusedStatus(what, a.status, a.header, a.body)
	}
	return a, err
}

// tell sends a form whose answer is the status 204 and nothing else.
func (w *web) tell(r *http.Request, what string) error {
	a, err := w.do(r, what, maxAnswer)
	if err == nil && a.status != http.StatusNoContent {
		return refusedStatus(what, a.status, a.header, a.body)
	}
	return err
}

func (w *web) do(r *http.Request, what string, limit int64) (answer, error) {
	res, err := w.client.Do(r)
	if err != nil {
		return answer{}, fmt.Errorf("asking for %s: %w", what, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("reading %s: %w", what, err)
	case int64(len(body)) > limit:
		return answer{}, fmt.Errorf("reading %s: more than %d bytes", what, limit)
	}
	return answer{status: res.StatusCode, header: res.Header, body: body}, nil
}

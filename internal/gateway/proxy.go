package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/underway"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// ProxyConfig configures a [Proxy].
type ProxyConfig struct {
	Gate     *Gate
	Upstream *url.URL // http or https, without query; a path is put before that of each request
	Routes   []Route
	// TrustedProxies are those whose X-Forwarded headers are passed on; those of
	// others are replaced.
	TrustedProxies httpkit.Proxies
	// PassToken leaves the token that was accepted in the request. Without it the
	// application knows who is calling, but can't call others in their name.
	PassToken bool
	// KeepCookies leaves cookies in a request that was let in by a token, and in its answer.
	// Without it, no cookie can remain that works after the token was revoked.
	KeepCookies bool
	Origins     []string // whose scripts may call with a token; "*" is any
	// Staleness returns L: within it Run ends what a revoked token let in. Nil, and while it
	// returns 0: DefaultStaleness.
	Staleness func() time.Duration
	// MaxUnderWay bounds the requests with a token that are under way; a further one is
	// 503. 0: underway.DefaultMax.
	MaxUnderWay int
	Log         *slog.Logger      // nil: nothing is logged
	Transport   http.RoundTripper // nil: one of its own, without any proxy of the environment
}

// DefaultStaleness is L where none is configured.
const DefaultStaleness = 2 * time.Second

// Proxy passes requests on to an application when its routes let them, and ends what is
// no longer allowed while Run runs. Make one with [NewProxy].
type Proxy struct {
	ProxyConfig
	routes   routes
	underWay *underway.Set
	handler  http.Handler
	errorLog *log.Logger
	buffers  buffers
}

// NewProxy checks the configuration; it doesn't ask whether the application is there.
func NewProxy(c ProxyConfig) (*Proxy, error) {
	if c.Gate == nil || c.Upstream == nil {
		return nil, errors.New("gateway: gate and upstream must be set")
	}
	if u := c.Upstream; u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("gateway: the upstream must be an http or https URL without user, query and fragment")
	}
	table, err := newRoutes(c.Routes)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Transport == nil {
		c.Transport = newTransport()
	}
	p := &Proxy{ProxyConfig: c, routes: table, underWay: underway.New(c.MaxUnderWay), errorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn)}
	p.handler = httpkit.Handle(p.serve, p.refuse)
	return p, nil
}

// Limits of connections to the application. How long it takes to answer isn't limited:
// some answers are meant to take hours.
const (
	dialTimeout     = 5 * time.Second
	idleConnections = 128
	idleTimeout     = 90 * time.Second
)

func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   idleConnections,
		IdleConnTimeout:       idleTimeout,
		TLSHandshakeTimeout:   dialTimeout,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // bodies pass unchanged
	}
}

// Register mounts the proxy for every path that nothing else is mounted for. A bare
// ServeMux redirects what is no clean path before the proxy sees it; the server's
// router doesn't, so that the proxy judges every path as it was sent.
func (p *Proxy) Register(mux *http.ServeMux) { mux.Handle("/", p) }

// ServeHTTP decides, and then passes the request on or refuses it.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request) error {
	path := pathAsSent(r.URL)
	asked, preflight := r.Method, r.Method == http.MethodOptions && isPreflight(r.Header)
	if preflight {
		asked = r.Header.Get(requestMethod) // about which it asks
	}
	rule, err := p.routes.find(path, asked)
	if err != nil {
		return p.stray(w, r, &forwarding{path: path, route: rule}, err)
	}
	onlyWebSocket(r)
	if rule.ask.reportOnly {
		var j judgement
		if !preflight {
			j = p.Gate.judge(r, &rule.ask, method{name: r.Method, named: true}, path)
		}
		return p.report(w, r, &forwarding{path: path, route: rule}, j)
	}
	if preflight {
		return p.preflight(w, r, &forwarding{path: path, route: rule, preflight: true})
	}
	if rule.none {
		return p.forward(w, r, &forwarding{path: path, route: rule})
	}
	c, err := p.Gate.admit(r, &rule.ask, method{name: r.Method, named: true}, path)
	if err != nil {
		return rule.ask.refusal(err)
	}
	p.Gate.warn(w.Header(), c.identity)
	httpkit.Note(r, c.identity)
	f := &forwarding{path: path, route: rule, caller: c.identity, token: c.identity != nil && !c.session}
	if c.identity != nil {
		f.announced = http.Header{}
		if err := p.Gate.Announcer.announce(r.Context(), f.announced, c.identity); err != nil {
			return err
		}
		a := &underway.Admission{Identity: c.identity, Raw: c.raw, Needs: c.needs}
		if r, err = p.underWay.Admit(w, r, a); err != nil {
			return err
		}
		defer a.Done()
	}
	return p.forward(w, r, f)
}

// stray refuses a request that no rule covers, unless nothing else is refused either:
// where every rule of its path is report-only, no method is refused, and where every rule
// at all is report-only, no path that can be read in two ways.
func (p *Proxy) stray(w http.ResponseWriter, r *http.Request, f *forwarding, err error) error {
	noMethod := errors.Is(err, errNoMethod)
	if !noMethod && !errors.Is(err, errNoPath) {
		f.route = p.routes.reportOnly()
	}
	switch {
	case f.route != nil && !f.route.enforced:
		onlyWebSocket(r)
		return p.report(w, r, f, judgement{err: err})
	case noMethod:
		return httpkit.MethodNotAllowed(w, r, p.routes.allowed(f.path))
	}
	return err
}

// Run ends what was let in and is no longer allowed, until ctx ends.
func (p *Proxy) Run(ctx context.Context) error {
	return p.underWay.Run(ctx, p.Gate.Verifier, p.staleness)
}

// staleness returns L as it is known now.
func (p *Proxy) staleness() time.Duration {
	if p.Staleness != nil {
		if known := p.Staleness(); known > 0 {
			return known
		}
	}
	return DefaultStaleness
}

// forward passes a request on and copies the answer as it comes.
func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, f *forwarding) error {
	defer noteEnd(r)
	var failed error
	var body *watchedBody
	if r.ContentLength != 0 {
		// Answers may begin before the body has ended; where that isn't possible, the
		// server reads the body first.
		_ = http.NewResponseController(w).EnableFullDuplex()
		body = &watchedBody{ReadCloser: r.Body}
		r.Body = body
	}
	(&httputil.ReverseProxy{
		Rewrite:       func(pr *httputil.ProxyRequest) { p.rewrite(pr, f) },
		Transport:     p.Transport,
		FlushInterval: -1,
		ErrorLog:      p.errorLog,
		BufferPool:    &p.buffers,
		ModifyResponse: func(answer *http.Response) error {
			if f.answered != nil {
				f.answered(answer.StatusCode)
			}
			p.finish(answer.Header, r, f)
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			ended := underway.EndedBy(r.Context())
			switch {
			case ended != nil:
				failed = ended
			case body != nil && body.broken.Load():
				failed = errBody
			default:
				failed = upstreamError{fmt.Errorf("asking the application: %w", err)}
			}
		},
	}).ServeHTTP(&interim{w, p, r, f}, r)
	return failed
}

// noteEnd logs why a request was ended.
func noteEnd(r *http.Request) {
	if ended := underway.EndedBy(r.Context()); ended != nil {
		httpkit.EventOf(r.Context()).Outcome = "ended: " + fault.Message(ended)
	}
}

var errBody = requestError{fault.New(fault.Invalid, "the body could not be read")}

// upstreamError is the error of an application that failed to answer.
type upstreamError struct{ error }

func (e upstreamError) Unwrap() error { return e.error }

// watchedBody records whether it could not be read because of the client.
type watchedBody struct {
	io.ReadCloser
	broken atomic.Bool
}

// Read notes an error other than the end of the body.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.broken.Store(true)
	}
	return n, err
}

// refuse refuses a request: what a token lacks in the words of RFC 6750, everything else
// as problem details. Nobody is ever sent to a login page.
func (p *Proxy) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p.finish(w.Header(), r, &forwarding{route: anything})
	if _, ok := errors.AsType[upstreamError](err); ok {
		writeBadGateway(w, r)
		return
	}
	if _, ok := errors.AsType[requestError](err); ok {
		httpkit.Problems(p.Gate.Challenge)(w, r, err)
		return
	}
	p.Gate.refuse(w, r, err, httpkit.Status(fault.Invalid))
}

func writeBadGateway(w http.ResponseWriter, r *http.Request) {
	const status = http.StatusBadGateway
	body, _ := json.Marshal(httpkit.Problem{ // strings and a number: it can't fail
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: "the application does not answer", Code: "bad_gateway",
		RequestID: httpkit.EventOf(r.Context()).RequestID(),
	})
	httpkit.NoStore(w)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// pathAsSent returns the path of a request with the escapes that its client wrote.
func pathAsSent(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// buffers are what bodies are copied through.
type buffers struct{ pool sync.Pool }

const bufferSize = 32 << 10

// Get returns a buffer.
func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p[:]
	}
	return new([bufferSize]byte)[:]
}

// Put takes a buffer back.
func (b *buffers) Put(p []byte) { b.pool.Put((*[bufferSize]byte)(p)) }

// basePath is the part of the upstream's URL that is put before each path.
func basePath(u *url.URL) string { return strings.TrimSuffix(u.EscapedPath(), "/") }

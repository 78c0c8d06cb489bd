package httpkit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/redact"
)

// Event is the log event of one request. [Observer.Wrap] creates it and writes it once,
// at the end; handlers fill it in, in the request's own goroutine. It never logs a query, a
// header or a secret.
type Event struct {
	Principal     string // who made the request: a subject or client id
	PrincipalName string // the username of a user
	TokenID       string // the public id of the token it came with
	Outcome       string // the decision, in a word or two: "ok", "expired", "revoked"
	// AskedMethod and AskedURI are the request that a proxy asks about, as it names it.
	// Of the URI the path is logged, and no query.
	AskedMethod, AskedURI string

	id      id
	address netip.Addr
	agent   string
	err     error
	muted   bool
}

// RequestID returns the id of the request: the one that a trusted proxy sent, or a new
// unique one. Outside of a request it is empty.
func (e *Event) RequestID() string { return e.id.String() }

// id is the id of a request, written out when it is asked for.
type id struct {
	given  string // by a trusted proxy
	prefix string // else the observer's; "": there is none
	number uint64
}

// String returns the id.
func (i id) String() string {
	if i.given != "" || i.prefix == "" {
		return i.given
	}
	return i.prefix + strconv.FormatUint(i.number, 36)
}

// Address returns the client's address, see [Proxies]; zero when it has none.
func (e *Event) Address() netip.Addr { return e.address }

// ClientAddress returns the address as text; empty when there is none.
func (e *Event) ClientAddress() string {
	if !e.address.IsValid() {
		return ""
	}
	return e.address.String()
}

// Agent returns the request's User-Agent, as it was sent.
func (e *Event) Agent() string { return e.agent }

// Fail records the error that the request ended with. The log holds it only for answers
// of 500 and above: below, the response itself says what was wrong.
func (e *Event) Fail(err error) { e.err = err }

// Mute keeps the event out of the log unless the request ends in an internal error. It is
// for frequent responses, such as a verification that allowed the request.
func (e *Event) Mute() { e.muted = true }

type eventKey struct{}

// EventOf returns the event of the request that ctx belongs to. Outside of
// [Observer.Wrap] it returns one that is never written, not nil.
func EventOf(ctx context.Context) *Event {
	if e, ok := ctx.Value(eventKey{}).(*Event); ok {
		return e
	}
	return &Event{}
}

// Observer writes one structured log event for each request. Make one with [NewObserver].
type Observer struct {
	cfg    ObserverConfig
	prefix string
	count  atomic.Uint64
}

// ObserverConfig is what an [Observer] needs. Logger and Now must be set; without Proxies
// no forwarded address or request id is trusted.
type ObserverConfig struct {
	Logger  *slog.Logger
	Now     func() time.Time
	Proxies Proxies
	// Context returns the context that a request is served with, derived from the
	// request's own; nil leaves the request's own.
	Context func(ctx context.Context, e *Event) context.Context
	// Done, unless nil, is called when a request has ended, with its final status. The
	// request's Pattern is its route.
	Done func(r *http.Request, status int, took time.Duration)
}

// NewObserver returns an observer whose request ids are unique among processes.
func NewObserver(cfg ObserverConfig) *Observer {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the process instead
	if cfg.Context == nil {
		cfg.Context = func(ctx context.Context, _ *Event) context.Context { return ctx }
	}
	if cfg.Done == nil {
		cfg.Done = func(*http.Request, int, time.Duration) {}
	}
	return &Observer{cfg: cfg, prefix: hex.EncodeToString(random[:]) + "-"}
}

// Wrap returns a handler that serves each request with next and an [Event], recovers
// from panics outside of [Handle], and writes the event when the request has ended.
func (o *Observer) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.Begin(r).Serve(w, next) })
}

// Observation is one request under way. It is ended once, by [Observation.Serve] or by
// [Observation.End].
type Observation struct {
	// Request is the request with its [Event] in its context.
	Request *http.Request

	observer *Observer
	event    Event
	start    time.Time
}

// Begin begins the observation of a request.
func (o *Observer) Begin(r *http.Request) *Observation {
	b := &Observation{observer: o, start: o.cfg.Now(), event: Event{id: o.requestID(r), address: o.cfg.Proxies.Client(r), agent: r.UserAgent()}}
	b.Request = r.WithContext(o.cfg.Context(context.WithValue(r.Context(), eventKey{}, &b.event), &b.event))
	return b
}

// Serve calls next to respond to the request, recovers from its panics, and ends the
// observation. It panics with http.ErrAbortHandler where the connection must be cut.
func (b *Observation) Serve(w http.ResponseWriter, next http.Handler) {
	rec := &recorder{ResponseWriter: w}
	defer func() {
		v := recover()
		aborted := settle(rec, &b.event, v)
		b.End(rec.final(), rec.bytes)
		if aborted {
			panic(http.ErrAbortHandler)
		}
	}()
	next.ServeHTTP(rec, b.Request)
}

// End writes the event and counts the request, whose response has that status and so many
// bytes in its body.
func (b *Observation) End(status int, bytes int64) {
	o := b.observer
	took := o.cfg.Now().Sub(b.start)
	o.write(b, response{status, bytes, took})
	o.cfg.Done(b.Request, status, took)
}

// response is what is logged of a response.
type response struct {
	status int
	bytes  int64
	took   time.Duration
}

// settle ends a request whose handler panicked with v, if it did, and reports
// whether its connection must be cut.
func settle(rec *recorder, event *Event, v any) bool {
	if v == nil {
		return false
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	event.Fail(panicked(v))
	if rec.begun() {
		return true
	}
	rec.Header().Set(HeaderRequestID, event.RequestID())
	http.Error(rec, "internal error", http.StatusInternalServerError)
	return false
}

// requestID returns the id of a trusted proxy if it is well formed, or else a new one.
func (o *Observer) requestID(r *http.Request) id {
	if ids := r.Header[HeaderRequestID]; len(ids) == 1 && saneID(ids[0]) && o.cfg.Proxies.Trusts(peer(r)) {
		return id{given: ids[0]}
	}
	return id{prefix: o.prefix, number: o.count.Add(1)}
}

const maxRequestID = 64

// saneID reports whether id is 1 to 64 characters of A-Z a-z 0-9 . _ - and no token.
func saneID(id string) bool {
	if id == "" || len(id) > maxRequestID || redact.Tokens(id) != id {
		return false
	}
	for _, c := range []byte(id) {
		if !isAlphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// maxLoggedPath is how much of a path is logged, in bytes.
const maxLoggedPath = 512

func (o *Observer) write(b *Observation, res response) {
	r, event, status := b.Request, &b.event, res.status
	if event.muted && event.err == nil && status != http.StatusInternalServerError {
		return
	}
	_, crashed := errors.AsType[*panicError](event.err)
	if event.muted && status != http.StatusInternalServerError && !crashed {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", logged(r.Method)),
		slog.String("path", logged(r.URL.Path)),
		slog.String("route", r.Pattern),
		slog.Int("status", status),
		slog.Int64("bytes", res.bytes),
		slog.Float64("duration_seconds", res.took.Seconds()),
		slog.String("address", event.ClientAddress()),
		slog.String("request_id", event.RequestID()),
	}
	attrs = append(attrs, event.attrs(status)...)
	o.cfg.Logger.LogAttrs(r.Context(), level(status, crashed), "request", attrs...)
}

// logged returns a client's text as it may be logged: shortened, and without tokens,
// including a token that is cut by the shortening.
func logged(text string) string {
	text = redact.Tokens(text[:min(len(text), 2*maxLoggedPath)])
	return text[:min(len(text), maxLoggedPath)]
}

// loggedURI returns the path of a URI, with its host where it has one, as it may be logged.
func loggedURI(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	path, _, _ = strings.Cut(path, "#")
	if scheme, rest, absolute := strings.Cut(path, "://"); absolute {
		if authority, _, _ := strings.Cut(rest, "/"); strings.Contains(authority, "@") { // it may have a password
			path = scheme + "://" + rest[strings.LastIndex(authority, "@")+1:]
		}
	}
	return logged(path)
}

// attrs returns what a handler filled in, and the error chain of a server error.
func (e *Event) attrs(status int) []slog.Attr {
	var attrs []slog.Attr
	for _, a := range []slog.Attr{
		slog.String("principal", redact.Tokens(e.Principal)),
		slog.String("principal_name", logged(e.PrincipalName)),
		slog.String("token_id", redact.Tokens(e.TokenID)),
		slog.String("outcome", redact.Tokens(e.Outcome)),
		slog.String("original_method", logged(e.AskedMethod)),
		slog.String("original_uri", loggedURI(e.AskedURI)),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	crash, crashed := errors.AsType[*panicError](e.err)
	if e.err != nil && (status >= http.StatusInternalServerError || crashed) {
		attrs = append(attrs, slog.String("error", redact.Tokens(e.err.Error())))
	}
	if crashed {
		attrs = append(attrs, slog.String("stack", string(crash.stack)))
	}
	return attrs
}

func level(status int, crashed bool) slog.Level {
	switch {
	case crashed || status == http.StatusInternalServerError:
		return slog.LevelError
	case status > http.StatusInternalServerError:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// Package feed serves the revocation log to external verifiers, as Server-Sent
// Events at GET /auth/revocations.
//
// A [Tail] keeps the latest entries of the log in memory, fed by the follower. An
// entry is rendered once, when the first subscriber needs it, and its bytes are
// written to all. Only a subscriber that is further behind than the tail reads the
// store, page by page; how many may do so, and how many questions of theirs are
// under way at once, is bounded.
//
// All subscribers wait on the follower's one channel. When it closes, each subscriber
// writes the entries that it hasn't written yet, and a heartbeat: a sequence up to which
// it has written everything, and as_of, the start of the question to the store that made
// this true, counted in microseconds from when its request came. A client that read its
// own clock before it sent the request thus knows how old what it has is, however late
// the bytes arrive: a lease of L counts from there. Without answers of the store there
// are no heartbeats.
//
// A client's clock may run faster than the server's, so the longer a stream goes on,
// the less as_of says. After a hundred times L a stream ends, and its client reconnects
// and continues where it was.
package feed

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/confirming"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/verification"
)

// Path is where the stream is served.
const Path = "/auth/revocations"

// Bounds of one node. A subscriber that is behind takes a rendered page of about 100 KiB,
// an idle one only its connection.
const (
	defaultStreams  = 20_000
	defaultPatience = 10 * time.Second

	maxBehind   = 64              // subscribers that read pages of the store
	maxAsking   = 4               // their questions under way at once
	queueTime   = 2 * time.Second // how long a new one waits to be one of those
	retryAfter  = 2 * time.Second
	askPatience = 5 * time.Second // for one page
)

// Log is the revocation log as this node follows it: a revocation.Follower.
type Log interface {
	// Entries reads a page of the stored log.
	Entries(ctx context.Context, after revocation.Seq, limit int) (revocation.Page, error)
	CatchUp(ctx context.Context) error
	Known() (revocation.Known, bool)
	Watch() <-chan struct{}
	Fresh() bool
}

// Edge serves the stream. All but MaxStreams and WriteTimeout must be set.
type Edge struct {
	Verifier     *verification.Verifier
	Log          Log
	Tail         *Tail
	Issuer       string
	Staleness    time.Duration        // L
	Clock        func() time.Duration // the boot clock, as the log's
	MaxStreams   int                  // more are answered 503; 0: 20,000
	WriteTimeout time.Duration        // how long a client may take to read what was written, at least; 0: 10 s
	Confirming   *confirming.Room     // registers the verifiers that confirm; nil: none may
	Settings     Settings             // what edges learn

	streams atomic.Int64
	behind  chan struct{} // a subscriber with a place here may read pages of the store
	asking  chan struct{} // a subscriber with a place here has a question under way
	ended   chan struct{}
	end     sync.Once
}

// Register mounts the endpoint.
func (e *Edge) Register(mux *http.ServeMux) {
	if e.MaxStreams == 0 {
		e.MaxStreams = defaultStreams
	}
	if e.WriteTimeout == 0 {
		e.WriteTimeout = defaultPatience
	}
	e.behind, e.asking = make(chan struct{}, maxBehind), make(chan struct{}, maxAsking)
	e.ended = make(chan struct{})
	mux.Handle(Path, httpkit.Handle(e.serve, e.writeError))
	mux.Handle(ConfirmPath, httpkit.Handle(e.confirm, e.writeError))
}

// Streams counts the streams under way.
func (e *Edge) Streams() int { return int(e.streams.Load()) }

// EndStreams ends every stream and lets no more begin. It does not wait for them.
func (e *Edge) EndStreams() { e.end.Do(func() { close(e.ended) }) }

func (e *Edge) isEnded() bool {
	select {
	case <-e.ended:
		return true
	default:
		return false
	}
}

// enter counts a stream in, unless there are too many.
func (e *Edge) enter() error {
	if n := e.streams.Add(1); n > int64(e.MaxStreams) {
		e.streams.Add(-1)
		return fault.After(fault.Unavailable, retryAfter, "this node has as many streams as it serves")
	}
	return nil
}

// ask waits for a turn to ask the store, and answered ends it.
func (e *Edge) ask(ctx context.Context) error {
	select {
	case e.asking <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting to ask the store: %w", ctx.Err())
	case <-e.ended:
		return errStopping
	}
}

func (e *Edge) answered() { <-e.asking }

// serve answers one subscriber, from the request to the end of its stream. Its own frame is
// small: it stays on the stack for as long as the stream goes on, and so decides how large
// the stacks of idle subscribers are.
func (e *Edge) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return httpkit.MethodNotAllowed(w, r, http.MethodGet)
	}
	s, err := e.admit(w, r)
	if err != nil {
		return err
	}
	defer s.leave()
	s.finish(r.Context(), s.run(r.Context()))
	return nil
}

// admit returns the stream of a request, when it may begin and its first page can be served.
func (e *Edge) admit(w http.ResponseWriter, r *http.Request) (*stream, error) {
	s := &stream{
		output:   output{w: w, control: http.NewResponseController(w), timeout: e.WriteTimeout, lasting: r.ProtoMajor == 1},
		cursor:   cursor{Edge: e},
		received: e.Clock(),
	}
	var err error
	if s.raw, s.reader, err = e.authenticate(r); err != nil {
		return nil, err
	}
	from, err := readPosition(r)
	if err != nil {
		return nil, err
	}
	who, err := e.readConfirm(r, s.reader)
	if err != nil {
		return nil, err
	}
	if err := e.enter(); err != nil {
		return nil, err
	}
	s.edge = who.Edge
	if who.Label != "" {
		s.confirms, err = e.Confirming.Open(who, from.applied())
	}
	if err == nil {
		err = s.begin(r.Context(), from)
	}
	if err != nil {
		s.leave()
		return nil, err
	}
	return s, nil
}

// leave releases what an admitted stream holds.
func (s *stream) leave() {
	if s.confirms != nil {
		s.confirms.Close()
	}
	s.release()
	s.streams.Add(-1)
}

// authenticate decides about the Bearer token. A cookie is not looked at.
func (e *Edge) authenticate(r *http.Request) (raw string, reader *verification.Identity, err error) {
	raw, found, err := httpkit.Bearer(r)
	if err != nil {
		return "", nil, err
	}
	if !found {
		return "", nil, fault.New(fault.Unauthenticated, "a Bearer token is needed")
	}
	if reader, err = e.Verifier.Identify(r.Context(), raw, verification.Requirements{}); err != nil {
		return "", nil, err
	}
	httpkit.Note(r, reader)
	return raw, reader, mayRead(reader)
}

// mayRead decides who may read the revocation log: a token needs the scope revocations
// and, if it is a user's, the user needs that permission on /tokens. The error is
// fault.InsufficientScope.
func mayRead(id *verification.Identity) error {
	permitted := id.Subject.Client || id.Subject.May(identity.ScopeRevocations, access.PathTokens).Allowed
	if permitted && slices.Contains(id.Token.Scope, identity.ScopeRevocations) {
		return nil
	}
	return fault.New(fault.InsufficientScope, "the scope %s is needed", identity.ScopeRevocations)
}

// writeError answers as RFC 6750 §3 requires, and with 410 to a subscriber that must
// start from a snapshot.
func (e *Edge) writeError(w http.ResponseWriter, r *http.Request, err error) {
	challenge := httpkit.Challenge{Realm: e.Issuer}
	switch {
	case isGone(err):
		httpkit.NoStore(w)
		_ = httpkit.WriteJSON(w, http.StatusGone, goneBody{"gone", err.Error()}) // strings can be encoded
		return
	case fault.Is(err, fault.InsufficientScope):
		challenge.Scope = identity.ScopeRevocations
	}
	httpkit.BearerErrors(challenge)(w, r, err)
}

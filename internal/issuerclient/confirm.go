package issuerclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"github.com/bearerd/bearerd/internal/machine"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/strictjson"
)

const (
	confirmPath = "/confirm"      // beneath the address of the stream
	maxLabel    = 100             // bytes
	maxName     = 200             // bytes of a node's or a stream's name
	maxPace     = time.Minute     // the greatest pace that an issuer may state
	byeTimeout  = 2 * time.Second // for the goodbye of a verifier that is closed
)

var (
	errLabel = fmt.Errorf("the label in Confirm must be at most %d printable characters, without spaces at its ends", maxLabel)
	errLost  = errors.New("the issuer no longer knows the stream whose entries are confirmed")
	errDeaf  = errors.New("the issuer has accepted no confirmation of this stream for too long")
)

// deafAfter is for how many times L confirmations may fail before the verifier begins another
// stream, perhaps at another node. After 5 L its node would end the stream, and refuse the
// verifier for a minute.
const deafAfter = 3

// checkLabel returns an error unless a label can be sent and shown.
func checkLabel(label string) error {
	bad := func(r rune) bool { return r < ' ' || r > '~' }
	if len(label) > maxLabel || strings.ContainsFunc(label, bad) || strings.TrimSpace(label) != label {
		return errLabel
	}
	return nil
}

// registration is a stream that the issuer waits for, as its first event says: a
// revocation with wait=all isn't acknowledged before this verifier has confirmed it, has
// said goodbye, or can hold no lease from this stream any more.
type registration struct {
	node, stream string
	staleness    time.Duration   // the longest lease that this stream may lead to
	pace         time.Duration   // confirmations are spread over it
	seq          revocation.Seq  // of the last heartbeat that counted
	settings     json.RawMessage // for an edge; nil: it has none
}

// parseHello reads the first event of a stream that is confirmed.
func parseHello(data []byte) (registration, error) {
	o, err := strictjson.Parse(data)
	if err != nil {
		return registration{}, err
	}
	var g registration
	var seconds float64
	var millis int64
	if err := firstError(
		o.Read("node", &g.node), o.Read("stream", &g.stream), o.Read("staleness", &seconds), o.Read("pace_ms", &millis), o.Optional("settings", &g.settings),
	); err != nil {
		return registration{}, fmt.Errorf("a hello: %w", err)
	}
	isName := func(s string) bool { return s != "" && len(s) <= maxName }
	if !isName(g.node) || !isName(g.stream) || seconds <= 0 || seconds > maxStaleness.Seconds() || millis < 0 || millis > maxPace.Milliseconds() {
		return registration{}, errors.New("a hello with values out of range")
	}
	g.staleness = time.Duration(seconds * float64(time.Second))
	g.pace = time.Duration(millis) * time.Millisecond
	return g, nil
}

// query returns the parameters of the request for the stream.
func (f *follower) query(r *reading) string {
	q := url.Values{}
	if !r.snapshot {
		q.Set("after", fmt.Sprint(r.last))
	}
	if f.cfg.Confirm != "" {
		q.Set("confirm", f.cfg.Confirm)
		if f.cfg.Edge != nil {
			q.Set("edge", "true")
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// confirmer confirms what one stream brought, after it was applied.
type confirmer struct {
	follower *follower
	registration
	news    chan struct{}
	applied atomic.Int64
	lost    func(error) // ends the stream
	aside   sync.WaitGroup
}

// saw follows what was applied from the stream. With its first heartbeat the issuer has
// registered it.
func (c *confirmer) saw(ctx context.Context, r *reading, event string) {
	f := c.follower
	switch {
	case f.cfg.Confirm == "" || event != eventHeartbeat:
		return
	case r.hello.stream == "":
		if !f.silent {
			f.silent = true
			f.cfg.Logger.WarnContext(ctx, "the issuer accepts no confirmations: its version is too old")
		}
		return
	case c.stream == "":
		c.registration = r.hello
		c.seq = r.last
		f.silent = false
		f.noteConfirming(nil)
		f.held = append(f.held, r.hello)
		c.aside.Go(func() { c.run(ctx) })
	default:
		c.note(r.last)
	}
	f.held[len(f.held)-1].seq = r.last
	// Once the lease rests on this stream, those before need no longer be waited for. Until
	// then it rests on one of them, whose node had later news than this one.
	if r.asOf >= f.ledger.AsOf() {
		c.quit(ctx)
	}
}

// quit says goodbye to the streams before this one. Where that fails, the issuer waits
// until their leases have expired.
func (c *confirmer) quit(ctx context.Context) {
	f := c.follower
	last := len(f.held) - 1
	for _, g := range f.held[:last] {
		c.aside.Go(func() { _ = f.tell(ctx, g, true) })
	}
	f.held = append(f.held[:0], f.held[last])
}

// note records that everything up to a heartbeat is applied, and that it counts.
func (c *confirmer) note(seq revocation.Seq) {
	c.applied.Store(seq)
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// run confirms until ctx ends: at most once within the pace, at a random time of it, so
// that verifiers don't all confirm at once. What the first heartbeat said needs no
// confirmation: the issuer has registered the stream at that sequence.
func (c *confirmer) run(ctx context.Context) {
	confirmed := c.seq
	pause := firstPause
	var failing time.Duration // when it began to, on the clock; 0: it does not
	for {
		select {
		case <-c.news:
		case <-ctx.Done():
			return
		}
		for seq := c.applied.Load(); seq > confirmed; seq = c.applied.Load() {
			early := machine.Within(ctx, c.pace+1)
			if !sleep.For(ctx, early) {
				return
			}
			seq = c.applied.Load()
			c.seq = seq
			err := c.follower.tell(ctx, c.registration, false)
			if ctx.Err() != nil {
				return
			}
			c.follower.noteConfirming(err)
			switch {
			case err == nil:
				confirmed, pause, failing = seq, firstPause, 0
				sleep.For(ctx, c.pace-early)
			case isStatus(err, http.StatusNotFound):
				c.lost(errLost)
				return
			default:
				now := c.follower.ledger.Clock()
				if failing == 0 {
					failing = now
				}
				if now-failing >= deafAfter*c.staleness {
					c.lost(errDeaf)
					return
				}
				sleep.For(ctx, min(c.follower.pause(ctx, err, pause), c.staleness/4))
				pause = min(2*pause, lastPause)
			}
		}
	}
}

// confirmation is what is sent.
type confirmation struct {
	Node   string         `json:"node"`
	Stream string         `json:"stream"`
	Seq    revocation.Seq `json:"seq"`
	Bye    bool           `json:"bye,omitempty"`
}

// tell sends a confirmation, or a goodbye.
func (f *follower) tell(ctx context.Context, g registration, bye bool) error {
	ctx, cancel := context.WithTimeout(ctx, min(askTimeout, max(g.staleness, time.Second)))
	defer cancel()
	s, err := f.discover(ctx, false)
	if err != nil {
		return err
	}
	bearer, _, err := f.own.bearer(ctx, s)
	if err != nil {
		return err
	}
	body, err := json.Marshal(confirmation{g.node, g.stream, g.seq, bye})
	if err != nil {
		return fmt.Errorf("confirming the revocations: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.revocations+confirmPath, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("confirming the revocations: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Content-Type", "application/json")
	err = f.web.tell(r, "the confirmation of revocations")
	if isStatus(err, http.StatusUnauthorized) {
		f.own.drop()
	}
	return err
}

// leave says goodbye to the streams that the issuer may still wait for. The caller has
// given up the lease.
func (f *follower) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), byeTimeout)
	defer cancel()
	for _, g := range f.held {
		if err := f.tell(ctx, g, true); err != nil {
			f.cfg.Logger.WarnContext(ctx, "saying goodbye to the issuer; it waits until the lease would have ended", slog.Any("error", err))
		}
	}
	f.held = nil
}

// noteConfirming records whether confirming works.
func (f *follower) noteConfirming(err error) {
	f.mu.Lock()
	before := f.confirmErr
	f.confirmErr = err
	f.mu.Unlock()
	if err != nil && (before == nil || before.Error() != err.Error()) {
		f.cfg.Logger.Warn("confirming the issuer's revocations", slog.Any("error", err))
	}
}

func isStatus(err error, status int) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && e.status == status
}

package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/strictjson"
	"github.com/bearerd/bearerd/internal/token"
)

const (
	// askersAtOnce bounds the questions under way about tokens that were never good
	// here, and as many about those that were.
	askersAtOnce = 16
	// knownShare is how much oftener the issuer may be asked about tokens that were
	// good before.
	knownShare = 10
	// questionTimeout bounds one introspection.
	questionTimeout = 3 * time.Second
	// negativeFor is how long a no is remembered.
	negativeFor   = 2 * time.Second
	negativeBytes = 1 << 20
)

// finding is what the issuer says of a token.
type finding struct {
	active bool
	logSeq revocation.Seq // as of which it was judged; -1: the issuer doesn't say
	epoch  uint64         // of the ledger, before the question
	asked  time.Duration  // on the clock, before the question

	token Token
	chain []string
	seq   revocation.Seq
}

// asker asks the issuer about tokens, within bounds.
type asker struct {
	cfg    Config
	web    *web
	ledger *ledger
	site   func() *site // nil: not known yet
	spawn  func(func(context.Context)) bool

	unknown, known pool
	negatives      *cache[time.Duration] // until when on the clock

	mu      sync.Mutex
	began   uint64 // how many questions have begun
	flights map[digest]*flight
	lastErr error
}

// flight is a question that is under way, for all who want its answer.
type flight struct {
	number uint64
	done   chan struct{}
	finding
	err error
}

func newAsker(c Config, w *web, l *ledger) *asker {
	return &asker{
		cfg: c, web: w, ledger: l, flights: map[digest]*flight{},
		unknown:   newPool(c.NewTokensPerSecond, l.clock),
		known:     newPool(knownShare*c.NewTokensPerSecond, l.clock),
		negatives: newCache[time.Duration](negativeBytes),
	}
}

// question is about one token.
type question struct {
	presentation

	known bool // it was good here before
	fresh bool // the answer must be to a question that begins later than this call
}

var errBusy = &Error{
	Status: http.StatusServiceUnavailable, Code: CodeUnavailable, RetryAfter: time.Second,
	Description: "too many tokens are being asked about",
}

// ask gives what the issuer says. Questions about one token at one time are one.
func (a *asker) ask(ctx context.Context, q question) (finding, error) {
	if until, ok := a.negatives.get(&q.digest); ok && !q.fresh && a.ledger.clock() < until {
		return finding{}, nil
	}
	a.mu.Lock()
	arrived := a.began
	a.mu.Unlock()
	for {
		f, err := a.join(q)
		if err != nil {
			return finding{}, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return finding{}, unavailable(ctx.Err(), "the issuer has not answered in time")
		}
		if !q.fresh || f.number > arrived {
			return f.finding, f.err
		}
	}
}

// join gives the question about the token that is under way, or begins one.
func (a *asker) join(q question) (*flight, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f, ok := a.flights[q.digest]; ok {
		return f, nil
	}
	p := &a.unknown
	if q.known {
		p = &a.known
	}
	if !p.allow() {
		return nil, errBusy
	}
	a.began++
	f := &flight{number: a.began, done: make(chan struct{}), err: errClosed}
	a.flights[q.digest] = f
	digest, raw := q.digest, q.raw
	if !a.spawn(func(ctx context.Context) {
		f.finding, f.err = a.inTurn(ctx, raw, p)
		a.finish(digest, f)
	}) {
		delete(a.flights, digest)
		close(f.done)
	}
	return f, nil
}

// inTurn waits until few enough questions are under way, and puts it.
func (a *asker) inTurn(ctx context.Context, raw string, p *pool) (finding, error) {
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	if !p.enter(ctx) {
		return finding{}, errBusy
	}
	defer p.leave()
	return a.question(ctx, raw)
}

func (a *asker) finish(digest digest, f *flight) {
	if f.err == nil && !f.active {
		a.negatives.put(&digest, a.ledger.clock()+negativeFor, 16)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.flights, digest)
	a.lastErr = f.err
	close(f.done)
}

// question puts one question.
func (a *asker) question(ctx context.Context, raw string) (finding, error) {
	s := a.site()
	if s == nil {
		return finding{}, unavailable(nil, noNews)
	}
	before := finding{epoch: a.ledger.epoch.Load(), asked: a.ledger.clock()}
	got, err := a.web.post(ctx, "an introspection", s.introspection, a.cfg, url.Values{"token": {raw}})
	if err != nil {
		return finding{}, unavailable(err, cantAsk)
	}
	f, err := parseIntrospection(got.body, a.cfg.Issuer)
	if err == nil && f.active && f.logSeq < 0 && !a.cfg.InsecureWithoutRevocation {
		err = errors.New("it doesn't say as of which entry of the log (the issuer is too old a version)")
	}
	if err != nil {
		return finding{}, unavailable(fmt.Errorf("an introspection: %w", err), cantAsk)
	}
	f.epoch, f.asked = before.epoch, before.asked
	return f, nil
}

func (a *asker) health() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lastErr
}

// parseIntrospection reads an answer of RFC 7662 §2.2 with bearerd's members.
func parseIntrospection(body []byte, issuer string) (finding, error) {
	o, err := strictjson.Parse(body)
	if err != nil {
		return finding{}, err
	}
	f := finding{logSeq: -1}
	if err := o.Read("active", &f.active); err != nil || !f.active {
		return finding{}, err
	}
	var kind, iss, scope string
	t := &f.token
	if err := firstError(
		o.Read("jti", &t.ID), o.Read("sub", &t.Subject), o.Read("iss", &iss), o.Read("token_kind", &kind), o.Read("seq", &f.seq),
		o.Optional("username", &t.Username), o.Optional("client_id", &t.ClientID), o.Optional("scope", &scope),
		o.Optional("task_token_type", &t.TaskTokenType), o.Optional("collection", &t.Collection),
		o.Optional("chain", &f.chain), o.Optional("log_seq", &f.logSeq),
	); err != nil {
		return finding{}, err
	}
	known, _ := token.ParseKind(kind)
	var ok bool
	if t.Kind, ok = kindOf(known); !ok || t.ID == "" || t.Subject == "" || f.seq < 0 || len(f.chain) > maxChain {
		return finding{}, errors.New("it tells of no token that calls APIs")
	}
	if iss != issuer {
		return finding{}, errors.New("it is about another issuer's token")
	}
	t.Scope = splitScope(scope)
	if t.Audience, err = o.Strings("aud"); err != nil {
		return finding{}, err
	}
	if t.Expiry, err = o.Instant("exp"); err != nil {
		return finding{}, err
	}
	t.IssuedAt, err = o.Instant("iat")
	return f, err
}

// maxChain bounds the chain of ids, as that of a JWT.
const maxChain = 16

package verify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/cache"
	"github.com/bearerd/bearerd/internal/ratelimit"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/strictjson"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
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
	asked  time.Duration // on the clock, before the question
	token  *verification.Token
}

// asker asks the issuer about tokens, within bounds.
type asker struct {
	cfg    Config
	web    *web
	ledger *revocation.Ledger
	site   func() *site // nil: not known yet
	spawn  func(func(context.Context)) bool

	unknown, known turns
	negatives      *cache.Cache[time.Duration] // until when on the clock

	mu      sync.Mutex
	began   uint64 // how many questions have begun
	flights map[string]*flight
	lastErr error
}

// turns bounds how often questions of one sort are put, and how many at once.
type turns struct {
	limiter *ratelimit.Limiter[struct{}]
	slots   chan struct{} // a question under way holds a place
}

func newTurns(perSecond int) turns {
	perSecond = max(perSecond, 1)
	return turns{
		limiter: ratelimit.New[struct{}](ratelimit.Config{Burst: perSecond, Every: time.Second / time.Duration(perSecond), MaxKeys: 1}),
		slots:   make(chan struct{}, askersAtOnce),
	}
}

// flight is a question that is under way, for all who want its answer.
type flight struct {
	number uint64
	done   chan struct{}
	finding
	err error
}

func newAsker(c Config, w *web, l *revocation.Ledger) *asker {
	return &asker{
		cfg: c, web: w, ledger: l, flights: map[string]*flight{},
		unknown: newTurns(c.NewTokensPerSecond), known: newTurns(knownShare * c.NewTokensPerSecond),
		negatives: cache.New(cache.Config[time.Duration]{
			Budget: negativeBytes, Typical: 128, MaxAge: negativeFor,
			Cost: func(raw string, _ time.Duration) int64 { return int64(len(raw)) + 16 },
		}),
	}
}

// question is about one token.
type question struct {
	raw   string
	known bool // it was good here before
	fresh bool // the answer must be to a question that begins later than this call
}

var errBusy = unavailable(nil, "too many tokens are being asked about")

// ask returns what the issuer says. Questions about one token at one time are one.
func (a *asker) ask(ctx context.Context, q question) (finding, error) {
	if until, ok := a.negatives.Get(q.raw, a.ledger.Now()); ok && !q.fresh && a.ledger.Clock() < until {
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

// join returns the question about the token that is under way, or begins one.
func (a *asker) join(q question) (*flight, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f, ok := a.flights[q.raw]; ok {
		return f, nil
	}
	p := &a.unknown
	if q.known {
		p = &a.known
	}
	if p.limiter.Take(struct{}{}, time.Unix(0, int64(a.ledger.Clock()))) > 0 {
		return nil, errBusy
	}
	a.began++
	f := &flight{number: a.began, done: make(chan struct{}), err: errClosed}
	a.flights[q.raw] = f
	raw := q.raw
	if !a.spawn(func(ctx context.Context) {
		f.finding, f.err = a.inTurn(ctx, raw, p)
		a.finish(raw, f)
	}) {
		delete(a.flights, raw)
		close(f.done)
	}
	return f, nil
}

// inTurn waits until few enough questions are under way, and puts it.
func (a *asker) inTurn(ctx context.Context, raw string, p *turns) (finding, error) {
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return finding{}, errBusy
	}
	defer func() { <-p.slots }()
	return a.question(ctx, raw)
}

func (a *asker) finish(raw string, f *flight) {
	if f.err == nil && !f.active {
		a.negatives.Put(raw, a.ledger.Clock()+negativeFor, a.ledger.Now())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.flights, raw)
	a.lastErr = f.err
	close(f.done)
}

// question puts one question.
func (a *asker) question(ctx context.Context, raw string) (finding, error) {
	s := a.site()
	if s == nil {
		return finding{}, unavailable(nil, noNews)
	}
	asked := a.ledger.Clock()
	got, err := a.web.post(ctx, "an introspection", s.introspection, a.cfg, url.Values{"token": {raw}})
	if err != nil {
		return finding{}, unavailable(err, cantAsk)
	}
	f, err := parseIntrospection(got.body, a.cfg.Issuer)
	if err == nil && f.active && f.token.AsOf < 0 && !a.cfg.InsecureWithoutRevocation {
		err = errors.New("it doesn't say as of which entry of the log (the issuer is too old a version)")
	}
	if err != nil {
		return finding{}, unavailable(fmt.Errorf("an introspection: %w", err), cantAsk)
	}
	f.asked = asked
	if f.active {
		f.share()
	}
	return f, nil
}

// share makes the token ready for all who asked about it at one time.
func (f *finding) share() {
	if f.token.Collection != nil {
		f.token.SetSubject(subjectOf(*f))
	}
	verification.Index(f.token)
}

func (a *asker) health() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lastErr
}

// parseIntrospection reads an answer of RFC 7662 §2.2 with bearerd's members. AsOf is
// -1 where the issuer doesn't say it.
func parseIntrospection(body []byte, issuer string) (finding, error) {
	o, err := strictjson.Parse(body)
	if err != nil {
		return finding{}, err
	}
	var f finding
	if err := o.Read("active", &f.active); err != nil || !f.active {
		return finding{}, err
	}
	var kind, iss, scope string
	t := &verification.Token{AsOf: -1}
	if err := firstError(
		o.Read("jti", &t.ID), o.Read("sub", &t.Subject), o.Read("iss", &iss), o.Read("token_kind", &kind), o.Read("seq", &t.Seq),
		o.Optional("username", &t.Username), o.Optional("client_id", &t.ClientID), o.Optional("scope", &scope),
		o.Optional("task_token_type", &t.TaskTokenType), o.Optional("collection", &t.Collection),
		o.Optional("chain", &t.Chain), o.Optional("log_seq", &t.AsOf),
	); err != nil {
		return finding{}, err
	}
	var known bool
	t.Kind, known = token.ParseKind(kind)
	if !known || !slices.Contains(verification.APIKinds(), t.Kind) || t.ID == "" || t.Subject == "" || t.Seq < 0 || len(t.Chain) > maxChain {
		return finding{}, errors.New("it is about no token that calls APIs")
	}
	if iss != issuer {
		return finding{}, errors.New("it is about another issuer's token")
	}
	t.Scope = strings.Fields(scope)
	if t.Audience, err = o.Strings("aud"); err != nil {
		return finding{}, err
	}
	if t.Expiry, err = o.Instant("exp"); err != nil {
		return finding{}, err
	}
	t.IssuedAt, err = o.Instant("iat")
	f.token = t
	return f, err
}

// maxChain bounds the chain of ids, as that of a JWT.
const maxChain = 16

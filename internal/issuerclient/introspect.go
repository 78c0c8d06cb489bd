package issuerclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/cache"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/ratelimit"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/strictjson"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

const (
	// askersAtOnce is how many introspections may be under way at most for tokens that
	// were never accepted here, and as many for those that were.
	askersAtOnce = 16
	// knownShare is how many times more often the issuer may be asked about tokens that
	// were accepted before.
	knownShare = 10
	// questionTimeout is the time limit of one introspection.
	questionTimeout = 3 * time.Second
	// negativeFor is how long a refusal is kept.
	negativeFor   = 2 * time.Second
	negativeBytes = 1 << 20
)

// finding is the issuer's answer about a token.
type finding struct {
	active bool
	asked  time.Duration // on the clock, before the question
	token  *verification.Token
	facts  *verification.Subject // who the token's user is, where that was asked for
}

// asker asks the issuer about tokens, within limits.
type asker struct {
	cfg    Config
	web    *web
	ledger *revocation.Ledger
	site   func() *site // nil: not known yet
	spawn  func(func(context.Context)) bool

	unknown, known turns
	negatives      *cache.Cache[time.Duration] // when the issuer was asked, on the clock
	news           func() time.Duration        // when the log last had an entry by which access may be back

	mu      sync.Mutex
	began   uint64 // how many questions have begun
	flights map[string]*flight
	lastErr error
}

// turns limits the rate and the number of concurrent introspections of one kind.
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

// flight is an introspection that is under way, for all callers that wait for its answer.
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
		news: func() time.Duration { return 0 },
		negatives: cache.New(cache.Config[time.Duration]{
			Budget: negativeBytes, Typical: 128, MaxAge: negativeFor,
			Cost: func(raw string, _ time.Duration) int64 { return int64(len(raw)) + 16 },
		}),
	}
}

// question is about one token.
type question struct {
	raw   string
	known bool // it was accepted here before
	fresh bool // the answer must be to a question that begins later than this call
	// collection is asked about too; "": none.
	collection string
}

// key is the same for questions that have one answer.
func (q question) key() string { return q.raw + "\x00" + q.collection }

var errBusy = unavailable(nil, "too many tokens are being asked about")

// ask returns the issuer's answer. Concurrent questions about one token are asked once. What
// is refused is remembered for a moment; of a token that was accepted here only until the log
// says that its access may be back.
func (a *asker) ask(ctx context.Context, q question) (finding, error) {
	if asked, ok := a.negatives.Get(q.raw, a.ledger.Now()); ok && !q.fresh && a.ledger.Clock() < asked+negativeFor && !a.outdated(q, asked) {
		return finding{}, nil
	}
	a.mu.Lock()
	arrived := a.began
	a.mu.Unlock()
	for again := true; ; {
		f, err := a.join(q)
		if err != nil {
			return finding{}, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return finding{}, unavailable(ctx.Err(), "the issuer has not answered in time")
		}
		switch {
		case q.fresh && f.number <= arrived:
		case again && f.err == nil && !f.active && a.outdated(q, f.asked):
			again = false
		default:
			return f.finding, f.err
		}
	}
}

// outdated reports whether a refusal that the issuer was asked for at an instant says nothing
// of what the log has said since. An acceptance has the log's sequence in it.
func (a *asker) outdated(q question, asked time.Duration) bool { return q.known && asked <= a.news() }

// join returns the question about the token that is under way, or begins one.
func (a *asker) join(q question) (*flight, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f, ok := a.flights[q.key()]; ok {
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
	a.flights[q.key()] = f
	if !a.spawn(func(ctx context.Context) {
		f.finding, f.err = a.inTurn(ctx, q, p)
		a.finish(q, f)
	}) {
		delete(a.flights, q.key())
		close(f.done)
	}
	return f, nil
}

// inTurn waits until the number of questions under way allows it, and then asks.
func (a *asker) inTurn(ctx context.Context, q question, p *turns) (finding, error) {
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return finding{}, errBusy
	}
	defer func() { <-p.slots }()
	return a.question(ctx, q)
}

func (a *asker) finish(q question, f *flight) {
	if f.err == nil && !f.active {
		a.negatives.Put(q.raw, f.asked, a.ledger.Now())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.flights, q.key())
	a.lastErr = f.err
	close(f.done)
}

// question asks the issuer once.
func (a *asker) question(ctx context.Context, q question) (finding, error) {
	s := a.site()
	if s == nil {
		return finding{}, unavailable(nil, noNews)
	}
	asked := a.ledger.Clock()
	form := url.Values{"token": {q.raw}}
	kinds := verification.APIKinds()
	if a.cfg.Edge != nil {
		form.Set("facts", "true")
		kinds = append(kinds, token.KindSession)
	}
	if q.collection != "" {
		form.Set("collection", q.collection)
	}
	got, err := a.web.post(ctx, "an introspection", s.introspection, a.cfg, form)
	if err != nil {
		return finding{}, unavailable(err, cantAsk)
	}
	f, err := parseIntrospection(got.body, a.cfg.Issuer, kinds)
	if err == nil && f.active && a.cfg.Edge != nil {
		f.facts, err = parseFacts(got.body, f.token)
	}
	if err == nil && f.active && f.token.AsOf < 0 && !a.cfg.InsecureWithoutRevocation {
		err = errors.New("it has no log_seq (the version of the issuer is too old)")
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

// share prepares the token for all callers that wait for it.
func (f *finding) share() {
	if f.token.BindsCollection() { // of a session's collection the issuer says nothing
		f.token.SetSubject(subjectOf(*f))
	}
	if f.facts != nil {
		f.token.SetSubject(f.facts)
	}
	verification.Index(f.token)
}

func (a *asker) health() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lastErr
}

// parseIntrospection reads an answer of RFC 7662 §2.2 with bearerd's members. AsOf is -1
// where the answer has none.
func parseIntrospection(body []byte, issuer string, kinds []token.Kind) (finding, error) {
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
	if !known || !slices.Contains(kinds, t.Kind) || t.ID == "" || t.Subject == "" || t.Seq < 0 || len(t.Chain) > maxChain {
		return finding{}, errors.New("it is not about a token that calls APIs")
	}
	if iss != issuer {
		return finding{}, errors.New("it is about another issuer's token")
	}
	if act, ok := o["act"]; ok {
		if t.Actors, err = token.ParseActors(act); err != nil {
			return finding{}, err
		}
	}
	if text, ok := o["networks"]; ok {
		var list []string
		if json.Unmarshal(text, &list) != nil {
			list = nil
		}
		if t.Networks, ok = networks.Read(list); !ok {
			return finding{}, errors.New("its networks are not in canonical form")
		}
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

// maxChain is the limit of the chain of ids, as in a JWT.
const maxChain = 16

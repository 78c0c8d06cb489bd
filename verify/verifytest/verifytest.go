// Package verifytest is an issuer for the tests of services that use package verify: it
// has real keys, signs real tokens, answers introspection, and streams revocations,
// in-process and only on a loopback address.
//
//	issuer := verifytest.NewIssuer(t)
//	handler := issuer.Verifier(t).Middleware(newMux())
//	raw := issuer.Token(verifytest.Claims{Subject: "ada", Scope: []string{"read"}})
//	// … a request with raw is answered …
//	issuer.Revoke(raw)
//	// … and refused.
//
// Methods that revoke return when every verifier of the issuer has applied the
// revocation, so that a test needs no waiting. The issuer issues whatever it is asked
// for: it has none of bearerd's rules about who may have which token.
package verifytest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/verify"
)

// The audience of an issuer's tokens, and the client of its verifiers.
const (
	Audience     = "https://api.example.org"
	ClientID     = "api"
	ClientSecret = "a client's secret, for tests only" //nolint:gosec // it is accepted nowhere else
)

// MaxStaleness is the issuer's max_staleness.
const MaxStaleness = 2 * time.Second

const (
	beat        = 100 * time.Millisecond
	stepTimeout = 10 * time.Second
	lifetime    = 30 * time.Minute
)

// Claims are the claims of a token.
type Claims struct {
	Subject       string // "": "ada"
	Username      string
	ClientID      string
	Audience      string // "": Audience
	Scope         []string
	Collection    int64         // 0: none
	Lifetime      time.Duration // 0: 30 minutes; negative: it has expired
	TaskTokenType string        // not "": a task token, whose audience is that type
	Parent        string        // the id of what it was made from: revoking that revokes it too
	// Actors are the users and clients that act for the subject, the current actor first;
	// an API token has none.
	Actors []string
	// Networks are the IP networks that the token may be used from, such as 192.0.2.0/24;
	// nil: any.
	Networks []string
}

// Issuer is an issuer of tokens. NewIssuer returns one. Its methods may be called by many
// goroutines, and fail the test on an error.
type Issuer struct {
	tb     testing.TB
	server *httptest.Server
	forms  token.Forms

	mu        sync.Mutex
	down      chan struct{} // closed while the issuer answers nothing
	news      chan struct{} // closed when the log has grown
	keys      []token.SigningKey
	log       []revocation.Entry
	rows      map[[32]byte]*row // API tokens
	lost      map[place]bool
	verifiers []*verify.Verifier
	asked     int
}

// row is what is known about a token.
type row struct {
	kind       token.Kind
	id         string
	chain      []string
	seq        int64
	kid        string
	subject    string
	username   string
	client     string
	audience   string
	scope      []string
	collection *int64
	issued     time.Time
	expiry     time.Time
	taskType   string
	actors     []string
	networks   networks.List
}

// place is a subject in a collection.
type place struct {
	subject    string
	collection int64
}

// NewIssuer starts an issuer that ends with the test.
func NewIssuer(tb testing.TB) *Issuer {
	tb.Helper()
	forms, err := token.NewForms(token.PrefixAPIToken)
	if err != nil {
		tb.Fatal(err)
	}
	i := &Issuer{
		tb: tb, forms: forms, down: make(chan struct{}), news: make(chan struct{}),
		rows: map[[32]byte]*row{}, lost: map[place]bool{},
	}
	i.addKey()
	i.server = httptest.NewServer(i.handler())
	tb.Cleanup(func() {
		i.server.CloseClientConnections()
		i.server.Close()
	})
	return i
}

// URL is the issuer's name and address.
func (i *Issuer) URL() string { return i.server.URL }

// Config returns the configuration of a verifier of this issuer's tokens, which a test
// may change.
func (i *Issuer) Config() verify.Config {
	return verify.Config{Issuer: i.URL(), Audience: Audience, ClientID: ClientID, ClientSecret: ClientSecret}
}

// Verifier returns a verifier that is closed when the test ends.
func (i *Issuer) Verifier(tb testing.TB) *verify.Verifier {
	tb.Helper()
	v, err := verify.New(tb.Context(), i.Config())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(v.Close)
	i.Watch(v)
	return v
}

// Watch makes the methods that revoke wait for a verifier that the test created itself.
func (i *Issuer) Watch(v *verify.Verifier) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.verifiers = append(i.verifiers, v)
}

// Token issues a JWT: an access token or a task token.
func (i *Issuer) Token(c Claims) string {
	i.tb.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	key := i.keys[len(i.keys)-1]
	r := i.row(c, token.KindAccess)
	raw, err := token.Sign(key, token.TypeAccess, token.Claims{
		Issuer: i.server.URL, Subject: r.subject, Audience: []string{r.audience}, Expiry: r.expiry, IssuedAt: r.issued,
		ID: r.id, ClientID: r.client, Username: r.username, Scope: r.scope, Collection: r.collection,
		Chain: r.chain, Actors: r.actors, Networks: r.networks, Seq: r.seq, TaskTokenType: r.taskType,
	})
	if err != nil {
		i.tb.Fatal(err)
	}
	return raw
}

// APIToken issues an opaque token, which can't be a task token.
func (i *Issuer) APIToken(c Claims) string {
	i.tb.Helper()
	c.TaskTokenType, c.Actors = "", nil
	secret, o, err := i.forms.New(token.KindAPIToken)
	if err != nil {
		i.tb.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rows[o.Digest] = i.row(c, token.KindAPIToken)
	return secret.Reveal()
}

// ImportedToken makes a value from another system a valid token, as an import does. A verifier
// needs its shape (verify.Config.ForeignTokens).
func (i *Issuer) ImportedToken(value string, c Claims) {
	i.tb.Helper()
	c.TaskTokenType, c.Actors = "", nil
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rows[token.Digest(value)] = i.row(c, token.KindAPIToken)
}

// row completes claims; under mu.
func (i *Issuer) row(c Claims, kind token.Kind) *row {
	i.tb.Helper()
	limit, err := networks.Parse(c.Networks)
	if err != nil {
		i.tb.Fatal(err)
	}
	now := time.Now().Truncate(time.Second)
	r := &row{
		kind: kind, id: newID(), seq: i.seq(), subject: c.Subject, username: c.Username, client: c.ClientID,
		audience: c.Audience, scope: c.Scope, issued: now, taskType: c.TaskTokenType, actors: c.Actors, networks: limit,
	}
	if r.subject == "" {
		r.subject = "ada"
	}
	if r.audience == "" {
		r.audience = Audience
	}
	if c.TaskTokenType != "" {
		r.kind, r.audience = token.KindTask, c.TaskTokenType
	}
	if c.Collection != 0 {
		r.collection = &c.Collection
	}
	if c.Parent != "" {
		r.chain = []string{c.Parent}
	}
	switch {
	case c.Lifetime < 0:
		r.issued, r.expiry = now.Add(c.Lifetime-lifetime), now.Add(c.Lifetime)
	case c.Lifetime > 0:
		r.expiry = now.Add(c.Lifetime)
	case kind != token.KindAPIToken:
		r.expiry = now.Add(lifetime)
	}
	return r
}

// Revoke revokes a token, by value or by id, with what was made from it.
func (i *Issuer) Revoke(tokenOrID string) {
	i.tb.Helper()
	i.mu.Lock()
	r := i.find(tokenOrID)
	i.mu.Unlock()
	id := tokenOrID
	if r != nil {
		id = r.id
	}
	i.append(revocation.Token, id)
}

// RevokeAll revokes all existing tokens of a subject. Later ones are valid.
func (i *Issuer) RevokeAll(subject string) {
	i.tb.Helper()
	i.append(revocation.Subject, subject)
}

// RevokeClient revokes all existing tokens of a client. Later ones are valid.
func (i *Issuer) RevokeClient(client string) {
	i.tb.Helper()
	i.append(revocation.Client, client)
}

// SetAccess grants a subject access to a collection, which all have at first, or removes
// it.
func (i *Issuer) SetAccess(subject string, collection int64, has bool) {
	i.tb.Helper()
	i.mu.Lock()
	i.lost[place{subject, collection}] = !has
	i.mu.Unlock()
	i.append(revocation.Access, subject)
}

// RotateKey makes a new key sign. Tokens that the previous key signed stay valid.
func (i *Issuer) RotateKey() {
	i.tb.Helper()
	i.mu.Lock()
	i.addKey()
	i.mu.Unlock()
	i.append(revocation.SigningKey, "next")
	i.showKey()
}

// RetireKey revokes the signing key and every token that it signed; a new key signs.
func (i *Issuer) RetireKey() {
	i.tb.Helper()
	i.mu.Lock()
	kid := i.keys[len(i.keys)-1].KID
	i.keys = i.keys[:len(i.keys)-1]
	i.addKey()
	i.mu.Unlock()
	i.append(revocation.SigningKey, kid)
	i.showKey()
}

// showKey waits until the verifiers know the current signing key, which they fetch at most once
// a second.
func (i *Issuer) showKey() {
	i.tb.Helper()
	probe := i.Token(Claims{})
	i.mu.Lock()
	verifiers, down := i.verifiers, i.isDown()
	i.mu.Unlock()
	for _, v := range verifiers {
		for end := time.Now().Add(stepTimeout); !down && v.Health().Ready && isUnknown(v, probe); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				i.tb.Fatalf("a verifier has not read the keys: %v", v.Health().Err)
			}
		}
	}
}

// isUnknown reports whether the verifier doesn't know the key of a token.
func isUnknown(v *verify.Verifier, raw string) bool {
	_, err := v.Verify(context.Background(), raw)
	e, ok := errors.AsType[*verify.Error](err)
	return ok && e.Description == token.ReasonMalformed
}

// addKey creates the key that signs from now on.
func (i *Issuer) addKey() {
	key, err := token.GenerateKey(token.EdDSA)
	if err != nil {
		i.tb.Fatal(err)
	}
	i.keys = append(i.keys, key)
}

// SetDown makes the issuer unreachable, as in an outage, or reachable again.
func (i *Issuer) SetDown(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	select {
	case <-i.down:
		if !down {
			i.down = make(chan struct{})
		}
	default:
		if down {
			close(i.down)
		}
	}
}

// Introspections returns the number of introspections that were answered.
func (i *Issuer) Introspections() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// append writes to the log, and waits until the verifiers have read it unless the
// issuer is down.
func (i *Issuer) append(what revocation.What, id string) {
	i.tb.Helper()
	i.mu.Lock()
	now := time.Now()
	seq := i.seq() + 1
	i.log = append(i.log, revocation.Entry{Seq: seq, What: what, ID: id, At: now})
	close(i.news)
	i.news = make(chan struct{})
	verifiers, down := i.verifiers, i.isDown()
	i.mu.Unlock()
	for _, v := range verifiers {
		for end := now.Add(stepTimeout); !down && v.Health().Seq < seq && v.Health().Ready; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				i.tb.Fatalf("a verifier has not honoured entry %d of the log: %v", seq, v.Health().Err)
			}
		}
	}
}

func (i *Issuer) seq() int64 { return int64(len(i.log)) }

func (i *Issuer) isDown() bool {
	select {
	case <-i.down:
		return true
	default:
		return false
	}
}

// find returns what is known about a token by its value; under mu.
func (i *Issuer) find(raw string) *row {
	if r := i.rows[token.Digest(raw)]; r != nil {
		return r
	}
	j, err := token.Verify(raw, func(kid string) (token.VerificationKey, bool) {
		for _, k := range i.keys {
			if k.KID == kid {
				return k.Verification(), true
			}
		}
		return token.VerificationKey{}, false
	})
	if err != nil {
		return nil
	}
	c := &j.Claims
	return &row{
		kind: j.Kind(), id: c.ID, chain: c.Chain, seq: c.Seq, kid: j.KID, subject: c.Subject, username: c.Username,
		client: c.ClientID, audience: c.Audience[0], scope: c.Scope, collection: c.Collection,
		issued: c.IssuedAt, expiry: c.Expiry, taskType: c.TaskTokenType, actors: c.Actors,
	}
}

// good reports whether a token is valid now; under mu.
func (i *Issuer) good(r *row) bool {
	if !r.expiry.IsZero() && !time.Now().Before(r.expiry) {
		return false
	}
	return !slices.ContainsFunc(i.log, r.deadBy) && (r.collection == nil || !i.lost[place{r.subject, *r.collection}])
}

// deadBy reports whether an entry of the log revokes the token.
func (r *row) deadBy(e revocation.Entry) bool {
	switch e.What {
	case revocation.Token:
		return e.ID == r.id || len(r.chain) > 0 && e.ID == r.chain[0]
	case revocation.End:
		return (e.ID == r.id || slices.Contains(r.chain, e.ID)) && !time.Now().Before(e.At)
	case revocation.Subject:
		return (e.ID == r.subject || slices.Contains(r.actors, e.ID)) && e.Seq > r.seq
	case revocation.Client:
		return (e.ID == r.client || slices.Contains(r.actors, e.ID)) && e.Seq > r.seq
	case revocation.Everything:
		return e.Seq > r.seq
	case revocation.SigningKey:
		return e.ID == r.kid
	case revocation.Access, revocation.Role, revocation.Group, revocation.Collection:
	}
	return false
}

// handler serves the endpoints that a verifier uses.
func (i *Issuer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", i.metadata)
	mux.HandleFunc("GET /.well-known/jwks.json", i.jwks)
	mux.HandleFunc("POST /oauth2/token", asClient(i.token))
	mux.HandleFunc("POST /oauth2/introspect", asClient(i.introspect))
	mux.HandleFunc("GET /auth/revocations", i.revocations)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		down := i.isDown()
		i.mu.Unlock()
		if down {
			w.Header().Set("Retry-After", "0")
			http.Error(w, "down for a test", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

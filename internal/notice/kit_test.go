package notice_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/token"
)

const receiver = "https://siem.example.org/events"

// onEngines runs a test with a database on each engine; each call of open is another process
// on it, that has the receiver.
func onEngines(t *testing.T, test func(t *testing.T, open func() *nodetest.Fixture)) {
	t.Helper()
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := nodetest.Options{Dir: t.TempDir(), Postgres: postgres, Settings: wanting(notice.Interest{Receiver: receiver})}
			test(t, func() *nodetest.Fixture { return nodetest.New(t, o) })
		})
	}
}

func wanting(list ...notice.Interest) func(*node.Settings) {
	return func(s *node.Settings) { s.Notices = list }
}

// counts is a meter.
type counts struct {
	mu      sync.Mutex
	of      map[string]int
	waiting int
}

func (c *counts) add(what string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[what] += n
}

func (c *counts) NoticeSent(string)                { c.add("sent", 1) }
func (c *counts) NoticeFailed(string)              { c.add("failed", 1) }
func (c *counts) NoticeRefused(string)             { c.add("refused", 1) }
func (c *counts) NoticesDropped(_ string, n int64) { c.add("dropped", int(n)) }
func (c *counts) NoticesWaiting(_ string, n int)   { c.waiting = n }

// sink is a receiver in memory.
type sink struct {
	err   func(m notice.Message) error // nil: it takes everything
	group func(m notice.Message) string
	got   []notice.Message
	sizes []int
}

func (s *sink) Send(_ context.Context, group []notice.Message) error {
	if s.err != nil {
		if err := s.err(group[0]); err != nil {
			return err
		}
	}
	s.got = append(s.got, group...)
	s.sizes = append(s.sizes, len(group))
	return nil
}

func (s *sink) Group(m notice.Message) string {
	if s.group == nil {
		return ""
	}
	return s.group(m)
}

// events lists what arrived.
func (s *sink) events() []string {
	var list []string
	for _, m := range s.got {
		list = append(list, m.Event)
	}
	return list
}

// sender is one process that sends.
type sender struct {
	*notice.Outbox

	counts counts
	log    bytes.Buffer
}

func newSender(t *testing.T, f *nodetest.Fixture, name string, to notice.Receiver) *sender {
	t.Helper()
	s := &sender{}
	var err error
	s.Outbox, err = notice.NewOutbox(notice.Config{
		Store: f.Store, Receiver: receiver, Send: to, Node: name, Meter: &s.counts, Now: f.Time,
		Jitter: func() float64 { return 1 }, Log: s.logger(),
	})
	nodetest.Must(t, err)
	return s
}

func (s *sender) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&s.log, nil)) }

func (s *sender) deliver(t *testing.T) {
	t.Helper()
	nodetest.Must(t, s.Deliver(t.Context()))
}

// lines returns the lines of the log with that text.
func (s *sender) lines(text string) (n int) {
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// site is a receiver over HTTP that verifies what it gets by the JWK Set.
type site struct {
	*httptest.Server

	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request)
	raw    []string
	claims []map[string]any
	faults []error
}

func newSite(t *testing.T, jwks func() []byte) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		s.raw = append(s.raw, string(body))
		if s.answer != nil {
			s.answer(w, r)
			return
		}
		claims, err := s.verify(r, string(body), jwks())
		if err != nil {
			s.faults = append(s.faults, err)
		}
		s.claims = append(s.claims, claims)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) verify(r *http.Request, body string, jwks []byte) (map[string]any, error) {
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/secevent+jwt" || r.Header.Get("Authorization") != "Bearer of the receiver" {
		return nil, errors.New("the request is none of RFC 8935")
	}
	keys, err := keyring.ReadJWKS(jwks)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(body, ".")
	var head struct{ Typ, Alg, Kid string }
	var claims map[string]any
	if len(parts) != 3 || errors.Join(decode(parts[0], &head), decode(parts[1], &claims)) != nil {
		return nil, errors.New("it is no JWT")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	i := slices.IndexFunc(keys, func(k token.VerificationKey) bool { return k.KID == head.Kid })
	if err != nil || i < 0 || head.Typ != "secevent+jwt" || head.Alg != "EdDSA" {
		return nil, fmt.Errorf("a head %+v", head)
	}
	if key, ok := keys[i].Key.(ed25519.PublicKey); !ok || !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), signature) {
		return nil, errors.New("the signature is wrong")
	}
	if claims["iss"] != nodetest.Issuer || claims["aud"] != s.URL {
		return nil, errors.New("it is of somebody else, or for somebody else")
	}
	return claims, nil
}

func decode(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (s *site) push(f *nodetest.Fixture) *notice.Push {
	return &notice.Push{
		URL: s.URL, Secret: secretfile.Fixed([]byte("of the receiver")), Client: s.Client(), Issuer: nodetest.Issuer, Now: f.Time,
		Key: func(context.Context) (token.SigningKey, error) { return f.Ring.Signing() },
	}
}

// as reads a part of a JSON document.
func as[T any](t *testing.T, v any) (out T) {
	t.Helper()
	text, err := json.Marshal(v)
	nodetest.Must(t, err)
	nodetest.Must(t, json.Unmarshal(text, &out))
	return out
}

func withUser(b access.Binding, id string) access.Binding {
	b.User = id
	return b
}

package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/confirming"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/feed"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/source"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

const (
	issuer    = "https://auth.example.org"
	clientID  = "verifier" // of all verifiers
	tokenLife = 12 * time.Hour
	// Secret is what all tokens are signed with, by HS256.
	Secret = "k7Qw1ZtR9mXbV3nLcJ5hGfD8sYpA2uEo0iTyWqKx" //nolint:gosec // only for the simulation
)

// node is one of the cluster's nodes: one process after another.
type node struct {
	world  *World
	number int
	line   *line // to the database

	broken  sync.Mutex  // held while it is being broken; nobody waits for it
	ill     atomic.Bool // while it is broken
	hidden  atomic.Bool // it gets no requests
	mu      sync.Mutex
	current *incarnation
	count   int
}

// incarnation is one process of a node.
type incarnation struct {
	*process
	store    *store
	follower *revocation.Follower
	verifier *verification.Verifier
	journal  *journal.Journal
	ring     *keyring.Ring
	forms    token.Forms
	feed     *feed.Edge
	room     *confirming.Room
	mux      *http.ServeMux
	end      context.CancelFunc // ends what runs in it
	running  sync.WaitGroup
}

func (n *node) now() *incarnation {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.current
}

// start starts a process.
func (n *node) start() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.count++
	p := newProcess(n.world.ctx, n.world.Seed, fmt.Sprintf("node %d.%d", n.number, n.count))
	i := &incarnation{process: p, store: &store{line: n.line, db: n.world.db, own: p}, mux: http.NewServeMux()}
	if err := i.build(n.world); err != nil {
		panic(err) // the simulation itself is wrong
	}
	n.current = i
}

// pausing is a source whose process may be stopped between any two steps of a decision.
type pausing struct {
	verification.Source
	own *process
}

func (s pausing) Key(kid string) (token.VerificationKey, bool) {
	s.own.awake(s.own.ctx)
	return s.Source.Key(kid)
}

// build puts the process together as a node of bearerd is.
func (i *incarnation) build(w *World) (err error) {
	staleness, logger := w.Staleness, w.logger(i.name)
	ledger := revocation.NewLedger(i.clock, time.Now)
	i.room, err = confirming.New(confirming.Config{
		Node: i.name, Staleness: staleness, Clock: i.clock, Store: i.store, Log: logger,
		Publish: func(ctx context.Context) error { return i.follower.ConfirmAgain(ctx) },
	})
	if err != nil {
		return err
	}
	i.follower, err = revocation.NewFollower(revocation.Config{
		Log: i.store, Ledger: ledger, Node: i.name, Staleness: staleness, ConfirmAlways: true, Outside: i.room.Outside, Logger: logger,
	})
	if err != nil {
		return err
	}
	watcher := revocation.NewNodeWatcher(i.follower.List(i.store.Nodes), i.clock)
	tail := feed.Follow(i.follower)
	i.ring, err = keyring.Open(i.ctx, keyring.Config{Algorithm: token.HS256, Secret: []byte(Secret), LongestToken: tokenLife, Now: time.Now})
	if err != nil {
		return err
	}
	if i.forms, err = token.NewForms(token.PrefixAPIToken); err != nil {
		return err
	}
	i.verifier, err = verification.New(verification.Config{
		Source: pausing{source.New(source.Config{Store: i.store, Forms: i.forms, Ring: i.ring, Follower: i.follower, DefaultAudience: issuer}), i.process},
		Ledger: ledger, Issuer: issuer, DefaultAudience: issuer,
	})
	if err != nil {
		return err
	}
	i.journal, err = journal.New(journal.Config{
		Store: i.store, Follower: i.follower, Watcher: watcher, Wait: revocation.WaitNodes, Staleness: staleness,
		LongestToken: tokenLife, LastExpiry: func() time.Time { return time.Time{} }, Now: ledger.Now, Clock: i.clock,
	})
	if err != nil {
		return err
	}
	i.feed = &feed.Edge{Verifier: i.verifier, Log: i.follower, Tail: tail, Issuer: issuer, Staleness: staleness, Clock: i.clock, Confirming: i.room, Settings: feed.Settings{APITokenPrefix: token.PrefixAPIToken}}
	i.feed.Register(i.mux)
	i.register(staleness)
	var ctx context.Context
	ctx, i.end = context.WithCancel(i.ctx)
	i.running.Go(func() { _ = i.follower.Run(ctx) })
	i.running.Go(func() { _ = watcher.Run(ctx, staleness) })
	i.running.Go(func() { _ = i.room.Run(ctx) })
	return nil
}

// leave ends the process in good order: it takes itself off the list.
func (i *incarnation) leave() {
	i.feed.EndStreams()
	i.end()
	i.running.Wait()
	i.crash()
}

// register serves what a verifier asks an issuer beside the stream.
func (i *incarnation) register(staleness time.Duration) {
	answer := func(w http.ResponseWriter, body any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(body)
	}
	i.mux.HandleFunc("/.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": issuer, "jwks_uri": issuer + "/jwks", "token_endpoint": issuer + "/token",
			"introspection_endpoint": issuer + "/introspect", "revocations_endpoint": issuer + feed.Path,
			"revocations_max_staleness": staleness.Seconds(),
		})
	})
	i.mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]any{"keys": []any{}}) })
	i.mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		raw, _, err := i.issue(r.Context(), want{subject: clientID, client: true, scope: []string{"introspect", "revocations"}})
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		answer(w, map[string]any{"access_token": raw, "token_type": "Bearer", "expires_in": int(tokenLife.Seconds())})
	})
	i.mux.HandleFunc("/introspect", func(w http.ResponseWriter, r *http.Request) {
		seq := i.follower.Applied()
		id, err := i.verifier.Identify(r.Context(), r.FormValue("token"), verification.Requirements{AnyAudience: true})
		switch {
		case fault.Is(err, fault.InvalidToken) || fault.Is(err, fault.InsufficientScope):
			answer(w, map[string]any{"active": false})
		case err != nil:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			answer(w, introspection(id, seq, r.FormValue("facts") == "true"))
		}
	})
}

// introspection is the answer about a token, with the facts that an edge asks for.
func introspection(id *verification.Identity, seq revocation.Seq, facts bool) map[string]any {
	t := id.Token
	a := map[string]any{
		"active": true, "jti": t.ID, "sub": t.Subject, "iss": issuer, "token_kind": t.Kind.String(), "seq": t.Seq, "log_seq": seq,
		"aud": t.Audience, "iat": t.IssuedAt.Unix(), "scope": strings.Join(t.Scope, " "), "chain": t.Chain,
	}
	if !t.Expiry.IsZero() {
		a["exp"] = t.Expiry.Unix()
	}
	if t.Collection != nil {
		a["collection"] = *t.Collection
	}
	if facts {
		permissions := []map[string]any{}
		for _, g := range id.Subject.Grants {
			permissions = append(permissions, map[string]any{"action": g.Action, "path": g.Path})
		}
		a["groups"], a["permissions"], a["collection_exists"] = []string{}, permissions, true
	}
	return a
}

// want is a token to issue.
type want struct {
	subject    string
	client     bool
	opaque     bool
	scope      []string
	collection bool
	parent     *verification.Token
	asOf       revocation.Seq // as of which the parent was accepted
}

var errNoAccess = errors.New("the user has no access to the collection")

// issue issues a token. What it rests on is read, and that it was issued is recorded, in one
// transaction.
func (i *incarnation) issue(ctx context.Context, w want) (raw, id string, err error) {
	id = i.chance.id()
	row := records.StoredToken{ID: id, Kind: token.KindAPIToken, Owner: w.subject, Scope: w.scope, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(tokenLife)}
	if w.collection {
		row.Collection = new(int64(collection))
	}
	if w.parent != nil {
		row.Chain = append(append(row.Chain, w.parent.Chain...), w.parent.ID)
	}
	if w.opaque {
		secret, o, err := i.forms.New(token.KindAPIToken)
		if err != nil {
			return "", "", err
		}
		raw, row.Digest = secret.Reveal(), o.Digest
	}
	made := make(chan records.StoredToken, 1)
	err = i.store.write(ctx, "", func(st *state) {
		row := row
		row.Seq = st.head
		if w.parent != nil {
			row.Seq = min(row.Seq, w.asOf)
		}
		may := !w.collection || st.access[w.subject]
		if may && w.opaque {
			st.tokens[row.Digest] = row
		}
		if !may {
			row.ID = ""
		}
		select {
		case made <- row:
		default: // on a standby
		}
	})
	if err != nil {
		return "", "", err
	}
	if row = <-made; row.ID == "" {
		return "", "", errNoAccess
	}
	if !w.opaque {
		raw, err = i.sign(row, w)
	}
	return raw, id, err
}

func (i *incarnation) sign(row records.StoredToken, w want) (string, error) {
	key, err := i.ring.Signing()
	if err != nil {
		return "", err
	}
	c := token.Claims{
		Issuer: issuer, Subject: row.Owner, Audience: []string{issuer}, Expiry: row.ExpiresAt, IssuedAt: row.CreatedAt, ID: row.ID,
		Scope: row.Scope, Collection: row.Collection, Chain: row.Chain, Seq: row.Seq,
	}
	if w.client {
		c.ClientID = row.Owner
	}
	return token.Sign(key, token.TypeAccess, c)
}

// revoke revokes a token with everything that was made from it, as package revoking does.
func (i *incarnation) revoke(ctx context.Context, raw string, wait revocation.Wait) (revocation.Receipt, error) {
	t, err := i.verifier.Genuine(ctx, raw)
	if err != nil {
		return revocation.Receipt{}, err
	}
	read := i.journal.Reading()
	if i.verifier.RevokedInLog(t) {
		revoked, err := i.inLog(ctx, t)
		if err != nil {
			return revocation.Receipt{}, err
		}
		if revoked {
			return i.journal.Settled(ctx, read, wait)
		}
	}
	ops, entries := i.journal.Kill(journal.Kill{ID: t.ID, Expiry: t.Expiry, Opaque: t.Kind == token.KindAPIToken, Reason: token.ReasonRevoked})
	return i.journal.Revoke(ctx, op.Batch{Ops: ops, Log: entries}, wait)
}

// inLog reports whether the log in the store revokes a token.
func (i *incarnation) inLog(ctx context.Context, t *verification.Token) (bool, error) {
	for _, id := range append([]string{t.ID}, t.Chain...) {
		if _, found, err := i.store.LogEntry(ctx, revocation.Token, id); found || err != nil {
			return found, err
		}
	}
	e, found, err := i.store.LogEntry(ctx, revocation.Subject, t.Subject)
	return found && e.Seq > t.Seq, err
}

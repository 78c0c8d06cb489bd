// Package nodetest makes a real node on a real database for the tests of the packages
// around it, with a wall clock that the test sets. The database is
// SQLite's, or PostgreSQL's where a test wants that or the variable
// BEARERD_TEST_ENGINE is "postgres".
package nodetest

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/store/postgres"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/confirming"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/foreign"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/provisioning"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/trust"
	"github.com/bearerd/bearerd/internal/verification"
)

// Issuer is the issuer, and the default audience, of a fixture's tokens.
const Issuer = "http://localhost:8080"

// Options change what a fixture is made with. The zero value is what `bearerd
// serve` does without configuration.
type Options struct {
	Settings  func(*node.Settings)
	Algorithm token.Algorithm // "": EdDSA
	Secret    []byte          // of HS256
	Ring      *keyring.Ring   // nil: one of its own, in the store
	Prefix    string          // of API tokens; "": bda_
	Meter     node.Meter
	Logger    *slog.Logger
	Dir       string    // where the database stands, one for all nodes of it; "": a new temporary directory
	Postgres  bool      // the database is PostgreSQL's; only its name stands in Dir
	File      bool      // it is SQLite's: the test looks into the file
	At        time.Time // where the wall clock stands still from the start; zero: it goes

	TokenCache int64 // bytes; 0: the default

	// What a test puts between the node and what it is made of; nil: nothing.
	Store   func(contract.Store) contract.Store
	Log     func(revocation.Log) revocation.Log
	Clock   func() time.Duration // nil: the boot-time clock
	Bulk    bool                 // the store is for writing very many rows
	Foreign []foreign.Shape      // of other systems' tokens
	Still   bool                 // the follower isn't run: the node learns of the log when it asks
}

// Fixture is a node with what it is made of. The operations of its parts are its own:
// f.CreateUser, f.Login, f.Issue, f.Verify.
type Fixture struct {
	*node.Node
	*directory.Directory
	*provisioning.Provisioner
	*apply.Applier
	*issuance.Issuance
	*credentials.Tokens
	*authorizing.Flows
	*trust.Assertions
	*revoking.Revoker
	*signin.Authenticator
	*account.Accounts
	*verification.Verifier
	*explain.Explainer

	Store    *store.Store
	Ring     *keyring.Ring
	Follower *revocation.Follower
	Room     *confirming.Room // of the verifiers that confirm
	Ledger   *revocation.Ledger
	Hasher   *passhash.Hasher
	Settings node.Settings

	offset atomic.Int64 // of the wall clock
	frozen atomic.Int64 // where the wall clock stands still, in Unix nanoseconds; 0: it goes
}

// DefaultSettings are the settings of the default configuration.
func DefaultSettings() node.Settings {
	return node.Settings{
		Policy: issuance.Policy{
			Issuer: Issuer, DefaultAudience: Issuer,
			AccessTTL: 30 * time.Minute, AccessMax: time.Hour,
			ExchangeKeyMax: 720 * time.Hour, RefreshIdle: 720 * time.Hour, RefreshGrace: 30 * time.Second, SessionMax: 12 * time.Hour, AuthorizationMax: 2160 * time.Hour,
			Fresh: 15 * time.Minute,
		},
		Limits:    identity.Limits{Account: 10, AccountTotal: 100, Address: 100, Window: 15 * time.Minute},
		Passwords: true, PasswordRule: identity.PasswordRule{Min: 8},
		Audit: 8760 * time.Hour, Staleness: 2 * time.Second, Wait: revocation.WaitNodes,
	}
}

// New makes a fixture that is caught up with its log and whose follower runs until
// the test ends.
func New(tb testing.TB, o Options) *Fixture {
	tb.Helper()
	f := &Fixture{Hasher: passhash.New(passhash.Config{})}
	if !o.At.IsZero() {
		f.frozen.Store(o.At.UnixNano())
	}
	if o.Dir == "" {
		o.Dir = tb.TempDir()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := DefaultSettings()
	p.CacheBytes = o.TokenCache
	if o.Settings != nil {
		o.Settings(&p)
	}
	f.Settings = p
	f.open(tb, p, o)
	f.Ledger = revocation.NewLedger(o.clock(), f.Time)
	var log revocation.Log = f.Store
	if o.Log != nil {
		log = o.Log(f.Store)
	}
	var err error
	keeping := confirming.Config{
		Node: uuid.NewString(), Staleness: p.Staleness, Clock: o.clock(), Store: f.Store, Log: o.Logger,
		Publish: func(ctx context.Context) error { return f.Follower.ConfirmAgain(ctx) },
	}
	f.Room, err = confirming.New(keeping)
	Must(tb, err)
	f.Follower, err = revocation.NewFollower(revocation.Config{
		Log: log, Ledger: f.Ledger, Node: keeping.Node, Staleness: p.Staleness, Logger: o.Logger, Outside: f.Room.Outside,
	})
	Must(tb, err)
	forms, err := token.NewForms(o.prefix(), "6879-") // as a dialect brings one
	Must(tb, err)
	shapes, err := foreign.New(o.Foreign)
	Must(tb, err)
	forms = forms.WithForeign(shapes)
	var seen contract.Store = f.Store
	if o.Store != nil {
		seen = o.Store(f.Store)
	}
	f.Node, err = node.New(node.Config{
		Store: seen, Ring: f.Ring, Follower: f.Follower, Hasher: f.Hasher, Forms: forms, Settings: p, Meter: o.Meter,
		Clocks: node.Clocks{Now: f.Time, Boot: o.clock()}, Log: o.Logger,
	})
	Must(tb, err)
	f.Directory, f.Issuance, f.Revoker = f.Node.Directory, f.Node.Issuance, f.Node.Revoker
	f.Tokens, f.Flows, f.Assertions = f.Node.Tokens, f.Node.Flows, f.Node.Assertions
	f.Accounts, f.Provisioner, f.Applier = f.Node.Accounts, f.Node.Provisioner, f.Node.Applier
	f.Authenticator, f.Verifier, f.Explainer = f.SignIn, f.Node.Verifier, f.Node.Explainer
	Must(tb, f.Follower.CatchUp(tb.Context()))
	if !o.Still {
		var running sync.WaitGroup
		ctx := tb.Context() // a fuzz test may not be asked for it from elsewhere
		running.Go(func() { _ = f.Follower.Run(ctx) })
		running.Go(func() { _ = f.Room.Run(ctx) })
		running.Go(func() { _ = f.Store.Listen(ctx, f.Follower.Wake) })
		tb.Cleanup(running.Wait)
	}
	return f
}

func (o Options) clock() func() time.Duration {
	if o.Clock == nil {
		return revocation.BootClock
	}
	return o.Clock
}

func (o Options) prefix() string {
	if o.Prefix == "" {
		return token.PrefixAPIToken
	}
	return o.Prefix
}

func (f *Fixture) open(tb testing.TB, p node.Settings, o Options) {
	tb.Helper()
	var err error
	f.Store, err = store.Open(tb.Context(), o.database(tb), store.Options{Now: f.Time, Bulk: o.Bulk, Postgres: postgres.Limits{Staleness: p.Staleness, StatementTimeout: o.statementTimeout()}})
	Must(tb, err)
	tb.Cleanup(func() { _ = f.Store.Close() })
	if f.Ring = o.Ring; f.Ring != nil {
		return
	}
	cfg := keyring.Config{Algorithm: o.Algorithm, Secret: o.Secret, LongestToken: max(720*time.Hour, p.Policy.ExchangeKeyMax), Now: f.Time}
	if o.Algorithm == "" {
		cfg.Algorithm = token.EdDSA
	}
	if cfg.Algorithm != token.HS256 {
		cfg.Store, cfg.Master = f.Store, master(tb, filepath.Join(o.Dir, "master.key"))
	}
	f.Ring, err = keyring.Open(tb.Context(), cfg)
	Must(tb, err)
}

// database returns the database of a directory.
func (o Options) database(tb testing.TB) string {
	tb.Helper()
	if o.File || !o.Postgres && os.Getenv("BEARERD_TEST_ENGINE") != "postgres" {
		return filepath.Join(o.Dir, "bearerd.db")
	}
	path := filepath.Join(o.Dir, "database")
	name, err := os.ReadFile(path) //nolint:gosec // of the test
	if errors.Is(err, fs.ErrNotExist) {
		name = []byte(pgtest.New(tb))
		err = os.WriteFile(path, name, 0o600)
	}
	Must(tb, err)
	return string(name)
}

func master(tb testing.TB, path string) keyring.Master {
	tb.Helper()
	m, err := keyring.ReadMaster(path)
	if err != nil {
		m, err = keyring.MakeMaster(path)
	}
	Must(tb, err)
	return m
}

// Time is the fixture's wall clock.
func (f *Fixture) Time() time.Time {
	offset := time.Duration(f.offset.Load())
	if at := f.frozen.Load(); at != 0 {
		return time.Unix(0, at).Add(offset)
	}
	return time.Now().Add(offset)
}

// Freeze makes the fixture's wall clock stand still until Advance moves it.
func (f *Fixture) Freeze() { f.frozen.CompareAndSwap(0, time.Now().UnixNano()) }

// Advance moves the fixture's wall clock.
func (f *Fixture) Advance(d time.Duration) { f.offset.Add(int64(d)) }

// User makes a user with bindings; a binding's User is filled in.
func (f *Fixture) User(tb testing.TB, username, password string, bindings ...access.Binding) identity.User {
	tb.Helper()
	u, err := f.CreateUser(tb.Context(), caller.Operator(), identity.NewUser{
		Username: username, Name: username + " Example", Email: username + "@example.org", Password: token.Secret(password),
	})
	Must(tb, err)
	for _, b := range bindings {
		b.User = u.ID
		_, err := f.CreateBinding(tb.Context(), caller.Operator(), b)
		Must(tb, err)
	}
	return u
}

// Admin is the binding of an administrator: `* /` at `/`.
func Admin() access.Binding {
	return access.Binding{Permission: &access.Permission{Action: access.Any, Path: "/"}, Path: "/"}
}

// May is a binding that grants one action on a path.
func May(action string, path access.Path) access.Binding {
	return access.Binding{Permission: &access.Permission{Action: action, Path: path}, Path: "/"}
}

// Grants are those of a user who may do one action on a path.
func Grants(action string, path access.Path) []access.Grant {
	return []access.Grant{{Action: action, Path: path}}
}

// Collection makes a collection.
func (f *Fixture) Collection(tb testing.TB, id int64, name string) {
	tb.Helper()
	Must(tb, f.CreateCollection(tb.Context(), caller.Operator(), records.Collection{ID: id, Name: name}))
}

// ClientSecret is the secret of the clients that Client makes.
const ClientSecret = "a client secret of more than 32 characters"

// Client makes a confidential client with these scopes.
func (f *Fixture) Client(tb testing.TB, id string, scopes ...string) identity.Client {
	tb.Helper()
	c, _, err := f.CreateClient(tb.Context(), caller.Operator(), identity.NewClient{
		ID: id, Secret: ClientSecret, Scopes: scopes, Grants: []string{identity.GrantTypeClientCredentials},
	}, false)
	Must(tb, err)
	return c
}

// Login signs a user in by password, without an address.
func (f *Fixture) Login(tb testing.TB, username, password string, collection ...int64) *caller.Caller {
	tb.Helper()
	cred := signin.Credentials{Username: username, Password: password}
	if len(collection) > 0 {
		cred.Collection = &collection[0]
	}
	c, err := f.Authenticator.Login(tb.Context(), cred)
	Must(tb, err)
	return c
}

// TryLogin tries a password from an address; "" is an address that isn't known.
func (f *Fixture) TryLogin(tb testing.TB, username, password, address string) error {
	tb.Helper()
	ctx := audit.WithOrigin(tb.Context(), audit.Origin{Address: address, RequestID: "r"})
	_, err := f.Authenticator.Login(ctx, signin.Credentials{Username: username, Password: password})
	return err
}

// AccessToken returns an access token that speaks for a user, by password, with a scope.
func (f *Fixture) AccessToken(tb testing.TB, username, password string, scope ...string) *issuance.Issued {
	tb.Helper()
	c := f.Login(tb, username, password)
	issued, err := f.Issue(tb.Context(), c, &issuance.Request{Kind: token.KindAccess, Principal: c.Principal, Scope: scope})
	Must(tb, err)
	return issued
}

// SessionToken returns a session of a user, by password.
func (f *Fixture) SessionToken(tb testing.TB, username, password string) *issuance.Issued {
	tb.Helper()
	issued, err := f.StartSession(tb.Context(), f.Login(tb, username, password), nil)
	Must(tb, err)
	return issued
}

// Events lists the audit log, newest first.
func (f *Fixture) Events(tb testing.TB, filter audit.Filter) []audit.Event {
	tb.Helper()
	events, err := f.AuditEvents(tb.Context(), caller.Operator(), filter)
	Must(tb, err)
	return events
}

// statementTimeout is how long the store waits for PostgreSQL; 0: the default. A command
// that writes very many rows waits longer than a server does.
func (o *Options) statementTimeout() time.Duration {
	if o.Bulk {
		return 10 * time.Second
	}
	return 0
}

// LastEvent returns the newest event of an action.
func (f *Fixture) LastEvent(tb testing.TB, action string) audit.Event {
	tb.Helper()
	events := f.Events(tb, audit.Filter{Action: action, Limit: 1})
	if len(events) != 1 {
		tb.Fatalf("%s: %d events", action, len(events))
	}
	return events[0]
}

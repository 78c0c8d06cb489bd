// Package wiring goes from the configuration to a node, and from there to the HTTP server
// with its endpoints. It is the one place where all parts meet, and decides nothing that
// they decide.
//
// A command gets its node from [ForCommand], "bearerd serve" its server from [NewServer],
// and "bearerd edge", which has no database, from [NewEdge] and [EdgeServer]. [CheckFiles]
// and [Rehearse] find what would stop a server, without one.
package wiring

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/bearerd/bearerd/internal/store/postgres"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/confirming"
	"github.com/bearerd/bearerd/internal/feed"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/shadow"
	"github.com/bearerd/bearerd/internal/sso"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/traffic"
)

const (
	// sessionLife is how long a sign-in lasts.
	sessionLife = 12 * time.Hour
	// jwksLife is for how long the JWK Set may be cached.
	jwksLife = 10 * time.Minute
)

// Instance is a node on its database, for a command or for the server.
type Instance struct {
	*node.Node

	Config config.Config
	Store  *store.Store
	Forms  token.Forms
	Now    func() time.Time
	Shadow *shadow.Log // what report-only routes would have refused
}

// assembly is an instance with what the endpoints of a server need besides.
type assembly struct {
	*Instance

	follower  *revocation.Follower
	tail      *feed.Tail       // of the revocation log
	room      *confirming.Room // of the verifiers that confirm it
	ring      *keyring.Ring
	secrets   *secretfile.Set   // that can be read again
	ways      sso.Sources       // to sign in, for the server
	documents *clientdoc.Reader // of clients that nobody registered; nil: they can't ask
	traffic   traffic.Log       // nil when nothing is counted
	figures   figures           // of all nodes, for the server
	version   string            // in the description of the API
}

// OpenStore opens the database that the configuration names.
func OpenStore(ctx context.Context, c config.Config, o store.Options) (*store.Store, error) {
	o.Now = revocation.NewWallClock(o.Now)
	s, err := store.Open(ctx, c.Database.Reveal(), StoreOptions(c, o))
	if errors.Is(err, fs.ErrNotExist) && o.MustExist {
		return nil, hint.Add(err, `check database in the configuration, or name the configuration with --config; "bearerd init" and "bearerd serve" make a new one`)
	}
	return s, err
}

// StoreOptions completes options with what the configuration says.
func StoreOptions(c config.Config, o store.Options) store.Options {
	o.Postgres = postgres.Limits{
		Connections: c.Postgres.Connections, ConnectTimeout: c.Postgres.ConnectTimeout,
		StatementTimeout: c.Postgres.StatementTimeout, Staleness: c.Revocation.MaxStaleness,
	}
	return o
}

// parts are what an assembly is assembled from.
type parts struct {
	config config.Config
	store  *store.Store
	log    revocation.Log
	// shared is set when other nodes use the database too: the node then always confirms,
	// and watches their list. SQLite normally has one node, which doesn't need to write
	// while nothing happens.
	shared bool
	serves bool // people sign in: their sources are set up
	// instead is how tests have documents of clients read; empty otherwise.
	instead clientdoc.Config
	meter   node.Meter
	version string
	now     func() time.Time // the machine's own: the ledger sees by it that the machine was stopped
	logger  *slog.Logger
}

// assemble puts a node together: the one place where its parts meet.
func assemble(ctx context.Context, p parts) (*assembly, error) {
	ring, err := openRing(ctx, p)
	if err != nil {
		return nil, err
	}
	ledger := revocation.NewLedger(revocation.BootClock, p.now)
	ledger.Set().Budget = int64(p.config.Revocation.Memory)
	var follower *revocation.Follower
	keeping := confirming.Config{
		Node: uuid.NewString(), Staleness: p.config.Revocation.MaxStaleness, Clock: revocation.BootClock, Log: p.logger,
		Publish: func(ctx context.Context) error { return follower.ConfirmAgain(ctx) }, Store: p.store,
	}
	room, err := confirming.New(keeping)
	if err != nil {
		return nil, err
	}
	follower, err = revocation.NewFollower(revocation.Config{
		Log: p.log, Ledger: ledger, Node: keeping.Node, Staleness: p.config.Revocation.MaxStaleness,
		Logger: p.logger, ConfirmAlways: p.shared, Outside: room.Outside,
	})
	if err != nil {
		return nil, err
	}
	var watcher *revocation.NodeWatcher
	if p.shared {
		watcher = revocation.NewNodeWatcher(follower.List(p.store.Nodes), revocation.BootClock)
	}
	tail := feed.Follow(follower)
	forms, err := tokenForms(p.config)
	if err != nil {
		return nil, err
	}
	wait := map[config.Wait]revocation.Wait{
		config.WaitFalse: revocation.WaitNone, config.WaitTrue: revocation.WaitNodes, config.WaitAll: revocation.WaitAll,
	}[p.config.Revocation.Wait]
	var ways waysToSignIn
	secrets := &secretfile.Set{}
	if p.serves {
		if ways, err = (wayReader{p.config, secrets, ledger.Now}).read(ctx); err != nil {
			return nil, err
		}
	}
	documents, err := clientDocuments(p.config, p.instead, ledger.Now)
	if err != nil {
		return nil, err
	}
	n, err := node.New(node.Config{
		Store: p.store, Ring: ring, Follower: follower, Watcher: watcher, Hasher: passhash.New(passhash.Config{}),
		Forms: forms, Settings: node.Settings{
			Policy: policyOf(p.config), Audit: p.config.Audit.Retention, Staleness: p.config.Revocation.MaxStaleness, Wait: wait, CacheBytes: int64(p.config.Verify.Cache),
			ClientURL: clientURL(documents), ClientKeySet: clientKeySet(documents), Passwords: p.config.SignIn.Password, PasswordRule: identity.PasswordRule{Min: p.config.SignIn.MinPassword}, Sources: ways.policies,
			Notices: interests(p.config),
			Limits: identity.Limits{
				Account: p.config.Login.AccountFailures, AccountTotal: p.config.Login.AccountFailuresTotal,
				Address: p.config.Login.AddressFailures, Window: p.config.Login.Window,
			},
		}, Meter: p.meter,
		Clocks: node.Clocks{Now: ledger.Now, Boot: revocation.BootClock}, Log: p.logger,
	})
	if err != nil {
		return nil, err
	}
	meter, _ := p.meter.(shadow.Meter)
	refusals, err := shadow.New(shadow.Config{Store: p.store, Now: ledger.Now, Meter: meter})
	if err != nil {
		return nil, err
	}
	i := &assembly{
		Instance: &Instance{Node: n, Config: p.config, Store: p.store, Forms: forms, Now: ledger.Now, Shadow: refusals},
		follower: follower, tail: tail, room: room, ring: ring, secrets: secrets, ways: ways.sources, documents: documents, version: p.version,
	}
	i.traffic, _ = p.meter.(traffic.Log)
	p.store.Follow(follower.Origin)
	if err := follower.CatchUp(ctx); err != nil || !p.config.Database.IsPostgres() {
		return i, err
	}
	return i, ring.Refresh(ctx) // another server may have answered before there was a log to follow
}

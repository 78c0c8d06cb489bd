package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/confirming"
	"github.com/bearerd/bearerd/internal/dialect/hypothesis"
	"github.com/bearerd/bearerd/internal/feed"
	"github.com/bearerd/bearerd/internal/foreign"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/notice"
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

// instance is bearerd on its database, for a command or for the server.
type instance struct {
	*node.Node

	forms    token.Forms
	config   config.Config
	store    *store.Store
	follower *revocation.Follower
	tail     *feed.Tail       // of the revocation log
	room     *confirming.Room // of the verifiers that confirm it
	now      func() time.Time
	traffic  traffic.Log // nil when nothing is counted
	figures  figures     // of all nodes, for the server
	outboxes []*notice.Outbox
	ways     sso.Sources // to sign in, for the server
	ring     *keyring.Ring
	secrets  *secretfile.Set // that can be read again
	shadow   *shadow.Log     // what report-only routes would have refused

	documents *clientdoc.Reader // of clients that nobody registered; nil: they can't ask
	instead   clientdoc.Config  // how tests have them read; empty otherwise
}

// needs says what a command needs of the database.
type needs struct {
	creates   bool // a missing database is created: the command writes to it
	rehearses bool // nothing is to be left behind, not even a new database
	judges    bool // the command judges tokens, for which it must know the whole log
	bulk      bool // the command writes very many rows
	waits     bool // --wait says whether to wait for the servers
}

// commandTimeout is how long a command waits for an answer of PostgreSQL. It is longer
// than a server's, because no client is waiting that could try again.
const commandTimeout = 10 * time.Second

// with opens the database for a command, and closes it when do is done.
func (p *program) with(cmd *cobra.Command, need needs, do func(context.Context, *instance) error) (err error) {
	c, err := p.loadConfig(cmd)
	if err != nil {
		return err
	}
	if empty, err := p.empty(cmd.Context(), c, need); err != nil {
		return err
	} else if empty {
		if c, err = elsewhere(c); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(filepath.Dir(c.Database.Reveal()))) }()
	}
	c.Postgres.StatementTimeout = max(c.Postgres.StatementTimeout, commandTimeout)
	if f := cmd.Flag("wait"); need.waits && f != nil && f.Changed {
		c.Revocation.Wait = config.Wait(f.Value.String())
	}
	s, err := openStore(cmd.Context(), c, store.Options{Now: p.now, MustExist: !need.creates, Bulk: need.bulk})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	p.warnOfRestore(s)
	i, err := assemble(cmd.Context(), parts{
		config: c, store: s, log: &readOnlyLog{Store: s, all: need.judges}, now: p.now, logger: silentLog(),
	})
	if err != nil {
		return err
	}
	err = p.named(cmd.Context(), cmd, i, do(cmd.Context(), i))
	return errors.Join(err, i.Journal.FlushRefusals(cmd.Context(), true))
}

// warnOfRestore warns that the database was restored. Only the first command that opens
// it can detect that.
func (p *program) warnOfRestore(s *store.Store) {
	if s.Restored() {
		p.say("warning: the database was restored from a backup, or its server failed over; what was revoked in between may be accepted again")
		p.say("hint: to be certain, stop every server and run \"bearerd migrate --restored --revoke-all\"")
	}
}

// onDatabase returns the RunE of a command that does nothing without the database.
func (p *program) onDatabase(need needs, do func(context.Context, *instance, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return p.with(cmd, need, func(ctx context.Context, i *instance) error { return do(ctx, i, args) })
	}
}

// revocation completes a command that revokes or removes what its one argument names, and
// then prints done with the argument and how far the revocation has reached.
func (p *program) revocation(cmd *cobra.Command, done string, operation func(*instance) revokes) *cobra.Command {
	cmd.RunE = p.onDatabase(needs{waits: true}, func(ctx context.Context, i *instance, args []string) error {
		r, err := operation(i)(ctx, caller.Operator(), args[0])
		if err != nil {
			return err
		}
		p.say(done, args[0], i.reach(r))
		return p.show(acknowledged(r), silent)
	})
	waitFlag(cmd)
	return cmd
}

// revokes is an operation that revokes or removes one thing.
type revokes func(ctx context.Context, c *caller.Caller, ref string) (revocation.Receipt, error)

// empty reports whether a rehearsal would make a database, or fill an empty one.
func (p *program) empty(ctx context.Context, c config.Config, need needs) (bool, error) {
	if !need.rehearses {
		return false, nil
	}
	if !c.Database.IsPostgres() {
		_, err := os.Stat(c.Database.Reveal())
		return isMissing(err), nil
	}
	in, err := store.Inspect(ctx, c.Database.Reveal(), storeOptions(c, store.Options{Now: p.now}))
	return err == nil && in.New, err
}

// elsewhere returns the configuration with an empty database in a new directory.
func elsewhere(c config.Config) (config.Config, error) {
	dir, err := os.MkdirTemp("", "bearerd-dry-run-")
	if err != nil {
		return c, err
	}
	c.Database = config.Database(filepath.Join(dir, "bearerd.db"))
	c.MasterKeyFile = "master.key"
	return c, nil
}

// waitFlag adds the flag --wait to a command that revokes something.
func waitFlag(cmd *cobra.Command) {
	wait := waitValue{config.WaitTrue}
	cmd.Flags().Var(&wait, "wait", "wait until every running server has confirmed it; --wait=all waits for services\n"+
		"that confirm too, --wait=false for nothing (default: as revocation.wait says)")
	flag := cmd.Flag("wait")
	flag.NoOptDefVal = string(config.WaitTrue)
	flag.DefValue = "" // the configuration's
	flagValues(cmd, "wait", string(config.WaitTrue), string(config.WaitAll), string(config.WaitFalse))
}

// waitValue is the value of that flag.
type waitValue struct{ config.Wait }

func (w *waitValue) String() string     { return string(w.Wait) }
func (w *waitValue) Set(s string) error { return w.UnmarshalText([]byte(s)) } //nolint:wrapcheck // cobra names the flag
func (*waitValue) Type() string         { return "bool" }                     // so that the help has --wait, and no name of a value

// readOnlyLog is the revocation log for a command. A command is no server: no revocation
// may wait for it, so it confirms nothing.
type readOnlyLog struct {
	*store.Store

	all bool // it reads all of the log: it judges tokens, or knows where the log ended
}

// Confirm leaves the list of nodes as it is.
func (*readOnlyLog) Confirm(context.Context, revocation.Confirmation) error { return nil }

// Entries returns the log, for a command that judges tokens. For every other command the
// entries before its start count as purged: there may be millions, and only those written
// from then on matter.
func (b *readOnlyLog) Entries(ctx context.Context, after revocation.Seq, limit int) (revocation.Page, error) {
	if b.all {
		return b.Store.Entries(ctx, after, limit)
	}
	page, err := b.Store.Entries(ctx, after, 1)
	b.all = err == nil
	return revocation.Page{Head: page.Head, Purged: page.Head, Origin: page.Origin}, err
}

// openStore opens the database that the configuration names.
func openStore(ctx context.Context, c config.Config, o store.Options) (*store.Store, error) {
	o.Now = revocation.NewWallClock(o.Now)
	s, err := store.Open(ctx, c.Database.Reveal(), storeOptions(c, o))
	if isMissing(err) && o.MustExist {
		return nil, hint(err, `check database in the configuration; "bearerd serve" and "bearerd apply" make a new one`)
	}
	return s, err
}

// storeOptions completes options with what the configuration says.
func storeOptions(c config.Config, o store.Options) store.Options {
	o.Postgres = store.Postgres{
		Connections: c.Postgres.Connections, ConnectTimeout: c.Postgres.ConnectTimeout,
		StatementTimeout: c.Postgres.StatementTimeout, Staleness: c.Revocation.MaxStaleness,
	}
	return o
}

// parts are what an instance is assembled from.
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
	now     func() time.Time // the machine's own: the ledger sees by it that the machine was stopped
	logger  *slog.Logger
}

// assemble puts a node together: the one place where its parts meet.
func assemble(ctx context.Context, p parts) (*instance, error) {
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
	i := &instance{Node: n, forms: forms, config: p.config, store: p.store, follower: follower, tail: tail, room: room, now: ledger.Now}
	i.traffic, _ = p.meter.(traffic.Log)
	meter, _ := p.meter.(shadow.Meter)
	if i.shadow, err = shadow.New(shadow.Config{Store: p.store, Now: ledger.Now, Meter: meter}); err != nil {
		return nil, err
	}
	i.ways, i.ring, i.secrets, i.documents, i.instead = ways.sources, ring, secrets, documents, p.instead
	p.store.Follow(follower.Origin)
	if err := follower.CatchUp(ctx); err != nil || !p.config.Database.IsPostgres() {
		return i, err
	}
	return i, ring.Refresh(ctx) // another server may have answered before there was a log to follow
}

// ownForms returns what bearerd's own tokens look like.
func ownForms(forms token.Forms) []foreign.Own {
	var own []foreign.Own
	patterns := forms.OwnPatterns()
	for _, prefix := range slices.Sorted(maps.Keys(patterns)) {
		own = append(own, foreign.Own{Name: "a token of bearerd's, " + prefix + "…,", Pattern: patterns[prefix]})
	}
	return own
}

// tokenForms returns what opaque tokens look like.
func tokenForms(c config.Config) (token.Forms, error) {
	forms, err := token.NewForms(c.APIToken.Prefix, hypothesis.TokenPrefix) // its tokens are read without the dialect, too
	if err != nil {
		return forms, fmt.Errorf("api_token.prefix: %w", err)
	}
	shapes, err := c.ForeignShapes(ownForms(forms)...)
	return forms.WithForeign(shapes), err
}

func policyOf(c config.Config) issuance.Policy {
	return issuance.Policy{
		Issuer: c.Issuer, DefaultAudience: c.DefaultAudience(),
		AccessTTL: c.AccessToken.TTL, AccessMax: c.AccessToken.MaxTTL,
		ExchangeKeyMax: c.APIKey.MaxTTL, APITokenMax: c.APIToken.MaxTTL, APITokenOverlap: c.APIToken.Overlap,
		RefreshIdle: c.RefreshToken.IdleTTL, RefreshGrace: c.RefreshToken.Grace,
		SessionMax: sessionLife, Fresh: c.SignIn.Fresh, AuthorizationMax: c.Authorization.MaxTTL, Resources: resourcesOf(c), TaskMax: c.TaskCeilings(), Scopes: c.Scopes,
		Profile: profileOf(c),
	}
}

func openRing(ctx context.Context, p parts) (*keyring.Ring, error) {
	// The longest that any JWT may live.
	longest := max(p.config.AccessToken.MaxTTL, p.config.APIKey.MaxTTL)
	for _, ceiling := range p.config.TaskCeilings() {
		longest = max(longest, ceiling)
	}
	c := keyring.Config{
		Algorithm: token.Algorithm(p.config.Signing.Algorithm), RotateEvery: p.config.Signing.RotateEvery,
		SameType:  slices.Contains(p.config.Dialects, config.DialectGen3),
		CacheTime: jwksLife, Lag: node.KeyLag, LongestToken: longest, Now: revocation.NewWallClock(p.now),
	}
	var err error
	if c.Algorithm == token.HS256 {
		c.RotateEvery = 0
		if c.Secret, err = keyring.ReadSecret(p.config.Signing.SecretFile); err != nil {
			return nil, err
		}
		return keyring.Open(ctx, c)
	}
	c.Store = p.store
	if c.Master, err = masterKey(ctx, p); err != nil {
		return nil, err
	}
	return keyring.Open(ctx, c)
}

// masterKey reads the master key. The first start creates it. Once it has sealed
// something, a new one would be of no use.
func masterKey(ctx context.Context, p parts) (keyring.Master, error) {
	path := p.config.MasterKeyPath()
	m, err := keyring.ReadMaster(path)
	if !isMissing(err) {
		return m, err
	}
	if p.config.Database.IsPostgres() {
		return m, noSharedMaster(path, err)
	}
	keys, storeErr := p.store.SigningKeys(ctx)
	if storeErr != nil {
		return m, storeErr
	}
	if len(keys) > 0 {
		return m, lostMaster(err)
	}
	m, err = keyring.MakeMaster(path)
	if errors.Is(err, fs.ErrExist) {
		return keyring.ReadMaster(path) // another process was faster
	}
	if err == nil {
		p.logger.LogAttrs(ctx, slog.LevelInfo, "made the master key; keep a copy of it apart from the backups", slog.String("file", path))
	}
	return m, err
}

// lostMaster is the error for a database whose signing keys can't be opened.
func lostMaster(err error) error {
	return hint(fmt.Errorf("the master key is missing, and the database has signing keys that only it opens: %w", err),
		"put the file back from where you keep it safe, or name it in master_key_file")
}

// noSharedMaster is the error for a database of many nodes, where none of them may create
// a master key of its own.
func noSharedMaster(path string, err error) error {
	return hint(fmt.Errorf("the master key is missing, and all nodes of a PostgreSQL database need the same: %w", err),
		"create one with \"bearerd keys master %s\", once, and copy it to every node", path)
}

// Package node assembles one node of bearerd from its parts: the follower of the
// revocation log, the decision, the operations, and the background work. It decides
// nothing.
package node

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/clientauth"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/provisioning"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/source"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/trust"
	"github.com/bearerd/bearerd/internal/usage"
	"github.com/bearerd/bearerd/internal/uses"
	"github.com/bearerd/bearerd/internal/verification"
)

// Config configures a node. Every field but Watcher and Meter must be set.
type Config struct {
	Store    contract.Store
	Follower *revocation.Follower
	Watcher  *revocation.NodeWatcher // where nodes share a store; nil: a silent node is waited for once
	Ring     *keyring.Ring
	Hasher   *passhash.Hasher
	Forms    token.Forms
	Settings Settings
	Meter    Meter // nil: nothing is counted
	Clocks   Clocks
	Log      *slog.Logger
}

// Settings are the operator's settings.
type Settings struct {
	Policy    issuance.Policy
	Limits    identity.Limits
	ClientURL func(id string) bool // which clients that nobody registered are known by a URL; nil: none
	// ClientKeySet fetches the key set that the document of such a client names; nil: there are
	// none.
	ClientKeySet func(ctx context.Context, address string) ([]byte, http.Header, error)
	Sources      signin.Sources // that vouch for people
	// Passwords says whether people sign in with passwords that bearerd keeps, at any door.
	Passwords    bool
	PasswordRule identity.PasswordRule // of passwords that are set in clear
	Audit        time.Duration         // how long events are kept in the audit log
	Staleness    time.Duration         // L
	Wait         revocation.Wait       // what an acknowledgement waits for by default; not WaitDefault
	CacheBytes   int64                 // for facts about tokens; 0: the default
	Notices      []notice.Interest     // reports what happens to the receivers outside
}

// Clocks are the wall clock and the boot clock, as the follower's ledger has them.
type Clocks struct {
	Now  func() time.Time
	Boot func() time.Duration
}

// Meter counts what a node does.
type Meter interface {
	verification.Meter
	journal.Meter
	issuance.Meter
	signin.Meter
	quota.Meter
}

// Node is one node. The operations are its exported fields; what they are built from is
// unexported.
type Node struct {
	Verifier    *verification.Verifier
	SignIn      *signin.Authenticator
	ClientAuth  *clientauth.Authenticator
	Accounts    *account.Accounts
	Issuance    *issuance.Issuance
	Tokens      *credentials.Tokens
	Usage       *usage.Reader
	Flows       *authorizing.Flows
	Assertions  *trust.Assertions
	Revoker     *revoking.Revoker
	Directory   *directory.Directory
	Provisioner *provisioning.Provisioner
	Applier     *apply.Applier
	Explainer   *explain.Explainer
	Journal     *journal.Journal
	Quota       *quota.Quota
	Announcer   *notice.Announcer

	cfg        Config
	uses       *verification.Uses
	book       uses.Book // what stored tokens are used for
	networks   *notice.Networks
	keyChanged chan struct{} // the ring must be read
}

// New assembles a node. It starts nothing: the owner runs the follower and Run.
func New(cfg Config) (*Node, error) {
	switch {
	case cfg.Store == nil || cfg.Ring == nil || cfg.Follower == nil || cfg.Hasher == nil:
		return nil, errors.New("node: store, ring, follower and hasher must be set")
	case cfg.Clocks.Now == nil || cfg.Clocks.Boot == nil || cfg.Log == nil:
		return nil, errors.New("node: the clocks and the log must be set")
	case cfg.Settings.Audit <= 0:
		return nil, errors.New("node: the audit retention must be positive")
	}
	n := &Node{
		cfg: cfg, keyChanged: make(chan struct{}, 1),
		uses: verification.NewUses(func(ctx context.Context) string { return audit.OriginOf(ctx).Address }),
	}
	n.Quota = quota.New(cfg.Clocks.Now, cfg.Meter)
	cfg.Follower.Ledger().OnApply(n.applied)
	cfg.Follower.OnReplaced(n.replaced)
	if err := n.core(); err != nil {
		return nil, err
	}
	return n, n.operations()
}

// core creates the verifier and the journal.
func (n *Node) core() (err error) {
	c := &n.cfg
	v := verification.Config{
		Source: source.New(source.Config{
			Store: c.Store, Forms: c.Forms, Ring: c.Ring, Follower: c.Follower, DefaultAudience: c.Settings.Policy.DefaultAudience,
			Quota: n.Quota,
		}),
		Ledger: c.Follower.Ledger(),
		Issuer: c.Settings.Policy.Issuer, DefaultAudience: c.Settings.Policy.DefaultAudience,
		AddressOf: func(ctx context.Context) netip.Addr { return audit.OriginOf(ctx).Addr() },
		Uses:      n.uses, Book: &n.book, CacheBytes: c.Settings.CacheBytes,
	}
	j := journal.Config{
		Store: c.Store, Follower: c.Follower, Watcher: c.Watcher, Wait: c.Settings.Wait, Staleness: c.Settings.Staleness,
		LongestToken: c.Settings.Policy.Longest(), LastExpiry: c.Ring.LastExpiry, Now: c.Clocks.Now, Clock: c.Clocks.Boot,
	}
	if c.Meter != nil {
		v.Meter, j.Meter = c.Meter, c.Meter
	}
	if n.Verifier, err = verification.New(v); err != nil {
		return err
	}
	n.Announcer = notice.NewAnnouncer(c.Settings.Notices, c.Clocks.Now)
	if len(c.Settings.Notices) > 0 {
		j.Announce = n.Announcer.Add
	}
	if n.Journal, err = journal.New(j); err != nil {
		return err
	}
	n.networks = &notice.Networks{Store: c.Store, Journal: n.Journal, Announcer: n.Announcer}
	return nil
}

// change creates the operations of administrators, sources and access files.
func (n *Node) change(editor *changes.Editor) (err error) {
	c := &n.cfg
	n.Directory, err = directory.New(directory.Config{Store: c.Store, Journal: n.Journal, Editor: editor, Ring: c.Ring, Forms: c.Forms})
	if err != nil {
		return err
	}
	if n.Provisioner, err = provisioning.New(provisioning.Config{Store: c.Store, Journal: n.Journal, Editor: editor}); err != nil {
		return err
	}
	n.Applier, err = apply.New(apply.Config{Store: c.Store, Journal: n.Journal, Editor: editor})
	return err
}

// operations creates the operations that the edges call.
func (n *Node) operations() (err error) {
	c := &n.cfg
	editor, err := changes.New(changes.Config{
		Store: c.Store, Journal: n.Journal, Hasher: c.Hasher, Passwords: c.Settings.PasswordRule, Fresh: c.Settings.Policy.Fresh,
	})
	if err != nil {
		return err
	}
	if err := n.change(editor); err != nil {
		return err
	}
	in := signin.Config{
		Store: c.Store, Journal: n.Journal, Verifier: n.Verifier, Ledger: c.Follower.Ledger(), Hasher: c.Hasher,
		Limits: c.Settings.Limits, Quota: n.Quota, Now: c.Clocks.Now,
		Editor: editor, ClientURL: c.Settings.ClientURL, Sources: c.Settings.Sources, Passwords: c.Settings.Passwords,
	}
	is := issuance.Config{
		Store: c.Store, Journal: n.Journal, Verifier: n.Verifier, Ring: c.Ring, Forms: c.Forms,
		Policy: c.Settings.Policy, Quota: n.Quota, Now: c.Clocks.Now,
	}
	if c.Meter != nil {
		in.Meter, is.Meter = c.Meter, c.Meter
	}
	if n.SignIn, err = signin.New(in); err != nil {
		return err
	}
	n.ClientAuth, err = clientauth.New(clientauth.Config{
		Issuer: c.Settings.Policy.Issuer, Client: n.SignIn.KnownClient, Journal: n.Journal, Fetch: c.Settings.ClientKeySet, Now: c.Clocks.Now,
	})
	if err != nil {
		return err
	}
	n.Accounts, err = account.New(account.Config{
		Store: c.Store, Journal: n.Journal, Editor: editor, Passwords: n.SignIn.Passwords, Sources: c.Settings.Sources,
		Limits: c.Settings.Limits, Fresh: c.Settings.Policy.Fresh, Quota: n.Quota, Now: c.Clocks.Now,
	})
	if err != nil {
		return err
	}
	if err := n.issuing(is); err != nil {
		return err
	}
	n.Revoker, err = revoking.New(revoking.Config{
		Store: c.Store, Journal: n.Journal, Verifier: n.Verifier, Ring: c.Ring, Forms: c.Forms, Quota: n.Quota, Now: c.Clocks.Now,
	})
	if err != nil {
		return err
	}
	n.Explainer, err = explain.New(explain.Config{Store: c.Store, Journal: n.Journal, Verifier: n.Verifier})
	return err
}

// issuing creates the operations that issue tokens.
func (n *Node) issuing(cfg issuance.Config) error {
	core, err := issuance.NewCore(cfg)
	if err != nil {
		return err
	}
	n.Issuance = issuance.New(core)
	n.Tokens, err = credentials.New(credentials.Config{
		Store: n.cfg.Store, Journal: n.Journal, Verifier: n.Verifier, Core: core, Policy: cfg.Policy, Now: cfg.Now,
	})
	if err != nil {
		return err
	}
	n.Usage, err = usage.New(usage.Config{Store: n.cfg.Store, Tokens: n.Tokens})
	if err != nil {
		return err
	}
	n.Flows, err = authorizing.New(authorizing.Config{
		Store: n.cfg.Store, Journal: n.Journal, Verifier: n.Verifier, Core: core, Policy: cfg.Policy,
		Guesses: n.SignIn.Limiter(), Quota: n.Quota, Now: cfg.Now,
	})
	if err != nil {
		return err
	}
	issuer := cfg.Policy.Issuer
	judge, err := trust.New(trust.Config{Audience: []string{issuer, strings.TrimSuffix(issuer, "/") + "/oauth2/token"}, Now: cfg.Now})
	if err != nil {
		return err
	}
	n.Assertions, err = trust.NewAssertions(trust.IssuingConfig{
		Store: n.cfg.Store, Journal: n.Journal, Judge: judge, Core: core, Quota: n.Quota, Issuer: issuer,
	})
	return err
}

// applied makes the node refuse at once what a revoked key signed, and signals that the
// ring must be read.
func (n *Node) applied(c revocation.Change) {
	for _, e := range c.Entries {
		if e.What != revocation.SigningKey {
			continue
		}
		if e.ID != directory.KeySetChangedID {
			n.cfg.Ring.Distrust(e.ID)
		}
		n.readKeys()
	}
}

// replaced stops signing with keys that the store may have lost.
func (n *Node) replaced() {
	n.cfg.Ring.Doubt()
	n.readKeys()
}

// readKeys signals that the ring must be read.
func (n *Node) readKeys() {
	n.cfg.Ring.Expect()
	select {
	case n.keyChanged <- struct{}{}:
	default:
	}
}

// KeyLag is how often the signing keys are tended, and so how long it may take until
// every node has seen a change of theirs that the log doesn't mention.
const KeyLag = time.Minute

const (
	flushEvery      = 5 * time.Second
	purgeEvery      = 10 * time.Minute
	purgeAuditEvery = time.Hour

	// While the memory of a password's hash counts as in use, the collector lets the same
	// amount of garbage accumulate; so it is returned after a moment.
	trimAfter = 50 * time.Millisecond
)

// Run does the background work until ctx ends: it reads the signing
// keys when the log says that they changed and tends them, writes last uses and counted
// refusals, ends tokens whose successors were used, returns the memory of password
// hashing, and purges what no longer matters. Failures are logged and tried again.
func (n *Node) Run(ctx context.Context) error {
	var aside sync.WaitGroup
	defer aside.Wait()
	aside.Go(func() { n.keepAudit(ctx) })
	flush, tend, purge := time.NewTicker(flushEvery), time.NewTicker(KeyLag), time.NewTicker(purgeEvery)
	defer flush.Stop()
	defer tend.Stop()
	defer purge.Stop()
	trim := time.NewTimer(trimAfter)
	defer trim.Stop()
	for {
		select {
		case <-n.keyChanged:
			n.try(ctx, "reading the signing keys", n.cfg.Ring.Refresh)
		case <-n.uses.Replaced():
			n.try(ctx, "ending tokens that were regenerated", n.endReplaced)
		case <-flush.C:
			n.try(ctx, "writing last uses", n.FlushUses)
			n.try(ctx, "writing refusals", func(ctx context.Context) error { return n.Journal.FlushRefusals(ctx, false) })
			n.cfg.Hasher.Trim()
		case <-n.SignIn.PasswordChecked():
			trim.Reset(trimAfter)
		case <-trim.C:
			n.cfg.Hasher.Trim()
		case <-tend.C:
			n.try(ctx, "writing what tokens are used for", n.FlushBook)
			n.try(ctx, "tending the signing keys", n.cfg.Ring.Tend)
		case <-purge.C:
			n.try(ctx, "purging", n.purge)
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
			defer cancel()
			n.try(ctx, "writing what tokens are used for", n.FlushBook)
			n.try(ctx, "writing last uses", n.FlushUses)
			n.try(ctx, "writing refusals", func(ctx context.Context) error { return n.Journal.FlushRefusals(ctx, true) })
			return nil
		}
	}
}

// keepAudit purges the audit log by age at the start and every hour. The first time there
// may be years of events to delete, while everything else goes on.
func (n *Node) keepAudit(ctx context.Context) {
	purge := time.NewTicker(purgeAuditEvery)
	defer purge.Stop()
	for {
		n.try(ctx, "purging the audit log", n.purgeAudit)
		select {
		case <-purge.C:
		case <-ctx.Done():
			return
		}
	}
}

func (n *Node) try(ctx context.Context, what string, f func(context.Context) error) {
	if err := f(ctx); err != nil && ctx.Err() == nil {
		n.cfg.Log.WarnContext(ctx, what, slog.Any("error", err))
	}
}

// maxClockOffset is how far the wall clock may differ from the store's.
const maxClockOffset = time.Minute

// purge deletes what no longer matters.
func (n *Node) purge(ctx context.Context) error {
	right, err := n.clockIsRight(ctx)
	if err != nil || !right {
		return err
	}
	return n.cfg.Store.Purge(ctx, n.cfg.Clocks.Now())
}

func (n *Node) purgeAudit(ctx context.Context) error {
	right, err := n.clockIsRight(ctx)
	if err != nil || !right {
		return err
	}
	return n.cfg.Store.PurgeAudit(ctx, n.cfg.Clocks.Now(), n.cfg.Settings.Audit)
}

// clockIsRight reports whether the wall clock is close to the store's. A node whose clock
// is wrong deletes nothing: what has expired by its clock, others may still accept.
func (n *Node) clockIsRight(ctx context.Context) (bool, error) {
	offset, err := n.cfg.Store.ClockOffset(ctx)
	if err != nil {
		return false, err
	}
	if offset.Abs() > maxClockOffset {
		n.cfg.Log.ErrorContext(ctx, "the clock of this machine is not the database's: set it right; nothing is purged here until then",
			slog.Duration("ahead", offset.Round(time.Second)))
		return false, nil
	}
	return true, nil
}

func (n *Node) endReplaced(ctx context.Context) error {
	return n.Tokens.EndReplaced(ctx, n.uses.TakeReplaced())
}

// FlushBook writes what stored tokens were used for since the last call. If the store
// can't write it, it is lost, as last uses are.
func (n *Node) FlushBook(ctx context.Context) error {
	noted := n.book.Take()
	if len(noted) == 0 {
		return nil
	}
	return n.cfg.Store.AddUses(ctx, noted)
}

// FlushUses writes the last uses noted since the last call, and remembers the networks
// that they came from. If the store can't write them, they are lost: a last use is a
// convenience, not a guarantee.
func (n *Node) FlushUses(ctx context.Context) error {
	noted := n.uses.Take()
	if len(noted) == 0 {
		return nil
	}
	batch, seen := make([]records.Use, len(noted)), make([]notice.Use, len(noted))
	for i, use := range noted {
		batch[i], seen[i] = records.Use(use), notice.Use(use)
	}
	return errors.Join(n.cfg.Store.Touch(ctx, batch), n.networks.Learn(ctx, seen))
}

// Follow runs the follower of the revocation log until ctx ends.
func (n *Node) Follow(ctx context.Context) error { return n.cfg.Follower.Run(ctx) }

// WatchNodes watches the list of nodes until ctx ends; it returns at once where
// there is none.
func (n *Node) WatchNodes(ctx context.Context) error {
	if n.cfg.Watcher == nil {
		return nil
	}
	return n.cfg.Watcher.Run(ctx, n.cfg.Settings.Staleness)
}

// Status is the state of the node.
type Status struct {
	revocation.Status

	TokenCacheBytes int64 // memory of facts about tokens
	HashesWaiting   int   // sign-ins that wait to have their password checked
}

// Status returns the state of the node.
func (n *Node) Status() Status {
	return Status{
		Status: n.cfg.Follower.Status(), TokenCacheBytes: n.Verifier.CacheBytes(), HashesWaiting: n.cfg.Hasher.Waiting(),
	}
}

// Nodes counts the nodes on the list of those that a revocation waits for.
func (n *Node) Nodes(ctx context.Context) (int, error) {
	list, err := n.cfg.Store.Nodes(ctx, "")
	return len(list), err
}

// Unready returns why this node should get no requests; "" when it should.
func (s Status) Unready() string {
	switch {
	case !s.Fresh && s.Unwritten:
		return "the database takes no writes; the log says why"
	case !s.Ready:
		return "reading the revocation log"
	case !s.Fresh:
		return "no news of the revocation log"
	}
	return ""
}

package importing

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/source"
	"github.com/bearerd/bearerd/internal/token"
)

// candidate is a token that can be imported.
type candidate struct {
	number  int
	row     records.StoredToken
	digests [][]byte // it may be stored already under any of these

	byDigest, shortened bool
}

// owner is a user as read at a sequence of the log.
type owner struct {
	id       string
	seq      revocation.Seq
	disabled bool
}

// reach is a user and a collection.
type reach struct {
	owner      string
	collection int64
}

// Bounds of what is remembered of users while a file is read.
const (
	maxOwners = 50_000
	maxReach  = 50_000

	// keptOwners is how long a user is remembered. When the user's tokens are stored, the log
	// must still have any cut-off of the user; it keeps cut-offs for as long as any JWT lives.
	keptOwners = 5 * time.Minute
)

// futureSlack is how far a clock elsewhere may be ahead.
const futureSlack = 24 * time.Hour

// check returns the tokens of a chunk that are to be stored. The error is a *LineError.
func (r *run) check(ctx context.Context, chunk []line) ([]candidate, error) {
	if err := r.readOwners(ctx, chunk); err != nil {
		return nil, err
	}
	var candidates []candidate
	for n := range chunk {
		l := &chunk[n]
		if !l.expires.IsZero() && !r.cfg.Now().Before(l.expires) {
			r.report.Expired++
			continue
		}
		if r.owners[identity.FoldName(l.owner)].disabled { // disabling a user revokes the user's tokens
			r.report.Disabled++
			continue
		}
		c, err := r.candidate(ctx, l)
		if reason, wrong := lineReason(err); wrong {
			return nil, &LineError{Line: l.number, Reason: reason}
		}
		if err != nil {
			return nil, err
		}
		candidates = append(candidates, c)
	}
	return r.unknown(ctx, candidates)
}

// reasonError is what is wrong with a line.
type reasonError string

func (e reasonError) Error() string { return string(e) }

func lineReason(err error) (string, bool) {
	reason, ok := err.(reasonError) //nolint:errorlint // it is never wrapped
	return string(reason), ok
}

// readOwners reads the users of a chunk that aren't remembered, or were read too long ago.
func (r *run) readOwners(ctx context.Context, chunk []line) error {
	if now := r.cfg.Now(); len(r.owners) > maxOwners || now.Sub(r.ownersAt) > keptOwners {
		clear(r.owners)
		r.ownersAt = now
	}
	wanted := map[string]struct{}{}
	for _, l := range chunk {
		folded := identity.FoldName(l.owner)
		if _, known := r.owners[folded]; !known && folded != "" {
			wanted[folded] = struct{}{}
		}
	}
	for names := range slices.Chunk(slices.Sorted(maps.Keys(wanted)), records.MaxUsernames) {
		found, seq, err := r.cfg.Store.UsersByName(ctx, names)
		if err != nil {
			return err
		}
		for name, u := range found {
			r.owners[name] = owner{u.ID, seq, u.Disabled}
		}
	}
	return nil
}

// candidate makes a row of a line.
func (r *run) candidate(ctx context.Context, l *line) (candidate, error) {
	now := r.cfg.Now().UTC().Truncate(time.Microsecond)
	o, known := r.owners[identity.FoldName(l.owner)]
	if !known {
		return candidate{}, reasonError("the owner is no user here: users come first (bearerd apply)")
	}
	if l.created.After(now.Add(futureSlack)) || l.lastUsed.After(now.Add(futureSlack)) {
		return candidate{}, reasonError("created_at or last_used_at is in the future")
	}
	if l.created.IsZero() {
		l.created = now
	}
	row := records.StoredToken{
		Kind: token.KindAPIToken, Owner: o.id, Name: l.name, Scope: l.scope, Collection: l.collection, Networks: l.networks,
		Import: r.id, Seq: o.seq, CreatedAt: l.created, ExpiresAt: l.expires, LastUsedAt: l.lastUsed,
	}
	if row.Name == "" {
		row.Name = "imported"
	}
	c := candidate{number: l.number, row: row}
	if err := r.identify(&c, l); err != nil {
		return candidate{}, err
	}
	if err := r.checkScope(ctx, l.scope); err != nil {
		return candidate{}, err
	}
	shortened, err := r.limit(&c.row, now)
	if err != nil {
		return candidate{}, err
	}
	c.shortened = shortened
	return c, r.checkCollection(ctx, &c.row)
}

// identify hashes the value of a token, or takes its digest.
func (r *run) identify(c *candidate, l *line) error {
	if l.value == "" {
		c.byDigest, r.byDigest = true, true
		if l.sha512 != nil {
			c.row.SHA512, c.digests = l.sha512, [][]byte{l.sha512}
			return nil
		}
		c.row.Digest, c.digests = [32]byte(l.sha256), [][]byte{l.sha256}
		return nil
	}
	raw := l.value.Reveal()
	o, err := r.cfg.Forms.Parse(raw)
	if err != nil || o.Kind != token.KindAPIToken {
		return reasonError("the value has none of the shapes that foreign_tokens declares")
	}
	c.row.Digest, c.row.Prefix, c.row.Last4 = o.Digest, o.Prefix, o.Last4
	c.digests = [][]byte{o.Digest[:]}
	if o.Foreign && r.byDigest { // otherwise none can be stored under another digest
		c.digests = token.ForeignDigests(raw)
	}
	l.value = ""
	return nil
}

// checkScope refuses scopes that bearerd itself reads, and those that aren't declared.
func (r *run) checkScope(ctx context.Context, scope []string) error {
	for _, name := range scope {
		switch {
		case builtIn(name):
			return reasonError("a built-in scope can't be imported: its owner creates such a token here")
		case len(r.cfg.Scopes) == 0:
			continue
		}
		switch declared, err := r.declared(ctx, name); {
		case err != nil:
			return err
		case !declared:
			return reasonError("the scope has a name that scopes doesn't declare")
		}
	}
	return nil
}

// builtIn reports whether bearerd itself reads a scope.
func builtIn(scope string) bool {
	return slices.Contains(identity.BuiltinScopes(), scope) || identity.IsSourceScope(scope)
}

// maxScopes is how many names of scopes a run remembers.
const maxScopes = 10_000

// declared reports whether a scope is declared: those that clients list count as declared.
func (r *run) declared(ctx context.Context, name string) (bool, error) {
	if _, ok := r.cfg.Scopes[name]; ok {
		return true, nil
	}
	if declared, known := r.scopes[name]; known {
		return declared, nil
	}
	listed, err := r.cfg.Store.ScopeListed(ctx, name)
	if err != nil {
		return false, err
	}
	if r.scopes == nil || len(r.scopes) == maxScopes {
		r.scopes = map[string]bool{}
	}
	r.scopes[name] = listed
	return listed, nil
}

// limit shortens a row to the longest lifetime of an API token; a token without an expiry
// gets that one.
func (r *run) limit(row *records.StoredToken, now time.Time) (shortened bool, err error) {
	if r.cfg.MaxTTL == 0 {
		return false, nil
	}
	last := now.Add(r.cfg.MaxTTL)
	switch {
	case row.ExpiresAt.IsZero():
		row.ExpiresAt = last
		return true, nil
	case row.ExpiresAt.After(last):
		return false, reasonError(fmt.Sprintf("expires_at is later than api_token.max_ttl allows, %s from now", r.cfg.MaxTTL))
	}
	return false, nil
}

// checkCollection returns an error unless the owner has access to the token's collection: an
// owner without it is a mistake in the file. Whether the owner still has access is decided
// whenever the token is used.
func (r *run) checkCollection(ctx context.Context, row *records.StoredToken) error {
	if row.Collection == nil {
		return nil
	}
	key := reach{row.Owner, *row.Collection}
	if len(r.reach) > maxReach {
		clear(r.reach)
	}
	allowed, known := r.reach[key]
	if !known {
		p, err := r.cfg.Store.Principal(ctx, records.Who{UserID: row.Owner, Collection: row.Collection})
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		allowed = err == nil && p.CollectionExists && source.SubjectOf(&p).May(access.ActionAccess, access.CollectionPath(*row.Collection)).Allowed
		r.reach[key] = allowed
	}
	if !allowed {
		return reasonError("the owner has no access to the collection, or there is none of that id")
	}
	return nil
}

// unknown returns the candidates that aren't stored yet. The error is a *LineError for a token
// that is stored for somebody else, or that is in the file twice.
func (r *run) unknown(ctx context.Context, candidates []candidate) ([]candidate, error) {
	var digests [][]byte
	lines := map[string]int{} // by digest
	for _, c := range candidates {
		for _, d := range c.digests {
			if first, twice := lines[string(d)]; twice {
				return nil, &LineError{Line: c.number, Reason: fmt.Sprintf("the same token stands in line %d", first)}
			}
		}
		for _, d := range c.digests {
			lines[string(d)] = c.number
		}
		digests = append(digests, c.digests...)
	}
	slices.SortFunc(digests, bytes.Compare) // neighbours are on the same pages
	held := map[string]records.HeldToken{}
	for some := range slices.Chunk(digests, records.MaxDigests) {
		found, err := r.cfg.Store.TokensHeld(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, h := range found {
			held[string(h.Digest)] = h
		}
	}
	fresh := candidates[:0]
	for _, c := range candidates {
		known, err := r.compare(c, held)
		if err != nil {
			return nil, err
		}
		if known {
			r.report.Known++
			continue
		}
		if c.byDigest {
			r.report.Digests++
		}
		if c.shortened {
			r.report.Shortened++
		}
		fresh = append(fresh, c)
	}
	return fresh, nil
}

// compare reports whether a token is stored already.
func (r *run) compare(c candidate, held map[string]records.HeldToken) (known bool, err error) {
	for _, d := range c.digests {
		h, found := held[string(d)]
		switch {
		case !found:
			continue
		case h.Import == r.id && r.id != 0:
			return false, &LineError{Line: c.number, Reason: "the same token stands in an earlier line"}
		case h.Owner != c.row.Owner:
			return false, &LineError{Line: c.number, Reason: "the token is stored already, for another user"}
		}
		return true, nil
	}
	return false, nil
}

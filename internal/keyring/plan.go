package keyring

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// Plans returns plans of changes. A plan is carried out in the transaction that also
// records the reason.
type Plans struct {
	cfg  *Config
	view *atomic.Pointer[view] // the ring's policy, which a plan follows
}

// Rotate returns the plan that adds a next key, which becomes active when it has been
// shown for the set's cache time, or at once. Call Ring.Refresh after its transaction. What
// the active key signed stays valid. Rotating twice in a row is no error.
func (p Plans) Rotate(atOnce bool) Plan {
	return p.of(func(d *draft) error { return d.rotate(atOnce) })
}

// Retire returns the plan that revokes a key. Call Ring.Refresh after its transaction.
// What the key signed is refused from then on, and when it was active the next key
// becomes active at once. The plan's error is NotFound for a key that never existed; a
// key that is gone or was revoked is no error.
func (p Plans) Retire(kid string) Plan {
	return p.of(func(d *draft) error { return d.retire(kid) })
}

// RetireAll returns the plan that revokes every key, with all that they signed, and
// makes a new active key. Call Ring.Refresh after its transaction.
func (p Plans) RetireAll() Plan { return p.of((*draft).retireAll) }

// of returns a Plan that makes at most one key, however often it is run.
func (p Plans) of(op func(*draft) error) Plan {
	if p.cfg.Algorithm == token.HS256 {
		return func([]Key) ([]Key, error) {
			return nil, fault.New(fault.Invalid, "HS256 has no keys to rotate: change signing.secret_file and restart")
		}
	}
	c := p.cfg
	made := plan(draft{
		policy: policy{
			algorithm: c.Algorithm, every: c.RotateEvery, shown: c.CacheTime + c.Lag,
			longest: c.LongestToken, lag: c.Lag,
		},
		now: c.Now().UTC(),
		fresh: sync.OnceValues(func() (Key, error) {
			k, err := token.GenerateKey(c.Algorithm)
			if err != nil {
				return Key{}, err
			}
			sealed, err := c.Master.Seal(k)
			return Key{KID: k.KID, Algorithm: k.Algorithm, Sealed: sealed}, err
		}),
	}, op)
	if v := p.view.Load(); v != nil {
		// Making an RSA key takes a second, and no transaction should stay open for so
		// long: the key that the plan needs now is the one that it will need then.
		_, _ = made(v.keys)
	}
	return made
}

// policy is the durations that the plans follow.
type policy struct {
	algorithm token.Algorithm
	every     time.Duration // how long a key signs; 0: until rotated by hand
	shown     time.Duration // how long a key is shown before it signs
	longest   time.Duration // the longest lifetime of a token
	lag       time.Duration // how long a node may go on signing with a key that was retired
}

// draft is a change being planned: a copy of every key, and what the plan needs.
type draft struct {
	policy
	now   time.Time
	fresh func() (Key, error) // makes a sealed key that has no state yet
	keys  []*Key
}

// plan turns an operation on a draft into a Plan.
func plan(d draft, op func(*draft) error) Plan {
	return func(now []Key) ([]Key, error) {
		d := d
		d.keys = make([]*Key, len(now))
		for i, k := range now {
			d.keys[i] = &k
		}
		if err := op(&d); err != nil {
			return nil, err
		}
		return d.changed(now), nil
	}
}

// changed returns the keys that are new or differ, the active one last.
func (d *draft) changed(before []Key) []Key {
	var out []Key
	for _, k := range d.keys {
		if !slices.ContainsFunc(before, func(b Key) bool { return same(b, *k) }) {
			out = append(out, *k)
		}
	}
	slices.SortStableFunc(out, func(a, b Key) int { return activeLast(a) - activeLast(b) })
	return out
}

func activeLast(k Key) int {
	if k.State == Active {
		return 1
	}
	return 0
}

// same reports whether two keys are equal in what plans change. The private half depends
// on the state.
func same(a, b Key) bool {
	return a.KID == b.KID && a.State == b.State && a.ActiveAt.Equal(b.ActiveAt) &&
		a.RetiredAt.Equal(b.RetiredAt) && a.GoneAt.Equal(b.GoneAt)
}

// in returns the key in the state Next or Active, of which there is at most one; nil when
// there is none.
func (d *draft) in(s State) *Key {
	for _, k := range d.keys {
		if k.State == s {
			return k
		}
	}
	return nil
}

// tend makes the changes that are due.
func (d *draft) tend() error {
	active, next := d.in(Active), d.in(Next)
	var err error
	switch {
	case active == nil:
		err = d.follow()
	case next != nil && !d.now.Before(next.CreatedAt.Add(d.shown)):
		err = d.follow()
	case next == nil && d.due(active):
		_, err = d.make()
	}
	if err != nil {
		return err
	}
	d.stretch()
	d.bury()
	return nil
}

// due reports whether it is time for the active key's successor to be shown.
func (d *draft) due(active *Key) bool {
	if active.Algorithm != d.algorithm {
		return true
	}
	return d.every > 0 && !d.now.Before(active.ActiveAt.Add(d.every-d.shown))
}

// rotate adds a next key, if there is none yet. The key becomes active when it has been
// shown long enough, or at once.
func (d *draft) rotate(atOnce bool) error {
	if atOnce || d.in(Active) == nil {
		return d.follow()
	}
	if d.in(Next) == nil {
		_, err := d.make()
		return err
	}
	return nil
}

// retire revokes a key. When it was the active one, the next key becomes active at once.
func (d *draft) retire(kid string) error {
	i := slices.IndexFunc(d.keys, func(k *Key) bool { return k.KID == kid })
	if i < 0 {
		return fault.New(fault.NotFound, "no signing key has the id %q", kid)
	}
	k := d.keys[i]
	if k.State == Gone || k.Revoked() {
		return nil
	}
	k.State, k.RetiredAt, k.GoneAt = Retired, d.now, d.now
	if d.in(Active) != nil {
		return nil
	}
	return d.follow()
}

// retireAll revokes every key that has signed or could sign, and makes a new active key.
func (d *draft) retireAll() error {
	for _, k := range d.keys {
		if k.State != Gone && !k.Revoked() {
			k.State, k.RetiredAt, k.GoneAt = Retired, d.now, d.now
		}
	}
	return d.follow()
}

// follow makes the next key active, making one if need be, and retires the active
// one.
func (d *draft) follow() error {
	next := d.in(Next)
	if next == nil {
		made, err := d.make()
		if err != nil {
			return err
		}
		next = made
	}
	if old := d.in(Active); old != nil {
		life := max(d.longest, old.GoneAt.Sub(old.ActiveAt))
		old.State, old.RetiredAt, old.GoneAt = Retired, d.now, d.now.Add(d.lag+life)
	}
	next.State, next.ActiveAt, next.GoneAt = Active, d.now, d.now.Add(d.longest)
	return nil
}

// make adds a next key.
func (d *draft) make() (*Key, error) {
	k, err := d.fresh()
	if err != nil {
		return nil, err
	}
	k.State, k.CreatedAt, k.ActiveAt = Next, d.now, d.now.Add(d.shown)
	d.keys = append(d.keys, &k)
	return &k, nil
}

// stretch records on the active key that its tokens may live longer than before. It never
// shortens that time: tokens with the longer lifetime may exist.
func (d *draft) stretch() {
	if k := d.in(Active); k != nil && k.GoneAt.Before(k.ActiveAt.Add(d.longest)) {
		k.GoneAt = k.ActiveAt.Add(d.longest)
	}
}

// bury changes retired keys whose last token has expired to gone. A revoked key is kept as
// long, so that its tokens are refused for the right reason.
func (d *draft) bury() {
	for _, k := range d.keys {
		last := k.GoneAt
		if k.Revoked() {
			last = k.RetiredAt.Add(d.longest)
		}
		if k.State == Retired && !d.now.Before(last) {
			k.State, k.Sealed = Gone, nil
		}
	}
}

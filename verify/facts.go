package verify

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// maxFindingAge is how long what the issuer said of an opaque token is kept.
const maxFindingAge = 5 * time.Minute

// facts are what is known of a genuine token: what it says, not whether it may be
// used. They are shared between requests; but for the confirmation they never change.
type facts struct {
	token Token
	jwt   *token.JWT // nil when opaque
	seq   revocation.Seq

	kills                                  []revocation.Key // its id, then its chain
	subject, client, key, access, resource revocation.Key

	read      finding                 // of an opaque token: where the facts are from
	confirmed atomic.Pointer[confirm] // when the issuer was last asked, and said yes
}

// confirm is a yes of the issuer: as of which sequence, and in which epoch of the
// ledger the question was asked.
type confirm struct {
	logSeq revocation.Seq
	epoch  uint64
}

func newFacts(t Token, chain []string, seq revocation.Seq, kid string) *facts {
	f := &facts{
		token: t, seq: seq,
		kills:   make([]revocation.Key, 0, 1+len(chain)),
		subject: revocation.KeyOf(revocation.Subject, t.Subject),
		client:  revocation.KeyOf(revocation.Client, t.ClientID),
		key:     revocation.KeyOf(revocation.SigningKey, kid),
		access:  revocation.KeyOf(revocation.Access, t.Subject),
	}
	f.kills = append(f.kills, revocation.KeyOf(revocation.Token, t.ID))
	for _, id := range chain {
		f.kills = append(f.kills, revocation.KeyOf(revocation.Token, id))
	}
	if t.Collection != nil {
		f.resource = revocation.KeyOf(revocation.Collection, strconv.FormatInt(*t.Collection, 10))
	}
	return f
}

func factsOfJWT(j *token.JWT) (*facts, bool) {
	kind, ok := kindOf(j.Kind())
	c := &j.Claims
	f := newFacts(Token{
		Kind: kind, ID: c.ID, Subject: c.Subject, Username: c.Username, ClientID: c.ClientID,
		Audience: slices.Clone(c.Audience), Scope: c.Scope, Collection: c.Collection,
		IssuedAt: c.IssuedAt, Expiry: c.Expiry, TaskTokenType: c.TaskTokenType,
	}, c.Chain, c.Seq, j.KID)
	f.jwt = j
	return f, ok
}

// factsOfFinding is for an opaque token that the issuer found active.
func factsOfFinding(found finding) *facts {
	f := newFacts(found.token, found.chain, found.seq, "")
	f.read = found
	f.confirmed.Store(&confirm{logSeq: found.logSeq, epoch: found.epoch})
	return f
}

// cost is about how many bytes they take.
func (f *facts) cost() int64 {
	n := 768 + 16*len(f.kills)
	t := &f.token
	for _, s := range []string{t.ID, t.Subject, t.Username, t.ClientID, t.TaskTokenType} {
		n += len(s)
	}
	for _, list := range [][]string{t.Audience, t.Scope, f.read.chain} {
		for _, s := range list {
			n += 16 + 2*len(s)
		}
	}
	if f.jwt != nil { // its strings are parts of the payload, all of which stays
		n += 512
	}
	return int64(n)
}

// revoked reports what the log says of the token, its chain, subject, client and
// key. A key that was taken back is refused whatever sequence the token names:
// whoever stole the key writes what they like.
func (f *facts) revoked(l *revocation.Ledger) bool {
	if l.CutOff(f.subject) > f.seq || l.CutOff(f.client) > f.seq || f.jwt != nil && l.CutOff(f.key) > 0 {
		return true
	}
	for _, k := range f.kills {
		if l.Killed(k) {
			return true
		}
	}
	return false
}

// changed is the latest entry of the log by which the token's access must be decided
// again; 0: none.
func (f *facts) changed(l *revocation.Ledger) (latest revocation.Seq) {
	if f.token.Collection != nil {
		latest = max(l.CutOff(f.access), l.Decided(), l.CutOff(f.resource))
	}
	if f.jwt == nil { // the row of an API token may say something else since
		latest = max(latest, l.CutOff(f.access))
	}
	return latest
}

// doubtful reports whether the issuer must be asked about the token, because
// something about it has changed since it was decided.
func (f *facts) doubtful(l *revocation.Ledger) bool {
	return f.jwt == nil && f.confirmation(l) == nil || f.redecide(l)
}

// redecide reports whether its access must be decided again.
func (f *facts) redecide(l *revocation.Ledger) bool {
	decided := revocation.Seq(-1)
	if f.jwt != nil {
		decided = f.seq
	}
	if c := f.confirmation(l); c != nil {
		decided = max(decided, c.logSeq)
	}
	latest := f.changed(l)
	return latest > 0 && latest > decided
}

// confirmation is the issuer's last yes, unless the log had to be read anew since.
func (f *facts) confirmation(l *revocation.Ledger) *confirm {
	c := f.confirmed.Load()
	if c != nil && c.epoch != l.Epoch() {
		return nil
	}
	return c
}

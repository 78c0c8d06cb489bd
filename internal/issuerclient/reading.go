package issuerclient

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/strictjson"
)

// The names of the stream's events.
const (
	eventRevocation = "revocation"
	eventHeartbeat  = "heartbeat"
	eventHello      = "hello"
)

const (
	// maxSet is the greatest memory for revocations, in bytes: 60 million revoked tokens.
	// Beyond it the verifier refuses all tokens, to protect the service that it runs in.
	maxSet     int64 = 2 << 30
	checkEvery       = 4096 // entries
	maxID            = 512  // bytes
	// maxAsOf is the greatest as_of, in microseconds: a connection of eleven days.
	maxAsOf = 1e12
)

var (
	errNoAsOf = errors.New("a heartbeat without as_of (the version of the issuer is too old)")
	errMemory = fmt.Errorf("the log takes more than %d bytes", maxSet)
	errBehind = errors.New("this node of the issuer is behind another")
	errBack   = errors.New("the log went back; was the issuer's store restored without raising the sequence?")
)

// reading is one connection's place in the log. Its events come one after another.
type reading struct {
	ledger    *revocation.Ledger
	started   time.Duration // on the clock, just before the request
	staleness time.Duration
	onKey     func() // called when the log says that the keys have changed

	snapshot bool           // all entries that still matter come first, and purged ones are missing
	last     revocation.Seq // what was read last
	count    int
	renewed  bool          // whether a heartbeat counted
	asOf     time.Duration // on the clock: of the last heartbeat

	confirms bool                                            // the stream was asked for with a label
	learn    func(json.RawMessage) (changed bool, err error) // of an edge; see follower
	begun    bool                                            // the first event came
	hello    registration                                    // what it said, where it was a hello
}

// take applies one event. After an error nothing more may be read.
func (r *reading) take(e event) error {
	first := !r.begun
	r.begun = true
	switch e.name {
	case eventHello:
		if first && r.confirms {
			return r.register(e.data)
		}
	case eventRevocation:
		return r.entry(e)
	case eventHeartbeat:
		return r.heartbeat(e.data)
	}
	return fmt.Errorf("an event with the unknown name %.40q", e.name)
}

// register stores what the issuer says of the stream that is confirmed. A lease from it
// lasts no longer than the issuer waits.
func (r *reading) register(data []byte) (err error) {
	if r.hello, err = parseHello(data); err != nil {
		return err
	}
	r.staleness = min(r.staleness, r.hello.staleness)
	if r.learn == nil {
		return nil
	}
	changed, err := r.learn(r.hello.settings)
	if changed && !r.snapshot {
		return errSettings
	}
	return err
}

// entry applies an entry of the log if it is the next one.
func (r *reading) entry(e event) error {
	entry, err := parseEntry(e.data)
	if err != nil {
		return err
	}
	switch {
	case e.id != strconv.FormatInt(entry.Seq, 10):
		return fmt.Errorf("entry %d comes as event %.40q", entry.Seq, e.id)
	case entry.Seq <= r.last:
		return fmt.Errorf("entry %d follows %d", entry.Seq, r.last)
	case !r.snapshot && entry.Seq != r.last+1:
		return fmt.Errorf("entry %d is missing", r.last+1)
	}
	if r.count++; r.count%checkEvery == 0 && r.ledger.Set().Bytes() > maxSet {
		return errMemory
	}
	r.ledger.Apply([]revocation.Entry{entry})
	r.last = entry.Seq
	if !r.snapshot {
		r.ledger.Advance(entry.Seq)
	}
	if entry.What == revocation.SigningKey {
		r.onKey()
	}
	return nil
}

// heartbeat renews the lease. It says that the log held nothing after seq at the start of
// a question that the issuer asked as_of after it had received the request. The request
// was sent before that, so the question started no earlier than as_of after the sending,
// however late the bytes arrive; and two clocks that nobody can set differ by at most a
// thousandth of the time between.
func (r *reading) heartbeat(data []byte) error {
	b, err := parseHeartbeat(data)
	if err != nil {
		return err
	}
	seq := b.seq
	asOf := r.started + b.asOf - max(b.asOf, -b.asOf)/1000
	if now := r.ledger.Clock(); asOf > now {
		return fmt.Errorf("a heartbeat as of %s from now", asOf-now)
	}
	switch {
	case seq < r.last || seq < r.ledger.Applied():
		return r.behind(seq, asOf)
	case seq > r.last && !r.snapshot:
		return fmt.Errorf("entry %d is missing before the heartbeat at %d", r.last+1, seq)
	}
	r.snapshot, r.last, r.renewed, r.asOf = false, seq, true, asOf
	r.ledger.Purged(b.purged)
	r.ledger.Advance(seq)
	r.ledger.Renew(asOf, r.staleness)
	return nil
}

// behind returns the error of a heartbeat with a lower sequence than the one applied
// here. One node of the issuer may be behind another; but a node that asked the store
// after that sequence was applied here has another log.
func (r *reading) behind(seq revocation.Seq, asOf time.Duration) error {
	if r.ledger.KnewBefore(asOf) {
		r.ledger.Distrust()
		return fmt.Errorf("a heartbeat at %d after entry %d: %w", seq, r.ledger.Applied(), errBack)
	}
	return fmt.Errorf("a heartbeat at %d after entry %d: %w", seq, max(r.last, r.ledger.Applied()), errBehind)
}

// parseEntry reads the data of a revocation event.
func parseEntry(data []byte) (revocation.Entry, error) {
	o, err := strictjson.Parse(data)
	if err != nil {
		return revocation.Entry{}, err
	}
	var e revocation.Entry
	if err := firstError(
		o.Read("seq", &e.Seq), o.Read("what", &e.What), o.Read("id", &e.ID),
		o.Optional("until", &e.Until), o.Read("at", &e.At),
	); err != nil {
		return revocation.Entry{}, fmt.Errorf("an entry of the log: %w", err)
	}
	switch {
	case e.Seq <= 0:
		return revocation.Entry{}, errors.New("an entry of the log has no sequence")
	case !e.What.Known():
		return revocation.Entry{}, fmt.Errorf("entry %d is of a kind that this version doesn't know (%.40q)", e.Seq, e.What)
	case e.ID == "" || len(e.ID) > maxID:
		return revocation.Entry{}, fmt.Errorf("entry %d has no usable id", e.Seq)
	}
	return e, nil
}

// heartbeat is the data of a heartbeat event.
type heartbeat struct {
	seq    revocation.Seq
	asOf   time.Duration // since the request arrived
	purged time.Time     // the latest time until which an entry missing in the snapshot mattered
}

// parseHeartbeat reads the data of a heartbeat.
func parseHeartbeat(data []byte) (heartbeat, error) {
	o, err := strictjson.Parse(data)
	if err != nil {
		return heartbeat{}, err
	}
	var b heartbeat
	var micros int64
	if err := firstError(o.Read("seq", &b.seq), o.Optional("as_of", &micros), o.Optional("purged_until", &b.purged)); err != nil {
		return heartbeat{}, fmt.Errorf("a heartbeat: %w", err)
	}
	switch {
	case !o.Has("as_of"):
		return heartbeat{}, errNoAsOf
	case b.seq < 0 || micros > maxAsOf || micros < -maxAsOf:
		return heartbeat{}, errors.New("a heartbeat with values out of range")
	}
	b.asOf = time.Duration(micros) * time.Microsecond
	return b, nil
}

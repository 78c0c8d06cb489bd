package notice_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/records/upkeep"
)

// A process that dies after the commit and before the push loses nothing: the next one
// sends. One that dies after the push and before it has recorded that sends it again, with
// the same jti.
func TestAProcessThatDiesLosesNothing(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, open func() *nodetest.Fixture) {
		first := open()
		first.Freeze()
		ada := first.Person(t, "ada")
		first.APIToken(t, ada, credentials.NewCredential{Name: "laptop"})
		// It dies here: nothing of its memory is used again.
		second := open()
		second.Freeze()
		to := &sink{}
		died := errors.New("kill -9")
		crashing := &crash{Store: second.Store, err: died}
		doomed, err := notice.NewOutbox(notice.Config{
			Store: crashing, Receiver: receiver, Send: to, Node: "doomed", Meter: &counts{}, Now: second.Time,
			Jitter: func() float64 { return 1 }, Log: newSender(t, second, "x", to).logger(),
		})
		nodetest.Must(t, err)
		if err := doomed.Deliver(t.Context()); !errors.Is(err, died) {
			t.Fatalf("delivering: %v", err)
		}
		third := newSender(t, second, "third", to)
		third.deliver(t)
		if len(to.got) != 1 {
			t.Fatalf("within the turn of the process that died, %d were sent", len(to.got))
		}
		second.Advance(time.Minute)
		third.deliver(t)
		third.deliver(t)
		if len(to.got) != 2 || to.got[0].Event != notice.TokenCreated || to.got[0].ID != to.got[1].ID || to.got[0].ID == "" {
			t.Errorf("arrived: %v", to.got)
		}
	})
}

// crash is a store that dies when it is to record what was sent.
type crash struct {
	notice.Store

	err error
}

func (c *crash) SettleNotices(context.Context, []int64, []upkeep.Postponed) error { return c.err }

// What isn't committed isn't reported, and what is committed is, in whatever process.
func TestANoticeIsOfTheTransaction(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, open func() *nodetest.Fixture) {
		f := open()
		u := f.User(t, "ada", "")
		disabled := true
		_, err := f.Journal.Commit(t.Context(), op.Batch{Ops: []op.Op{
			op.UpdateUser{ID: u.ID, Disabled: &disabled}, op.RemoveRole{Name: "none"},
		}})
		if err == nil {
			t.Fatal("a batch that can't be carried out is committed")
		}
		to := &sink{}
		newSender(t, f, "one", to).deliver(t)
		if len(to.got) != 0 {
			t.Errorf("reported: %v", to.events())
		}
	})
}

// Of two nodes one sends, until it leaves.
func TestOneNodeSends(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, open func() *nodetest.Fixture) {
		f := open()
		ada := f.Person(t, "ada")
		to := &sink{}
		one, two := newSender(t, f, "one", to), newSender(t, f, "two", to)
		f.APIToken(t, ada, credentials.NewCredential{})
		one.deliver(t)
		f.APIToken(t, ada, credentials.NewCredential{})
		two.deliver(t)
		if len(to.got) != 1 {
			t.Fatalf("%d arrived while the first node had the turn", len(to.got))
		}
		nodetest.Must(t, one.Leave(t.Context()))
		two.deliver(t)
		if len(to.got) != 2 {
			t.Errorf("%d arrived after the first node had left", len(to.got))
		}
	})
}

// A receiver that answers 500 for a day: it is said once, everything is sent when it is
// back, in few attempts, and its state and the metrics show that it fails.
func TestAReceiverThatFailsForADayLosesNothing(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, open func() *nodetest.Fixture) {
		f := open()
		f.Freeze()
		ada := f.Person(t, "ada")
		down := true
		attempts := 0
		to := &sink{err: func(notice.Message) error {
			attempts++
			if down {
				return errors.New("the receiver answered 500")
			}
			return nil
		}}
		s := newSender(t, f, "one", to)
		const tokens = 60
		for n := range tokens {
			f.APIToken(t, ada, credentials.NewCredential{Name: fmt.Sprint(n)})
		}
		for range 24 * 60 {
			s.deliver(t)
			f.Advance(time.Minute)
		}
		nodetest.Must(t, s.Trim(t.Context()))
		if len(to.got) != 0 || s.counts.waiting != tokens || s.State().Failure == "" || s.State().Waiting.Count != tokens {
			t.Errorf("after a day: %d arrived, %d wait, %+v", len(to.got), s.counts.waiting, s.State())
		}
		if attempts < 24 || attempts > 24+12 || s.counts.of["failed"] != attempts {
			t.Errorf("%d attempts in a day, %d counted", attempts, s.counts.of["failed"])
		}
		if n := s.lines("can't be sent"); n != 1 {
			t.Errorf("said %d times:\n%s", n, s.log.String())
		}
		down = false
		for range 120 { // those that were tried are put off for an hour
			f.Advance(time.Minute)
			s.deliver(t)
		}
		var names []string
		for _, m := range to.got {
			names = append(names, m.Token.Name)
		}
		slices.Sort(names)
		if len(names) != tokens || len(slices.Compact(names)) != tokens || s.State().Failure != "" || s.lines("sent again") != 1 {
			t.Errorf("%d arrived, %+v\n%s", len(to.got), s.State(), s.log.String())
		}
	})
}

// A notice that alone fails doesn't hold up the others.
func TestANoticeThatFailsDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, open func() *nodetest.Fixture) {
		f := open()
		f.Freeze()
		ada := f.Person(t, "ada")
		to := &sink{err: func(m notice.Message) error {
			if m.Token.Name == "bad" {
				return errors.New("the receiver answered 500")
			}
			return nil
		}}
		s := newSender(t, f, "one", to)
		for _, name := range []string{"bad", "good", "better"} {
			f.APIToken(t, ada, credentials.NewCredential{Name: name})
		}
		for range 3 {
			s.deliver(t)
			f.Advance(6 * time.Second)
		}
		if len(to.got) != 2 {
			t.Errorf("%d of the others arrived", len(to.got))
		}
	})
}

// A refusal for good is said once, and what was refused is not tried again.
func TestARefusalIsFinalAndSaidOnce(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, open func() *nodetest.Fixture) {
		f := open()
		f.Freeze()
		ada := f.Person(t, "ada")
		attempts := 0
		to := &sink{err: func(notice.Message) error {
			attempts++
			return &notice.RefusedError{Code: "invalid_key", Description: "unknown key"}
		}}
		s := newSender(t, f, "one", to)
		for range 3 {
			f.APIToken(t, ada, credentials.NewCredential{})
		}
		for range 10 {
			s.deliver(t)
			f.Advance(time.Hour)
		}
		if attempts != 3 || s.counts.of["refused"] != 3 || s.lines("for good") != 1 || s.lines("invalid_key") != 1 {
			t.Errorf("%d attempts, %v\n%s", attempts, s.counts.of, s.log.String())
		}
	})
}

// A receiver that says when to come back is not asked before.
func TestAReceiverSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, open func() *nodetest.Fixture) {
		f := open()
		f.Freeze()
		ada := f.Person(t, "ada")
		attempts := 0
		to := &sink{err: func(notice.Message) error {
			attempts++
			return &notice.LaterError{After: 10 * time.Minute, Err: errors.New("the receiver answered 429")}
		}}
		s := newSender(t, f, "one", to)
		for range 3 {
			f.APIToken(t, ada, credentials.NewCredential{})
		}
		for range 10 {
			s.deliver(t)
			f.Advance(time.Minute - time.Second)
		}
		if attempts != 1 {
			t.Errorf("%d attempts", attempts)
		}
		f.Advance(10 * time.Second)
		s.deliver(t)
		if attempts != 2 {
			t.Errorf("%d attempts when the time had come", attempts)
		}
	})
}

// What a receiver doesn't take within a week is dropped, which is said once.
func TestWhatNobodyTakesIsDropped(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, open func() *nodetest.Fixture) {
		f := open()
		f.Freeze()
		ada := f.Person(t, "ada")
		s := newSender(t, f, "one", &sink{err: func(notice.Message) error { return errors.New("down") }})
		for range 3 {
			f.APIToken(t, ada, credentials.NewCredential{})
			f.Advance(time.Hour)
		}
		f.Advance(notice.Kept - 2*time.Hour - time.Minute)
		nodetest.Must(t, s.Trim(t.Context()))
		if s.counts.of["dropped"] != 1 || s.counts.waiting != 2 {
			t.Errorf("%v, %d wait", s.counts.of, s.counts.waiting)
		}
		f.Advance(notice.Kept)
		nodetest.Must(t, s.Trim(t.Context()))
		nodetest.Must(t, s.Trim(t.Context()))
		if s.counts.of["dropped"] != 3 || s.counts.waiting != 0 || s.lines("are dropped") != 1 {
			t.Errorf("%v, %d wait\n%s", s.counts.of, s.counts.waiting, s.log.String())
		}
	})
}

// Tokens that expire within a week are announced once, by one of two nodes, and where a
// receiver takes the day's in one message it gets those of each user together.
func TestExpiringTokensAreAnnouncedOnce(t *testing.T) {
	t.Parallel()
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := nodetest.Options{Dir: t.TempDir(), Postgres: postgres, Settings: wanting(notice.Interest{Receiver: receiver, Events: []string{notice.TokenExpiring}, Daily: true})}
			here, there := nodetest.New(t, o), nodetest.New(t, o)
			here.Freeze()
			const day = int64(24 * 60 * 60)
			for _, who := range []string{"ada", "bob"} {
				by := here.Person(t, who)
				for name, lifetime := range map[string]int64{"six days": 6 * day, "five days": 5 * day, "eight days": 8 * day, "for ever": 0} {
					here.APIToken(t, by, credentials.NewCredential{Name: name, Lifetime: lifetime})
				}
				here.ExchangeKey(t, by, credentials.NewCredential{Lifetime: 6 * day})
			}
			for _, f := range []*nodetest.Fixture{here, there, here} {
				x := &notice.Expiring{Store: f.Store, Journal: f.Journal, Announcer: f.Announcer, Now: f.Time}
				nodetest.Must(t, x.Announce(t.Context()))
			}
			to := &sink{group: func(m notice.Message) string { return m.Subject }}
			s := newSender(t, here, "one", to)
			s.deliver(t)
			if len(to.got) != 0 {
				t.Errorf("before the time of the day %d were sent", len(to.got))
			}
			here.Advance(24 * time.Hour)
			s.deliver(t)
			var names []string
			for _, m := range to.got {
				names = append(names, m.User.Username+" "+m.Token.Name)
			}
			slices.Sort(names)
			want := []string{"ada ", "ada five days", "ada six days", "bob ", "bob five days", "bob six days"}
			if diff := cmp.Diff(want, names); diff != "" || !slices.Equal(to.sizes, []int{3, 3}) {
				t.Errorf("in groups of %v (-want +got):\n%s", to.sizes, diff)
			}
		})
	}
}

// Without receivers nothing is stored and nothing is learned.
func TestWithoutReceiversNothingIsStored(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada")
	f.APIToken(t, ada, credentials.NewCredential{})
	nodetest.Must(t, nodetest.Second(f.RevokeAll(t.Context(), caller.Operator(), ada.ID())))
	w, err := f.Store.WaitingNotices(t.Context(), receiver, 10)
	if err != nil || w.Count != 0 {
		t.Errorf("%+v, %v", w, err)
	}
}

// A user whose address is not accepted delays nobody else's notices, and is tried again. Where
// no address is accepted, the receiver fails, and is left alone for a while.
func TestAnAddressThatIsNotAcceptedDelaysNobody(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: wanting(notice.Interest{Receiver: receiver})})
	f.Freeze()
	ada, bob := f.Person(t, "ada"), f.Person(t, "bob")
	accepts := func(m notice.Message) bool { return m.Subject == bob.ID() }
	tried := 0
	to := &sink{err: func(m notice.Message) error {
		if tried++; accepts(m) {
			return nil
		}
		return &notice.AddresseeError{Err: errors.New("no such mailbox")}
	}}
	s := newSender(t, f, "one", to)
	const many = 30
	for range many {
		f.APIToken(t, ada, credentials.NewCredential{})
	}
	f.Advance(time.Second)
	f.APIToken(t, bob, credentials.NewCredential{})
	s.deliver(t)
	if len(to.got) != 1 || to.got[0].Subject != bob.ID() || s.State().Failure != "" || s.lines("refused for its recipient") != many || s.lines("can't be sent") != 0 {
		t.Errorf("%d arrived, %+v\n%s", len(to.got), s.State(), s.log.String())
	}

	accepts = func(notice.Message) bool { return false }
	f.Advance(time.Hour)
	for range 100 {
		f.APIToken(t, bob, credentials.NewCredential{})
	}
	tried = 0
	for range 10 {
		s.deliver(t)
	}
	if tried != 50 || s.State().Failure == "" || s.lines("can't be sent") != 1 {
		t.Errorf("%d tries, %+v\n%s", tried, s.State(), s.log.String())
	}
	accepts = func(notice.Message) bool { return true }
	for range 10 {
		f.Advance(time.Hour)
		s.deliver(t)
	}
	if len(to.got) != many+101 {
		t.Errorf("%d arrived at last", len(to.got))
	}
}

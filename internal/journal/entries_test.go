package journal_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

const (
	day     = 24 * time.Hour
	longest = 30 * day // of the kit's tokens
)

// A kill is in force for as long as the token, or a JWT made from it, may live. What is
// opaque may have JWTs that outlive it; none lives beyond the horizon.
func TestAKillIsKeptForAsLongAsItCanMatter(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.Freeze()
	now := k.Time()
	for name, c := range map[string]struct {
		kill  journal.Kill
		until time.Duration
	}{
		"a JWT":                        {journal.Kill{ID: "a", Expiry: now.Add(5 * day)}, 5 * day},
		"a JWT that ends soon":         {journal.Kill{ID: "a", Expiry: now.Add(time.Minute)}, day},
		"a JWT that has ended":         {journal.Kill{ID: "a", Expiry: now.Add(-day)}, day},
		"an opaque token":              {journal.Kill{ID: "a", Expiry: now.Add(time.Minute), Opaque: true}, longest},
		"an opaque token for ever":     {journal.Kill{ID: "a", Opaque: true}, longest},
		"an opaque token for a year":   {journal.Kill{ID: "a", Expiry: now.Add(365 * day), Opaque: true}, longest}, // its row is dead
		"a refresh token's family too": {journal.Kill{ID: "a", Family: "f", Opaque: true}, longest},
	} {
		c.kill.Reason = "because"
		ids := []string{"a"}
		if c.kill.Family != "" {
			ids = append(ids, c.kill.Family)
		}
		ops, entries := k.Kill(c.kill)
		if diff := cmp.Diff([]op.Op{op.KillTokens{IDs: ids, At: now, Reason: "because"}}, ops); diff != "" {
			t.Errorf("%s, the rows (-want +got):\n%s", name, diff)
		}
		var want []revocation.Entry
		for _, id := range ids {
			want = append(want, revocation.Entry{What: revocation.Token, ID: id, At: now, Until: now.Add(c.until)})
		}
		if diff := cmp.Diff(want, entries); diff != "" {
			t.Errorf("%s, the log (-want +got):\n%s", name, diff)
		}
	}
	_, entries := k.Kill(journal.Kill{ID: "a"}) // of which nothing is known
	if len(entries) != 1 || !entries[0].Until.IsZero() {
		t.Errorf("a token that never ends: %+v, want it kept for ever", entries)
	}
}

// A cut-off is kept until every JWT that was issued so far has ended, also one that was
// issued under a ceiling which has been lowered since.
func TestACutOffIsKeptUntilTheLastJWTHasEnded(t *testing.T) {
	t.Parallel()
	var last time.Time
	k := newKit(t, func(c *journal.Config) { c.LastExpiry = func() time.Time { return last } })
	k.Freeze()
	now := k.Time()
	for name, c := range map[string]struct {
		last time.Time
		want time.Time
	}{
		"nothing was issued":   {time.Time{}, now.Add(longest)},
		"under this ceiling":   {now.Add(day), now.Add(longest)},
		"under a higher one":   {now.Add(90 * day), now.Add(90 * day)},
		"to the same instant":  {now.Add(longest), now.Add(longest)},
		"a moment beyond that": {now.Add(longest + 1), now.Add(longest + 1)},
	} {
		last = c.last
		want := revocation.Entry{What: revocation.Client, ID: "ci", At: now, Until: c.want}
		if diff := cmp.Diff(want, k.CutOff(revocation.Client, "ci")); diff != "" || !k.Horizon().Equal(c.want) {
			t.Errorf("%s: horizon %s (-want +got):\n%s", name, k.Horizon(), diff)
		}
	}
}

func TestEndingEverythingIsOneBatchThatIsInForceForEver(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.Freeze()
	e := audit.Event{Actor: audit.ActorCLI, Action: audit.RevokeAll, Target: revocation.EverythingID}
	want := op.Batch{
		Ops:   []op.Op{op.KillEverything{At: k.Time(), Reason: "restored"}},
		Log:   []revocation.Entry{{What: revocation.Everything, ID: revocation.EverythingID, At: k.Time()}},
		Audit: []audit.Event{e},
	}
	if diff := cmp.Diff(want, k.EndEverything("restored", e)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEndingASubjectIsOneBatch(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.Freeze()
	e := audit.Event{Actor: "root", Action: audit.RevokeAll, Target: "ada"}
	want := op.Batch{
		Ops:   []op.Op{op.KillTokens{Owner: "ada", At: k.Time(), Reason: "left"}, op.ForgetConsent{UserID: "ada"}},
		Log:   []revocation.Entry{{What: revocation.Subject, ID: "ada", At: k.Time(), Until: k.Time().Add(longest)}},
		Audit: []audit.Event{e},
	}
	if diff := cmp.Diff(want, k.EndSubject("ada", "left", e)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An end is written ahead, with the time from which it counts, which committing it
// leaves alone. Where no JWT can outlive that time there is nothing to say.
func TestAnEndIsWrittenAheadWhereSomethingCanOutliveIt(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.Freeze()
	now := k.Time().Truncate(time.Microsecond) // as it is stored
	for in, until := range map[time.Duration]time.Duration{
		0: longest, time.Hour: longest, longest - time.Hour: longest - time.Hour + day, longest: 0, longest + day: 0,
	} {
		id := uuid.NewString()
		at := now.Add(in)
		if in == longest {
			at = k.Horizon()
		}
		entries := k.End(id, at)
		if until == 0 {
			if len(entries) != 0 {
				t.Errorf("an end in %s, which nothing outlives: %+v", in, entries)
			}
			continue
		}
		nodetest.Must(t, nodetest.Second(k.Commit(t.Context(), op.Batch{Log: entries})))
		e, found, err := k.Store.LogEntry(t.Context(), revocation.End, id)
		if err != nil || !found || !e.At.Equal(at) || e.Until.Sub(now).Round(time.Second) != until {
			t.Errorf("an end in %s: %+v, %t, %v; want it from %s on and kept for %s", in, e, found, err, at, until)
		}
	}
}

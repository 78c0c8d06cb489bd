package server_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/server"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/traffic"
)

var _ traffic.Log = (*server.Metrics)(nil)

// noon is a time that begins an hour.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type counts = map[string]int64

func TestTrafficIsToldStepByStep(t *testing.T) {
	t.Parallel()
	m := server.NewMetrics()
	m.Issued(token.KindAccess) // before the first reading: nobody knows when
	m.Sample(noon)
	m.Issued(token.KindAccess)
	m.Verified(token.KindAPIToken)
	m.VerifyRefused(token.CheckRevoked)
	m.Sample(noon.Add(time.Minute))
	m.Sample(noon.Add(2 * time.Minute))
	m.Issued(token.KindTask)
	m.Issued(token.KindTask)
	m.IssueRefused(fault.InvalidScope)
	m.LoginTried("failed")
	m.Revoked(journal.Revocation{Entries: 9, Tokens: 3, Users: 1})
	m.Revoked(journal.Revocation{Entries: 1540}) // bindings
	m.Acknowledged(20 * time.Millisecond)
	m.Acknowledged(40 * time.Millisecond)

	got, err := m.Traffic(noon.Add(2*time.Minute+30*time.Second), time.Minute, 4)
	if err != nil {
		t.Fatal(err)
	}
	step := func(minute int) traffic.Step {
		return traffic.Step{
			From: noon.Add(time.Duration(minute) * time.Minute), Until: noon.Add(time.Duration(minute+1) * time.Minute),
			Issued: counts{}, IssueRefused: counts{}, Verified: counts{}, VerifyRefused: counts{}, Logins: counts{}, Revoked: counts{},
		}
	}
	want := []traffic.Step{step(-1), step(0), step(1), step(2)}
	want[1].Issued, want[1].Verified, want[1].VerifyRefused = counts{"access": 1}, counts{"api-token": 1}, counts{"revoked": 1}
	want[3].Issued, want[3].IssueRefused, want[3].Logins = counts{"task": 2}, counts{"invalid_scope": 1}, counts{"failed": 1}
	want[3].Revoked, want[3].Acknowledged, want[3].AcknowledgedIn, want[3].SlowestBelow = counts{"token": 3, "user": 1}, 2, 60*time.Millisecond, 50*time.Millisecond
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(traffic.Step{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	hours, err := m.Traffic(noon.Add(3*time.Minute), time.Hour, 1)
	if err != nil || hours[0].Issued["access"] != 1 || hours[0].Issued["task"] != 2 || !hours[0].From.Equal(noon) {
		t.Errorf("the hour: %+v %v", hours, err)
	}
}

// The totals have the names and the sums that the hours in the database are made of.
func TestTotalsAreWhatTheProcessCounted(t *testing.T) {
	t.Parallel()
	m := server.NewMetrics()
	m.Verified(token.KindAPIToken)
	m.Verified(token.KindAPIToken)
	m.Revoked(journal.Revocation{Entries: 3, Tokens: 1, Keys: 1})
	m.Acknowledged(20 * time.Millisecond)
	m.Acknowledged(7 * time.Second)
	got := m.Totals()
	for name, n := range got {
		if n == 0 {
			delete(got, name)
		}
	}
	want := traffic.Totals{"verified/api-token": 2, "revoked/token": 1, "revoked/key": 1}
	want.Acknowledged(2, 7020*time.Millisecond, map[time.Duration]int64{25 * time.Millisecond: 1})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTrafficIsKeptForADay(t *testing.T) {
	t.Parallel()
	m := server.NewMetrics()
	for i := range 3 * 24 * 60 {
		m.Sample(noon.Add(time.Duration(i) * time.Minute))
		m.Issued(token.KindAccess)
	}
	now := noon.Add(3*24*time.Hour - time.Minute)
	got, err := m.Traffic(now, 15*time.Minute, 96)
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, one := range got {
		sum += one.Issued["access"]
	}
	if sum != 24*60 || got[40].Issued["access"] != 15 {
		t.Errorf("%d in all, %d in one step", sum, got[40].Issued["access"])
	}
	for _, bad := range []struct {
		step  time.Duration
		steps int
	}{{time.Second, 1}, {90 * time.Second, 1}, {time.Minute, 0}, {time.Minute, -1}, {time.Hour, 25}, {time.Minute, 1 << 40}, {1 << 62, 2}} {
		if _, err := m.Traffic(now, bad.step, bad.steps); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v × %d: %v", bad.step, bad.steps, err)
		}
	}
}

func TestTheSlowestAcknowledgementIsNeverToldTooFast(t *testing.T) {
	t.Parallel()
	m := server.NewMetrics()
	m.Acknowledged(7 * time.Second)
	got, err := m.Traffic(noon, time.Minute, 1)
	if err != nil || got[0].SlowestBelow != 7*time.Second {
		t.Errorf("%+v %v", got, err)
	}
}

package quota_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/quota"
)

// counted counts refusals.
type counted map[quota.Limit]int

func (c counted) Limited(limit quota.Limit) { c[limit]++ }

func from(t *testing.T, address string) context.Context {
	t.Helper()
	return audit.WithOrigin(t.Context(), audit.Origin{Address: address})
}

// Each limit lets its burst pass, says when to come back, lets one act pass then, and
// counts what it refused.
func TestEachLimitAllowsItsBurstAndSaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	for limit, c := range map[quota.Limit]struct {
		burst int
		every time.Duration
		kind  fault.Kind
		act   func(q *quota.Quota) error
	}{
		quota.DeviceAddress: {30, 10 * time.Second, fault.Limited, func(q *quota.Quota) error { return q.BeginDevice(from(t, "192.0.2.1"), "") }},
		quota.DeviceClient:  {300, time.Second, fault.Limited, func(q *quota.Quota) error { return q.BeginDevice(t.Context(), "tv") }},
		quota.LookUpAddress: {300, 100 * time.Millisecond, fault.Unavailable, func(q *quota.Quota) error {
			ctx := from(t, "192.0.2.1")
			if err := q.LookUp(ctx); err != nil {
				return err
			}
			q.NotFound(ctx)
			return nil
		}},
		quota.CreateSubject:   {300, 2 * time.Second, fault.Limited, func(q *quota.Quota) error { return q.Create("ada") }},
		quota.ExchangeSubject: {1000, 100 * time.Millisecond, fault.Limited, func(q *quota.Quota) error { return q.Exchange("ada") }},
		quota.RevokeAgain:     {300, 2 * time.Second, fault.Limited, func(q *quota.Quota) error { return q.Again("ada") }},
	} {
		now, refused := time.Unix(1_700_000_000, 0), counted{}
		q := quota.New(func() time.Time { return now }, refused)
		for n := range c.burst {
			if err := c.act(q); err != nil {
				t.Fatalf("%s: act %d of %d: %v", limit, n+1, c.burst, err)
			}
		}
		err := c.act(q)
		if !fault.Is(err, c.kind) || fault.RetryAfter(err) != c.every || refused[limit] != 1 {
			t.Errorf("%s: %v, again after %v, counted %v; want after %v", limit, err, fault.RetryAfter(err), refused, c.every)
		}
		now = now.Add(c.every)
		if first, second := c.act(q), c.act(q); first != nil || !fault.Is(second, c.kind) {
			t.Errorf("%s: after %v: %v, then %v", limit, c.every, first, second)
		}
	}
}

func TestLimitsOfAnAddressAreOfItsNetwork(t *testing.T) {
	t.Parallel()
	q := quota.New(func() time.Time { return time.Unix(1_700_000_000, 0) }, nil)
	begin := func(address string) error { return q.BeginDevice(from(t, address), "") }
	for n := range 30 {
		if err := begin(fmt.Sprintf("2001:db8::%d", n+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := begin("2001:db8::ffff:1"); !fault.Is(err, fault.Limited) {
		t.Errorf("another address of the network: %v", err)
	}
	if err := begin("2001:db8:0:1::1"); err != nil {
		t.Errorf("another network: %v", err)
	}
	for range 1000 { // on a Unix socket there is no address to limit
		if err := begin(""); err != nil {
			t.Fatal(err)
		}
	}
}

// Looking at the limit of an address, or finding something, costs it nothing.
func TestGoodLookUpsAreNotLimited(t *testing.T) {
	t.Parallel()
	q := quota.New(func() time.Time { return time.Unix(1_700_000_000, 0) }, nil)
	for range 10_000 {
		if err := q.LookUp(from(t, "192.0.2.1")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestANilQuotaRefusesNothing(t *testing.T) {
	t.Parallel()
	var q *quota.Quota
	q.NotFound(from(t, "192.0.2.1"))
	q.Refused(quota.UserCode)
	for range 10_000 {
		if err := q.Create("ada"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEveryLimitIsListedOnce(t *testing.T) {
	t.Parallel()
	all := quota.Limits()
	slices.Sort(all)
	if len(slices.Compact(all)) != len(quota.Limits()) || slices.Contains(all, "") {
		t.Errorf("%q", all)
	}
}

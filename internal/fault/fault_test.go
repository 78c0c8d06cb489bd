package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
)

func TestFieldOfFindsTheFieldBehindWrapping(t *testing.T) {
	t.Parallel()
	inner := fault.New(fault.Invalid, "the scope is too long").In("scope")
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"none at all":               {nil, ""},
		"an error that is no fault": {errors.New("scope"), ""},
		"a fault without a field":   {fault.New(fault.Invalid, "the scope"), ""},
		"a fault":                   {inner, "scope"},
		"wrapped by fmt":            {fmt.Errorf("line 3: %w", inner), "scope"},
		"wrapped by a fault":        {fault.Wrap(inner, fault.Conflict, "changed meanwhile"), "scope"},
		"renamed":                   {fault.In("scopes", inner), "scopes"},
		"renamed behind wrapping":   {fault.In("scopes", fmt.Errorf("line 3: %w", inner)), "scopes"},
	} {
		if got := fault.FieldOf(c.err); got != c.want {
			t.Errorf("%s: FieldOf = %q, want %q", name, got, c.want)
		}
	}
}

func TestInChangesTheFieldAlone(t *testing.T) {
	t.Parallel()
	shared := fault.After(fault.Limited, time.Minute, "too many")
	err := fault.In("name", fmt.Errorf("line 3: %w", shared))
	if fault.KindOf(err) != fault.Limited || fault.Message(err) != "too many" || fault.RetryAfter(err) != time.Minute || !errors.Is(err, shared) {
		t.Errorf("In returns %v of kind %d after %s", err, fault.KindOf(err), fault.RetryAfter(err))
	}
	if shared.Field != "" {
		t.Errorf("the fault it was given has the field %q now", shared.Field)
	}
	if err := fault.In("name", nil); err != nil {
		t.Errorf("no error became %v", err)
	}
	other := errors.New("disk full")
	if err := fault.In("name", other); err != other { //nolint:errorlint // the same value
		t.Errorf("an error that is no fault became %v", err)
	}
}

func TestRetryLeavesASharedFaultAlone(t *testing.T) {
	t.Parallel()
	shared := fault.New(fault.Unavailable, "not now")
	if got := shared.Retry(time.Second); got.RetryAfter != time.Second || shared.RetryAfter != 0 {
		t.Errorf("Retry: %s, and the shared fault has %s", got.RetryAfter, shared.RetryAfter)
	}
}

func TestAMessageHoldsNoTokenOfTheClients(t *testing.T) {
	t.Parallel()
	const secret = "bda_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, err := range []*fault.Error{
		fault.New(fault.Invalid, "no user %q", secret), fault.Wrap(errors.New("x"), fault.Invalid, "no user %q", secret),
		fault.After(fault.Limited, 1, "no user %q", secret),
	} {
		if err.Message != `no user "[token]"` {
			t.Errorf("the message is %s", err.Message)
		}
	}
	if err := fault.New(fault.Invalid, "unknown").In(secret); err.Field != "[token]" {
		t.Errorf("the field is %s", err.Field)
	}
}

package credentials_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestOneNoticeIsSentOfEachTokenInItsLastWeek(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	ada := here.Person(t, "ada")
	const day = int64(24 * 60 * 60)
	for name, lifetime := range map[string]int64{"six days": 6 * day, "eight days": 8 * day, "for ever": 0} {
		here.APIToken(t, ada, credentials.NewCredential{Name: name, Lifetime: lifetime})
	}
	here.ExchangeKey(t, ada, credentials.NewCredential{Lifetime: 6 * day})
	var sent []string
	send := func(_ context.Context, n credentials.Notice) error {
		sent = append(sent, n.Username+" "+n.Email+" "+n.Token.Kind.String()+" "+n.Token.Name)
		return nil
	}
	lost := errors.New("lost")
	if err := here.NotifyExpiring(t.Context(), func(context.Context, credentials.Notice) error { return lost }); !errors.Is(err, lost) {
		t.Errorf("a notice that can't be sent: %v", err)
	}
	nodetest.Must(t, here.NotifyExpiring(t.Context(), send))
	nodetest.Must(t, there.NotifyExpiring(t.Context(), send))
	want := []string{"ada ada@example.org api-token six days", "ada ada@example.org api-key "}
	sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff(want, sent, sorted); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	sent = nil
	here.Advance(2 * 24 * time.Hour)
	nodetest.Must(t, here.NotifyExpiring(t.Context(), send))
	if diff := cmp.Diff([]string{"ada ada@example.org api-token eight days"}, sent); diff != "" {
		t.Errorf("sent two days later (-want +got):\n%s", diff)
	}
}

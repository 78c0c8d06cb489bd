package verification_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

type addressKey struct{}

func from(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, addressKey{}, address)
}

// withUses returns a stage whose source knows any API token, by its last character, and
// the uses that it notes.
func withUses(t *testing.T) (*stage, *verification.Uses) {
	t.Helper()
	uses := verification.NewUses(func(ctx context.Context) string {
		address, _ := ctx.Value(addressKey{}).(string)
		return address
	})
	s := newStage(t, func(c *verification.Config) { c.Uses = uses })
	n := 0
	s.opaque = func(*verification.Token) (*verification.Token, error) {
		n++
		found := s.answer(s.ledger.Applied())
		found.ID = fmt.Sprint("token-", n)
		return found, nil
	}
	return s, uses
}

// A use is noted with its address and its time, and again when half a minute has gone
// by; what is written once is not written again.
func TestAUseIsNotedNowAndThen(t *testing.T) {
	t.Parallel()
	s, uses := withUses(t)
	raw := opaque(token.PrefixAPIToken, 1)
	for _, c := range []struct {
		after time.Duration
		from  string
		noted bool
	}{
		{0, "192.0.2.1", true},
		{29 * time.Second, "192.0.2.2", false},
		{time.Second, "192.0.2.3", true},
		{0, "192.0.2.4", false},
		{10 * time.Minute, "", true},
	} {
		s.now = s.now.Add(c.after)
		if _, err := s.Verify(from(t.Context(), c.from), raw, verification.Requirements{}); err != nil {
			t.Fatal(err)
		}
		var want []verification.Use
		if c.noted {
			want = []verification.Use{{ID: "token-1", Address: c.from, At: s.now}}
		}
		if diff := cmp.Diff(want, uses.Take()); diff != "" {
			t.Errorf("%s later, from %s (-want +got):\n%s", c.after, c.from, diff)
		}
		if again := uses.Take(); len(again) != 0 {
			t.Errorf("taken twice: %+v", again)
		}
	}
}

// A JWT has no row to write to. What is refused is no use, nor is asking about a token.
func TestOnlyWhatIsAcceptedForUseIsNoted(t *testing.T) {
	t.Parallel()
	s, uses := withUses(t)
	raw := opaque(token.PrefixAPIToken, 1)
	if _, err := s.Verify(t.Context(), s.jwt(t), verification.Requirements{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(t.Context(), raw, verification.Requirements{Audience: "https://other.example"}); err == nil {
		t.Fatal("accepted")
	}
	if _, live, err := s.Inspect(t.Context(), raw); !live || err != nil {
		t.Fatal(live, err)
	}
	if _, err := s.Redeem(t.Context(), raw, verification.Requirements{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Denylisted(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	if got := uses.Take(); len(got) != 0 {
		t.Errorf("noted: %+v", got)
	}
	s.subject = func(*int64) (*verification.Subject, error) {
		return &verification.Subject{ID: "ada", Seq: s.ledger.Applied()}, nil
	}
	id, err := s.Identify(t.Context(), raw, verification.Requirements{})
	if err != nil || len(uses.Take()) != 1 {
		t.Fatal("a use is not noted", err)
	}
	s.now = s.now.Add(time.Hour)
	if _, err := s.StillGood(t.Context(), id, raw, verification.Requirements{}); err != nil {
		t.Fatal(err)
	}
	if got := uses.Take(); len(got) != 0 {
		t.Errorf("going on is noted: %+v", got)
	}
}

// Who has many tokens fills no memory: past the bound the uses of further ones are
// left out, until the batch is taken.
func TestUsesAreBounded(t *testing.T) {
	t.Parallel()
	s, uses := withUses(t)
	const bound = 10_000
	for i := range bound + 100 {
		if _, err := s.Verify(t.Context(), opaque(token.PrefixAPIToken, i), verification.Requirements{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(uses.Take()); n != bound {
		t.Errorf("%d uses are kept, want %d", n, bound)
	}
	if _, err := s.Verify(t.Context(), opaque(token.PrefixAPIToken, 1<<20), verification.Requirements{}); err != nil {
		t.Fatal(err)
	}
	if n := len(uses.Take()); n != 1 {
		t.Errorf("%d uses after the batch was taken, want 1", n)
	}
}

// The owner hears at once that the successor of a token was used.
func TestTheUseOfASuccessorIsSignalled(t *testing.T) {
	t.Parallel()
	s, uses := withUses(t)
	replaces := map[string]string{}
	read := s.opaque
	s.opaque = func(known *verification.Token) (*verification.Token, error) {
		found, err := read(known)
		found.Replaces = replaces[found.ID]
		return found, err
	}
	replaces["token-2"], replaces["token-3"] = "old-2", "old-3"
	signalled := func() bool {
		select {
		case <-uses.Replaced():
			return true
		default:
			return false
		}
	}
	for i, want := range []bool{false, true, true} {
		if _, err := s.Verify(t.Context(), opaque(token.PrefixAPIToken, i), verification.Requirements{}); err != nil {
			t.Fatal(err)
		}
		if got := signalled(); got != want {
			t.Errorf("token %d is signalled: %t", i+1, got)
		}
	}
	got := uses.TakeReplaced()
	slices.Sort(got)
	if diff := cmp.Diff([]string{"old-2", "old-3"}, got); diff != "" {
		t.Errorf("replaced (-want +got):\n%s", diff)
	}
	if got := uses.TakeReplaced(); len(got) != 0 {
		t.Errorf("taken twice: %q", got)
	}
}

// A verifier elsewhere notes no uses.
func TestWithoutUsesNothingIsNoted(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.opaque = func(*verification.Token) (*verification.Token, error) { return s.answer(revocation.Seq(0)), nil }
	if err := s.judge(t, apiToken); err != nil {
		t.Error(err)
	}
}

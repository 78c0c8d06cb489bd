package authority_test

import (
	"math"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
)

func TestAnOverlapEndsNoLaterThanTheToken(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.User(t, "ada", "correct horse")
	c := session(t, f, "ada", "correct horse")
	old, err := f.CreateAPIToken(t.Context(), c, authority.NewCredential{Name: "n", Lifetime: 3600})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Regenerate(t.Context(), c, old.ID, 86400); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Verify(t.Context(), old.Value.Reveal(), authority.Demand{}); err != nil {
		t.Errorf("during the overlap: %v", err)
	}
	if _, err := f.Regenerate(t.Context(), c, old.ID, 86400); !fault.Is(err, fault.Conflict) {
		t.Errorf("the second time: %v", err)
	}
	f.Advance(time.Hour)
	if _, err := f.Verify(t.Context(), old.Value.Reveal(), authority.Demand{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("after its own end: %v", err)
	}
}

func TestAnOverlapIsANumberOfSeconds(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.User(t, "ada", "correct horse")
	c := session(t, f, "ada", "correct horse")
	old, err := f.CreateAPIToken(t.Context(), c, authority.NewCredential{Name: "n"})
	if err != nil {
		t.Fatal(err)
	}
	for _, overlap := range []int64{-1, math.MinInt64, math.MaxInt64, 999_999_999_999_999_999} {
		if _, err := f.Regenerate(t.Context(), c, old.ID, overlap); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d: %v", overlap, err)
		}
	}
	if _, err := f.Verify(t.Context(), old.Value.Reveal(), authority.Demand{}); err != nil {
		t.Errorf("the token after that: %v", err)
	}
}

func TestAStoredTokenIsToldToItsOwnerAlone(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.User(t, "ada", "correct horse")
	f.User(t, "eve", "battery staple")
	f.User(t, "root", "power to root", authoritytest.Admin())
	ada := session(t, f, "ada", "correct horse")
	issued, err := f.CreateAPIToken(t.Context(), ada, authority.NewCredential{Name: "n"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*authority.Caller{ada, session(t, f, "root", "power to root")} {
		if got, err := f.StoredToken(t.Context(), c, issued.ID); err != nil || got.ID != issued.ID {
			t.Errorf("%s: %v %v", c.Subject(), got.ID, err)
		}
	}
	if _, err := f.StoredToken(t.Context(), session(t, f, "eve", "battery staple"), issued.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("somebody else: %v", err)
	}
	if _, err := f.StoredToken(t.Context(), nil, issued.ID); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := f.StoredToken(t.Context(), ada, "no id at all"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an id that is none: %v", err)
	}
}

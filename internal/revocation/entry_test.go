package revocation_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/revocation"
)

var base = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

func TestEntryTravelsAsJSON(t *testing.T) {
	t.Parallel()
	entry := revocation.Entry{Seq: 7, What: revocation.Subject, ID: "u1", Until: base.Add(time.Hour), At: base}
	got, err := json.Marshal(entry)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"seq":7,"what":"subject","id":"u1","until":"2026-05-04T04:02:01Z","at":"2026-05-04T03:02:01Z"}`
	if string(got) != want {
		t.Errorf("marshalled as %s, want %s", got, want)
	}
	var back revocation.Entry
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(entry, back); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestWhatKnowsTheValuesOfTheLog(t *testing.T) {
	t.Parallel()
	for _, w := range []revocation.What{"token", "subject", "client", "key", "all", "access", "role", "group", "collection"} {
		if !w.Known() {
			t.Errorf("%q is not known", w)
		}
	}
	for _, w := range []revocation.What{"", "Token", "token ", "user"} {
		if w.Known() {
			t.Errorf("%q is known", w)
		}
	}
}

func TestKeepUntilIsNeverLessThanADay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name         string
		expiry, want time.Time
	}{
		{"an expiry soon", base.Add(time.Minute), base.Add(24 * time.Hour)},
		{"an expiry that is past", base.Add(-time.Hour), base.Add(24 * time.Hour)},
		{"an expiry later than a day", base.Add(720 * time.Hour), base.Add(720 * time.Hour)},
		{"none", time.Time{}, time.Time{}},
	}
	for _, test := range tests {
		if got := revocation.KeepUntil(test.expiry, base); !got.Equal(test.want) {
			t.Errorf("%s: kept until %v, want %v", test.name, got, test.want)
		}
	}
}

func TestRunOutIsJudgedAtTheInstant(t *testing.T) {
	t.Parallel()
	entry := revocation.Entry{Until: base}
	if entry.RunOut(base.Add(-time.Nanosecond)) {
		t.Error("has run out before its time")
	}
	if !entry.RunOut(base) {
		t.Error("still matters at its end")
	}
	if (revocation.Entry{}).RunOut(base.AddDate(1000, 0, 0)) {
		t.Error("what matters for ever has run out")
	}
}

func TestKeyOfACanonicalUUIDIsItsBytes(t *testing.T) {
	t.Parallel()
	for range 100 {
		id := uuid.New()
		if got := revocation.KeyOf(revocation.Token, id.String()); got != revocation.Key(id) {
			t.Fatalf("key of %v is %x", id, got)
		}
	}
}

func TestKeyOfDistinguishesAllNames(t *testing.T) {
	t.Parallel()
	const id = "0d4f1a52-9b1c-4f1e-8a57-0123456789ab"
	names := []string{
		id, strings.ToUpper(id), strings.ReplaceAll(id, "-", ""), "{" + id + "}", "urn:uuid:" + id,
		id[:35], id + " ", strings.Replace(id, "-", "_", 1), "0d4f1a529-b1c-4f1e-8a57-0123456789ab",
		"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001",
		"00000000-0000-0000-8a57-0123456789ab", "g" + id[1:],
		"", "a", "\x00a", strings.Repeat("x", 255), strings.Repeat("x", 5000),
	}
	seen := map[revocation.Key]string{}
	for _, w := range []revocation.What{revocation.Token, revocation.Subject, revocation.Client, revocation.Role} {
		for _, name := range names {
			key := revocation.KeyOf(w, name)
			if other, found := seen[key]; found {
				t.Errorf("%s %q has the key of %s", w, name, other)
			}
			seen[key] = string(w) + " " + name
			if [8]byte(key[:8]) == [8]byte{} {
				t.Errorf("the key of %s %q begins with zeros", w, name)
			}
		}
	}
}

func TestKeyOfAllocatesNothing(t *testing.T) {
	id, long := uuid.NewString(), strings.Repeat("x", 255)
	if n := testing.AllocsPerRun(100, func() {
		revocation.KeyOf(revocation.Token, id)
		revocation.KeyOf(revocation.Subject, id)
		revocation.KeyOf(revocation.Collection, long)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestKeyOfReadsUUIDsAsEverybodyDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		if [8]byte(id[:8]) == [8]byte{} {
			t.Skip("has no key of its own bytes")
		}
		if got := revocation.KeyOf(revocation.Token, id.String()); got != revocation.Key(id) {
			t.Fatalf("key of %v is %x", id, got)
		}
	})
}

package passhash

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/bearerd/bearerd/internal/fault"
)

func TestHasherRefusesWhenItsQueueIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{Slots: 1, Queue: 1})
		release, err := h.acquire(t.Context(), argon2Memory)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		waited := make(chan error, 1)
		go func() {
			_, err := h.Hash(ctx, "password")
			waited <- err
		}()
		synctest.Wait()
		if n := h.Waiting(); n != 1 {
			t.Fatalf("Waiting = %d, want 1", n)
		}
		if _, err := h.Verify(t.Context(), "", "password"); !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) < time.Second {
			t.Errorf("with a full queue: %v; want Unavailable and when to come back", err)
		}
		if n := h.Waiting(); n != 1 {
			t.Errorf("Waiting = %d after a refusal, want 1", n)
		}
		cancel()
		if err := <-waited; !fault.Is(err, fault.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled in the queue: %v", err)
		}
		if n := h.Waiting(); n != 0 {
			t.Errorf("Waiting = %d when nobody is, want 0", n)
		}
		release()
		if _, err := h.Hash(t.Context(), "password"); err != nil {
			t.Errorf("with a free slot: %v", err)
		}
	})
}

func TestHasherServesInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{Slots: 1, Queue: 8})
		release, err := h.acquire(t.Context(), argon2Memory)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan int, 8)
		for i := range 8 {
			go func() {
				next, err := h.acquire(t.Context(), argon2Memory)
				if err != nil {
					t.Errorf("caller %d: %v", i, err)
					return
				}
				served <- i
				next()
			}()
			synctest.Wait()
		}
		release()
		for want := range 8 {
			if got := <-served; got != want {
				t.Fatalf("served %d, want %d", got, want)
			}
		}
	})
}

func TestHashesThatNeedMoreMemoryTakeMoreSlots(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		memory int64
		slots  int64
	}{
		{1, 1}, {argon2Memory, 1}, {argon2Memory + 1, 2}, {3 * argon2Memory, 3}, {maxMemory, 4},
	} {
		h := New(Config{Slots: 4})
		release, err := h.acquire(t.Context(), c.memory)
		if err != nil {
			t.Fatal(err)
		}
		left := h.slots - c.slots
		if !h.queue.tryAll(left) {
			t.Errorf("%d KiB took more than %d slots", c.memory, c.slots)
			continue
		}
		if h.queue.tryAll(1) {
			t.Errorf("%d KiB took fewer than %d slots", c.memory, c.slots)
		}
		h.queue.release(left)
		release()
		if !h.queue.tryAll(h.slots) {
			t.Errorf("%d KiB were not given back", c.memory)
		}
	}
}

func TestTrimWaitsUntilNoHashIsInFlight(t *testing.T) {
	t.Parallel()
	h := New(Config{Slots: 2})
	if h.Trim() {
		t.Error("Trim did something before the first hash")
	}
	release, err := h.acquire(t.Context(), argon2Memory)
	if err != nil {
		t.Fatal(err)
	}
	if h.Trim() {
		t.Error("Trim did something while a hash was in flight")
	}
	release()
	if !h.Trim() {
		t.Error("Trim did nothing after a hash")
	}
	if h.Trim() {
		t.Error("Trim did something twice")
	}
	if _, err := h.Hash(t.Context(), "password"); err != nil {
		t.Errorf("after Trim: %v", err)
	}
}

func TestHasherDefaults(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{}, {Slots: -1, Queue: -1}} {
		if h := New(c); h.slots < 1 || h.queue.max != queuePerSlot*int(h.slots) {
			t.Errorf("New(%+v) has %d slots and a queue of %d", c, h.slots, h.queue.max)
		}
	}
}

func TestStaleTellsWeakerParameters(t *testing.T) {
	t.Parallel()
	salt := strings.Repeat("s", argon2SaltLen)
	for _, c := range []struct {
		name    string
		kib     uint32
		passes  uint32
		lanes   uint8
		salt    string
		length  uint32
		stale   bool
		foreign string
	}{
		{name: "ours", kib: argon2Memory, passes: 2, lanes: 1, salt: salt, length: 32},
		{name: "dearer", kib: 2 * argon2Memory, passes: 3, lanes: 4, salt: salt + salt, length: 64},
		{name: "less memory", kib: argon2Memory - 1, passes: 2, lanes: 1, salt: salt, length: 32, stale: true},
		{name: "fewer passes", kib: argon2Memory, passes: 1, lanes: 1, salt: salt, length: 32, stale: true},
		{name: "shorter salt", kib: argon2Memory, passes: 2, lanes: 1, salt: salt[1:], length: 32, stale: true},
		{name: "shorter key", kib: argon2Memory, passes: 2, lanes: 1, salt: salt, length: 16, stale: true},
		{name: "Django's form", kib: argon2Memory, passes: 2, lanes: 1, salt: salt, length: 32, stale: true, foreign: "argon2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key := argon2.IDKey([]byte("password"), []byte(c.salt), c.passes, c.kib, c.lanes, c.length)
			a := argon2id{kib: c.kib, passes: c.passes, lanes: c.lanes, salt: []byte(c.salt)}
			encoded := c.foreign + a.encode(key)
			got, err := New(Config{}).Verify(t.Context(), Hash(encoded), "password")
			if err != nil || !got.OK || got.Stale != c.stale {
				t.Errorf("Verify = %+v, %v; want a match with Stale %t", got, err, c.stale)
			}
		})
	}
}

// work is what checking the hash reads and writes, in KiB; for the schemes that
// need no memory it is 1.
func work(d digest) int64 {
	switch d := d.(type) {
	case imported:
		return work(d.digest)
	case argon2id:
		return int64(d.kib) * int64(d.passes) / 2
	case scryptHash:
		return d.memory() * int64(d.p)
	case pbkdf2Hash:
		return int64(d.iterations) / 4096
	case bcryptHash:
		cost, err := bcrypt.Cost([]byte(d.encoded))
		if err != nil {
			return math.MaxInt64
		}
		return 1 << (cost + 4) // cost 15 is the limit
	}
	return 1
}

// checkBounds fails when an accepted hash could cost more than the limits.
func checkBounds(t *testing.T, d digest) {
	t.Helper()
	if m := d.memory(); m < 1 || m > maxMemory {
		t.Errorf("%T needs %d KiB", d, m)
	}
	if w := work(d); w > maxWork {
		t.Errorf("%T does %d KiB of work", d, w)
	}
}

func FuzzParseHash(f *testing.F) {
	for _, s := range []string{
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"argon2$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw",
		"$2b$05$R9h/cIPz0gi.URNNX3kh2OYa7N5S5K//5DfGwqqXED7gLgSqfxWKS",
		"bcrypt_sha256$$2b$31$R9h/cIPz0gi.URNNX3kh2OycCNAFg0wXn3yF5BhJPpujLG5F8H0WO",
		"$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
		"scrypt$1073741824$seasalt$8$5$ECMIUp+LMxMSK8xB/IVyba+KYGTI7FTnet025q/1f/vBAVnnP3hdYqJuRi+mJn6ji6ze3Fbb7JEFPKGpuEf5vw==",
		"pbkdf2_sha1$390000$seasalt2$aDapRanzW8aHTz97v2TcfHzWD+I=",
		"$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ",
		"{SSHA}gCe35vmbeu5SV0M/FlK9n7jpnVnw8fLz9PX2",
		"{BCRYPT}$2y$05$R9h/cIPz0gi.URNNX3kh2OYa7N5S5K//5DfGwqqXED7gLgSqfxWKS",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseHash(s)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%v is not Invalid", err)
			}
			return
		}
		checkBounds(t, d)
	})
}

// FuzzVerify returns Verify well-formed hashes of any cost. What it accepts is only
// computed when it is cheap; that the rest is bounded is checked instead.
func FuzzVerify(f *testing.F) {
	forms := []func(a, b, c uint64) string{
		func(a, b, c uint64) string {
			return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", a, b, c)
		},
		func(a, b, c uint64) string {
			return fmt.Sprintf("$scrypt$ln=%d,r=%d,p=%d$AAECAwQFBgcICQoLDA0ODw$nkIet0OzGMHuENHap6UFxONPfEj6uZM2wVm4aOG0d54", a, b, c)
		},
		func(a, b, c uint64) string {
			return fmt.Sprintf("scrypt$%d$seasalt$%d$%d$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A=", a, b, c)
		},
		func(a, b, _ uint64) string {
			return fmt.Sprintf("pbkdf2_sha256$%d$salt%d$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A=", a, b)
		},
		func(a, _, _ uint64) string {
			return fmt.Sprintf("$2b$%02d$R9h/cIPz0gi.URNNX3kh2OYa7N5S5K//5DfGwqqXED7gLgSqfxWKS", a)
		},
	}
	for form := range forms {
		f.Add(uint8(form), uint64(10), uint64(8), uint64(1), "password")
		f.Add(uint8(form), uint64(1)<<32, uint64(1)<<32, uint64(1)<<32, "password")
		f.Add(uint8(form), ^uint64(0), ^uint64(0), ^uint64(0), "a\x00b")
	}
	h := New(Config{Slots: 4})
	f.Fuzz(func(t *testing.T, form uint8, a, b, c uint64, password string) {
		encoded := forms[int(form)%len(forms)](a, b, c)
		d, err := parseHash(encoded)
		if err == nil {
			checkBounds(t, d)
			if work(d) > 1024 {
				return
			}
		}
		got, verr := h.Verify(t.Context(), Hash(encoded), password)
		if got.OK {
			t.Fatalf("%s matches %q", encoded, password)
		}
		if CheckBounds(password) == nil && (err == nil) != (verr == nil) {
			t.Fatalf("%s: Parse %v, Verify %v", encoded, err, verr)
		}
	})
}

// enqueue makes a call from a source wait, and reports whether it was admitted or
// removed.
func enqueue(t *testing.T, h *Hasher, from string, outcomes chan<- string) {
	t.Helper()
	go func() {
		release, err := h.acquire(From(t.Context(), from), argon2Memory)
		if err != nil {
			outcomes <- from + " sent away"
			return
		}
		outcomes <- from
		release()
	}()
	synctest.Wait()
}

// A thousand concurrent logins from one address keep nobody else from signing in: neither
// by being ahead of them, nor by filling the queue.
func TestManyFromOnePlaceDontKeepOthersOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{Slots: 1, Queue: 10})
		release, err := h.acquire(t.Context(), argon2Memory)
		if err != nil {
			t.Fatal(err)
		}
		outcomes := make(chan string, 1100)
		for range 1000 {
			enqueue(t, h, "attacker", outcomes)
		}
		for _, from := range []string{"ada", "bob", "ada"} {
			enqueue(t, h, from, outcomes)
		}
		if n := h.Waiting(); n != 10 {
			t.Errorf("%d are waiting in a queue of 10", n)
		}
		release()
		synctest.Wait()
		close(outcomes)
		var served []string
		sent := map[string]int{}
		for outcome := range outcomes {
			if strings.HasSuffix(outcome, "sent away") {
				sent[outcome]++
			} else {
				served = append(served, outcome)
			}
		}
		if want := "attacker ada bob attacker ada attacker attacker attacker attacker attacker"; strings.Join(served, " ") != want {
			t.Errorf("served %s, want %s", served, want)
		}
		if sent["attacker sent away"] != 993 || len(sent) != 1 {
			t.Errorf("sent away: %v", sent)
		}
	})
}

func TestQueueFullOfShortLinesSendsTheNewcomerAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{Slots: 1, Queue: 3})
		release, err := h.acquire(t.Context(), argon2Memory)
		if err != nil {
			t.Fatal(err)
		}
		outcomes := make(chan string, 5)
		for _, from := range []string{"a", "b", "c", "d", "a"} {
			enqueue(t, h, from, outcomes)
		}
		for _, want := range []string{"d sent away", "a sent away"} {
			if got := <-outcomes; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		release()
		for _, want := range []string{"a", "b", "c"} {
			if got := <-outcomes; got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	})
}

// A caller who stops waiting at the moment of their turn returns the slots too.
func TestNoSlotIsLostByThoseWhoGiveUp(t *testing.T) {
	t.Parallel()
	h := New(Config{Slots: 2, Queue: 50})
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 500 {
				ctx, cancel := context.WithCancel(From(t.Context(), fmt.Sprint(n%3)))
				go cancel()
				release, err := h.acquire(ctx, int64(1+i%2)*argon2Memory)
				if err == nil {
					release()
				}
			}
		})
	}
	all.Wait()
	if h.Waiting() != 0 || !h.queue.tryAll(h.slots) {
		t.Errorf("%d wait and %d of %d slots are free", h.Waiting(), h.queue.free, h.slots)
	}
}

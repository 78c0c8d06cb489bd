package uses_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/uses"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func use(route, scope string, safe bool) uses.Use {
	return uses.Use{Place: uses.Place{Route: route, Safe: safe}, Scope: scope, Collection: uses.NoCollection}
}

func one() []uses.ID { return []uses.ID{{1}} }

func TestUsesAreCountedByTheirWay(t *testing.T) {
	t.Parallel()
	var b uses.Book
	var l uses.Lines
	for i := range 5 {
		b.Note(&l, use("/api", "read", true), noon.Add(time.Duration(i)*time.Second), one)
	}
	b.Note(&l, use("/api", "write", false), noon, one)
	got := b.Take()
	if len(got) != 2 || got[0].Count != 5 || got[0].Use != use("/api", "read", true) || !got[0].First.Equal(noon) || !got[0].Last.Equal(noon.Add(4*time.Second)) || got[1].Count != 1 {
		t.Errorf("%+v", got)
	}
	if again := b.Take(); len(again) != 0 {
		t.Errorf("taken twice: %+v", again)
	}
	for range 4 {
		b.Take() // it leaves memory
	}
	b.Note(&l, use("/api", "read", true), noon.Add(time.Hour), one)
	if got = b.Take(); len(got) != 1 || got[0].Count != 1 || !got[0].First.Equal(noon.Add(time.Hour)) {
		t.Errorf("after it was idle: %+v", got)
	}
}

// A token that goes everywhere has at most 64 lines, and no scope of it is lost.
func TestATokenHasAtMost64Lines(t *testing.T) {
	t.Parallel()
	var b uses.Book
	var l uses.Lines
	for i := range 1000 {
		b.Note(&l, use(fmt.Sprintf("/r%d", i), fmt.Sprintf("scope%d", i%10), i%2 == 0), noon, one)
	}
	got := b.Take()
	scopes, total := map[string]bool{}, int64(0)
	for _, n := range got {
		scopes[n.Scope] = true
		total += n.Count
	}
	if len(got) > uses.MaxLines || len(scopes) != 10 || total != 1000 {
		t.Errorf("%d lines, %d scopes, %d uses", len(got), len(scopes), total)
	}
	for i := range 1000 {
		b.Note(&l, use("/", fmt.Sprintf("s%d", i), true), noon, one)
	}
	if got = b.Take(); len(got) > uses.MaxLines {
		t.Errorf("%d lines of many scopes", len(got))
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var b uses.Book
	for range 30_000 {
		b.Note(new(uses.Lines), use("/api", "", true), noon, one)
	}
	if n := len(b.Take()); n != 20_000 {
		t.Errorf("%d lines", n)
	}
	for range 4 {
		b.Take()
	}
	b.Note(new(uses.Lines), use("/api", "", true), noon, one)
	if n := len(b.Take()); n != 1 {
		t.Errorf("%d lines after those before were idle", n)
	}
}

// Nothing is counted twice or lost between those who use one token and who takes.
func TestConcurrentUsesAddUp(t *testing.T) {
	t.Parallel()
	var b uses.Book
	var l uses.Lines
	var all, taking sync.WaitGroup
	total, stop := int64(0), make(chan struct{})
	taking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				for _, n := range b.Take() {
					total += n.Count
				}
			}
		}
	})
	for range 4 {
		all.Go(func() {
			for range 2000 {
				b.Note(&l, use("/api", "read", true), noon, one)
			}
		})
	}
	all.Wait()
	close(stop)
	taking.Wait()
	for _, n := range b.Take() {
		total += n.Count
	}
	if total != 8000 {
		t.Errorf("%d uses", total)
	}
}

func TestNotingAgainAllocatesNothing(t *testing.T) {
	var b uses.Book
	var l uses.Lines
	n := testing.AllocsPerRun(1000, func() { b.Note(&l, use("/api", "read", true), noon, one) })
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOnlyAPlainWordIsNotedOfAPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/specimens/4711": "/specimens", "/": "/", "/api": "/api", "/api?token=x": "/api", "/v1/x": "/v1", "/api-v2/x": "/api-v2", "/_x": "*",
		"/WebDAV/x": "/WebDAV", "/API/x": "/API", "/robots.txt": "/robots.txt", "/@@API/senaite": "*", "/~ada/x": "*", "/%61pi": "*", "/4711": "*",
		"/" + uuid.NewString(): "*", "/bda_0123456789": "*", "/deadbeefdeadbeefdeadbeef": "*", "/aB3dE": "*", "/kJhGfDsAqWe": "*",
		"/0a1b2c": "*", "/x123": "*", "/" + strings.Repeat("a-", 14): "*", "": "*", "api": "*", "//evil": "/", "/ä": "*", "/a b": "*", "/a:b": "*",
		"/ada@example.org": "*",
	} {
		if got := uses.Segment(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

func TestAnIDIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for range 100 {
		text := uuid.NewString()
		if id, ok := uses.IDOf(text); !ok || id.String() != text {
			t.Errorf("%s: %v %v", text, id, ok)
		}
	}
	for _, bad := range []string{"", "client:ci", "7C8DE6F0-31d5-4f4b-a6c2-93a1b1b0f0a4", "7c8de6f0x31d5-4f4b-a6c2-93a1b1b0f0a4", "7c8de6f0-31d5-4f4b-a6c2-93a1b1b0f0ag", strings.Repeat("a", 43)} {
		if _, ok := uses.IDOf(bad); ok {
			t.Errorf("%q is an id", bad)
		}
	}
}

func TestLongNamesAreShort(t *testing.T) {
	t.Parallel()
	a, b := uses.ShortScope(strings.Repeat("scope:", 20)+"a"), uses.ShortScope(strings.Repeat("scope:", 20)+"b")
	if len(a) > 24 || len(b) > 24 || a == b || uses.ShortScope("read") != "read" || len(uses.Route("/"+strings.Repeat("x", 300))) > 28 {
		t.Errorf("%q %q", a, b)
	}
}

// No random id, digest or token is a plain word.
func TestNoTokenIsAPlainWord(t *testing.T) {
	t.Parallel()
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for n := range 2000 {
		id := uuid.New()
		var token strings.Builder
		for i := range 16 {
			token.WriteByte(base62[int(id[i])%62])
		}
		for _, value := range []string{id.String(), fmt.Sprintf("%x", id[:8]), fmt.Sprintf("%X", id[:]), token.String()} {
			if got := uses.Segment("/" + value + "/x"); got != uses.Elsewhere {
				t.Errorf("%d: %q is noted", n, got)
			}
		}
	}
}

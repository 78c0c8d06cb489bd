package authority_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/store/storetest"
	"github.com/bearerd/bearerd/internal/token"
)

// A refusal signs nothing and leaves nothing behind but the event that records it.
func TestRefusedRequestLeavesNothingButItsEvent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := authoritytest.New(t, authoritytest.Options{Dir: dir, File: true, Policy: taskPolicy})
	f.Collection(t, 4, "Fish")
	ada, eve := person(t, f, "ada"), person(t, f, "eve")
	key := apiKey(t, f, ada, authority.NewCredential{}).Value.Reveal()
	mine := apiToken(t, f, ada, authority.NewCredential{})
	plain := bearer(t, f, accessToken(t, f, ada))
	app := client(t, f, authority.NewClient{ID: "app", Secret: authoritytest.ClientSecret, Grants: allGrants})
	bare := client(t, f, authority.NewClient{ID: "bare", Secret: authoritytest.ClientSecret})
	pair, err := f.Exchange(t.Context(), authority.Exchange{Subject: key, Scope: []string{"offline_access"}, Client: app})
	must(t, err)
	refresh := pair.Refresh.Value.Reveal()
	ctx := t.Context()
	for name, c := range map[string]struct {
		ask   func() error
		event string // the action recorded; "": none
	}{
		"a lifetime above the ceiling": {func() error { return second(ask(t, f, ada, authority.Request{Kind: token.KindAccess, Lifetime: 3601})) }, audit.TokenIssue},
		"a scope that can't be": {func() error {
			return second(ask(t, f, ada, authority.Request{Kind: token.KindAccess, Scope: []string{"introspect"}}))
		}, audit.TokenIssue},
		"a collection without access": {func() error {
			return second(ask(t, f, ada, authority.Request{Kind: token.KindAccess, Collection: new(int64(4))}))
		}, audit.TokenIssue},
		"a collection that isn't there": {func() error {
			return second(ask(t, f, ada, authority.Request{Kind: token.KindAccess, Collection: new(int64(5))}))
		}, audit.TokenIssue},
		"an audience":                    {func() error { return second(f.Exchange(ctx, authority.Exchange{Subject: key, Audience: "https://x"})) }, audit.TokenExchange},
		"a task token without the grant": {func() error { return second(f.Exchange(ctx, authority.Exchange{Subject: key, TaskType: "TES"})) }, audit.TokenExchange},
		"a client without the grant":     {func() error { return second(f.Exchange(ctx, authority.Exchange{Subject: key, Client: bare})) }, audit.TokenExchange},
		"an API key's credentials": {func() error {
			return second(f.CreateAPIKey(ctx, ada, authority.NewCredential{Scope: []string{"credentials"}}))
		}, audit.TokenIssue},
		"an API token by a plain Bearer": {func() error { return second(f.CreateAPIToken(ctx, plain, authority.NewCredential{Name: "x"})) }, audit.TokenIssue},
		"client credentials":             {func() error { return second(f.ClientCredentials(ctx, authority.ClientCredentials{Client: bare})) }, audit.TokenIssue},
		"a refresh by another client":    {func() error { return second(f.Refresh(ctx, authority.Refresh{Token: refresh, Client: bare})) }, audit.TokenExchange},
		"a refresh with more scope": {func() error {
			return second(f.Refresh(ctx, authority.Refresh{Token: refresh, Client: app, Scope: []string{"more"}}))
		}, audit.TokenExchange},
		"a refresh for too long": {func() error {
			return second(f.Refresh(ctx, authority.Refresh{Token: refresh, Client: app, Lifetime: 3601}))
		}, audit.TokenExchange},
		"regenerating by a plain Bearer": {func() error { return second(f.Regenerate(ctx, plain, mine.ID, 0)) }, audit.TokenRegenerate},
		"revoking somebody else's":       {func() error { return second(f.Revoke(ctx, eve, authority.Revocation{Token: mine.Value.Reveal()})) }, audit.TokenRevoke},
		"revoking all of somebody":       {func() error { return second(f.RevokeAll(ctx, eve, ada.Subject(), true)) }, audit.RevokeAll},
		"administering":                  {func() error { return second(f.CreateUser(ctx, eve, authority.NewUser{Username: "x"})) }, audit.UserCreate},
		"a binding for oneself":          {func() error { return second(f.CreateBinding(ctx, eve, withUser("eve", authoritytest.Admin()))) }, audit.BindingCreate},

		"a token without a name":          {func() error { return second(f.CreateAPIToken(ctx, ada, authority.NewCredential{})) }, ""},
		"regenerating somebody else's":    {func() error { return second(f.Regenerate(ctx, eve, mine.ID, 0)) }, ""},
		"regenerating for ever":           {func() error { return second(f.Regenerate(ctx, ada, mine.ID, -1)) }, ""},
		"revoking an unknown id":          {func() error { return second(f.RevokeID(ctx, ada, uuid.NewString(), true)) }, ""},
		"trading a token that is none":    {func() error { return second(f.Exchange(ctx, authority.Exchange{Subject: key + "x"})) }, ""},
		"trading a refresh token":         {func() error { return second(f.Exchange(ctx, authority.Exchange{Subject: refresh})) }, ""},
		"refreshing an API token":         {func() error { return second(f.Refresh(ctx, authority.Refresh{Token: mine.Value.Reveal()})) }, ""},
		"a session by an API key":         {func() error { return second(f.Session(ctx, key)) }, ""},
		"an API key as a Bearer":          {func() error { return second(f.Bearer(ctx, key)) }, ""},
		"a client's wrong secret":         {func() error { return second(f.AuthenticateClient(ctx, "app", "wrong")) }, ""},
		"administering by nobody":         {func() error { return second(f.CreateUser(ctx, nil, authority.NewUser{Username: "x"})) }, ""},
		"a device of a client without it": {func() error { return second(f.StartDevice(ctx, bare, nil, "")) }, ""},
		"a device's unknown code":         {func() error { return second(f.RedeemDevice(ctx, app, "unknown")) }, ""},
		"a user name that is an id": {func() error {
			return second(f.CreateUser(ctx, operator, authority.NewUser{Username: uuid.NewString()}))
		}, ""},
		"a binding that names nobody": {func() error { return second(f.CreateBinding(ctx, operator, withUser("nobody", authoritytest.Admin()))) }, ""},
		"a binding that names no role": {func() error {
			return second(f.CreateBinding(ctx, operator, access.Binding{User: "ada", Role: "none", Path: "/"}))
		}, ""},
	} {
		path := filepath.Join(dir, "bearerd.db")
		before := storetest.Dump(t, path)
		if err := c.ask(); err == nil {
			t.Errorf("%s: not refused", name)
		}
		after := storetest.Dump(t, path)
		events := after["audit_events"][len(before["audit_events"]):]
		for _, table := range []string{"audit_events", "nodes"} { // the follower confirms when it likes
			delete(before, table)
			delete(after, table)
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("%s left something behind (-before +after):\n%s", name, diff)
		}
		if len(events) > 1 || (len(events) == 1) != (c.event != "") || len(events) == 1 && !strings.Contains(events[0], "|"+c.event+"|") {
			t.Errorf("%s recorded %q, want %q", name, events, c.event)
		}
	}
	must(t, second(f.Refresh(ctx, authority.Refresh{Token: refresh, Client: app}))) // is as good as it was
	wantAlive(t, f, "what somebody tried to regenerate", mine)
}

// files gives the digests of a database's files, which no reader changes.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{"bearerd.db", "bearerd.db-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		out[name] = fmt.Sprintf("%d bytes, %x", len(b), sha256.Sum256(b))
	}
	return out
}

// quiet is a node whose lease lasts for the whole test and that asks nothing by itself.
func quiet(tb testing.TB, dir string) *authoritytest.Fixture {
	tb.Helper()
	return authoritytest.New(tb, authoritytest.Options{
		File: true,
		Dir:  dir, Still: true, Policy: func(p *authority.Policy) { p.Staleness, p.Wait = time.Hour, false },
	})
}

// opaque gives a token of a form that is right, checksum and all, and that was never made.
func opaque(prefix string, i int) string {
	body := fmt.Sprintf("%030d", i)
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum, tail := crc32.ChecksumIEEE([]byte(body)), [6]byte{}
	for j := range tail {
		tail[5-j], sum = digits[sum%62], sum/62
	}
	return prefix + body + string(tail[:])
}

func TestForgedTokensLeaveNoTraceAndCostNoQuery(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := quiet(t, dir)
	ada := person(t, f, "ada")
	good := apiToken(t, f, ada, authority.NewCredential{})
	genuine := accessToken(t, f, ada).Value.Reveal()
	session := sessionOf(t, f, "ada").Value.Reveal()
	must(t, f.FlushUses(t.Context()))
	_, stranger, err := ed25519.GenerateKey(nil)
	must(t, err)
	signing, err := f.Ring.Signing()
	must(t, err)
	invented := func(i int, key token.SigningKey) string {
		raw, err := token.Sign(key, token.TypeAccess, token.Claims{
			Issuer: authoritytest.Issuer, Subject: uuid.NewString(), Audience: []string{authoritytest.Issuer}, ClientID: "x",
			Username: fmt.Sprintf("user-%d", i), ID: uuid.NewString(), IssuedAt: f.Time(), Expiry: f.Time().Add(time.Hour),
		})
		must(t, err)
		return raw
	}
	sample := invented(0, token.SigningKey{KID: signing.KID, Algorithm: token.EdDSA, Key: stranger})
	swap := func(s string, i int) string { // another character at a place that moves
		b := []byte(s)
		at := i % len(b)
		if b[at]++; b[at] == '.' || b[at] > 'y' {
			b[at] = 'A'
		}
		return string(b)
	}
	for _, forgery := range []struct {
		name    string
		n       int
		raw     func(i int) string
		queries int64 // at most, for each
	}{
		{"junk", 20_000, func(i int) string { return strings.Repeat("x", i%100) + fmt.Sprint(i) }, 0},
		{"junk after the right prefix", 20_000, func(i int) string { return "bda_" + fmt.Sprint(i) }, 0},
		{"a wrong checksum", 20_000, func(i int) string { return opaque("bda_", i)[:39] + "0" + fmt.Sprint(i%10) }, 0},
		{"a wrong checksum of the right length", 20_000, func(i int) string { return opaque("bds_", i)[:34] + fmt.Sprintf("%06d", i) }, 0},
		{"a character of a real one", 36, func(i int) string { return good.Value.Reveal()[:4] + swap(good.Value.Reveal()[4:], i) }, 0},
		{"three parts of junk", 10_000, func(i int) string { return fmt.Sprintf("%d.%d.%d", i, i, i) }, 0},
		{"a bad signature", 4_000, func(i int) string { return genuine[:len(genuine)-8] + fmt.Sprintf("%07dA", i) }, 0},
		{"a changed payload", 2_000, func(i int) string { return swap(genuine, len(genuine)/3+i%200) }, 0},
		{"invented users by a stranger's key", 2_000, func(i int) string {
			return sample[:len(sample)-8] + fmt.Sprintf("%07dQ", i)
		}, 0},
		{"invented users signed afresh", 500, func(i int) string {
			return invented(i, token.SigningKey{KID: signing.KID, Algorithm: token.EdDSA, Key: stranger})
		}, 0},
		{"the right form, never made", 2_000, func(i int) string { return opaque("bda_", i) }, 1},
	} {
		before, asked := files(t, dir), f.Store.Queries()
		for i := range forgery.n {
			if _, err := f.Verify(t.Context(), forgery.raw(i), authority.Demand{Kinds: everyKind, AnyAudience: true}); !fault.Is(err, fault.InvalidToken) {
				t.Fatalf("%s, %q: %v", forgery.name, forgery.raw(i), err)
			} else if fault.Message(err) != token.ReasonMalformed {
				t.Fatalf("%s is told %q", forgery.name, fault.Message(err))
			}
		}
		if n := f.Store.Queries() - asked; n > forgery.queries*int64(forgery.n) {
			t.Errorf("%s: %d queries for %d tokens", forgery.name, n, forgery.n)
		}
		if diff := cmp.Diff(before, files(t, dir)); diff != "" {
			t.Errorf("%s changed the database:\n%s", forgery.name, diff)
		}
	}
	before, asked := files(t, dir), f.Store.Queries()
	unknown := token.SigningKey{KID: "unknown", Algorithm: token.EdDSA, Key: stranger}
	for i := range 1000 {
		unknown.KID = fmt.Sprintf("unknown-%d", i)
		_, err := f.Verify(t.Context(), invented(i, unknown), authority.Demand{})
		wantFault(t, "an unknown key", err, fault.InvalidToken, token.ReasonMalformed)
	}
	if n := f.Store.Queries() - asked; n > 20 {
		t.Errorf("%d queries for 1000 unknown keys within a moment", n)
	}
	// Neither do good tokens leave a trace by being verified, whatever is asked of them.
	for range 100 {
		wantAlive(t, f, "an API token", good)
		must(t, second(f.Verify(t.Context(), genuine, authority.Demand{})))
		must(t, second(f.Session(t.Context(), session)))
		_, err := f.Verify(t.Context(), genuine, authority.Demand{Collection: new(int64(9))})
		wantFault(t, "a collection that isn't there", err, fault.InsufficientScope, "")
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("verifying changed the database:\n%s", diff)
	}
}

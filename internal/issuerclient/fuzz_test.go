package issuerclient

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/strictjson"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

const entrySeed = "event: revocation\nid: 1\ndata: {\"seq\":1,\"what\":\"token\",\"id\":\"x\",\"until\":null,\"at\":\"2026-01-02T03:04:05Z\"}\n\n"

// However a stream is cut and changed: what it yields is bounded, and what is applied is
// consecutive and makes no lease beyond what the clock allows.
func FuzzStream(f *testing.F) {
	f.Add([]byte(entrySeed + "event: heartbeat\nid: 1\ndata: {\"seq\":1,\"as_of\":5}\n\n"))
	f.Add([]byte("\uFEFFretry: 500\r\n\r\n: comment\n" + entrySeed))
	f.Add([]byte("event: heartbeat\ndata: {\"seq\":0,\ndata: \"as_of\":-1}\n\n"))
	f.Add([]byte("data\ndata:\n\n" + strings.Repeat("x", 90_000)))
	f.Fuzz(func(t *testing.T, text []byte) {
		const now, staleness = time.Hour, 2 * time.Second
		l := revocation.NewLedger(func() time.Duration { return now }, time.Now)
		r := &reading{ledger: l, started: now - time.Minute, staleness: staleness, onKey: func() {}, snapshot: true}
		stream := newEvents(bytes.NewReader(text))
		for before := int64(0); ; before = l.Applied() {
			e, err := stream.next()
			if err != nil {
				break
			}
			if len(e.data) > maxEvent || bytes.ContainsAny(e.data, "\r\x00") {
				t.Fatalf("an event %q", e.data)
			}
			snapshot := r.snapshot
			if r.take(e) != nil {
				break
			}
			if after := l.Applied(); after < before || !snapshot && after > before+1 {
				t.Fatalf("applied went from %d to %d", before, after)
			}
			if l.Lease().HoldsAt(now + staleness) {
				t.Fatal("a lease for longer than the staleness from now")
			}
		}
	})
}

// What is read as an entry is one that the set can hold, and every line of bearerd's
// own is read.
func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"seq":1,"what":"token","id":"x","until":"2026-01-02T03:04:05.5Z","at":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"seq":2,"what":"key","id":"next","until":null,"at":"2026-01-02T03:04:05Z","new":[1]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseEntry(data)
		if err == nil && (e.Seq <= 0 || !e.What.Known() || e.ID == "" || len(e.ID) > maxID || e.At.IsZero() && !bytes.Contains(data, []byte("0001"))) {
			t.Fatalf("%+v", e)
		}
		if err == nil {
			(&revocation.Set{}).Apply([]revocation.Entry{e})
		}
		if b, err := parseHeartbeat(data); err == nil && (b.seq < 0 || b.asOf > maxAsOf*time.Microsecond || b.asOf < -maxAsOf*time.Microsecond) {
			t.Fatalf("%+v", b)
		}
	})
}

// Whatever metadata is accepted is the issuer's own, and sends secrets over TLS or
// to this machine alone.
func FuzzMetadata(f *testing.F) {
	c := Config{Issuer: "https://auth.example.org", ClientID: "api", ClientSecret: "x"}
	f.Add([]byte(`{"issuer":"https://auth.example.org","jwks_uri":"https://auth.example.org/jwks","token_endpoint":"https://auth.example.org/t",
		"introspection_endpoint":"https://auth.example.org/i","revocations_endpoint":"https://auth.example.org/r","revocations_max_staleness":2}`))
	f.Add([]byte(`{"issuer":"https://auth.example.org","jwks_uri":"http://[::1]/","revocations_max_staleness":1e-9}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := parseMetadata(body, c)
		if err != nil {
			if s != nil && s.check(c) == nil && !errors.Is(err, strictjson.ErrMember) {
				t.Fatalf("%v with %+v", err, s)
			}
			return
		}
		if s.staleness <= 0 || s.staleness > maxStaleness {
			t.Fatalf("staleness %s", s.staleness)
		}
		for _, address := range []string{s.jwks, s.token, s.introspection, s.revocations} {
			u, err := checkURL(address, false)
			if err != nil || u.Scheme != "https" && !token.IsLoopback(u.Hostname()) {
				t.Fatalf("%q is accepted", address)
			}
		}
	})
}

func FuzzIntrospection(f *testing.F) {
	f.Add([]byte(`{"active":false}`))
	f.Add([]byte(`{"active":true,"jti":"x","sub":"ada","iss":"i","aud":["a"],"exp":9,"iat":1,"token_kind":"api-token","seq":0,"log_seq":3,"scope":"a b","chain":["c"]}`))
	f.Add([]byte(`{"active":true,"jti":"x","sub":"ada","iss":"i","aud":["a"],"exp":9,"iat":1,"token_kind":"access","seq":0,"log_seq":3,"act":{"sub":"b","act":{"sub":"c"}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseIntrospection(body, "i", verification.APIKinds())
		if err == nil && got.active && (len(got.token.Actors) > token.MaxActors || slices.Contains(got.token.Actors, "")) {
			t.Fatalf("the actors %q", got.token.Actors)
		}
		if err == nil && got.active && (got.token.ID == "" || got.token.Subject == "" || got.token.Kind == token.KindUnknown || got.token.Seq < 0) {
			t.Fatalf("%+v", got)
		}
		_, _, _ = parseAccessToken(body)
	})
}

// Every actor that the issuer's answer names is judged, so an answer that names one in
// another way is refused.
func TestAnIntrospectionNamesActorsAsATokenDoes(t *testing.T) {
	t.Parallel()
	const answer = `{"active":true,"jti":"x","sub":"ada","iss":"i","aud":"a","exp":9,"iat":1,"token_kind":"access","seq":0,"log_seq":3`
	got, err := parseIntrospection([]byte(answer+`,"act":{"sub":"b","act":{"sub":"c"}}}`), "i", verification.APIKinds())
	if err != nil || !slices.Equal(got.token.Actors, []string{"b", "c"}) {
		t.Fatalf("%+v, %v", got.token, err)
	}
	for _, act := range []string{`null`, `"b"`, `{}`, `{"sub":"b","iss":"x"}`, `{"sub":"b","act":{"sub":""}}`} {
		if got, err := parseIntrospection([]byte(answer+`,"act":`+act+`}`), "i", verification.APIKinds()); err == nil {
			t.Errorf("%s is read as %q", act, got.token.Actors)
		}
	}
}

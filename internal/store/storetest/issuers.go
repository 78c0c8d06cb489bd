package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

func issuer(name, iss, version string) records.Issuer {
	return records.Issuer{
		Name: name, Issuer: iss, JWKS: "https://" + name + ".example.org/jwks", Audience: "us", Once: true, MaxAge: time.Hour, Version: version,
		Rules: []records.IssuerRule{{
			ID: "r-" + version, Name: "release", Match: map[string]json.RawMessage{"ref": json.RawMessage(`"refs/heads/main"`), "n": json.RawMessage("7"), "p": json.RawMessage("true")},
			Client: "ci", Scope: []string{"read", "write"}, TTL: time.Minute,
		}},
	}
}

func testIssuers(t *testing.T, s *Suite) {
	ctx := t.Context()
	first, second := issuer("b", "https://b.example.org", "1"), issuer("a", "https://a.example.org", "2")
	s.do(t, op.AddIssuer{Issuer: first}, op.AddIssuer{Issuer: second})
	same(t, "by name", must[[]records.Issuer](t)(s.store.Issuers(ctx)), []records.Issuer{second, first})
	same(t, "by iss", must[records.Issuer](t)(s.store.IssuerOf(ctx, first.Issuer)), first)
	_, err := s.store.IssuerOf(ctx, "https://b.example.org/")
	wantFault(t, err, fault.NotFound)
	s.refuse(t, fault.Conflict, op.AddIssuer{Issuer: issuer("c", first.Issuer, "3")})
	s.refuse(t, fault.Conflict, op.AddIssuer{Issuer: issuer("a", "https://c.example.org", "3")})
	// One that was changed since it was read is left alone.
	s.refuse(t, fault.Conflict, op.RemoveIssuer{Name: "b", Version: "0"})
	changed := issuer("b", first.Issuer, "4")
	s.do(t, op.RemoveIssuer{Name: "b", Version: "1"}, op.AddIssuer{Issuer: changed})
	s.refuse(t, fault.Conflict, op.RemoveIssuer{Name: "b", Version: "1"})
	same(t, "as changed", must[records.Issuer](t)(s.store.IssuerOf(ctx, first.Issuer)), changed)
}

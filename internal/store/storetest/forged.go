package storetest

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// testForgedCursors asks for pages by cursors that a client made up: they are a place in the
// list, or fault.Invalid.
func testForgedCursors(t *testing.T, s *Suite) {
	now := start.AddDate(0, 1, 0)
	tokenCrowd(t, s, now)
	s.do(t, op.CreateUser{User: user(1)})
	for _, place := range []string{
		"", ":", "x", "\x00", "a\x00b", "\xff", "1:\x00", "1:\xff", "\x00:1", "\xff:\xff", "%:_", `\:\`, "99999999999999999999:a", "-9223372036854775808:a", "9223372036854775807:",
		`["a\u0000","b","c"]`, "[\"\xff\",\"b\",\"c\"]", `["a"]`, `{}`, `null`, `[1,2,3]`,
	} {
		cursor := func(kind string) string { return base64.RawURLEncoding.EncodeToString([]byte(kind + place)) }
		lists := map[string]error{}
		for kind, order := range map[string]records.TokenOrder{
			"token:": records.NewestFirst, "token-oldest:": records.OldestFirst, "token-expiry:": records.ExpiryFirst, "token-name:": records.ByName,
		} {
			for _, owner := range []string{"", "ann"} {
				for _, search := range []string{"", "l"} {
					q := records.TokenQuery{Owner: owner, Order: order, Search: search, Now: now, After: cursor(kind)}
					page, err := s.store.StoredTokens(t.Context(), q)
					for _, one := range page.Items {
						if owner != "" && one.Owner != owner {
							t.Errorf("%s%q: a token of %s", kind, place, one.Owner)
						}
					}
					lists[fmt.Sprintf("%s of %q, %q", kind, owner, search)] = err
				}
			}
		}
		for _, search := range []string{"", "a", "user"} {
			_, lists["user: "+search] = s.store.Users(t.Context(), records.UserQuery{Search: search, After: cursor("user:")})
		}
		_, lists["linked:"] = s.store.LinkedUsers(t.Context(), records.LinkedQuery{Source: "ldap", After: cursor("linked:")})
		_, lists["shadow:"] = s.store.ShadowList(t.Context(), cursor("shadow:"), 0)
		for name, err := range lists {
			if err != nil && !fault.Is(err, fault.Invalid) {
				t.Errorf("%s, %q: %v", name, place, err)
			}
		}
	}
	for name, q := range map[string]records.TokenQuery{
		"owner": {Owner: "a\x00", Order: records.ByName}, "client": {ClientID: "a\xff", Order: records.ByName}, "scope": {Scope: "a\x00"}, "scope of one": {Owner: "ann", Scope: "\xff"},
	} {
		q.Now = now
		if _, err := s.store.StoredTokens(t.Context(), q); err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.store.TokenTotal(t.Context(), q); err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("the total, %s: %v", name, err)
		}
	}
}

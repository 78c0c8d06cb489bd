package importing_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/importing"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// do imports a file.
func do(ctx context.Context, i *importing.Importer, text string) (importing.Report, error) {
	return i.Import(ctx, caller.Operator(), importing.Request{Input: strings.NewReader(text), Name: "tokens.csv"})
}

func must(t *testing.T, i *importing.Importer, text string) importing.Report {
	t.Helper()
	r, err := do(t.Context(), i, text)
	nodetest.Must(t, err)
	return r
}

// tokensOf returns the API tokens of a user, the newest first.
func tokensOf(t *testing.T, f *nodetest.Fixture, u identity.User) []records.StoredToken {
	t.Helper()
	page, err := f.Store.StoredTokens(t.Context(), records.TokenQuery{Owner: u.ID, Kinds: []token.Kind{token.KindAPIToken}})
	nodetest.Must(t, err)
	return page.Items
}

func TestAnImportedTokenIsAccepted(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Foreign: shapes})
	ada := f.User(t, "ada", "")
	i := newImporter(t, f)
	plain, short, long := hexValue(1), hexValue(2), "nbt_abcdefghijkl."+strings.Repeat("x", 40)
	ofBytes := strings.Repeat("0a", 32) // as some systems hash: the bytes that the digits stand for
	bytes, err := hex.DecodeString(ofBytes)
	nodetest.Must(t, err)
	report := must(t, i, fmt.Sprintf(`value,sha256,sha512,owner,name,scope,created_at,expires_at,last_used_at
%s,,,ada,laptop,read write,2026-01-02 03:04:05.123456+00,,2026-02-01 00:00:00
,%x,,Ada,,,,,
,,%x,ADA,,,,,
,,%X,ada,,,,,
`, plain, sha256.Sum256([]byte(short)), sha512.Sum512([]byte(long)), sha512.Sum512(bytes)))
	if diff := cmp.Diff(importing.Report{Lines: 4, Imported: 4, Digests: 3}, report); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, raw := range map[string]string{"a value": plain, "a SHA-256": short, "a SHA-512": long, "a SHA-512 of the bytes": ofBytes} {
		id, err := f.Identify(t.Context(), raw, verification.Requirements{})
		if err != nil || id.Subject.Username != "ada" || id.Token.Kind != token.KindAPIToken {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, raw := range []string{hexValue(3), "nbt_" + strings.Repeat("x", 53), strings.Repeat("0b", 32), strings.ToUpper(ofBytes)} {
		if _, err := f.Identify(t.Context(), raw, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s is accepted: %v", raw, err)
		}
	}
	var first records.StoredToken
	for _, row := range tokensOf(t, f, ada) {
		if row.Name == "laptop" {
			first = row
		}
	}
	if first.Last4 != plain[36:] || first.Prefix != "" || len(first.Scope) != 2 || !first.LastUsedAt.Equal(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)) ||
		!first.CreatedAt.Equal(time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)) {
		t.Errorf("the row is %+v", first)
	}
	events := f.Events(t, audit.Filter{Action: audit.TokenImport})
	if len(events) != 1 || events[0].Actor != audit.ActorCLI || events[0].Target != "tokens.csv" || events[0].Reason != "4 imported, 0 known, 0 expired, 0 of disabled users" {
		t.Errorf("the audit log has %+v", events)
	}
}

// An imported token is an API token in everything: disabling its owner, revoking all,
// revoking it by its value or id, its expiry and its scope end or bound it as they do any.
func TestAnImportedTokenIsAnAPIToken(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *nodetest.Fixture, identity.User, records.StoredToken){
		"its owner is disabled": func(t *testing.T, f *nodetest.Fixture, u identity.User, _ records.StoredToken) {
			nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), caller.Operator(), u.ID, identity.UserPatch{Disabled: new(true)})))
		},
		"its owner revokes all": func(t *testing.T, f *nodetest.Fixture, u identity.User, _ records.StoredToken) {
			f.RevokeAllOfUser(t, u.Username)
		},
		"revoked by id": func(t *testing.T, f *nodetest.Fixture, _ identity.User, row records.StoredToken) {
			_, err := f.RevokeID(t.Context(), caller.Operator(), row.ID)
			nodetest.Must(t, err)
		},
		"reported as leaked": func(t *testing.T, f *nodetest.Fixture, _ identity.User, _ records.StoredToken) {
			nodetest.Must(t, f.Leaked(t.Context(), []string{"unknown", hexValue(7), hexValue(8)}))
		},
		"it expires": func(_ *testing.T, f *nodetest.Fixture, _ identity.User, _ records.StoredToken) {
			f.Advance(2 * time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := nodetest.New(t, nodetest.Options{Foreign: shapes})
			u := f.User(t, "ada", "")
			must(t, newImporter(t, f), fmt.Sprintf("value,owner,scope,expires_at\n%s,ada,read,%s\n", hexValue(7), f.Time().Add(time.Hour).UTC().Format(time.RFC3339)))
			_, err := f.Identify(t.Context(), hexValue(7), verification.Requirements{Scope: []string{"read"}})
			nodetest.Must(t, err)
			if _, err := f.Identify(t.Context(), hexValue(7), verification.Requirements{Scope: []string{"write"}}); !fault.Is(err, fault.InsufficientScope) {
				t.Errorf("it has a scope that it doesn't have: %v", err)
			}
			end(t, f, u, tokensOf(t, f, u)[0])
			if _, err := f.Identify(t.Context(), hexValue(7), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
				t.Errorf("it is still accepted: %v", err)
			}
		})
	}
}

// Values that read as a UUID, with or without dashes, are revoked by themselves. Taken for ids
// they would be in the log, and would go on being accepted.
func TestAnImportedTokenThatReadsAsAnID(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Foreign: shapes})
	ada := f.User(t, "ada", "")
	plain, dashed, other := hexValue(1)[:32], "0b8c3c1e-3f6a-4d1e-9f3a-2f1c5d7e9a00", "0b8c3c1e-3f6a-4d1e-9f3a-2f1c5d7e9a01"
	must(t, newImporter(t, f), fmt.Sprintf("value,owner,name\n%s,ada,plain\n%s,ada,dashed\n%s,ada,other\n", plain, dashed, other))
	var found []revoking.Revocable
	for _, raw := range []string{plain, dashed} {
		r, err := f.FindRevocable(t.Context(), caller.Operator(), raw)
		nodetest.Must(t, err)
		found = append(found, r)
	}
	for _, row := range tokensOf(t, f, ada) {
		if row.Name == "other" { // by its id, which has the shape too
			r, err := f.FindRevocable(t.Context(), caller.Operator(), row.ID)
			nodetest.Must(t, err)
			found = append(found, r)
		}
	}
	if _, err := f.FindRevocable(t.Context(), caller.Operator(), hexValue(2)[:32]); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("an unknown value is taken for an id: %v", err)
	}
	nodetest.Must(t, nodetest.Second(f.RevokeTokens(t.Context(), caller.Operator(), found)))
	for _, raw := range []string{plain, dashed, other} {
		if _, err := f.Identify(t.Context(), raw, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s is still accepted: %v", raw, err)
		}
	}
}

// Its owner replaces it by a token of bearerd's own form, whatever it began with, or by a
// smaller one.
func TestAnImportedTokenIsRegenerated(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Foreign: shapes})
	ada := f.Person(t, "ada")
	prefixed := "nbt_" + strings.Repeat("x", 40)
	must(t, newImporter(t, f), fmt.Sprintf("value,owner,name,scope\n%s,ada,plain,read write\n%s,ada,prefixed,read write\n", hexValue(1), prefixed))
	for _, row := range tokensOf(t, f, identity.User{ID: ada.ID()}) {
		smaller, err := f.Shrink(t.Context(), ada, row.ID, credentials.Smaller{Scope: []string{"read"}, Overlap: 60})
		if err != nil || !strings.HasPrefix(smaller.Value.Reveal(), token.PrefixAPIToken) {
			t.Errorf("%s, smaller: %v", row.Name, err)
		}
	}
	for raw, name := range map[string]string{hexValue(2): "plain", "nbt_" + strings.Repeat("y", 40): "prefixed"} {
		must(t, newImporter(t, f), fmt.Sprintf("value,owner,name\n%s,ada,new %s\n", raw, name))
		old, err := f.Identify(t.Context(), raw, verification.Requirements{})
		nodetest.Must(t, err)
		again, err := f.Regenerate(t.Context(), ada, old.Token.ID, 0)
		if err != nil || !strings.HasPrefix(again.Value.Reveal(), token.PrefixAPIToken) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f.WantAlive(t, name+", the new value", again)
		if _, err := f.Identify(t.Context(), raw, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%s: the old value is still accepted: %v", name, err)
		}
	}
}

// A value that has no declared shape is refused without a look-up, and one that has costs
// one.
func TestAForeignShapeCostsOneLookUp(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Foreign: shapes})
	f.User(t, "ada", "")
	must(t, newImporter(t, f), "value,owner\n"+hexValue(1)+",ada\n")
	for _, c := range []struct {
		raw  string
		most int64
	}{
		{hexValue(1)[1:], 0},
		{hexValue(1) + "0", 0},
		{strings.ToUpper(hexValue(1)), 0},
		{"nbt_short", 0},
		{"nbt_" + strings.Repeat("x", 600), 0},
		{hexValue(2), 1},
	} {
		before := f.Store.Queries()
		_, err := f.Identify(t.Context(), c.raw, verification.Requirements{})
		if n := f.Store.Queries() - before; n != c.most || !fault.Is(err, fault.InvalidToken) {
			t.Errorf("%.50s: %d queries, want %d; %v", c.raw, n, c.most, err)
		}
	}
}

func TestImportingAgainDoublesNothing(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Foreign: shapes})
	ada := f.User(t, "ada", "")
	i := newImporter(t, f)
	file := fmt.Sprintf("value,owner\n%s,ada\n%s,ada\n", hexValue(1), hexValue(2))
	must(t, i, file)
	_, err := f.RevokeID(t.Context(), caller.Operator(), tokensOf(t, f, ada)[0].ID)
	nodetest.Must(t, err)
	if r := must(t, i, file); r.Imported != 0 || r.Known != 2 {
		t.Errorf("again: %+v", r)
	}
	// By another of its digests it is the same token.
	sum := sha512.Sum512([]byte(hexValue(3)))
	must(t, i, fmt.Sprintf("sha512,owner\n%x,ada\n", sum))
	if r := must(t, i, fmt.Sprintf("value,owner\n%s,ada\n", hexValue(3))); r.Imported != 0 || r.Known != 1 {
		t.Errorf("by its value after its digest: %+v", r)
	}
	if n := len(tokensOf(t, f, ada)); n != 3 {
		t.Errorf("%d tokens, want 3", n)
	}
	live := 0
	for _, raw := range []string{hexValue(1), hexValue(2)} {
		if _, err := f.Identify(t.Context(), raw, verification.Requirements{}); err == nil {
			live++
		}
	}
	if live != 1 {
		t.Errorf("%d of two tokens are accepted: what was revoked lives again", live)
	}
}

// An import can't know that a SHA-512 is of a value that was imported before. However the token
// is revoked then, it is refused, with what was made from it, and no row of a value that was
// revoked is left alive.
func TestAValueWithTwoRowsIsOneToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		revoke func(*testing.T, *nodetest.Fixture, []records.StoredToken) error
		ended  int // of the two rows
	}{
		"by its value": {func(t *testing.T, f *nodetest.Fixture, _ []records.StoredToken) error {
			return nodetest.Second(f.Revoke(t.Context(), caller.Operator(), revoking.Revocation{Token: hexValue(1)}))
		}, 2},
		"by its value, at the command line": {func(t *testing.T, f *nodetest.Fixture, _ []records.StoredToken) error {
			r, err := f.FindRevocable(t.Context(), caller.Operator(), hexValue(1))
			nodetest.Must(t, err)
			return nodetest.Second(f.RevokeTokens(t.Context(), caller.Operator(), []revoking.Revocable{r}))
		}, 2},
		"as leaked": {func(t *testing.T, f *nodetest.Fixture, _ []records.StoredToken) error {
			return f.Leaked(t.Context(), []string{hexValue(1)})
		}, 2},
		"by the id of the first": {func(t *testing.T, f *nodetest.Fixture, rows []records.StoredToken) error {
			return nodetest.Second(f.RevokeID(t.Context(), caller.Operator(), rows[0].ID))
		}, 1},
		"by the id of the second": {func(t *testing.T, f *nodetest.Fixture, rows []records.StoredToken) error {
			return nodetest.Second(f.RevokeID(t.Context(), caller.Operator(), rows[1].ID))
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := nodetest.New(t, nodetest.Options{Foreign: shapes})
			ada := f.User(t, "ada", "")
			must(t, newImporter(t, f), fmt.Sprintf("value,owner\n%s,ada\n", hexValue(1)))
			must(t, newImporter(t, f), fmt.Sprintf("sha512,owner\n%x,ada\n", sha512.Sum512([]byte(hexValue(1)))))
			rows := tokensOf(t, f, ada)
			child, err := f.Exchange(t.Context(), issuance.Exchange{Subject: hexValue(1)})
			nodetest.Must(t, err)
			nodetest.Must(t, c.revoke(t, f, rows))
			f.WantDead(t, "what was made from it", child.Access)
			if _, err := f.Identify(t.Context(), hexValue(1), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
				t.Errorf("it is still accepted: %v", err)
			}
			f.Flush()
			if _, err := f.Identify(t.Context(), hexValue(1), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
				t.Errorf("read again: it is still accepted: %v", err)
			}
			ended := 0
			for _, row := range tokensOf(t, f, ada) {
				if !row.RevokedAt.IsZero() {
					ended++
				}
			}
			if ended != c.ended {
				t.Errorf("%d rows have ended, want %d", ended, c.ended)
			}
		})
	}
	f := nodetest.New(t, nodetest.Options{Foreign: shapes})
	f.User(t, "ada", "")
	f.User(t, "bert", "")
	must(t, newImporter(t, f), fmt.Sprintf("value,owner\n%s,ada\n", hexValue(1)))
	must(t, newImporter(t, f), fmt.Sprintf("sha512,owner\n%x,bert\n", sha512.Sum512([]byte(hexValue(1)))))
	if _, err := f.Identify(t.Context(), hexValue(1), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("a value of two users: %v", err)
	}
}

// An error names the line and the reason, holds nothing else of the file, and nothing is
// imported.
func TestAWrongLineEndsTheImport(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Foreign: shapes})
	ada := f.User(t, "ada", "", access.Binding{Permission: &access.Permission{Action: "access", Path: "/collections/4"}, Path: "/"})
	f.User(t, "bert", "")
	nodetest.Must(t, f.CreateCollection(t.Context(), caller.Operator(), records.Collection{ID: 4, Name: "fish"}))
	i := newImporter(t, f, func(c *importing.Config) {
		c.MaxTTL, c.Scopes = 24*time.Hour, map[string]string{"read": ""}
	})
	must(t, i, "value,owner\n"+hexValue(500)+",bert\n")
	value, good := hexValue(1), hexValue(2)
	for name, c := range map[string]struct{ file, want string }{
		"an unknown owner":         {good + ",ada,,,\n" + value + ",nobody,,,", "line 3: the owner is no user here"},
		"no owner":                 {value + ",,,,", "line 2: the owner is missing"},
		"no token":                 {",ada,,,", "line 2: exactly one of value, sha256 and sha512 is needed"},
		"an unknown shape":         {value + "00,ada,,,", "line 2: the value has none of the shapes"},
		"a session of bearerd's":   {f.SessionOf(t, "ada").Value.Reveal() + ",ada,,,", "line 2: the value has none of the shapes"},
		"an undeclared scope":      {value + ",ada,write,,", "line 2: the scope has a name that scopes doesn't declare"},
		"a built-in scope":         {value + ",ada,admin,,", "line 2: a built-in scope can't be imported"},
		"no scope":                 {value + ",ada,a\"\"b,,", "line 2: "},
		"no time":                  {value + ",ada,,,tomorrow", "line 2: expires_at is not a time"},
		"beyond the ceiling":       {value + ",ada,,,2100-01-01", "line 2: expires_at is later than api_token.max_ttl allows, 24h0m0s from now"},
		"an unknown collection":    {value + ",ada,,5,", "line 2: the owner has no access to the collection"},
		"a collection without it":  {value + ",bert,,4,", "line 2: the owner has no access to the collection"},
		"no collection":            {value + ",ada,,four,", "line 2: the collection is not a number"},
		"twice":                    {value + ",ada,,,\n" + value + ",ada,,,", "line 3: the same token stands in line 2"},
		"somebody else's":          {hexValue(500) + ",ada,,,", "line 2: the token is stored already, for another user"},
		"fewer columns":            {value + ",ada", "line 2: has more or fewer columns"},
		"a quotation mark":         {value + "\",ada,,,", "line 2: is not CSV"},
		"one that is never closed": {"\"" + value + strings.Repeat("x", 100<<10), "line 2: is longer than 64 KiB"},
	} {
		_, err := do(t.Context(), i, "value,owner,scope,collection,expires_at\n"+c.file+"\n")
		wrong, ok := errors.AsType[*importing.LineError](err)
		if !ok || !strings.HasPrefix(wrong.Error(), c.want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: the error is %v, want %q", name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), value[:8]) || strings.Contains(fault.Message(err), value[:8])) {
			t.Errorf("%s: the error holds the value: %v", name, err)
		}
	}
	for name, c := range map[string]struct{ file, want string }{
		"no header":        {value + ",ada\n", "line 1: column 1 is none of value"},
		"a column twice":   {"value,owner,value\n", "line 1: column 3, value, is repeated"},
		"nothing":          {"", "line 1: the file is empty"},
		"no object":        {"{\"value\":\"" + good + "\",\"owner\":\"ada\"}\n{\"value\": " + value, "line 2: is not one JSON object"},
		"another member":   {"{\"" + value + "\":\"ada\"}", "line 1: has a member other than value"},
		"a member twice":   {"{\"owner\":\"ada\",\"owner\":\"ada\"}", "line 1: is not one JSON object"},
		"a number":         {"{\"owner\":\"ada\",\"value\":17}", "line 1: value is not a string"},
		"a long line":      {"{\"owner\":\"" + strings.Repeat("x", 70<<10) + "\"}", "line 1: is longer than 64 KiB"},
		"no network":       {"{\"owner\":\"ada\",\"value\":\"" + good + "\",\"networks\":\"192.0.2.300\"}", "line 1: networks is not a list"},
		"a short digest":   {"{\"owner\":\"ada\",\"sha256\":\"abcd\"}", "line 1: sha256 is not 64 hexadecimal digits"},
		"a digest of none": {"{\"owner\":\"ada\",\"sha512\":\"" + strings.Repeat("x", 128) + "\"}", "line 1: sha512 is not 128 hexadecimal digits"},
	} {
		_, err := do(t.Context(), i, c.file)
		if err == nil || !strings.Contains(err.Error(), "nothing was imported: "+c.want) || strings.Contains(err.Error(), value[:8]) {
			t.Errorf("%s: the error is %v, want %q", name, err, c.want)
		}
	}
	if n := len(tokensOf(t, f, ada)); n != 0 {
		t.Errorf("%d tokens were imported by files with errors", n)
	}
	if _, err := f.Store.ImportUnderWay(t.Context()); !fault.Is(err, fault.NotFound) {
		t.Errorf("an import is left: %v", err)
	}
	// A token without an end gets the longest, and one in a collection is bound to it.
	r := must(t, i, fmt.Sprintf("\ufeffvalue,owner,collection\n%s,ada,4\n", value))
	row := tokensOf(t, f, ada)[0]
	if r.Shortened != 1 || row.ExpiresAt.After(f.Time().Add(24*time.Hour)) || row.ExpiresAt.IsZero() || row.Collection == nil || *row.Collection != 4 {
		t.Errorf("%+v, %+v", r, row)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Foreign: shapes})
	ada := f.User(t, "ada", "")
	i := newImporter(t, f)
	must(t, i, "value,owner\n"+hexValue(1)+",ada\n")
	request := func(text string) importing.Request {
		return importing.Request{Input: strings.NewReader(text), Name: "x", DryRun: true}
	}
	file := fmt.Sprintf("{\"value\":%q,\"owner\":\"ada\"}\n\n{\"value\":%q,\"owner\":\"ada\",\"expires_at\":\"2020-01-01\"}\n{\"value\":%q,\"owner\":\"ada\",\"collection\":null}\n",
		hexValue(1), hexValue(2), hexValue(3))
	r, err := i.Import(t.Context(), caller.Operator(), request(file))
	if diff := cmp.Diff(importing.Report{Lines: 3, Imported: 1, Known: 1, Expired: 1}, r); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if n := len(tokensOf(t, f, ada)); n != 1 {
		t.Errorf("%d tokens after a dry run", n)
	}
	var far strings.Builder
	far.WriteString("value,owner\n")
	for n := range 20_500 { // more than is checked at a time
		fmt.Fprintf(&far, "%s,ada\n", hexValue(1000+n))
	}
	far.WriteString(hexValue(1000) + ",ada\n")
	if _, err := i.Import(t.Context(), caller.Operator(), request(far.String())); err == nil || !strings.Contains(err.Error(), "line 20502: the same token") {
		t.Errorf("a token that stands far apart twice: %v", err)
	}
	if _, err := do(t.Context(), i, far.String()); err == nil || !strings.Contains(err.Error(), "line 20502: the same token") {
		t.Errorf("likewise without a dry run: %v", err)
	}
}

// What a process has left behind that ended within an import is cleared away by the next
// one; two don't run at the same time.
func TestAnImportThatEndedWithinIsClearedAway(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Foreign: shapes})
	f.Freeze()
	ada := f.User(t, "ada", "")
	row := records.StoredToken{
		ID: "left", Kind: token.KindAPIToken, Digest: token.Digest(hexValue(1)), Owner: ada.ID, CreatedAt: f.Time(),
	}
	_, err := f.Store.Commit(t.Context(), op.Batch{Ops: []op.Op{
		op.BeginImport{ID: 5, At: f.Time()}, op.StageTokens{Import: 5, At: f.Time(), Tokens: []records.StoredToken{row}},
	}})
	nodetest.Must(t, err)
	i := newImporter(t, f)
	file := "value,owner\n" + hexValue(1) + ",ada\n"
	if _, err := do(t.Context(), i, file); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second import begins beside the first: %v", err)
	}
	f.Advance(2 * time.Minute)
	if r := must(t, i, file); r.Imported != 1 || r.Known != 0 {
		t.Errorf("%+v", r)
	}
	if rows := tokensOf(t, f, ada); len(rows) != 1 || rows[0].ID == "left" {
		t.Errorf("the tokens are %v", rows)
	}
}

// An export has each live API token by its digest, and another bearerd that imports it
// accepts the same values.
func TestAnExportCanBeImportedElsewhere(t *testing.T) {
	t.Parallel()
	for name, asCSV := range map[string]bool{"JSON lines": false, "CSV": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, other := nodetest.New(t, nodetest.Options{Foreign: shapes}), nodetest.New(t, nodetest.Options{Foreign: shapes})
			f.User(t, "ada", "")
			other.User(t, "ada", "")
			own, err := f.IssueFor(t.Context(), caller.Operator(), "ada", apiToken("own, \"quoted\""))
			nodetest.Must(t, err)
			gone, err := f.IssueFor(t.Context(), caller.Operator(), "ada", apiToken("gone"))
			nodetest.Must(t, err)
			_, err = f.RevokeID(t.Context(), caller.Operator(), gone.ID)
			nodetest.Must(t, err)
			strong := apiToken("strong") // a built-in scope can't be imported
			strong.Scope = []string{identity.ScopeCredentials}
			nodetest.Must(t, nodetest.Second(f.IssueFor(t.Context(), caller.Operator(), "ada", strong)))
			sum := sha512.Sum512([]byte(hexValue(2)))
			must(t, newImporter(t, f), fmt.Sprintf("value,sha512,owner,scope,last_used_at,networks\n%s,,ada,read,2026-02-01,\n,%x,ada,,,\n%s,,ada,,,\"{192.0.2.0/24,2001:db8::1}\"\n", hexValue(1), sum, hexValue(9)))

			var out bytes.Buffer
			n, err := newImporter(t, f).Export(t.Context(), caller.Operator(), &out, asCSV)
			if err != nil || n != 4 || !strings.Contains(out.String(), "192.0.2.0/24 2001:db8::1/128") && !strings.Contains(out.String(), "192.0.2.0/24 2001:db8::1") {
				t.Fatalf("%d exported, %v", n, err)
			}
			if strings.Contains(out.String(), own.Value.Reveal()) || strings.Contains(out.String(), hexValue(1)) {
				t.Error("the export has a value")
			}
			if r := must(t, newImporter(t, other), out.String()); r.Imported != 4 {
				t.Errorf("imported %+v", r)
			}
			for _, raw := range []string{own.Value.Reveal(), hexValue(1), hexValue(2)} {
				if _, err := other.Identify(t.Context(), raw, verification.Requirements{}); err != nil {
					t.Errorf("%.8s: %v", raw, err)
				}
			}
			var again bytes.Buffer
			if _, err := newImporter(t, other).Export(t.Context(), caller.Operator(), &again, asCSV); err != nil || sorted(again.String()) != sorted(out.String()) {
				t.Errorf("the export of the import is another: %v\n%s\n%s", err, out.String(), again.String())
			}
		})
	}
}

// Nobody but the operator imports or exports.
func TestOnlyTheOperatorImports(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	i := newImporter(t, f)
	for name, c := range map[string]*caller.Caller{"nobody": nil, "an administrator": f.Person(t, "root", access.Binding{Permission: &access.Permission{Action: "*", Path: "/"}, Path: "/"})} {
		if _, err := i.Import(t.Context(), c, importing.Request{Input: strings.NewReader("value,owner\n")}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s imports: %v", name, err)
		}
		if _, err := i.Export(t.Context(), c, &bytes.Buffer{}, false); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s exports: %v", name, err)
		}
	}
}

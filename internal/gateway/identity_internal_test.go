package gateway

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/verification"

	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/token"
)

func TestNoControlCharacterLeavesInAHeader(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ada": "ada", "Åsa 魚": "Åsa 魚", "": "",
		"a\r\nRemote-User: root": "", "a\nb": "", "a\tb": "", "a\x00": "", "a\x7f": "", "a\u0085b": "",
		" ada": "", "ada ": "", "ada\u00a0": "", "a\xffb": "",
	} {
		if got := sendable(in); got != want {
			t.Errorf("%q is sent as %q, want %q", in, got, want)
		}
	}
}

func TestNothingOfAnIdentityCanBeReadAsAnotherHeader(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z\r\n\t ,:\x00]{0,12}`))
		many := rapid.SliceOfN(text, 0, 4)
		number := rapid.Int64Min(0).Draw(t, "collection")
		c := &verification.Identity{
			Subject: &verification.Subject{
				Username: text.Draw(t, "username"), Name: text.Draw(t, "name"), Email: text.Draw(t, "email"), Groups: many.Draw(t, "groups"),
			},
			Token: &verification.Token{
				Kind: token.KindAccess, Subject: text.Draw(t, "subject"), ID: text.Draw(t, "id"),
				Scope: many.Draw(t, "scope"), Audience: many.Draw(t, "audience"), Collection: &number,
			},
		}
		h := http.Header{"Remote-User": {"root"}}
		if err := new(Announcer).announce(t.Context(), h, c); err != nil {
			t.Fatal(err)
		}
		if len(h) != len(identityHeaders) {
			t.Fatalf("%d headers", len(h))
		}
		var out strings.Builder
		if err := h.Write(&out); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "\r\n"); n != len(identityHeaders) {
			t.Fatalf("%d lines: %q", n, out.String())
		}
		for name, values := range h {
			if len(values) != 1 || strings.ContainsFunc(values[0], func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.TrimSpace(values[0]) != values[0] {
				t.Fatalf("%s: %q", name, values)
			}
		}
		if u := h.Get("Remote-User"); u != "" && u != c.Subject.Username {
			t.Fatalf("%q is sent as %q", c.Subject.Username, u)
		}
		for g := range strings.SplitSeq(h.Get("Remote-Groups"), ",") {
			if g != "" && !slices.Contains(c.Subject.Groups, g) {
				t.Fatalf("the group %q of none of %q", g, c.Subject.Groups)
			}
		}
	})
}

func TestWhatWasRenderedIsTheTokensAndTheSubjects(t *testing.T) {
	t.Parallel()
	a := &Announcer{}
	ada := &verification.Subject{Username: "ada"}
	tokens := []*verification.Token{{ID: "1"}, {ID: "2"}}
	for range 2 {
		for _, token := range tokens {
			c := &verification.Identity{Subject: ada, Token: token}
			if got := a.rendered(c); got.values[0] != "ada" || got.values[5] != token.ID || got != a.rendered(c) {
				t.Fatalf("token %s is said to be %v", token.ID, got.values)
			}
		}
	}
	renamed := &verification.Subject{Username: "countess"}
	for _, p := range []*verification.Subject{renamed, ada} {
		if got := a.rendered(&verification.Identity{Subject: p, Token: tokens[0]}); got.values[0] != p.Username {
			t.Errorf("%s is said to be %v", p.Username, got.values)
		}
	}
	if got := a.rendered(nil); got.values != new(identification).values || got.err != nil {
		t.Errorf("nobody is said to be %v", got.values)
	}
}

func TestEverySpellingOfAnIdentityHeaderIsAnImpostor(t *testing.T) {
	t.Parallel()
	for _, name := range identityHeaders {
		if http.CanonicalHeaderKey(name) != name {
			t.Errorf("%s isn't canonical", name)
		}
		for _, spelling := range []string{
			name, strings.ToUpper(name), strings.ToLower(name),
			strings.ReplaceAll(name, "-", "_"), strings.Replace(name, "-", "_", 1), strings.ReplaceAll(name, "-", "."),
			strings.ReplaceAll(name, "-", "|"), http.CanonicalHeaderKey(strings.ReplaceAll(name, "-", "_")),
		} {
			if !new(Announcer).impostor(spelling) {
				t.Errorf("%s passes for none of ours", spelling)
			}
		}
	}
	for _, name := range []string{"Remote", "Remote-Users", "X-Remote-User", "Remoteuser", "Authorization", "Cookie", "", "Remote-Use9"} {
		if new(Announcer).impostor(name) {
			t.Errorf("%q passes for ours", name)
		}
	}
}

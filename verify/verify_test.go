package verify_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/verify"
	"github.com/bearerd/bearerd/verify/verifytest"
)

// wants checks what came of judging a token: "" for a yes, or else the status, the
// code and the description of the refusal.
func wants(t testing.TB, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		var e *verify.Error
		if !errors.As(err, &e) {
			t.Fatalf("%T is no *verify.Error: %v", err, err)
		}
		got = strings.TrimSpace(http.StatusText(e.Status) + " " + e.Code + " " + e.Description)
	}
	if got != want {
		t.Helper()
		t.Errorf("answered %q (%v), want %q", got, err, want)
	}
}

const (
	yes       = ""
	malformed = "Unauthorized invalid_token malformed or unknown token"
	revoked   = "Unauthorized invalid_token revoked"
	expired   = "Unauthorized invalid_token expired"
	wrongAud  = "Unauthorized invalid_token wrong audience"
	wrongType = "Unauthorized invalid_token wrong type"
	noAccess  = "Forbidden insufficient_scope no access to the collection"
	noNews    = "Service Unavailable temporarily_unavailable this service has no recent news of the issuer's revocations and can't accept tokens now"
)

// judge verifies and returns the error.
func judge(v *verify.Verifier, raw string) error {
	_, err := v.Verify(context.Background(), raw)
	return err
}

func TestVerifyTellsWhatATokenSays(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	collection := int64(4)
	claims := verifytest.Claims{
		Subject: "7", Username: "jthomas", ClientID: "ci", Scope: []string{"read", "write"}, Collection: collection,
		Lifetime: time.Hour,
	}
	for kind, raw := range map[verify.Kind]string{
		verify.KindAccess: issuer.Token(claims), verify.KindAPIToken: issuer.APIToken(claims),
	} {
		for range 2 {
			got, err := v.Verify(t.Context(), raw)
			if err != nil {
				t.Fatal(err)
			}
			want := &verify.Token{
				Kind: kind, ID: got.ID, Subject: "7", Username: "jthomas", ClientID: "ci",
				Audience: []string{verifytest.Audience}, Scope: []string{"read", "write"}, Collection: &collection,
				IssuedAt: got.IssuedAt, Expiry: got.IssuedAt.Add(time.Hour),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", kind, diff)
			}
			if !got.HasScope("read") || got.HasScope("rea") || got.OfClient() || len(got.ID) != 36 {
				t.Errorf("%s: %+v", kind, got)
			}
		}
	}
}

func TestVerifyRefusesWhatIsNotGoodHere(t *testing.T) {
	t.Parallel()
	issuer, stranger := verifytest.NewIssuer(t), verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	forms, err := token.NewForms("bda_")
	if err != nil {
		t.Fatal(err)
	}
	opaque := func(k token.Kind) string {
		s, _, err := forms.New(k)
		if err != nil {
			t.Fatal(err)
		}
		return s.Reveal()
	}
	good := issuer.Token(verifytest.Claims{})
	for name, c := range map[string]struct{ raw, want string }{
		"good":                {good, yes},
		"good opaque":         {issuer.APIToken(verifytest.Claims{}), yes},
		"empty":               {"", malformed},
		"words":               {"not a token", malformed},
		"huge":                {strings.Repeat("a", token.MaxBytes+1), malformed},
		"another's":           {stranger.Token(verifytest.Claims{}), malformed},
		"another's opaque":    {stranger.APIToken(verifytest.Claims{}), malformed},
		"wrong checksum":      {"bda_" + strings.Repeat("a", 36), malformed},
		"a changed signature": {forge(good), malformed},
		"refresh token":       {opaque(token.KindRefresh), malformed},
		"session":             {opaque(token.KindSession), malformed},
		"client secret":       {opaque(token.KindClientSecret), malformed},
		"expired":             {issuer.Token(verifytest.Claims{Lifetime: -time.Second}), expired},
		"expired opaque":      {issuer.APIToken(verifytest.Claims{Lifetime: -time.Second}), malformed},
		"wrong audience":      {issuer.Token(verifytest.Claims{Audience: "https://other.example.org"}), wrongAud},
		"its audience opaque": {issuer.APIToken(verifytest.Claims{Audience: "https://other.example.org"}), wrongAud},
		"task token":          {issuer.Token(verifytest.Claims{TaskTokenType: "TES"}), wrongAud},
	} {
		for range 2 {
			if got := judge(v, c.raw); c.want != yes || got != nil {
				t.Run(name, func(t *testing.T) { wants(t, got, c.want) })
			}
		}
	}
	if n := issuer.Introspections(); n > 6 {
		t.Errorf("%d questions: refresh tokens, sessions and secrets must cost none", n)
	}
}

func TestTaskTokensAreGoodForTheirTypeAlone(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	c := issuer.Config()
	c.Audience = "TES"
	v, err := verify.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	got, err := v.Verify(t.Context(), issuer.Token(verifytest.Claims{TaskTokenType: "TES"}))
	wants(t, err, yes)
	if got.Kind != verify.KindTask || got.TaskTokenType != "TES" {
		t.Errorf("%+v", got)
	}
	wants(t, judge(v, issuer.Token(verifytest.Claims{TaskTokenType: "WES"})), wrongAud)
	wants(t, judge(v, issuer.Token(verifytest.Claims{})), wrongAud)
}

// A task token stays one, whatever else its audience names.
func TestATaskTokenForThisAudienceIsStillRefused(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	v := s.start(t)
	wants(t, judge(v, s.sign(t, func(c *token.Claims) { c.TaskTokenType = "TES" })), wrongAud)
	wants(t, judge(v, s.sign(t, func(c *token.Claims) { c.TaskTokenType = audience })), yes)
}

// What the log says counts for the tokens it names and for no others, whether they
// were seen before or not.
func TestEveryWayOfTakingBackIsHonoured(t *testing.T) {
	t.Parallel()
	ada := verifytest.Claims{Subject: "ada", ClientID: "ci", Parent: "a-session", Collection: 4}
	bob := verifytest.Claims{Subject: "bob", ClientID: "web", Parent: "b-session", Collection: 5}
	for name, c := range map[string]struct {
		do   func(i *verifytest.Issuer, raw string)
		want string
		jwts bool // opaque tokens aren't concerned
		live bool // a token made afterwards is good
	}{
		"the token":     {do: (*verifytest.Issuer).Revoke, want: revoked, live: true},
		"its parent":    {do: func(i *verifytest.Issuer, _ string) { i.Revoke("a-session") }, want: revoked},
		"its subject":   {do: func(i *verifytest.Issuer, _ string) { i.RevokeAll("ada") }, want: revoked, live: true},
		"its client":    {do: func(i *verifytest.Issuer, _ string) { i.RevokeClient("ci") }, want: revoked, live: true},
		"its access":    {do: func(i *verifytest.Issuer, _ string) { i.SetAccess("ada", 4, false) }, want: noAccess},
		"other access":  {do: func(i *verifytest.Issuer, _ string) { i.SetAccess("ada", 7, false) }, want: yes, live: true},
		"nothing of it": {do: func(i *verifytest.Issuer, _ string) { i.RevokeAll("eve") }, want: yes, live: true},
		"a new key":     {do: func(i *verifytest.Issuer, _ string) { i.RotateKey() }, want: yes, live: true},
		"its key":       {do: func(i *verifytest.Issuer, _ string) { i.RetireKey() }, want: revoked, jwts: true, live: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Of a JWT nobody has seen whose key is gone, its issuer included, nothing is
			// known; this verifier has seen the key.
			for _, seen := range []bool{true, false} {
				for _, opaque := range []bool{false, true} {
					if c.jwts && opaque {
						continue
					}
					issuer := verifytest.NewIssuer(t)
					issue := issuer.Token
					if opaque {
						issue = issuer.APIToken
					}
					v := issuer.Verifier(t)
					hers, his := issue(ada), issue(bob)
					if seen {
						wants(t, judge(v, hers), yes)
						wants(t, judge(v, his), yes)
					}
					c.do(issuer, hers)
					want := c.want
					if opaque && !seen && want != yes {
						want = malformed // nothing is known of it but that it isn't good
					}
					wants(t, judge(v, hers), want)
					wants(t, judge(v, hers), want)
					if !c.jwts {
						wants(t, judge(v, his), yes)
					}
					if c.live {
						wants(t, judge(v, issue(ada)), yes)
					}
				}
			}
		})
	}
}

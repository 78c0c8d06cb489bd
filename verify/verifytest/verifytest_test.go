package verifytest_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/verify"
	"github.com/bearerd/bearerd/verify/verifytest"
)

// status returns the status that a token is answered with: 200 for a yes.
func status(t *testing.T, v *verify.Verifier, raw string) int {
	t.Helper()
	_, err := v.Verify(t.Context(), raw)
	var e *verify.Error
	switch {
	case err == nil:
		return 200
	case errors.As(err, &e):
		return e.Status
	}
	t.Fatal(err)
	return 0
}

// Each act counts when it returns, for each of several verifiers.
func TestWhatIsDoneCountsAtOnce(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	verifiers := []*verify.Verifier{issuer.Verifier(t), issuer.Verifier(t), issuer.Verifier(t)}
	check := func(what, raw string, want int) {
		t.Helper()
		for _, v := range verifiers {
			if got := status(t, v, raw); got != want {
				t.Errorf("%s: %d, want %d", what, got, want)
			}
		}
	}
	ada := verifytest.Claims{Subject: "ada", ClientID: "ci", Collection: 4}
	for name, issue := range map[string]func(verifytest.Claims) string{"jwt": issuer.Token, "opaque": issuer.APIToken} {
		for act, c := range map[string]struct {
			do   func(raw, parent string)
			want int
		}{
			"nothing":    {func(_, _ string) {}, 200},
			"the value":  {func(raw, _ string) { issuer.Revoke(raw) }, 401},
			"the parent": {func(_, parent string) { issuer.Revoke(parent) }, 401},
			"subject":    {func(_, _ string) { issuer.RevokeAll("ada") }, 401},
			"client":     {func(_, _ string) { issuer.RevokeClient("ci") }, 401},
			"access":     {func(_, _ string) { issuer.SetAccess("ada", 4, false) }, 403},
			"rotation":   {func(_, _ string) { issuer.RotateKey() }, 200},
		} {
			claims := ada
			claims.Parent = "session of " + name + " for " + act
			raw := issue(claims)
			check(name+", before "+act, raw, 200)
			c.do(raw, claims.Parent)
			check(name+", after "+act, raw, c.want)
			issuer.SetAccess("ada", 4, true)
		}
	}
	raw := issuer.Token(verifytest.Claims{})
	issuer.RetireKey()
	check("a retired key", raw, 401)
	check("its successor", issuer.Token(verifytest.Claims{}), 200)
}

func TestTokensAreAsTheyWereAskedFor(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	for name, c := range map[string]struct {
		claims verifytest.Claims
		want   int
	}{
		"by default":     {verifytest.Claims{}, 200},
		"for a while":    {verifytest.Claims{Lifetime: time.Minute}, 200},
		"expired":        {verifytest.Claims{Lifetime: -time.Minute}, 401},
		"other audience": {verifytest.Claims{Audience: "https://other.example.org"}, 401},
	} {
		for _, issue := range []func(verifytest.Claims) string{issuer.Token, issuer.APIToken} {
			if got := status(t, v, issue(c.claims)); got != c.want {
				t.Errorf("%s: %d, want %d", name, got, c.want)
			}
		}
	}
	if got := status(t, v, issuer.Token(verifytest.Claims{TaskTokenType: "TES"})); got != 401 {
		t.Errorf("a task token: %d", got)
	}
	got, err := v.Verify(t.Context(), issuer.Token(verifytest.Claims{}))
	if err != nil || got.Subject != "ada" || got.Audience[0] != verifytest.Audience || time.Until(got.Expiry) < 20*time.Minute {
		t.Errorf("%+v %v", got, err)
	}
}

// Who acts for a subject is named, and is cut off as a user and as a client.
func TestATokenEndsWithEveryActor(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	actors := []string{"agent", "bob"}
	for name, end := range map[string]func(){
		"the current actor": func() { issuer.RevokeClient("agent") },
		"an earlier one":    func() { issuer.RevokeAll("bob") },
	} {
		raw := issuer.Token(verifytest.Claims{Actors: actors})
		got, err := v.Verify(t.Context(), raw)
		if err != nil || !slices.Equal(got.Actors, actors) {
			t.Fatalf("%s: %+v %v", name, got, err)
		}
		end()
		if got := status(t, v, raw); got != 401 {
			t.Errorf("%s: %d", name, got)
		}
	}
	got, err := v.Verify(t.Context(), issuer.APIToken(verifytest.Claims{Actors: actors}))
	if err != nil || got.Actors != nil {
		t.Errorf("an API token: %+v %v", got, err)
	}
}

// Nobody but the client that verifiers are may ask.
func TestAStrangerLearnsNothing(t *testing.T) {
	t.Parallel()
	issuer := verifytest.NewIssuer(t)
	c := issuer.Config()
	c.ClientSecret = "another secret"
	if _, err := verify.New(t.Context(), c); err == nil {
		t.Error("any secret will do")
	}
}

package token_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/token"
)

func TestKindsAreStoredByName(t *testing.T) {
	t.Parallel()
	for kind, name := range map[token.Kind]string{
		token.KindAccess: "access", token.KindTask: "task", token.KindExchangeKey: "api-key", token.KindAPIToken: "api-token",
		token.KindRefresh: "refresh-token", token.KindSession: "session", token.KindClientSecret: "client-secret",
	} {
		if kind.String() != name {
			t.Errorf("%d is %q, want %q", kind, kind, name)
		}
		if got, ok := token.ParseKind(name); !ok || got != kind {
			t.Errorf("ParseKind(%q) = %s, %t", name, got, ok)
		}
	}
	for _, name := range []string{"", "unknown", "Access", "access ", "api_key"} {
		if got, ok := token.ParseKind(name); ok || got != token.KindUnknown {
			t.Errorf("ParseKind(%q) = %s, %t", name, got, ok)
		}
	}
	if got := token.Kind(200).String(); got != "unknown" {
		t.Errorf("kind 200 is %q", got)
	}
}

func TestChecksAreInTheOrderInWhichTheyAreMade(t *testing.T) {
	t.Parallel()
	var names []string
	for _, c := range token.Checks() {
		names = append(names, c.String())
	}
	want := []string{"well-formed", "signature", "type", "issuer", "time", "audience", "revoked", "network", "scope", "access"}
	if !slices.Equal(names, want) {
		t.Errorf("Checks = %q, want %q", names, want)
	}
	if !slices.IsSorted(token.Checks()) {
		t.Error("the values aren't in the order of the checks")
	}
	if s := token.Check(0).String() + token.Check(99).String(); s != "" {
		t.Errorf("what is no check has the name %q", s)
	}
}

func TestRefusalHidesTheRuleFromTheClient(t *testing.T) {
	t.Parallel()
	_, err := token.Verify("a.b.c", func(string) (token.VerificationKey, bool) { return token.VerificationKey{}, false })
	if err == nil || !strings.Contains(err.Error(), "base64url") {
		t.Errorf("the operator reads %v", err)
	}
	if r := token.Malformed(); r.Reason != "malformed or unknown token" || r.Check != token.CheckWellFormed {
		t.Errorf("Malformed = %+v", r)
	}
	r := token.Refuse(token.CheckScope, "insufficient scope")
	if r.Error() != "scope: insufficient scope" {
		t.Errorf("Refuse reads %q", r.Error())
	}
}

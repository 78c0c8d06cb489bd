package identity_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

const clientSecret = "bdc_0123456789abcdefghijABCDEFGHIJ012345"

func confidential(t *testing.T) identity.Client {
	t.Helper()
	digest, err := identity.DigestSecret(clientSecret)
	if err != nil {
		t.Fatal(err)
	}
	return identity.Client{
		ID: "ci", SecretDigest: digest, Grants: identity.GrantTypes(), RedirectURIs: []string{"https://app.example/back"},
		Scopes: []string{"read", identity.ScopeOfflineAccess}, Audiences: []string{"https://api.example.org/v1", "TES"},
	}
}

func TestCheckSecretAcceptsTheSecretAlone(t *testing.T) {
	t.Parallel()
	c := confidential(t)
	if !c.CheckSecret(clientSecret, now) {
		t.Error("the secret is refused")
	}
	for _, wrong := range []string{
		"", clientSecret[1:], clientSecret + " ", strings.ToUpper(clientSecret), string(c.SecretDigest), fmt.Sprintf("%x", c.SecretDigest),
	} {
		if c.CheckSecret(wrong, now) {
			t.Errorf("%q is accepted", wrong)
		}
	}
}

// The digest of an empty secret, as another system may have exported it, lets nobody in.
func TestAnEmptySecretIsNone(t *testing.T) {
	t.Parallel()
	empty := sha256.Sum256(nil)
	c := identity.Client{ID: "ci", SecretDigest: empty[:], OldSecretDigest: empty[:], OldSecretUntil: now.Add(time.Hour)}
	if c.CheckSecret("", now) {
		t.Error("an empty secret is accepted")
	}
}

// During an overlap there are two secrets, and at its end one.
func TestTheOldSecretIsGoodUntilItsOverlapEnds(t *testing.T) {
	t.Parallel()
	c := confidential(t)
	const old = "bdc_abcdefghij0123456789ABCDEFGHIJ543210"
	digest, err := identity.DigestSecret(old)
	if err != nil {
		t.Fatal(err)
	}
	c.OldSecretDigest, c.OldSecretUntil = digest, now.Add(time.Hour)
	for at, want := range map[time.Duration]bool{0: true, time.Hour - 1: true, time.Hour: false, 2 * time.Hour: false} {
		if got := c.CheckSecret(old, now.Add(at)); got != want || c.OldSecretGood(now.Add(at)) != want {
			t.Errorf("the old secret after %s: %v", at, got)
		}
		if !c.CheckSecret(clientSecret, now.Add(at)) {
			t.Errorf("the present secret after %s is refused", at)
		}
	}
	c.OldSecretUntil = time.Time{}
	if c.CheckSecret(old, now) || c.CheckSecret("", now) {
		t.Error("a secret without an end is accepted")
	}
	c.OldSecretUntil, c.OldSecretDigest = now.Add(time.Hour), nil
	if c.CheckSecret("", now) || c.OldSecretGood(now) {
		t.Error("there is no old secret, and one is accepted")
	}
}

func TestAClientNamesOtherClientsToExchangeFrom(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		list []string
		good bool
	}{
		"others": {[]string{"web", "https://app.example/client"}, true}, "itself": {[]string{"web", "ci"}, false},
		"one twice": {[]string{"web", "web"}, false}, "nobody": {[]string{""}, false}, "not visible": {[]string{"w\u00e9b"}, false},
	} {
		client := confidential(t)
		client.ExchangeFrom = c.list
		err := client.Validate()
		if (err == nil) != c.good || err != nil && fault.FieldOf(err) != "exchange_from" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPublicClientHasNoSecretToCheck(t *testing.T) {
	t.Parallel()
	empty := sha256.Sum256(nil)
	for name, c := range map[string]identity.Client{
		"nil": {ID: "app"}, "empty": {ID: "app", SecretDigest: []byte{}},
	} {
		if !c.Public() {
			t.Errorf("%s digest: not public", name)
		}
		for _, raw := range []string{"", clientSecret, string(empty[:])} {
			if c.CheckSecret(raw, now) {
				t.Errorf("%s digest: %q is accepted", name, raw)
			}
		}
	}
	if confidential(t).Public() {
		t.Error("a client with a secret is public")
	}
}

func TestDigestSecretRefusesWhatCanBeGuessed(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"empty":          "",
		"31 characters":  clientSecret[:31],
		"too long":       strings.Repeat("ab", 513),
		"one character":  strings.Repeat("a", 40),
		"a control char": clientSecret + "\n",
		"not ASCII":      clientSecret + "é",
	} {
		_, err := identity.DigestSecret(raw)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v; want Invalid", name, err)
		}
		if len(raw) > 8 && strings.Contains(fmt.Sprint(err), raw[:8]) {
			t.Errorf("%s: the error repeats the secret: %v", name, err)
		}
	}
	for _, raw := range []string{clientSecret[:32], strings.Repeat("ab", 512), clientSecret[:32] + " :%+&="} {
		if digest, err := identity.DigestSecret(raw); err != nil || len(digest) != sha256.Size {
			t.Errorf("%d characters: %v", len(raw), err)
		}
	}
}

func TestClientValidate(t *testing.T) {
	t.Parallel()
	if err := confidential(t).Validate(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*identity.Client)
		ok     bool
	}{
		"nothing but an id": {func(c *identity.Client) { *c = identity.Client{ID: "c"} }, true},
		"public, its grants": {func(c *identity.Client) {
			c.SecretDigest, c.Grants = nil, []string{identity.GrantTypeRefreshToken, identity.GrantTypeAuthorizationCode}
		}, true},
		"public, device": {func(c *identity.Client) { c.SecretDigest, c.Grants = nil, []string{identity.GrantTypeDeviceCode} }, true},
		"public, credentials": {func(c *identity.Client) {
			c.SecretDigest, c.Grants = nil, []string{identity.GrantTypeClientCredentials}
		}, false},
		"public, exchange":       {func(c *identity.Client) { c.SecretDigest, c.Grants = nil, []string{identity.GrantTypeTokenExchange} }, false},
		"code, no redirect URI":  {func(c *identity.Client) { c.RedirectURIs = nil }, false},
		"a redirect URI twice":   {func(c *identity.Client) { c.RedirectURIs = append(c.RedirectURIs, c.RedirectURIs[0]) }, false},
		"a bad redirect URI":     {func(c *identity.Client) { c.RedirectURIs = []string{"http://app.example/"} }, false},
		"a deceiving name":       {func(c *identity.Client) { c.Name = "a\u202eb" }, false},
		"no id":                  {func(c *identity.Client) { c.ID = "" }, false},
		"digest of other length": {func(c *identity.Client) { c.SecretDigest = c.SecretDigest[1:] }, false},
		"unknown grant":          {func(c *identity.Client) { c.Grants = []string{"password"} }, false},
		"grant in capitals":      {func(c *identity.Client) { c.Grants = []string{"CLIENT_CREDENTIALS"} }, false},
		"grant twice":            {func(c *identity.Client) { c.Grants = append(c.Grants, c.Grants[0]) }, false},
		"scope with space":       {func(c *identity.Client) { c.Scopes = []string{"read write"} }, false},
		"empty scope":            {func(c *identity.Client) { c.Scopes = []string{""} }, false},
		"scope twice":            {func(c *identity.Client) { c.Scopes = []string{"read", "read"} }, false},
		"empty audience":         {func(c *identity.Client) { c.Audiences = []string{""} }, false},
		"audience twice":         {func(c *identity.Client) { c.Audiences = []string{"a", "a"} }, false},
		"too many scopes": {func(c *identity.Client) {
			for i := range 1001 {
				c.Scopes = append(c.Scopes, fmt.Sprint("s", i))
			}
		}, false},
	} {
		client := confidential(t)
		c.change(&client)
		err := client.Validate()
		if c.ok && err != nil || !c.ok && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClientIDs(t *testing.T) {
	t.Parallel()
	for id, ok := range map[string]bool{
		"ci": true, "a:b": true, "https://app.example.org/client": true, "with space": true, "~!@#$%^&*()": true,
		"0b1f1d5e-7f0b-4a86-9a1e-7e3a7f9a0c11": true, strings.Repeat("x", 255): true,
		"": false, " a": false, "a ": false, "é": false, "a\x00": false, "a\nb": false, "\x7f": false, strings.Repeat("x", 256): false,
	} {
		if err := identity.ValidateClientID(id); (err == nil) != ok {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestAudiences(t *testing.T) {
	t.Parallel()
	for audience, ok := range map[string]bool{
		"https://api.example.org/": true, "https://api.example.org/v1?x=y": true, "urn:example:api": true, "TES": true,
		"FOO#1": true, "FOO%BAR": true, strings.Repeat("x", 255): true,
		"": false, "https://api.example.org/#": false, "https://api.example.org/#part": false, "://x": false, "urn:x#part": false, "1://x": false,
		"https://api.example.org/%zz": false, "a b": false, "a\nb": false, "a\u00a0b": false, "\xff": false, strings.Repeat("x", 256): false,
	} {
		if err := identity.ValidateAudience(audience); (err == nil) != ok {
			t.Errorf("%q: %v", audience, err)
		}
	}
}

func TestMayUseIsWhatTheClientLists(t *testing.T) {
	t.Parallel()
	c := identity.Client{ID: "c", Grants: []string{identity.GrantTypeDeviceCode}}
	for _, grant := range append(identity.GrantTypes(), "", "password") {
		if got := c.MayUse(grant); got != (grant == identity.GrantTypeDeviceCode) {
			t.Errorf("MayUse(%q) = %t", grant, got)
		}
	}
}

func TestAClientDoesNotMarshalItsDigest(t *testing.T) {
	t.Parallel()
	js, err := json.Marshal(confidential(t))
	if err != nil || strings.Contains(string(js), "Digest") {
		t.Errorf("%s, %v", js, err)
	}
}

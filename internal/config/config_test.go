package config_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bearerd/bearerd/internal/config"
)

// same compares configurations; equal networks and positions aside.
var same = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmpopts.IgnoreTypes(config.Position{}),
}

// write returns the path of a file with that text.
func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bearerd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheDocumentedDefaultsAreTheDefaults(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"example":     "testdata/default.yaml",
		"empty file":  write(t, ""),
		"comments":    write(t, "# nothing\n"),
		"null":        write(t, "~\n"),
		"no file":     "",
		"empty lists": write(t, "dialects: []\nscopes: {}\n"),
	} {
		got, err := config.Load(path, nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(config.Default(), got, same); diff != "" {
			t.Errorf("%s: (-default +read):\n%s", name, diff)
		}
	}
}

func TestTheDefaultsWarnOfNothing(t *testing.T) {
	t.Parallel()
	if got := config.Default().Warnings(); got != nil {
		t.Error(got)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	got, err := config.Load("testdata/full.yaml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	prefixes := func(list ...string) (p []netip.Prefix) {
		for _, s := range list {
			p = append(p, netip.MustParsePrefix(s))
		}
		return p
	}
	want := config.Config{
		Issuer: "https://auth.example.org/sso", Listen: ":443", OpsListen: "[::1]:9180", VerifyListen: "unix:/run/bearerd/verify.sock",
		Log: config.Log{Level: config.LogWarn}, Shutdown: config.Shutdown{Notice: "20s"},
		TLS:            config.TLS{CertFile: "/etc/bearerd/cert.pem", KeyFile: "/etc/bearerd/key.pem"},
		Database:       "postgres://bearerd:hunter2@db.example.org/bearerd?sslmode=require",
		Postgres:       config.Postgres{Connections: 40, ConnectTimeout: time.Second, StatementTimeout: 2 * time.Second},
		MasterKeyFile:  "/etc/bearerd/master.key",
		Dialects:       []config.Dialect{config.DialectSpecify, config.DialectSenaite, config.DialectHypothesis, config.DialectGen3},
		Audience:       "specimens",
		Signing:        config.Signing{Algorithm: "HS256", RotateEvery: 24 * time.Hour, SecretFile: "/etc/bearerd/secret"},
		TrustedProxies: prefixes("127.0.0.1/32", "10.0.0.0/8", "2001:db8::1/128", "192.0.2.1/32"),
		Login:          config.Login{AccountFailures: 3, AccountFailuresTotal: 20, AddressFailures: 30, Window: 90 * time.Minute},
		SignIn: config.SignIn{Password: false, MinPassword: 12, Fresh: 0, Sources: []config.SignInSource{
			{
				Name: "museum", Type: config.SourceApp, Title: "Museum", URL: "https://museum.example.org/bearerd-sign-in", SecretFile: "museum.secret",
				PasswordURL: "http://127.0.0.1:8000/check", Username: "preferred_username", FullName: "name", Email: "email", Groups: "groups", GroupsOnly: []string{"museum-*"},
				Unknown: config.UnknownCreate, Link: config.LinkNone, MaxAge: time.Hour,
			},
			{
				Name: "orcid", Type: config.SourceOIDC, Issuer: "https://orcid.org", ClientID: "APP-1", ClientSecretFile: "orcid.secret", Scopes: []string{"openid"},
				Username: "sub", FullName: "name", Email: "email", Unknown: config.UnknownRefuse, Link: config.LinkUsername, Logout: config.LogoutAll,
				Allow: map[string][]string{"hd": {"example.org"}}, Users: "scim:hr", ExternalID: "employee_number", CAFile: "ca.pem",
			},
			{
				Name: "sso", Type: config.SourceHeader, SecretFile: "sso.secret", Username: "Remote-User", FullName: "Remote-Name", Email: "Remote-Email",
				Unknown: config.UnknownRefuse, Link: config.LinkNone, Fresh: config.FreshTrust,
			},
		}},
		Authorization: config.Authorization{ClientMetadata: config.ClientMetadataTrusted, TrustedHosts: []string{"assistant.example.com"}, MaxTTL: 720 * time.Hour},
		Resources:     []config.Resource{{URL: "https://museum.example.org/api", Audience: "museum", Scopes: []string{"read"}}},
		Audit:         config.Audit{Retention: 720 * time.Hour},
		CORS:          config.CORS{Origins: []string{"*", "https://app.example.org", "http://localhost:3000"}},
		AccessToken:   config.AccessToken{TTL: 5 * time.Minute, MaxTTL: 2 * time.Hour},
		APIKey:        config.APIKey{MaxTTL: 24 * time.Hour},
		APIToken:      config.APIToken{MaxTTL: 8760 * time.Hour, Prefix: "acme-", Overlap: 10 * time.Minute},
		TaskTokens:    map[string]config.TaskToken{"TES": {MaxTTL: 96 * time.Hour}, "FOO": {}},
		Scopes:        map[string]string{"read": "Read specimens", "write:all": ""},
		ForeignTokens: []config.ForeignToken{{Name: "knox", Pattern: "[0-9a-f]{64}"}, {Name: "nb", Prefix: "nbt_"}},
		RefreshToken:  config.RefreshToken{IdleTTL: 48 * time.Hour, Grace: 0},
		Revocation:    config.Revocation{MaxStaleness: 500 * time.Millisecond, Wait: config.WaitFalse, Memory: 2 << 30},
		Verify:        config.Verify{Cache: 1 << 30},
		Upstream: config.Upstream{URL: "http://127.0.0.1:8000", PassToken: true, Headers: map[string]string{"X-Remote-User": "username"}, Encoding: "percent", Cookies: config.CookiesKeep, Groups: []string{"museum-*"}, AssertionAudience: "museum", Routes: []config.Route{
			{Path: "/", Require: config.RequireNone},
			{Path: "/api/", Methods: []string{"GET"}, Require: config.RequireToken, Scope: "read", TokensIn: []string{"basic", "header:X-API-Key"}, Enforce: new(false)},
			{Path: "/api/", Require: config.RequireToken, Audience: "api", Scope: "read write:all"},
			{Path: "/maybe", Require: config.RequireOptional, Permission: config.Permission{Action: "access", Path: "/collections/4"}},
		}},
		Webhook: config.Webhook{URL: "https://hooks.example.org/tokens", SecretFile: "hook.secret"},
		Notices: []config.Notice{
			{URL: "https://siem.example.org/events", SecretFile: "siem.secret", CAFile: "siem.pem", Events: []string{
				"urn:bearerd:event:token-leaked", "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
			}},
			{URL: "http://127.0.0.1:9000/"},
		},
		Mail: config.Mail{
			SMTP: "mail.example.org:465", TLS: config.MailOverTLS, Username: "bearerd", PasswordFile: "mail.secret", From: "Museum <bearerd@example.org>",
		},
		Requirements: map[string]config.NamedRequirement{"read": {
			Audience: "api", Scope: "read write", SafeScope: new("read"), Collection: new(int64(4)), Action: "access", Path: "/things", In: []string{"token"},
		}},
		Senaite:    config.Senaite{Prefixes: []string{"/lims/api"}, LoginInQuery: true},
		Hypothesis: config.Hypothesis{Authority: "hypothes.is"},
		Gen3:       config.Gen3{DenylistListen: "127.0.0.1:9181"},
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// wanted returns what the "# want: " lines of a file say.
func wanted(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(content)) {
		if w, ok := strings.CutPrefix(line, "# want: "); ok {
			lines = append(lines, strings.TrimSuffix(w, "\n"))
		}
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), "FILE", path)
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d files match %s, %v", len(paths), pattern, err)
	}
	return paths
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for _, path := range glob(t, "testdata/rejected/*.yaml") {
		want := wanted(t, path)
		_, err := config.Load(path, nil, nil)
		if err == nil {
			t.Errorf("%s was taken", path)
			continue
		}
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", path, diff)
		}
		if strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: a secret is in the error", path)
		}
	}
}

func TestFlagsStandOverVariablesOverTheFile(t *testing.T) {
	t.Parallel()
	path := write(t, "issuer: https://file.example\nlisten: :1\nops_listen: :2\nscopes: {file: x}\naudience: file\n")
	env := []string{
		"BEARERD_ISSUER=https://env.example", "BEARERD_LISTEN=:3", "BEARERD_REVOCATION_MAX_STALENESS=700ms",
		"BEARERD_REVOCATION_WAIT=false", "BEARERD_REVOCATION_MEMORY=64MiB", "BEARERD_DIALECTS=specify, gen3", "BEARERD_SCOPES={env: y}",
		`BEARERD_CORS_ORIGINS=["https://a.example"]`, "BEARERD_TRUSTED_PROXIES=10.0.0.0/8,127.0.0.1",
		"BEARERD_TASK_TOKENS=TES:\n  max_ttl: 96h\n", "BEARERD_UPSTREAM_URL=http://app",
		"BEARERD_UPSTREAM_ROUTES=[{path: /api/, scope: read}]", "BEARERD_AUDIENCE=", "BEARERD_LOGIN_ACCOUNT_FAILURES=4",
		"BEARERD_TLS_CERT_FILE=c", "BEARERD_TLS_KEY_FILE=k", "PATH=/bin", "BEARERD=x", "bearerd_listen=:9", "BEARERD_TEST_POSTGRES=x",
	}
	got, err := config.Load(path, env, map[string]string{"listen": ":4", "signing.algorithm": "ES256"})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Issuer, want.Listen, want.OpsListen = "https://env.example", ":4", ":2"
	want.Revocation = config.Revocation{MaxStaleness: 700 * time.Millisecond, Wait: config.WaitFalse, Memory: 64 << 20}
	want.Dialects = []config.Dialect{"specify", "gen3"}
	want.Scopes = map[string]string{"env": "y"}
	want.CORS.Origins = []string{"https://a.example"}
	want.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32")}
	want.TaskTokens = map[string]config.TaskToken{"TES": {MaxTTL: 96 * time.Hour}}
	want.Upstream.URL, want.Upstream.Routes = "http://app", []config.Route{{Path: "/api/", Require: config.RequireToken, Scope: "read"}}
	want.Login.AccountFailures = 4
	want.Signing.Algorithm = "ES256"
	want.TLS = config.TLS{CertFile: "c", KeyFile: "k"}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheAlgorithmIsRS256ByDefaultForADataCommons(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"dialects: []": "EdDSA",
		"dialects: [specify, senaite, hypothesis]":                                  "EdDSA",
		"dialects: [specify, gen3]":                                                 "RS256",
		"dialects: [gen3]\nsigning: {rotate_every: 24h}":                            "RS256",
		"dialects: [gen3]\nsigning: {algorithm: ES256}":                             "ES256",
		"signing: {algorithm: EdDSA}\ndialects: [gen3]":                             "EdDSA",
		"dialects: [gen3, hypothesis]\ngen3: {denylist_listen: \"127.0.0.1:9181\"}": "RS256",
	} {
		got, err := config.Load(write(t, text+"\n"), nil, nil)
		if err != nil || got.Signing.Algorithm != want {
			t.Errorf("%q: %q, %v, want %q", text, got.Signing.Algorithm, err, want)
		}
	}
	path := write(t, "dialects: [gen3]\n")
	for what, x := range map[string]struct {
		env       []string
		overrides map[string]string
		want      string
	}{
		"the algorithm by variable": {[]string{"BEARERD_SIGNING_ALGORITHM=EdDSA"}, nil, "EdDSA"},
		"the algorithm by flag":     {nil, map[string]string{"signing.algorithm": "PS256"}, "PS256"},
		"no dialect by variable":    {[]string{"BEARERD_DIALECTS="}, nil, "EdDSA"},
		"the dialect by flag":       {nil, map[string]string{"dialects": "gen3"}, "RS256"},
	} {
		got, err := config.Load(path, x.env, x.overrides)
		if err != nil || got.Signing.Algorithm != x.want {
			t.Errorf("%s: %q, %v, want %q", what, got.Signing.Algorithm, err, x.want)
		}
	}
}

func TestAnEmptyVariableEmptiesAList(t *testing.T) {
	t.Parallel()
	path := write(t, "dialects: [gen3]\nscopes: {a: b}\n")
	got, err := config.Load(path, []string{"BEARERD_DIALECTS=", "BEARERD_SCOPES="}, nil)
	if err != nil || len(got.Dialects) != 0 || len(got.Scopes) != 0 {
		t.Errorf("%v %v %v", got.Dialects, got.Scopes, err)
	}
}

func TestVariablesAndFlagsAreNamedInProblems(t *testing.T) {
	t.Parallel()
	path := write(t, "access_token: {ttl: 30m}\n")
	for _, c := range []struct {
		env       []string
		overrides map[string]string
		want      string
	}{
		{[]string{"BEARERD_ISUER=x"}, nil, "BEARERD_ISUER: unknown variable\n  hint: did you mean BEARERD_ISSUER?"},
		{[]string{"BEARERD_LOGIN=x"}, nil, "BEARERD_LOGIN: unknown variable\n  hint: did you mean BEARERD_LOGIN_ACCOUNT_FAILURES?"},
		{[]string{"BEARERD_QQQ=x"}, nil, "BEARERD_QQQ: unknown variable\n  hint: the variable of access_token.ttl is BEARERD_ACCESS_TOKEN_TTL"},
		{[]string{"BEARERD_ACCESS_TOKEN_TTL=never"}, nil, `BEARERD_ACCESS_TOKEN_TTL: access_token.ttl: must be a duration such as 90s, 30m or 720h, not "never"`},
		{[]string{"BEARERD_ACCESS_TOKEN_TTL=2h"}, nil, "BEARERD_ACCESS_TOKEN_TTL: access_token.ttl: must be at most access_token.max_ttl, 1h0m0s, not 2h0m0s"},
		{[]string{"BEARERD_REVOCATION_WAIT="}, nil, `BEARERD_REVOCATION_WAIT: revocation.wait: must be true, false or all, not ""`},
		{[]string{"BEARERD_DIALECTS=gen3,x"}, nil, "BEARERD_DIALECTS: dialects[1]: unknown dialect \"x\"\n  hint: the dialects are specify, senaite, hypothesis and gen3"},
		{[]string{"BEARERD_DIALECTS=[gen3"}, nil, "BEARERD_DIALECTS: dialects: no well-formed YAML: did not find expected ',' or ']'"},
		{[]string{"BEARERD_TRUSTED_PROXIES=a,10.0.0.1"}, nil, `BEARERD_TRUSTED_PROXIES: trusted_proxies: must be an address or a network such as 10.0.0.0/8, not "a"`},
		{[]string{"BEARERD_SCOPES=read"}, nil, "BEARERD_SCOPES: scopes: must be a mapping of keys to values"},
		{[]string{"BEARERD_SCOPES={admin: x}"}, nil, "BEARERD_SCOPES: scopes.admin: is built in and can't be declared\n  hint: choose another name"},
		{[]string{"BEARERD_SCOPES={'source:museum': x}"}, nil, "BEARERD_SCOPES: scopes.source:museum: is built in and can't be declared\n  hint: choose another name"},
		{[]string{"BEARERD_TASK_TOKENS={T: {x: 1}}"}, nil, "BEARERD_TASK_TOKENS: unknown key \"task_tokens.T.x\"\n  hint: the keys here are max_ttl"},
		{[]string{"BEARERD_SCOPES={a: b}\n---\n{c: d}"}, nil, "BEARERD_SCOPES: scopes: something follows the first YAML document"},
		{nil, map[string]string{"ops_listen": "x"}, "--ops-listen: ops_listen: must be host:port, not \"x\"\n  hint: write 127.0.0.1:8080, or :8080 for every address"},
		{nil, map[string]string{"nonsense": "x"}, `--nonsense: unknown key "nonsense"`},
		{nil, map[string]string{"login": "x"}, `--login: unknown key "login"`},
	} {
		_, err := config.Load(path, c.env, c.overrides)
		var problems config.ProblemsError
		if !errors.As(err, &problems) || err.Error() != c.want {
			t.Errorf("%v %v:\n got %v\nwant %s", c.env, c.overrides, err, c.want)
		}
	}
}

func TestTheVariableNamesTheFile(t *testing.T) {
	t.Parallel()
	variable := write(t, "audience: variable\n")
	flag := write(t, "audience: flag\n")
	env := []string{"BEARERD_CONFIG=" + variable}
	for path, want := range map[string]string{"": "variable", flag: "flag"} {
		if got, err := config.Load(path, env, nil); err != nil || got.Audience != want {
			t.Errorf("%q: %q, %v", path, got.Audience, err)
		}
	}
}

func TestAFileThatCantBeReadIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := config.Load("testdata/missing.yaml", nil, nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "missing.yaml") {
		t.Errorf("missing: %v", err)
	}
	if _, err := config.Load("testdata", nil, nil); err == nil {
		t.Error("a directory was taken")
	}
	big := write(t, "#"+strings.Repeat("x", 1<<20))
	if _, err := config.Load(big, nil, nil); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("large: %v", err)
	}
}

func TestResolvedDefaults(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Issuer = "https://auth.example.org:8443/sso"
	if got := c.DefaultAudience(); got != c.Issuer {
		t.Errorf("audience %q", got)
	}
	if got := c.Authority(); got != "auth.example.org" {
		t.Errorf("authority %q", got)
	}
	c.Audience, c.Hypothesis.Authority = "api", "hypothes.is"
	if c.DefaultAudience() != "api" || c.Authority() != "hypothes.is" {
		t.Errorf("audience %q, authority %q", c.DefaultAudience(), c.Authority())
	}
	c.TaskTokens = map[string]config.TaskToken{"A": {}, "B": {MaxTTL: time.Minute}}
	want := map[string]time.Duration{"A": time.Hour, "B": time.Minute}
	if diff := cmp.Diff(want, c.TaskCeilings()); diff != "" {
		t.Errorf("ceilings (-want +got):\n%s", diff)
	}
}

func TestTheMasterKeyLiesBesideTheDatabase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		database config.Database
		file     string
		want     string
	}{
		{"bearerd.db", "master.key", "master.key"},
		{"/var/lib/bearerd/b.db", "master.key", "/var/lib/bearerd/master.key"},
		{"data/b.db", "master.key", "data/master.key"},
		{"/var/lib/bearerd/b.db", "./master.key", "./master.key"},
		{"/var/lib/bearerd/b.db", "/etc/master.key", "/etc/master.key"},
		{"postgres://db/x", "master.key", "master.key"},
		{"postgresql://db/x", "keys/master.key", "keys/master.key"},
	} {
		if got := (config.Config{Database: c.database, MasterKeyFile: c.file}).MasterKeyPath(); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.database, c.file, got, c.want)
		}
	}
}

func TestWarningsNameWhatIsSeldomMeant(t *testing.T) {
	t.Parallel()
	c, err := config.Load("", []string{
		"BEARERD_ISSUER=http://auth.example.org", "BEARERD_TRUSTED_PROXIES=::/0", "BEARERD_SENAITE_LOGIN_IN_QUERY=true",
		"BEARERD_SIGNING_ALGORITHM=HS256", "BEARERD_SIGNING_SECRET_FILE=x",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, w := range c.Warnings() {
		key, _, _ := strings.Cut(w, ":")
		keys = append(keys, key)
	}
	want := []string{"issuer", "trusted_proxies", "senaite.login_in_query", "signing.algorithm"}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, issuer := range []string{"https://auth.example.org", "http://127.0.0.1:1", "http://[::1]:1", "http://localhost"} {
		d := config.Default()
		d.Issuer = issuer
		if got := d.Warnings(); got != nil {
			t.Errorf("%s: %v", issuer, got)
		}
	}
}

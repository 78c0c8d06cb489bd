package setup_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/setup"
)

var same = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}

func load(t *testing.T, text string) config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bearerd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, nil, nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return c
}

// The file says what was asked for, and what it shows as defaults are the defaults: the
// comment signs make no difference.
func TestTheConfigurationIsTrue(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}
	for name, c := range map[string]struct {
		settings []setup.Setting
		want     func(*config.Config)
	}{
		"nothing": {nil, func(*config.Config) {}},
		"much": {
			[]setup.Setting{
				{"issuer", "https://auth.example.org"},
				{"database", "postgres://bearerd:p%20w'd@db/bearerd?sslmode=verify-full"},
				{"dialects", []string{"specify", "hypothesis"}},
				{"trusted_proxies", []string{"127.0.0.1/32", "::1/128"}},
				{"master_key_file", "/etc/a folder: with #all/master.key"},
			},
			func(c *config.Config) {
				c.Issuer, c.Database = "https://auth.example.org", "postgres://bearerd:p%20w'd@db/bearerd?sslmode=verify-full"
				c.Dialects, c.TrustedProxies = []config.Dialect{"specify", "hypothesis"}, proxies
				c.MasterKeyFile = "/etc/a folder: with #all/master.key"
			},
		},
		"another algorithm": {
			[]setup.Setting{{"dialects", []string{"gen3"}}, {"signing", map[string]string{"algorithm": "RS256"}}},
			func(c *config.Config) { c.Dialects, c.Signing.Algorithm = []config.Dialect{"gen3"}, "RS256" },
		},
	} {
		want := config.Default()
		c.want(&want)
		text, err := setup.Configuration("bearerd.yaml", c.settings)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, load(t, text), same); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", name, diff, text)
		}
		shown := regexp.MustCompile(`(?m)^# (\w+: )`).ReplaceAllString(text, "$1")
		if diff := cmp.Diff(want, load(t, shown), same); diff != "" || shown == text {
			t.Errorf("%s: with the defaults that it shows (-want +got):\n%s", name, diff)
		}
	}
}

func TestASettingThatIsNoKeyIsAnError(t *testing.T) {
	t.Parallel()
	for _, s := range []setup.Setting{{"isuer", "x"}, {"issuer", "two\nlines"}} {
		if text, err := setup.Configuration("x", []setup.Setting{s}); err == nil {
			t.Errorf("%v was written:\n%s", s, text)
		}
	}
}

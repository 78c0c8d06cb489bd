package changes_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestNewRefusesAnIncompleteConfig(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	whole := changes.Config{Store: f.Store, Journal: f.Journal, Hasher: f.Hasher, Passwords: identity.PasswordRule{Min: 8}}
	nodetest.Must(t, nodetest.Second(changes.New(whole)))
	for name, remove := range map[string]func(*changes.Config){
		"without the store":                   func(c *changes.Config) { c.Store = nil },
		"without the journal":                 func(c *changes.Config) { c.Journal = nil },
		"without the hasher":                  func(c *changes.Config) { c.Hasher = nil },
		"without the rule":                    func(c *changes.Config) { c.Passwords = identity.PasswordRule{} },
		"with a fresh sign-in that never was": func(c *changes.Config) { c.Fresh = -time.Second },
	} {
		cfg := whole
		remove(&cfg)
		if _, err := changes.New(cfg); err == nil {
			t.Errorf("an editor %s", name)
		}
	}
}

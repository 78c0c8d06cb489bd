package gateway_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/frontendtest"
)

// TestEnvoysPageAsksByNameAndCopiesWhatBearerdSays holds the page's file against the names
// of headers and of requirements.
func TestEnvoysPageAsksByNameAndCopiesWhatBearerdSays(t *testing.T) {
	t.Parallel()
	blocks := frontendtest.EnvoyBlocks(t)
	var own struct {
		Requirements map[string]config.NamedRequirement `yaml:"requirements"`
	}
	must(t, yaml.Unmarshal([]byte(blocks[0]), &own))
	m := frontendtest.ReadEnvoy(t, blocks[1]).Static.Listeners[0].FilterChains[0].Filters[0].Config
	var want, removed []string
	for _, name := range append(slices.Clone(identityHeaders), "X-Remote-User", "Bearerd-Assertion") {
		want = append(want, strings.ToLower(name))
	}
	for _, mutation := range m.Early[0].Config.Mutations {
		removed = append(removed, mutation.Remove)
	}
	filters := map[string]bool{}
	for _, f := range m.Filters[:len(m.Filters)-1] {
		filters[f.Name] = true
		name := strings.TrimPrefix(f.Config.Service.Prefix, "/auth/ext-authz/")
		if _, known := own.Requirements[name]; !known || f.Config.FailureModeAllow {
			t.Errorf("%s asks for %q, and the page has %v", f.Name, name, own.Requirements)
		}
		var copied []string
		for _, p := range f.Config.Service.Response.ToUpstream.Patterns {
			copied = append(copied, p.Exact)
		}
		if diff := cmp.Diff(want, copied); diff != "" {
			t.Errorf("%s (-code +page):\n%s", f.Name, diff)
		}
	}
	for _, name := range append(want, "x-http-method", "x-http-method-override", "x-method-override", "x-original-method") {
		if !slices.Contains(removed, name) {
			t.Errorf("a client's %s survives", name)
		}
	}
	for _, host := range m.Routes.Hosts {
		for _, r := range host.Routes {
			for name := range r.PerFilter {
				if !filters[name] {
					t.Errorf("%v turns %s off, which there isn't", host.Domains, name)
				}
			}
		}
	}
}

package config_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/config"
)

// TestTheEdgesPageNamesItsKeysAndNoOther holds the page to the code, and its example too.
func TestTheEdgesPageNamesItsKeysAndNoOther(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/edge.md")
	if err != nil {
		t.Fatal(err)
	}
	documented, exist := map[string]bool{}, map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(string(text), -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			documented[strings.Trim(name, "`")] = true
		}
	}
	for field := range reflect.TypeFor[config.Edge]().Fields() {
		exist[field.Tag.Get("yaml")] = true
	}
	delete(exist, "verify")
	exist["verify.cache"] = true
	if diff := cmp.Diff(exist, documented); diff != "" {
		t.Errorf("(-code +docs):\n%s", diff)
	}
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(string(text))
	c, err := config.LoadEdge(write(t, example[1]), nil, nil)
	if err != nil || len(c.Upstream.Routes) != 2 || c.Config().DefaultAudience() != "https://auth.example.org" {
		t.Errorf("the example: %+v, %v", c, err)
	}
}

func TestAnEdgeIsConfiguredAsStrictlyAsANode(t *testing.T) {
	t.Parallel()
	const good = "issuer: https://auth.example.org\nclient_id: edge\nclient_secret_file: s\n"
	c, err := config.LoadEdge(write(t, good), []string{"BEARERD_AUDIENCE=api", "BEARERD_VERIFY_CACHE=2MiB"}, map[string]string{"listen": "127.0.0.1:1"})
	if err != nil || c.Audience != "api" || c.Verify.Cache != 2<<20 || c.Listen != "127.0.0.1:1" {
		t.Errorf("variables and flags: %+v, %v", c, err)
	}
	for text, says := range map[string]string{
		good + "databse: x\n":                             `:4: unknown key "databse"`,
		good + "verify: {cach: 1MiB}\n":                   `:4: unknown key "verify.cach"`,
		good + "dialects: [other]\n":                      `unknown dialect "other"`,
		good + "verify_listen: 10.0.0.1:80\n":             "verify_listen",
		good + "listen: nowhere\n":                        "listen: must be host:port",
		good + "upstream: {assertion_audience: a}\n":      "no signing key",
		"client_id: edge\nclient_secret_file: s\n":        "issuer: must be set",
		strings.Replace(good, "https", "http", 1):         "issuer: must be https",
		strings.Replace(good, "client_id: edge\n", "", 1): "client_id: must be set",
	} {
		if _, err := config.LoadEdge(write(t, text), nil, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %s", text, err, says)
		}
	}
	if _, err := config.LoadEdge(write(t, good), []string{"BEARERD_DATABASE=x"}, nil); err == nil || !strings.Contains(err.Error(), "BEARERD_VERIFY_CACHE") {
		t.Errorf("an unknown variable: %v", err)
	}
}

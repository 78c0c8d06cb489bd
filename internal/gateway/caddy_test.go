package gateway_test

import (
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/frontendtest"
)

func TestCaddysPageCopiesTheTenHeaders(t *testing.T) {
	t.Parallel()
	text := frontendtest.Documented(t, "caddy")["Caddyfile"]
	for _, name := range identityHeaders {
		if !strings.Contains(text, " "+name) {
			t.Errorf("the document doesn't copy %s", name)
		}
	}
}

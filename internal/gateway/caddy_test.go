package gateway_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// startCaddy runs Caddy with the documented file in front of bearerd and the
// application, and gives a client whose requests it gets.
func startCaddy(t testing.TB, bearerd, application string) *http.Client {
	t.Helper()
	binary := program(t, "caddy")
	text := documented(t, "caddy")["Caddyfile"]
	for _, name := range identityHeaders {
		if !strings.Contains(text, " "+name) {
			t.Fatalf("the document doesn't copy %s", name)
		}
	}
	dir := socketDir(t)
	text = replaceOnce(t, text, "\nmuseum.example.org {\n", "\nhttp://museum.example.org {\nbind unix/"+filepath.Join(dir, "socket")+"\n")
	text = replaceOnce(t, text, "127.0.0.1:8000", parseURL(t, application).Host)
	text = "{\nadmin off\nauto_https off\n}\n" + strings.ReplaceAll(text, "127.0.0.1:8080", parseURL(t, bearerd).Host)
	must(t, os.WriteFile(filepath.Join(dir, "Caddyfile"), []byte(text), 0o600))
	return run(t, dir, binary, "run", "--config", filepath.Join(dir, "Caddyfile"), "--adapter", "caddyfile")
}

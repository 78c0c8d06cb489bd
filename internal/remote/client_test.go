package remote_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/remote"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{
		"https://idp.example.org/jwks": true, "https://idp.example.org/jwks?p=1": true, "http://127.0.0.1:8000/x": true, "http://localhost/x": true, "http://[::1]:1/x": true,
		"http://idp.example.org/jwks": false, "http://127.0.0.1.example.org/": false, "https://user@idp.example.org/": false, "https://idp.example.org/#x": false,
		"ftp://idp.example.org/": false, "idp.example.org/jwks": false, "https:///jwks": false, "": false, "file:///etc/passwd": false, "https:opaque": false, "http://localhost@evil.example/": false,
	} {
		if err := remote.CheckAddress(address); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// The client checks where it goes, wherever the address came from.
func TestTheClientGoesOnlyWhereItMay(t *testing.T) {
	t.Parallel()
	c, err := remote.NewClient("")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"http://idp.example.org/", "https://user:password@idp.example.org/"} {
		if _, _, err := remote.Get(t.Context(), c, address, nil); err == nil || strings.Contains(err.Error(), "password@") {
			t.Errorf("%s: %v", address, err)
		}
	}
	p := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	defer p.Close()
	if _, _, err := remote.Get(t.Context(), c, p.URL, nil); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody: %v", err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, "/nowhere/at/all"} {
		if _, err := remote.NewClient(file); err == nil || !strings.HasPrefix(err.Error(), "ca_file: ") {
			t.Errorf("ca_file %s: %v", file, err)
		}
	}
}

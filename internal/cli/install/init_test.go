package install

import "testing"

// An issuer that people reach without a proxy is listened on where its URL says.
func TestAnIssuerOnThisMachineIsListenedOnAtItsPort(t *testing.T) {
	t.Parallel()
	const usual = "127.0.0.1:8080"
	for issuer, want := range map[string]string{
		"http://localhost:9000": "127.0.0.1:9000", "http://127.0.0.1:9000/auth": "127.0.0.1:9000", "http://[::1]:9000": "[::1]:9000",
		"http://localhost": usual, "https://localhost:9000": usual, "http://auth.example.org:9000": usual, "": usual,
	} {
		if got := listenFor(issuer); got != want {
			t.Errorf("%q is listened on at %s, want %s", issuer, got, want)
		}
	}
}

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

// What is printed to be pasted is one word for a shell.
func TestNamesAreQuotedForAShell(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"ada": "ada", "ada@example.org": "ada@example.org", "Müller": "Müller", "etc/bearerd.yaml": "etc/bearerd.yaml",
		"Ada Lovelace": "'Ada Lovelace'", "O'Neil": `'O'\''Neil'`, "$(id)": "'$(id)'", "a;b": "'a;b'", "a*": "'a*'", "a\\b": `'a\b'`, "#a": "'#a'",
	} {
		if got := quoted(name); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
}

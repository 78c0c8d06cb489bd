package audit_test

import (
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/audit"
)

// A client is described in words of ours, however it names itself.
func TestWhatAClientIs(t *testing.T) {
	t.Parallel()
	const apple = "AppleWebKit/537.36 (KHTML, like Gecko) "
	for agent, want := range map[string]string{
		"":                                    "",
		"<script>alert(1)</script>\x00":       "",
		strings.Repeat("x", 600) + "Firefox/": "",
		"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0":                                                "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + apple + "Chrome/142.0.0.0 Safari/537.36":                                 "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + apple + "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0":                   "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15": "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Mobile/15E148 Safari/604.1":   "Safari on iPhone",
		"Mozilla/5.0 (Linux; Android 10; K) " + apple + "Chrome/142.0.0.0 Mobile Safari/537.36":                                 "Chrome on Android",
		"curl/8.5.0": "curl",
		"Mozilla/5.0 (X11; Linux x86_64) Something/1": "a program on Linux",
	} {
		if got := (audit.Origin{Agent: agent}).Client(); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}

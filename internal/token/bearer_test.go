package token_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/token"
)

func TestParseBearerHasOneReading(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		headers []string
		want    string
		found   bool
		wrong   string
	}{
		{nil, "", false, ""},
		{[]string{"Bearer abc"}, "abc", true, ""},
		{[]string{"bEARER   a.b-c_d~e+f/g=="}, "a.b-c_d~e+f/g==", true, ""},
		{[]string{"Basic YTpi"}, "", false, ""},
		{[]string{"Bearerabc"}, "", false, ""},
		{[]string{"Bearer"}, "", false, "well-formed"},
		{[]string{"Bearer a b"}, "", false, "well-formed"},
		{[]string{"Bearer ="}, "", false, "well-formed"},
		{[]string{"Bearer a=b"}, "", false, "well-formed"},
		{[]string{"Bearer é"}, "", false, "well-formed"},
		{[]string{"Bearer a", "Bearer a"}, "", false, "more than one"},
		{[]string{"Bearer " + strings.Repeat("a", token.MaxBytes)}, strings.Repeat("a", token.MaxBytes), true, ""},
		{[]string{"Bearer " + strings.Repeat("a", token.MaxBytes+1)}, "", false, "8 KiB"},
	} {
		raw, found, err := token.ParseBearer(tt.headers)
		if raw != tt.want || found != tt.found || (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%.40q: %.40q, %t, %v", tt.headers, raw, found, err)
		}
	}
}

func TestIsB64TokenTakesWhatTheRFCSays(t *testing.T) {
	t.Parallel()
	syntax := regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)
	for c := range 256 {
		for _, s := range []string{string([]byte{byte(c)}), "a" + string([]byte{byte(c)}), string([]byte{byte(c), 'a'})} {
			if got := token.IsB64Token(s); got != syntax.MatchString(s) {
				t.Errorf("%q: %t", s, got)
			}
		}
	}
}

func TestChallengeTextCantEndItsQuotes(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		`say "yes"\`: "say 'yes'?", "a\r\nb": "a??b", "Müller": "M?ller", "": "", strings.Repeat("x", 600): strings.Repeat("x", 512),
	} {
		if got := token.ChallengeText(s); got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "localhost.example": false, "128.0.0.1": false, "::2": false, "127.0.0.1.example": false,
	} {
		if got := token.IsLoopback(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
}

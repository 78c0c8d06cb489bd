package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/secretfile"
)

const (
	firstProxySecret  = "n7Uq2xPz9LmW4cVb8RtY1kJh5GfD3sAo"
	secondProxySecret = "b4Hs8vKd2QnX7eTz5WyM3pRf9LcJ6uGa"
)

// A server that gets SIGHUP stays, and from then on honours what the files say: a secret
// that was replaced is good no longer, and the log keeps to its new level.
func TestSIGHUPReadsSecretsAndLevelAgain(t *testing.T) {
	t.Parallel()
	const configuration = "trusted_proxies: [127.0.0.1]\nsign_in: {sources: [{name: sso, type: header, secret_file: sso.secret, unknown: create}]}\n"
	dir := t.TempDir()
	b := &bench{TB: t, dir: dir}
	b.write("sso.secret", firstProxySecret)
	b = newBench(t, dir, configuration)
	p := b.serve()
	enter := func(secret string) int {
		r, err := http.NewRequest(http.MethodGet, p.base+"/auth/sign-in/sso", nil)
		must(t, err)
		r.Header.Set("X-Bearerd-Proxy", secret)
		r.Header.Set("Remote-User", "grace")
		resp, err := http.DefaultTransport.RoundTrip(r)
		must(t, err)
		must(t, resp.Body.Close())
		return resp.StatusCode
	}
	if a, b := enter(firstProxySecret), enter(secondProxySecret); a != http.StatusSeeOther || b != http.StatusForbidden {
		t.Fatalf("before the reload %d and %d", a, b)
	}
	b.write("sso.secret", secondProxySecret)
	b.write("bearerd.yaml", configuration+"log: {level: error}\n")
	must(t, p.cmd.Process.Signal(syscall.SIGHUP))
	for start := time.Now(); enter(secondProxySecret) != http.StatusSeeOther; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("the new secret is not taken")
		}
	}
	if got := enter(firstProxySecret); got != http.StatusForbidden {
		t.Errorf("the old secret: %d", got)
	}
	if err := p.stop(); err != nil || !strings.Contains(p.log.String(), `"msg":"listening"`) || strings.Contains(p.log.String(), `"msg":"stopping"`) {
		t.Errorf("%v; the log:\n%s", err, p.log)
	}
}

// newReloader returns one with a configuration and a secret that a test changes.
func newReloader(t *testing.T, read func() (config.Config, error), secret func() ([]byte, error)) (*reloader, *secretfile.Secret, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	level := &slog.LevelVar{}
	r := &reloader{
		config: config.Default(), read: read, level: level, secrets: &secretfile.Set{}, certificate: func() error { return nil },
		log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: level})),
	}
	s, err := r.secrets.Open(secret)
	must(t, err)
	return r, s, log
}

func TestAReloadSaysWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	r, _, log := newReloader(t, func() (config.Config, error) {
		c := config.Default()
		c.Log.Level, c.Listen, c.AccessToken.TTL = config.LogWarn, ":8081", time.Minute
		return c, nil
	}, func() ([]byte, error) { return nil, nil })
	r.reload(t.Context())
	if got := log.String(); !strings.Contains(got, `"keys":["listen","access_token.ttl"]`) {
		t.Errorf("the log says %s", got)
	}
}

func TestAReloadLeavesWhatIsWrongAsItWas(t *testing.T) {
	t.Parallel()
	broken := errors.New("the secret has 3 bytes")
	text, failure := "one", error(nil)
	r, secret, log := newReloader(t, func() (config.Config, error) { return config.Config{}, errors.New("line 3 is wrong") },
		func() ([]byte, error) { return []byte(text), failure })
	certificates := 0
	r.certificate = func() error { certificates++; return nil }
	text, failure = "two", broken
	r.reload(t.Context())
	got := log.String()
	if !strings.Contains(got, "line 3 is wrong") || !strings.Contains(got, "3 bytes") || strings.Contains(got, "reloaded") {
		t.Errorf("the log says %s", got)
	}
	if string(secret.Bytes()) != "one" || r.level.Level() != slog.LevelInfo || certificates != 1 {
		t.Errorf("secret %q, level %s, %d certificates read", secret.Bytes(), r.level.Level(), certificates)
	}
}

package config_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/config"
)

func TestNoticeSuitsWhatStartedTheServer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		notice config.StopNotice
		env    string
		want   time.Duration
	}{
		{"auto", "TERM=xterm", 0},
		{"auto", "NOTIFY_SOCKET=/run/systemd/notify", 5 * time.Second},
		{"auto", "KUBERNETES_SERVICE_HOST=10.0.0.1", 5 * time.Second},
		{"auto", "KUBERNETES_SERVICE_HOST=", 0},
		{"0s", "NOTIFY_SOCKET=/run/systemd/notify", 0},
		{"20s", "TERM=xterm", 20 * time.Second},
	} {
		if got := tc.notice.For([]string{"HOME=/", tc.env}); got != tc.want {
			t.Errorf("%s with %s: %s, want %s", tc.notice, tc.env, got, tc.want)
		}
	}
}

func TestRunningIsChecked(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"auto", "0s", "5s", "5m"} {
		if _, err := config.Load("", []string{"BEARERD_SHUTDOWN_NOTICE=" + good}, nil); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"BEARERD_SHUTDOWN_NOTICE=", "BEARERD_SHUTDOWN_NOTICE=5", "BEARERD_SHUTDOWN_NOTICE=-1s", "BEARERD_SHUTDOWN_NOTICE=6m", "BEARERD_LOG_LEVEL=loud", "BEARERD_LOG_LEVEL="} {
		if _, err := config.Load("", []string{bad}, nil); err == nil || !strings.Contains(err.Error(), "must be") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestLevelsAreTheLoggers(t *testing.T) {
	t.Parallel()
	for level, want := range map[config.LogLevel]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if got := level.Slog(); got != want {
			t.Errorf("%s is %s", level, got)
		}
	}
}

func TestChangedNamesTheKeys(t *testing.T) {
	t.Parallel()
	before, after := config.Default(), config.Default()
	if got := config.Changed(before, after); got != nil {
		t.Errorf("the same differ in %q", got)
	}
	after.Log.Level, after.AccessToken.TTL = config.LogDebug, time.Minute
	after.Upstream.Routes = []config.Route{{Path: "/"}}
	want := []string{"log.level", "access_token.ttl", "upstream.routes"}
	if diff := cmp.Diff(want, config.Changed(before, after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

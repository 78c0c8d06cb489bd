package config

import (
	"log/slog"
	"reflect"
	"strings"
	"time"
)

// Log says what is logged.
type Log struct {
	Level LogLevel `yaml:"level"`
}

// LogLevel is a level from which on events are logged: debug, info, warn or error.
type LogLevel string

// The levels.
const (
	LogDebug LogLevel = "debug"
	LogInfo  LogLevel = "info"
	LogWarn  LogLevel = "warn"
	LogError LogLevel = "error"
)

// Slog returns the level as the logger knows it; info for an unknown one.
func (l LogLevel) Slog() slog.Level {
	switch l {
	case LogDebug:
		return slog.LevelDebug
	case LogInfo:
		return slog.LevelInfo
	case LogWarn:
		return slog.LevelWarn
	case LogError:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// Shutdown says how a server stops.
type Shutdown struct {
	Notice StopNotice `yaml:"notice"`
}

// StopNotice is how long a server that stops goes on serving after /readyz reports it: a
// duration, or auto.
type StopNotice string

// StopNoticeAuto makes the notice depend on what started the process.
const StopNoticeAuto StopNotice = "auto"

// managedNotice is what load balancers need to see that a node is leaving.
const managedNotice = 5 * time.Second

// maxNotice is less than any orchestrator waits before it kills.
const maxNotice = 5 * time.Minute

// For returns the notice in an environment: for auto, 5 seconds under a service manager
// and in Kubernetes, and none elsewhere, as at a terminal.
func (n StopNotice) For(env []string) time.Duration {
	if d, err := time.ParseDuration(string(n)); err == nil {
		return d
	}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		if value != "" && (name == "NOTIFY_SOCKET" || name == "KUBERNETES_SERVICE_HOST") {
			return managedNotice
		}
	}
	return 0
}

func (l Log) check(k *checker) {
	switch l.Level {
	case LogDebug, LogInfo, LogWarn, LogError:
	default:
		k.fail("log.level", "", "must be debug, info, warn or error, not %q", l.Level)
	}
}

func (s Shutdown) check(k *checker) {
	if s.Notice == StopNoticeAuto {
		return
	}
	if d, err := time.ParseDuration(string(s.Notice)); err != nil || d < 0 || d > maxNotice {
		k.fail("shutdown.notice", "write 5s", "must be auto, or a duration from 0s to %s, not %q", maxNotice, s.Notice)
	}
}

// Changed returns the keys whose values differ between two configurations.
func Changed(before, after Config) []string {
	var keys []string
	a, b := reflect.ValueOf(&before).Elem(), reflect.ValueOf(&after).Elem()
	for _, key := range leaves(a.Type(), "") {
		if !reflect.DeepEqual(leaf(a, key).Interface(), leaf(b, key).Interface()) {
			keys = append(keys, key)
		}
	}
	return keys
}

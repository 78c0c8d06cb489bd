package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/config"
)

// everyForm prints v in every way that a careless line of code could.
func everyForm(t *testing.T, v any) string {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", v)
		fmt.Fprintf(&out, verb+"\n", struct{ V any }{v})
		fmt.Fprintf(&out, verb+"\n", []any{v})
	}
	fmt.Fprintln(&out, v)
	encoded, err := json.Marshal(map[string]any{"v": v})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(encoded)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", slog.Any("v", v))
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", slog.Any("v", v))
	return out.String()
}

func TestASecretIsNeverShown(t *testing.T) {
	t.Parallel()
	s := config.NewSecret("hunter2")
	out := everyForm(t, s) + everyForm(t, config.User{Username: "a", Password: s}) + everyForm(t, &config.Client{Secret: s})
	if strings.Contains(out, "hunter2") || strings.Contains(out, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("the secret is shown:\n%s", out)
	}
	if s.Reveal() != "hunter2" || s.String() != "[redacted]" || !s.IsSet() {
		t.Errorf("%q, %q, %t", s.Reveal(), s.String(), s.IsSet())
	}
	if none := (config.Secret{}); none.IsSet() || none.Reveal() != "" || none.String() != "[redacted]" {
		t.Error("the zero value is some secret")
	}
}

func TestADatabaseIsShownWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for database, want := range map[config.Database]string{
		"bearerd.db":                              "bearerd.db",
		"postgres://u:hunter2@db:5432/x":          "postgres://u:xxxxx@db:5432/x",
		"postgresql://u@db/x?password=hunter2#h2": "postgresql://u@db/x",
		"postgres://u:hunter2@%zz":                "postgres://[redacted]",
	} {
		if got := database.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		out := everyForm(t, database) + everyForm(t, config.Config{Database: database})
		if strings.Contains(out, "hunter2") || strings.Contains(out, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("the password is shown:\n%s", out)
		}
		if database.Reveal() != string(database) {
			t.Errorf("revealed %s", database.Reveal())
		}
	}
}

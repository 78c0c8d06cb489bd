package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
)

const redacted = "[redacted]"

// Secret is text that no print, log or encoding shows. It is kept behind a pointer,
// because fmt prints nested values under an unsuitable verb without calling their own
// methods. The zero value is none.
type Secret struct{ text *string }

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{text: &text} }

// Reveal returns the text itself, for the one place that needs it; "" when there
// is none.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet reports whether there is a text that is not empty.
func (s Secret) IsSet() bool { return s.Reveal() != "" }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// Format redacts under every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText redacts in JSON and the like.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue redacts in the log.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Database is where everything is kept: a file for SQLite, or a postgres://
// URL, which may hold a password and is printed without it.
type Database string

// Reveal returns the path or URL with everything in it.
func (d Database) Reveal() string { return string(d) }

// IsPostgres reports whether it is a PostgreSQL URL.
func (d Database) IsPostgres() bool {
	return strings.HasPrefix(string(d), "postgres://") || strings.HasPrefix(string(d), "postgresql://")
}

// String returns the path, or the URL without password and parameters.
func (d Database) String() string {
	if !d.IsPostgres() {
		return string(d)
	}
	u, err := url.Parse(string(d))
	if err != nil {
		return "postgres://" + redacted
	}
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted()
}

// Format prints what String returns, with every verb.
func (d Database) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// MarshalText returns what String returns, for JSON and the like.
func (d Database) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// LogValue returns what String returns, for the log.
func (d Database) LogValue() slog.Value { return slog.StringValue(d.String()) }

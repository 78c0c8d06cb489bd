// Package secretfile has secrets that are in files and can be read again while they are
// in use. A [Set] has those of one configuration: [Set.Reload] reads them all, and
// replaces all or none.
package secretfile

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync/atomic"
)

// MaxBytes bounds what is read as one secret.
const MaxBytes = 64 << 10

// Read reads a secret, and closes where it came from. One trailing newline doesn't count.
func Read(in io.ReadCloser) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(in, MaxBytes+1))
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, err
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("more than %d bytes", MaxBytes)
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r")), nil
}

// Secret is a secret that may be replaced while it is in use. Nil is none. Its methods may
// be called from any number of goroutines.
type Secret struct {
	read func() ([]byte, error)
	text atomic.Pointer[[]byte]
}

// Fixed returns a secret that stays as it is.
func Fixed(text []byte) *Secret {
	s := &Secret{read: func() ([]byte, error) { return text, nil }}
	s.text.Store(&text)
	return s
}

// Bytes returns the secret as it was last read, which must not be changed; nil for none.
func (s *Secret) Bytes() []byte {
	if s == nil {
		return nil
	}
	return *s.text.Load()
}

// IsSet reports whether there is a secret that is not empty.
func (s *Secret) IsSet() bool { return len(s.Bytes()) > 0 }

// Hidden replaces a secret in a text.
const Hidden = "[secret]"

// shortest is how long a secret must be to be looked for in a text: a shorter one would be
// found in ordinary words, and replacing it there would show it.
const shortest = 4

// HideIn returns a text with the secret hidden in it: as it is, in base64, and in base64 after a
// username, as SMTP and HTTP send it. What answers a request may repeat what was sent.
func (s *Secret) HideIn(text, username string) string {
	raw := string(s.Bytes())
	if len(raw) < shortest {
		return text
	}
	escaped := url.QueryEscape(raw)
	forms := []string{}
	for _, form := range []string{"\x00" + username + "\x00" + raw, username + ":" + raw, url.QueryEscape(username) + ":" + escaped, raw} {
		forms = append(forms, strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(form)), "="), Hidden)
	}
	forms = append(forms, escaped, Hidden, raw, Hidden)
	return strings.NewReplacer(forms...).Replace(text)
}

// Hide returns an error that wraps err, with a text in which the secret is hidden.
func (s *Secret) Hide(err error, username string) error {
	if err == nil {
		return nil
	}
	text := s.HideIn(err.Error(), username)
	if text == err.Error() {
		return err
	}
	return &hidingError{text: text, err: err}
}

// hidingError is an error with another text.
type hidingError struct {
	text string
	err  error
}

func (e *hidingError) Error() string { return e.text }

func (e *hidingError) Unwrap() error { return e.err }

// Set is the secrets of one configuration. The zero value has none. Open must not be called
// at the same time as another of its methods.
type Set struct{ secrets []*Secret }

// Open reads a secret by a function that also checks it, and adds it to the set.
func (s *Set) Open(read func() ([]byte, error)) (*Secret, error) {
	text, err := read()
	if err != nil {
		return nil, err
	}
	one := &Secret{read: read}
	one.text.Store(&text)
	s.secrets = append(s.secrets, one)
	return one, nil
}

// Reload reads all secrets and returns how many have changed. If one can't be read, or
// fails its check, all stay as they were; the error names each of those.
func (s *Set) Reload() (changed int, err error) {
	texts := make([][]byte, len(s.secrets))
	var failed []error
	for i, one := range s.secrets {
		if texts[i], err = one.read(); err != nil {
			failed = append(failed, err)
		}
	}
	if err := errors.Join(failed...); err != nil {
		return 0, err
	}
	for i, one := range s.secrets {
		if !bytes.Equal(texts[i], one.Bytes()) {
			one.text.Store(&texts[i])
			changed++
		}
	}
	return changed, nil
}

// Package login gets a token for a person from a bearerd on another machine, by the
// device grant (RFC 8628), keeps it in a file that only they may read, and uses it.
//
// A token is sent to the issuer that it came from and nowhere else: every address must have
// the issuer's scheme, host and port, no redirect is followed, and plain http is allowed
// only for this machine.
package login

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/token"
)

// Login is a person's login at one issuer. It is stored in this form, with its tokens.
type Login struct {
	Issuer    string    `json:"issuer"`
	ClientID  string    `json:"client_id,omitempty"`
	Username  string    `json:"username,omitempty"`
	Scope     string    `json:"scope,omitempty"`
	Token     string    `json:"access_token"`
	Refresh   string    `json:"refresh_token,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // of the token; zero: not known, or never
	CAFile    string    `json:"ca_file,omitempty"`
}

// String describes the login without its tokens.
func (l Login) String() string { return "login at " + l.Issuer }

// GoString is String.
func (l Login) GoString() string { return l.String() }

// Value returns the token.
func (l Login) Value() token.Secret { return token.Secret(l.Token) }

// ErrNone is the error where there is no login.
var ErrNone = errors.New("you are not logged in")

// Folder keeps logins, a file for each issuer.
type Folder string

// UserFolder returns the folder of the person who runs this program.
func UserFolder() (Folder, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("finding the folder for settings: %w", err)
	}
	return Folder(filepath.Join(dir, "bearerd", "logins")), nil
}

const suffix = ".json"

// path returns the file of an issuer.
func (f Folder) path(issuer string) string {
	return filepath.Join(string(f), url.QueryEscape(issuer)+suffix)
}

// Save keeps a login, in place of one of the same issuer. The file appears complete or not
// at all, and only its owner may read it.
func (f Folder) Save(l Login) (err error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(l, "", "  ") //nolint:gosec // the file is for the tokens
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(string(f), ".login-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), f.path(l.Issuer))
}

// Load returns the login of an issuer; ErrNone when there is none. A file that others may
// read is refused: its tokens may be known.
func (f Folder) Load(issuer string) (Login, error) {
	path := f.path(issuer)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Login{}, ErrNone
	}
	if err != nil {
		return Login{}, err
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return Login{}, fmt.Errorf("%s: mode %#o lets others read or change it; log in again", path, perm)
	}
	text, err := os.ReadFile(path) //nolint:gosec // it is ours
	if err != nil {
		return Login{}, err
	}
	var l Login
	if err := json.Unmarshal(text, &l); err != nil || l.Issuer != issuer || l.Token == "" {
		return Login{}, fmt.Errorf("%s: it is damaged; log in again", path)
	}
	return l, nil
}

// Remove forgets a login. It is no error that there is none.
func (f Folder) Remove(issuer string) error {
	err := os.Remove(f.path(issuer))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Issuers returns those that there is a login of, sorted.
func (f Folder) Issuers() ([]string, error) {
	files, err := os.ReadDir(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var issuers []string
	for _, file := range files {
		name, ok := strings.CutSuffix(file.Name(), suffix)
		issuer, unescapeErr := url.QueryUnescape(name)
		if ok && unescapeErr == nil && !strings.HasPrefix(name, ".") {
			issuers = append(issuers, issuer)
		}
	}
	slices.Sort(issuers)
	return issuers, err
}

package keyring_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/token"
)

func write(t *testing.T, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	do(t, os.WriteFile(path, []byte(text), 0o600))
	do(t, os.Chmod(path, mode))
	return path
}

func TestMadeMasterKeyIsOneLineThatOnlyItsOwnerReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "master.key")
	made, err := keyring.MakeMaster(path)
	do(t, err)
	info, err := os.Stat(path)
	do(t, err)
	text, err := os.ReadFile(path)
	do(t, err)
	key, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(string(text), "\n"))
	if err != nil || len(key) != 32 || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has %d bytes of key and mode %s: %v", len(key), info.Mode(), err)
	}
	read, err := keyring.ReadMaster(path)
	do(t, err)
	k, err := token.GenerateKey(token.EdDSA)
	do(t, err)
	sealed, err := made.Seal(k)
	do(t, err)
	store := &memory{keys: []keyring.Key{{KID: k.KID, Algorithm: token.EdDSA, State: keyring.Active, Sealed: sealed}}}
	cfg := config(t, store, newClock())
	cfg.Master = read
	if got := signing(t, open(t, cfg)); got.KID != k.KID {
		t.Errorf("%s was sealed and %s opened", k, got)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%v is left in the directory: %v", files, err)
	}
}

func TestMakeMasterNeverReplacesAFile(t *testing.T) {
	t.Parallel()
	path := write(t, "precious", 0o600)
	if _, err := keyring.MakeMaster(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("MakeMaster over a file: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file holds %q: %v", text, err)
	}
	if _, err := keyring.MakeMaster(filepath.Join(t.TempDir(), "missing", "master.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("MakeMaster in no directory: %v", err)
	}
}

func TestMakeMasterHasOneWinner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master.key")
	var made atomic.Int64
	var racing sync.WaitGroup
	for range 8 {
		racing.Go(func() {
			_, err := keyring.MakeMaster(path)
			switch {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
			if _, err := keyring.ReadMaster(path); err != nil { // complete, from any maker
				t.Error(err)
			}
		})
	}
	racing.Wait()
	if made.Load() != 1 {
		t.Errorf("%d made a master key", made.Load())
	}
}

func TestReadMasterSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	for name, c := range map[string]struct {
		text string
		mode fs.FileMode
		says string // empty: it is read
	}{
		"good":                       {good + "\n", 0o600, ""},
		"no newline":                 {good, 0o600, ""},
		"a newline of Windows":       {good + "\r\n", 0o600, ""},
		"read only":                  {good + "\n", 0o400, ""},
		"readable by its group":      {good + "\n", 0o640, ""},
		"readable by all":            {good + "\n", 0o644, "chmod 600"},
		"readable by others alone":   {good + "\n", 0o604, "chmod 600"},
		"writable by its group":      {good + "\n", 0o660, "chmod 600"},
		"executable by its group":    {good + "\n", 0o610, "chmod 600"},
		"empty":                      {"", 0o600, "0 bytes"},
		"a newline":                  {"\n", 0o600, "0 bytes"},
		"16 bytes":                   {base64.StdEncoding.EncodeToString(make([]byte, 16)), 0o600, "16 bytes"},
		"33 bytes":                   {base64.StdEncoding.EncodeToString(make([]byte, 33)), 0o600, "33 bytes"},
		"hexadecimal":                {strings.Repeat("0f", 32), 0o600, "48 bytes"},
		"raw":                        {"0123456789abcdef0123456789\xff\xfe\x00\x01\x02\x03", 0o600, "not base64"},
		"base64 without padding":     {strings.TrimRight(good, "="), 0o600, "not base64"},
		"base64url":                  {strings.Repeat("-_", 21) + "-=", 0o600, "not base64"},
		"spare bits":                 {strings.Replace(good, "Y=", "Z=", 1), 0o600, "not base64"},
		"a space before":             {" " + good, 0o600, "not base64"},
		"two lines":                  {good + "\n" + good + "\n", 0o600, "one line"},
		"a line within":              {good[:20] + "\n" + good[20:], 0o600, "one line"},
		"two newlines":               {good + "\n\n", 0o600, "one line"},
		"something else altogether":  {"-----BEGIN PRIVATE KEY-----", 0o600, "not base64"},
		"larger than any key should": {strings.Repeat("A", 1<<20), 0o600, "768 bytes"},
	} {
		path := write(t, c.text, c.mode)
		_, err := keyring.ReadMaster(path)
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path)):
			t.Errorf("%s: %v, want something about %q in %s", name, err, c.says, path)
		case err != nil && strings.Contains(err.Error(), good[:20]):
			t.Errorf("%s: the message shows the key: %v", name, err)
		}
	}
	if _, err := keyring.ReadMaster(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := keyring.ReadMaster(t.TempDir()); err == nil {
		t.Error("a directory is read")
	}
}

func TestMasterKeyPrintsAsItsPath(t *testing.T) {
	t.Parallel()
	m := master(t)
	for _, s := range []string{fmt.Sprint(m), fmt.Sprintf("%+v", m), fmt.Sprintf("%#v", m), m.LogValue().String()} {
		if !strings.HasPrefix(s, "master key /") || !strings.HasSuffix(s, "master.key") {
			t.Errorf("a master key prints as %q", s)
		}
	}
}

func TestSealRefusesWhatIsNotStored(t *testing.T) {
	t.Parallel()
	k, err := token.GenerateKey(token.EdDSA)
	do(t, err)
	if _, err := (keyring.Master{}).Seal(k); err == nil {
		t.Error("the zero master key seals")
	}
	if _, err := master(t).Seal(token.SigningKey{Algorithm: token.HS256, Key: []byte("secret")}); err == nil {
		t.Error("a shared secret is sealed")
	}
}

const goodSecret = "a9K2mQ7xV4bN8sT1eW6rY3uI0oP5lJhG"

func TestCheckSecretRefusesPlaceholders(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "secret", "changeme", goodSecret[:31],
		strings.Repeat("a", 32), strings.Repeat("\x00", 64), strings.Repeat("ab", 16), strings.Repeat("0123456789abcdef", 2),
		strings.Repeat("changeme", 4), strings.Repeat("secret", 6), strings.Repeat("secret", 6) + "sec", "secret" + strings.Repeat("!", 30),
		strings.Repeat("1", 31) + "2", "aaaaaaaabbbbbbbbccccccccdddddddd",
		"changeme-changeme-changeme-changeme!", "CHANGE_ME_CHANGE_ME_CHANGE_ME_0123456789",
		"this-is-your-super-secret-jwt-signing-key-please-change-this", "your-secret-key-at-least-32-characters-long",
		"django-insecure-change-this-secret-key", keyring.ExampleSecret, strings.Repeat(goodSecret, 2),
		strings.Repeat(goodSecret, 128) + "x",
	} {
		err := keyring.CheckSecret([]byte(s))
		if err == nil || !strings.Contains(err.Error(), "signing.secret_file") {
			t.Errorf("CheckSecret(%q) = %v", s, err)
		} else if len(s) > 5 && strings.Contains(err.Error(), s) && s != "secret" {
			t.Errorf("the message shows the secret: %v", err)
		}
	}
	for _, s := range []string{
		goodSecret, "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233", "correct horse battery staple and some more",
		"secret-" + goodSecret, "\x00\x01\x02\xfe\xff\x80\x81abcdefghijklmnopqrstuvwxyz",
	} {
		if err := keyring.CheckSecret([]byte(s)); err != nil {
			t.Errorf("CheckSecret(%q) = %v", s, err)
		}
	}
}

func TestReadSecretTakesAllButOneNewline(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		goodSecret: goodSecret, goodSecret + "\n": goodSecret, goodSecret + "\n\n": goodSecret + "\n",
		" " + goodSecret + " \n": " " + goodSecret + " ", goodSecret + "\r\n": goodSecret + "\r",
	} {
		if got, err := keyring.ReadSecret(write(t, text, 0o600)); err != nil || string(got) != want {
			t.Errorf("ReadSecret of %q = %q, %v", text, got, err)
		}
	}
	if _, err := keyring.ReadSecret(write(t, goodSecret[:31]+"\n", 0o600)); err == nil {
		t.Error("the newline counts as a byte of the secret")
	}
	if _, err := keyring.ReadSecret(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "signing.secret_file") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestSharedSecretIsNeitherStoredNorPublished(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	cfg := keyring.Config{Algorithm: token.HS256, Secret: []byte(goodSecret), Store: store, Now: c.now}
	r := open(t, cfg)
	raw := issue(t, r, c.now())
	do(t, verify(r, raw))
	if string(r.JWKS()) != `{"keys":[]}` || len(r.Public()) != 0 || len(r.Keys()) != 0 {
		t.Errorf("published: %s, %v, %v", r.JWKS(), r.Public(), r.Keys())
	}
	do(t, r.Tend(t.Context()))
	do(t, r.Refresh(t.Context()))
	do(t, r.RefreshUnknown(t.Context(), "x"))
	for _, err := range []error{r.Rotate(t.Context(), true), r.Retire(t.Context(), signing(t, r).KID)} {
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "signing.secret_file") {
			t.Errorf("rotating a shared secret: %v", err)
		}
	}
	if store.reads.Load()+store.writes.Load() != 0 {
		t.Error("the store was asked")
	}
	cfg.Secret = []byte(strings.ToUpper(goodSecret))
	if err := verify(open(t, cfg), raw); err == nil {
		t.Error("another secret verifies")
	}
}

func TestSharedSecretVerifiesWithoutKID(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := open(t, keyring.Config{Algorithm: token.HS256, Secret: []byte(goodSecret), Now: c.now})
	bare, own := signing(t, r), signing(t, r).KID
	if own == "" || strings.Contains(own, goodSecret[:6]) {
		t.Errorf("the id of the secret is %q", own)
	}
	for kid, good := range map[string]bool{"": true, own: true, "other": false, own[:10]: false} {
		bare.KID = kid
		raw, err := token.Sign(bare, token.TypeAccess, token.Claims{
			Issuer: "i", Subject: "s", Audience: []string{"a"}, ID: "j", IssuedAt: c.now(), Expiry: c.now().Add(day),
		})
		do(t, err)
		if err := verify(r, raw); (err == nil) != good {
			t.Errorf("kid %q: %v", kid, err)
		}
	}
}

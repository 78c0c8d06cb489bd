package keyring

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/bearerd/bearerd/internal/token"
)

const (
	masterBytes = 32
	// sealVersion begins every sealed key, so that the format can change later.
	sealVersion = 1
)

// Master is the key that the signing keys are sealed with: AES-256-GCM with the key's id
// and algorithm as additional data, so that no sealed key can be exchanged for another.
// The zero value seals and opens nothing. It prints as its path.
type Master struct {
	aead cipher.AEAD
	key  []byte
	path string
}

// String returns the path of the key's file, never the key.
func (m Master) String() string { return "master key " + m.path }

// GoString is String.
func (m Master) GoString() string { return m.String() }

// LogValue is String.
func (m Master) LogValue() slog.Value { return slog.StringValue(m.String()) }

func (m Master) usable() bool { return m.aead != nil }

// ReadMaster reads a master key file: 32 bytes in base64, one line. Only its owner and
// group may read it, and only its owner may write it. For a missing file the error is
// fs.ErrNotExist.
func ReadMaster(path string) (Master, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return Master{}, fmt.Errorf("reading the master key: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return Master{}, fmt.Errorf("reading the master key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Master{}, fmt.Errorf("master key %s: not a regular file", path)
	}
	if perm := info.Mode().Perm(); perm&0o037 != 0 {
		return Master{}, fmt.Errorf("master key %s: mode %#o lets others read or change it; chmod 600 it", path, perm)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return Master{}, fmt.Errorf("reading the master key: %w", err)
	}
	return parseMaster(path, text)
}

func parseMaster(path string, text []byte) (Master, error) {
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if bytes.ContainsAny(text, "\r\n") {
		return Master{}, fmt.Errorf("master key %s: more than one line", path)
	}
	key := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(key, text)
	if err != nil {
		return Master{}, fmt.Errorf("master key %s: not base64", path)
	}
	if n != masterBytes {
		return Master{}, fmt.Errorf("master key %s: %d bytes where %d are needed", path, n, masterBytes)
	}
	return newMaster(path, key[:n])
}

func newMaster(path string, key []byte) (Master, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return Master{}, fmt.Errorf("master key %s: %w", path, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return Master{}, fmt.Errorf("master key %s: %w", path, err)
	}
	return Master{aead: aead, key: bytes.Clone(key), path: path}, nil
}

// MakeMaster creates a master key and its file, mode 0600. An existing file is not
// changed: the error is fs.ErrExist. The file appears complete and synced or not at all,
// even if the process is killed.
func MakeMaster(path string) (Master, error) {
	key := make([]byte, masterBytes)
	if _, err := rand.Read(key); err != nil {
		return Master{}, fmt.Errorf("making the master key: %w", err)
	}
	if err := writeNew(path, base64.StdEncoding.EncodeToString(key)+"\n"); err != nil {
		return Master{}, fmt.Errorf("making the master key: %w", err)
	}
	return newMaster(path, key)
}

// writeNew writes a temporary file beside the path and links it there, which, unlike a
// rename, fails when the path exists.
func writeNew(path, text string) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".master-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the directory of the file that the operator named
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Seal encrypts the private half of a key. It is an error for HS256, whose secret
// isn't stored.
func (m Master) Seal(k token.SigningKey) ([]byte, error) {
	if !m.usable() {
		return nil, errors.New("sealing a key: there is no master key")
	}
	if k.Algorithm == token.HS256 {
		return nil, errors.New("sealing a key: an HS256 secret isn't stored")
	}
	private, err := x509.MarshalPKCS8PrivateKey(k.Key)
	if err != nil {
		return nil, fmt.Errorf("sealing %s: %w", k, err)
	}
	nonce := make([]byte, m.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("sealing %s: %w", k, err)
	}
	out := append([]byte{sealVersion}, nonce...)
	return m.aead.Seal(out, nonce, private, sealData(k.KID, k.Algorithm)), nil
}

// sealData is what a sealed key is bound to. A kid has no zero byte in it.
func sealData(kid string, alg token.Algorithm) []byte {
	return []byte(kid + "\x00" + string(alg))
}

// Opens returns why the master key doesn't open a stored key, nil when it does. A key whose
// private half is gone needs none.
func (m Master) Opens(k Key) error {
	if len(k.Sealed) == 0 {
		return nil
	}
	_, err := m.unseal(k)
	return err
}

// unseal opens a stored key. The error names the master key file: either it is not the
// one that the ring was sealed with, or the ring was tampered with.
func (m Master) unseal(k Key) (token.SigningKey, error) {
	private, err := m.decrypt(k)
	if err != nil {
		return token.SigningKey{}, fmt.Errorf("%s doesn't open signing key %s: is master_key_file the file it was sealed with? %w",
			m, k.KID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		return token.SigningKey{}, fmt.Errorf("reading signing key %s: %w", k.KID, err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return token.SigningKey{}, fmt.Errorf("reading signing key %s: it doesn't sign", k.KID)
	}
	key, err := token.NewSigningKey(k.Algorithm, signer)
	if err != nil {
		return token.SigningKey{}, fmt.Errorf("reading signing key %s: %w", k.KID, err)
	}
	if key.KID != k.KID {
		return token.SigningKey{}, fmt.Errorf("signing key %s: its id isn't its thumbprint", k.KID)
	}
	return key, nil
}

func (m Master) decrypt(k Key) ([]byte, error) {
	size := m.aead.NonceSize()
	if len(k.Sealed) < 1+size || k.Sealed[0] != sealVersion {
		return nil, errors.New("not a sealed key")
	}
	nonce, sealed := k.Sealed[1:1+size], k.Sealed[1+size:]
	return m.aead.Open(nil, nonce, sealed, sealData(k.KID, k.Algorithm))
}

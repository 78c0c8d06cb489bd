package sso

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// Sealer encrypts and authenticates what a browser keeps for this server: nobody else can
// read, change or create it. Nodes with the same key open what any of them has sealed.
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns a sealer with a key of 32 bytes.
func NewSealer(key [32]byte) (*Sealer, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("making the cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("making the cipher: %w", err)
	}
	return &Sealer{aead}, nil
}

// maxSealed bounds what is opened, in characters: a cookie has at most 4096.
const maxSealed = 16 << 10

var errSealed = errors.New("sso: it was not sealed here")

// Seal returns v as text for a cookie or a form. What was sealed for one purpose is opened
// for no other.
func (s *Sealer) Seal(purpose string, v any) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("sealing: %w", err)
	}
	nonce := make([]byte, s.aead.NonceSize())
	_, _ = rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, []byte(purpose))), nil
}

// Open reads into v what Seal returned.
func (s *Sealer) Open(purpose, text string, v any) error {
	if len(text) > maxSealed {
		return errSealed
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(sealed) < s.aead.NonceSize() {
		return errSealed
	}
	plain, err := s.aead.Open(nil, sealed[:s.aead.NonceSize()], sealed[s.aead.NonceSize():], []byte(purpose))
	if err != nil {
		return errSealed
	}
	return json.Unmarshal(plain, v)
}

package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Load reads the certificate and its key; without files there is nothing to read.
func (t TLS) Load() (*tls.Certificate, error) {
	if t == (TLS{}) {
		return nil, nil //nolint:nilnil // there is none
	}
	loaded, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the TLS certificate: %w", err)
	}
	return &loaded, nil
}

// certificate is a certificate in files that may be replaced while the server
// runs, as ACME clients do. It is read again when a handshake finds them changed.
type certificate struct {
	files TLS
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate
	stamp   [2]stamp
	checked time.Time
}

// stamp reports whether a file has changed.
type stamp struct {
	modified time.Time
	size     int64
}

const checkFilesEvery = time.Second

// current returns the certificate as the files have it. If the files can't be used, such
// as a chain that is newer than its key, the certificate stays as it was.
func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if since := now.Sub(c.checked); since >= 0 && since < checkFilesEvery {
		return c.loaded
	}
	c.checked = now
	if stamp, err := c.stamps(); err == nil && stamp == c.stamp {
		return c.loaded
	}
	if err := c.load(); err != nil {
		c.log.Error("keeping the certificate as it was", slog.Any("error", err))
	} else {
		c.log.Info("reloaded the certificate", slog.String("file", c.files.CertFile))
	}
	return c.loaded
}

// reload reads the files now. The error says why they can't be used; then the certificate
// stays as it was.
func (c *certificate) reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked = c.now()
	return c.load()
}

// load reads the files. Their stamps are taken before reading, so that a change during
// the reading is seen at the next check.
func (c *certificate) load() error {
	stamp, err := c.stamps()
	if err != nil {
		return fmt.Errorf("reading the TLS certificate: %w", err)
	}
	loaded, err := c.files.Load()
	if err != nil {
		return err
	}
	c.loaded, c.stamp = loaded, stamp
	return nil
}

func (c *certificate) stamps() (s [2]stamp, err error) {
	for i, path := range []string{c.files.CertFile, c.files.KeyFile} {
		info, err := os.Stat(path)
		if err != nil {
			return s, err
		}
		s[i] = stamp{info.ModTime(), info.Size()}
	}
	return s, nil
}

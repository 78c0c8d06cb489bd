// Package remote reads documents that other systems publish: JWK Sets and metadata. It
// decides where a request may go, how long it may take and how much is read, and keeps
// what was read for as long as it may be used.
package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/token"
)

const (
	// MaxDocument bounds what is read from another system, in bytes.
	MaxDocument = 256 << 10
	// Timeout bounds one request to another system, its body included.
	Timeout = 5 * time.Second
)

// ErrTooLarge is the error of reading more than MaxDocument.
var ErrTooLarge = fmt.Errorf("more than %d bytes", MaxDocument)

// NewClient returns a client for requests to another system. It waits 5 seconds at most,
// reads 256 KiB at most, follows no redirect, and makes requests only to addresses that
// CheckAddress accepts. With caFile only certificates of the authorities in that PEM file
// are accepted, else those of the system.
func NewClient(caFile string) (*http.Client, error) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: Timeout, ResponseHeaderTimeout: Timeout, IdleConnTimeout: 30 * time.Second,
		MaxIdleConnsPerHost: 4, MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	var err error
	if transport.TLSClientConfig.RootCAs, err = Roots(caFile); err != nil {
		return nil, err
	}
	return &http.Client{
		Transport: &bounded{next: transport}, Timeout: Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// Roots returns the certificates of the authorities in a PEM file; without a file nil,
// which means those of the system.
func Roots(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file: %s holds no PEM certificate", caFile)
	}
	return roots, nil
}

// bounded checks addresses and limits bodies of every request.
type bounded struct{ next http.RoundTripper }

// RoundTrip makes one request.
func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := checkURL(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	res, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	res.Body = &limitedBody{ReadCloser: res.Body, left: MaxDocument}
	return res, nil
}

// limitedBody is a body that ends with an error where it is too large.
type limitedBody struct {
	io.ReadCloser

	left int64
}

// Read reads at most what is left, and one byte more to find out that there is more.
func (l *limitedBody) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n, ErrTooLarge
	}
	return n, err
}

// CheckAddress reports why an address can't be used: it must be https, or
// http on this machine, and have neither user nor fragment.
func CheckAddress(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("is no URL")
	}
	if strings.Contains(raw, "#") {
		return errors.New("has a fragment")
	}
	return checkURL(u)
}

func checkURL(u *url.URL) error {
	switch {
	case u.Host == "" || u.Opaque != "":
		return errors.New("is no URL with a host")
	case u.User != nil:
		return errors.New("has a user in it")
	case u.Scheme == "https", u.Scheme == "http" && token.IsLoopback(u.Hostname()):
		return nil
	}
	return errors.New("must be https, or http on a loopback address")
}

// Get reads a document. Any answer but a 200 is an error.
func Get(ctx context.Context, client *http.Client, address string, header http.Header) ([]byte, http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Accept", "application/json")
	maps.Copy(r.Header, header)
	res, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s answered %d", r.URL.Redacted(), res.StatusCode)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", r.URL.Redacted(), err)
	}
	return body, res.Header, nil
}

package assertion

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
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/token"
)

const (
	// maxDocument bounds what is read from an issuer, in bytes.
	maxDocument = 256 << 10
	// fetchTimeout bounds one request to an issuer, its body included.
	fetchTimeout = 5 * time.Second
)

var errTooLarge = fmt.Errorf("more than %d bytes", maxDocument)

// NewHTTPClient returns a client for requests to an issuer. It waits 5 seconds at most,
// reads 256 KiB at most, follows no redirect, and makes requests only to addresses that
// CheckAddress accepts. With caFile only certificates of the authorities in that PEM file
// are accepted, else those of the system.
func NewHTTPClient(caFile string) (*http.Client, error) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: fetchTimeout, ResponseHeaderTimeout: fetchTimeout, IdleConnTimeout: 30 * time.Second,
		MaxIdleConnsPerHost: 4, MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if caFile != "" {
		pem, err := os.ReadFile(caFile) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s holds no PEM certificate", caFile)
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	return &http.Client{
		Transport: &bounded{next: transport}, Timeout: fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// bounded checks addresses and limits bodies, whoever makes the requests.
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
	res.Body = &limitedBody{ReadCloser: res.Body, left: maxDocument}
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
		return 0, errTooLarge
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n, errTooLarge
	}
	return n, err
}

// CheckAddress reports why an address of an issuer can't be used: it must be https, or
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

// Get reads a document that an issuer publishes. Anything but a 200 is an error.
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

// How long a set that was fetched is fresh: as its Cache-Control says, within these limits.
const (
	minSetAge     = time.Minute
	maxSetAge     = time.Hour
	defaultSetAge = 5 * time.Minute
)

// SetConfig says where a JWK Set is fetched.
type SetConfig struct {
	Name    string // for messages
	Address string
	Client  *http.Client // from NewHTTPClient
	Now     func() time.Time
}

// SetURL returns the keys of a JWK Set at an address. It is fetched at first use, again
// when its Cache-Control says so (1 minute to 1 hour), and once a minute at most for a key
// that it doesn't have. While it can't be fetched, the last one is used for a day.
func SetURL(cfg SetConfig) (Keys, error) {
	if err := CheckAddress(cfg.Address); err != nil {
		return nil, fmt.Errorf("the address of the JWK Set %w", err)
	}
	return &set{what: "the keys of " + cfg.Name, now: cfg.Now, read: func(ctx context.Context) (document, error) {
		body, header, err := Get(ctx, cfg.Client, cfg.Address, nil)
		return document{body: body, age: setAge(header.Get("Cache-Control"))}, err
	}}, nil
}

// setAge reads a max-age (RFC 9111 §5.2.2.1) within our limits.
func setAge(cacheControl string) time.Duration {
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return minSetAge
		case "max-age":
			if seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				return min(max(time.Duration(seconds)*time.Second, minSetAge), maxSetAge)
			}
		}
	}
	return defaultSetAge
}

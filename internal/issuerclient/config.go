package issuerclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/foreign"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Config says for which issuer a Client verifies, and as which client of that issuer. Fields
// with the names of those in verify.Config mean the same.
type Config struct {
	Issuer           string
	Audience         string
	ClientID         string
	ClientSecret     string
	ClientSecretFile string
	AskOnStale       bool // without a lease the issuer is asked about every token
	MaxStaleness     time.Duration
	Confirm          string

	InsecureWithoutRevocation bool
	InsecureAllowHTTP         bool

	SharedSecretFile string
	APITokenPrefix   string
	ForeignTokens    []foreign.Shape

	CacheBytes         int64
	NewTokensPerSecond int

	HTTPClient *http.Client
	Logger     *slog.Logger
	Now        func() time.Time
	Clock      func() time.Duration // nil: the machine's boot-time clock
	// Edge makes the client one of the issuer's own edges; nil: it belongs to a service.
	Edge *Edge
}

// Edge is the additional configuration of an edge. An edge decides everything that a node of bearerd decides: it
// knows who a token's user is and what the user may do, and accepts the sessions of dialects.
// Revocations wait for it as for a node.
type Edge struct {
	// AddressOf returns the address of a request's client; it must be set.
	AddressOf func(context.Context) netip.Addr
	Meter     verification.Meter // nil: nothing is counted
}

// Format hides the client's secret from every verb of fmt.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "client %q of %q for %q", c.ClientID, c.Issuer, c.Audience)
}

// LogValue hides the client's secret from slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

const (
	defaultCacheBytes = 32 << 20
	minCacheBytes     = 64 << 10
	defaultNewTokens  = 50
	maxSecretBytes    = 4 << 10
)

// check completes the configuration, or returns what is wrong with it.
func (c *Config) check() error {
	if err := c.checkRequired(); err != nil {
		return err
	}
	if c.APITokenPrefix == "" {
		c.APITokenPrefix = token.PrefixAPIToken
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = defaultCacheBytes
	}
	c.CacheBytes = max(c.CacheBytes, minCacheBytes)
	if c.NewTokensPerSecond == 0 {
		c.NewTokensPerSecond = defaultNewTokens
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // this is the Now field
	}
	return c.readSecret()
}

func (c *Config) checkRequired() error {
	switch {
	case c.Issuer == "":
		return errors.New("the Issuer is missing")
	case c.Audience == "":
		return errors.New("the Audience is missing: a token for another service must not be accepted here")
	case c.MaxStaleness < 0 || c.CacheBytes < 0 || c.NewTokensPerSecond < 0:
		return errors.New("MaxStaleness, CacheBytes and NewTokensPerSecond must not be negative")
	case c.ClientSecret != "" && c.ClientSecretFile != "":
		return errors.New("ClientSecret and ClientSecretFile are both set")
	case c.hasClient() && (c.ClientID == "" || !c.hasSecret()):
		return errors.New("a client needs both ClientID and its secret")
	case !c.hasClient() && !c.InsecureWithoutRevocation:
		return errors.New("ClientID is missing: the revocation log is read as a client of the issuer")
	case c.Edge != nil && c.Confirm == "":
		return errors.New("an Edge confirms revocations: Confirm is missing")
	case c.Confirm != "" && c.InsecureWithoutRevocation:
		return errors.New("the label in Confirm and InsecureWithoutRevocation are both set")
	}
	if err := checkLabel(c.Confirm); err != nil {
		return err
	}
	_, err := checkURL(c.Issuer, c.InsecureAllowHTTP)
	if err != nil {
		return fmt.Errorf("the issuer: %w", err)
	}
	return nil
}

func (c *Config) hasSecret() bool { return c.ClientSecret != "" || c.ClientSecretFile != "" }

func (c *Config) hasClient() bool { return c.ClientID != "" || c.hasSecret() }

func (c *Config) readSecret() error {
	if c.ClientSecretFile == "" {
		return nil
	}
	f, err := os.Open(c.ClientSecretFile)
	if err != nil {
		return fmt.Errorf("ClientSecretFile: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+2))
	if err != nil {
		return fmt.Errorf("ClientSecretFile: %w", err)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) == 0 || len(text) > maxSecretBytes {
		return fmt.Errorf("ClientSecretFile %s must hold 1 to %d bytes", c.ClientSecretFile, maxSecretBytes)
	}
	c.ClientSecret = string(text)
	return nil
}

// sharedKey reads the key of HS256; it has no kid where there is none.
func (c *Config) sharedKey() (token.VerificationKey, error) {
	if c.SharedSecretFile == "" {
		return token.VerificationKey{}, nil
	}
	setting := "SharedSecretFile"
	if c.Edge != nil {
		setting = "signing.secret_file"
	}
	secret, err := keyring.ReadSecretOf(setting, c.SharedSecretFile)
	if err != nil {
		return token.VerificationKey{}, err
	}
	return keyring.Shared(secret), nil
}

// checkURL reads an address to which secrets may go, or from which keys may come.
func checkURL(raw string, allowHTTP bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, fmt.Errorf("%q is not a URL with a host", raw)
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(raw, "#"):
		return nil, fmt.Errorf("%q: must have no user, query or fragment", u.Redacted())
	case u.Scheme == "https":
	case u.Scheme != "http":
		return nil, fmt.Errorf("%q: must be https", raw)
	case !allowHTTP && !token.IsLoopback(u.Hostname()):
		return nil, fmt.Errorf("%q: must be https, or InsecureAllowHTTP set", raw)
	}
	return u, nil
}

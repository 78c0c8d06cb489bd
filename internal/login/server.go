package login

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/remote"
)

// ClientID is the client that people log in with on the command line. "bearerd init"
// creates it; an administrator can limit or delete it like any other.
const ClientID = "bearerd-cli"

// The grants that a login uses.
const (
	grantDeviceCode   = "urn:ietf:params:oauth:grant-type:device_code"
	grantRefreshToken = "refresh_token"
)

// Grants returns the grants that the client of logins needs.
func Grants() []string { return []string{grantDeviceCode, grantRefreshToken} }

const (
	maxAnswer     = 1 << 20
	answerTimeout = time.Minute // an acknowledged revocation may take a while
	earlier       = 30 * time.Second
	slowerBy      = 5 * time.Second // RFC 8628 §3.5
)

// Error is a refusal by an OAuth endpoint (RFC 6749 §5.2).
type Error struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	Status      int    `json:"-"`
}

// Error returns the code and what is said about it.
func (e *Error) Error() string {
	switch {
	case e.Code == "":
		return fmt.Sprintf("the server answered with %d", e.Status)
	case e.Description == "":
		return e.Code
	}
	return e.Code + ": " + e.Description
}

// Server is the issuer that a person logs in at.
type Server struct {
	Issuer string
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error

	client *http.Client
	caFile string
	found  metadata
}

// metadata is what is read of the server's (RFC 8414).
type metadata struct {
	Issuer string `json:"issuer"`
	Device string `json:"device_authorization_endpoint"`
	Token  string `json:"token_endpoint"`
	Revoke string `json:"revocation_endpoint"`
}

// Connect finds out where the endpoints of an issuer are. With caFile only certificates of
// the authorities in that file are accepted.
func Connect(ctx context.Context, s Server, caFile string) (*Server, error) {
	s.Issuer = strings.TrimSuffix(s.Issuer, "/")
	if err := remote.CheckAddress(s.Issuer); err != nil {
		return nil, fmt.Errorf("%q %w", s.Issuer, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile) //nolint:gosec // the person names the file
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate", caFile)
		}
	}
	s.caFile = caFile
	s.client = &http.Client{
		Timeout:       answerTimeout,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Issuer+"/.well-known/oauth-authorization-server", nil)
	if err != nil {
		return nil, err
	}
	if err := s.do(r, &s.found); err != nil {
		return nil, fmt.Errorf("asking %s for its metadata: %w", s.Issuer, err)
	}
	if s.found.Issuer != s.Issuer {
		return nil, fmt.Errorf("the server at %s calls itself %q", s.Issuer, s.found.Issuer)
	}
	for _, address := range []string{s.found.Device, s.found.Token, s.found.Revoke} {
		if !s.owns(address) {
			return nil, fmt.Errorf("the server at %s has an endpoint elsewhere: %q", s.Issuer, address)
		}
	}
	return &s, nil
}

// owns reports whether an address has the issuer's scheme, host and port.
func (s *Server) owns(address string) bool {
	own, errOwn := url.Parse(s.Issuer)
	u, err := url.Parse(address)
	return errOwn == nil && err == nil && u.Scheme == own.Scheme && u.Host == own.Host && u.User == nil
}

// do sends a request and reads the JSON of its answer. A refusal is an *Error.
func (s *Server) do(r *http.Request, into any) error {
	r.Header.Set("Accept", "application/json")
	resp, err := s.client.Do(r)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		refusal := &Error{Status: resp.StatusCode}
		_ = json.Unmarshal(body, refusal)
		return refusal
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("the answer is not what was expected: %w", err)
	}
	return nil
}

func (s *Server) post(ctx context.Context, address string, form url.Values, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(r, into)
}

// Device is a login that waits for the person's decision.
type Device struct {
	UserCode string // WDJB-MJHT
	Page     string // where it is typed
	Link     string // the same, with the code in it; may be empty

	clientID, code, scope string
	interval              time.Duration
	expires               time.Time
}

// Begin starts a login (RFC 8628 §3.1).
func (s *Server) Begin(ctx context.Context, clientID, scope string) (*Device, error) {
	var answer struct {
		DeviceCode string `json:"device_code"`
		UserCode   string `json:"user_code"`
		URI        string `json:"verification_uri"`
		Complete   string `json:"verification_uri_complete"`
		ExpiresIn  int64  `json:"expires_in"`
		Interval   int64  `json:"interval"`
	}
	if err := s.post(ctx, s.found.Device, url.Values{"client_id": {clientID}, "scope": {scope}}, &answer); err != nil {
		return nil, err
	}
	if !s.owns(answer.URI) || answer.Complete != "" && !s.owns(answer.Complete) {
		return nil, fmt.Errorf("the server at %s leads elsewhere: %q", s.Issuer, answer.URI)
	}
	return &Device{
		UserCode: answer.UserCode, Page: answer.URI, Link: answer.Complete, clientID: clientID, code: answer.DeviceCode, scope: scope,
		interval: time.Duration(max(answer.Interval, 1)) * time.Second, expires: s.Now().Add(time.Duration(answer.ExpiresIn) * time.Second),
	}, nil
}

// issued is an answer of the token endpoint.
type issued struct {
	Token     string  `json:"access_token"`
	Refresh   string  `json:"refresh_token"`
	ExpiresIn int64   `json:"expires_in"`
	Scope     *string `json:"scope"`
}

// Wait asks until the person has decided, and returns the login. The error is an *Error
// with the code access_denied or expired_token where there is none.
func (s *Server) Wait(ctx context.Context, d *Device) (Login, error) {
	form := url.Values{"grant_type": {grantDeviceCode}, "device_code": {d.code}, "client_id": {d.clientID}}
	for {
		if err := s.Sleep(ctx, d.interval); err != nil {
			return Login{}, err
		}
		var answer issued
		err := s.post(ctx, s.found.Token, form, &answer)
		if err == nil {
			return s.login(Login{ClientID: d.clientID, Scope: d.scope}, answer), nil
		}
		refusal, ok := errors.AsType[*Error](err)
		switch {
		case ok && refusal.Code == "authorization_pending":
		case ok && refusal.Code == "slow_down":
			d.interval += slowerBy
		case ok && refusal.Code != "" && refusal.Status < http.StatusInternalServerError:
			return Login{}, err
		case !s.Now().Before(d.expires):
			return Login{}, err
		default: // the server can't be reached: the person's decision isn't lost
		}
		if !s.Now().Before(d.expires) {
			return Login{}, &Error{Code: "expired_token", Description: "nobody decided in time"}
		}
	}
}

// login returns a login with the tokens of an answer.
func (s *Server) login(l Login, answer issued) Login {
	l.Issuer, l.CAFile, l.Token, l.ExpiresAt = s.Issuer, s.caFile, answer.Token, time.Time{}
	if answer.Refresh != "" {
		l.Refresh = answer.Refresh
	}
	if answer.ExpiresIn > 0 {
		l.ExpiresAt = s.Now().Add(time.Duration(answer.ExpiresIn) * time.Second).UTC().Truncate(time.Second)
	}
	if answer.Scope != nil {
		l.Scope = *answer.Scope
	}
	return l
}

// Fresh returns a login whose token is valid for some time, and whether it differs from
// l: one that ends soon is replaced with its refresh token (RFC 6749 §6).
func (s *Server) Fresh(ctx context.Context, l Login) (Login, bool, error) {
	if l.ExpiresAt.IsZero() || l.Refresh == "" || s.Now().Add(earlier).Before(l.ExpiresAt) {
		return l, false, nil
	}
	var answer issued
	form := url.Values{"grant_type": {grantRefreshToken}, "refresh_token": {l.Refresh}, "client_id": {l.ClientID}}
	if err := s.post(ctx, s.found.Token, form, &answer); err != nil {
		return l, false, err
	}
	return s.login(l, answer), true, nil
}

// Revoke revokes the tokens of a login: the refresh token, with every token that was
// issued for it, and the token itself.
func (s *Server) Revoke(ctx context.Context, l Login) error {
	for _, value := range []string{l.Refresh, l.Token} {
		if value == "" {
			continue
		}
		form := url.Values{"token": {value}}
		if l.ClientID != "" {
			form.Set("client_id", l.ClientID)
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.found.Revoke, strings.NewReader(form.Encode()))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if l.ClientID == "" {
			r.Header.Set("Authorization", "Bearer "+l.Token)
		}
		if err := s.do(r, nil); err != nil {
			return err
		}
	}
	return nil
}

// Call is a request to the issuer.
type Call struct {
	Method string
	Path   string // beneath the issuer; without a slash at its beginning, beneath the management API
	Header http.Header
	Body   io.Reader // nil: none
}

const managementAPI = "/auth/api/v1/"

// Do sends a request with the token of a login. The caller closes the body of the answer.
func (s *Server) Do(ctx context.Context, l Login, c Call) (*http.Response, error) {
	path := c.Path
	switch {
	case strings.Contains(path, "://"):
		rest, ok := strings.CutPrefix(path, s.Issuer)
		if !ok || !strings.HasPrefix(rest, "/") {
			return nil, fmt.Errorf("%q is not under %s, where the token is valid", path, s.Issuer)
		}
		path = rest
	case !strings.HasPrefix(path, "/"):
		path = managementAPI + path
	}
	target := s.Issuer + path
	if !s.owns(target) {
		return nil, fmt.Errorf("%q is not under %s, where the token is valid", c.Path, s.Issuer)
	}
	r, err := http.NewRequestWithContext(ctx, c.Method, target, c.Body)
	if err != nil {
		return nil, err
	}
	maps.Copy(r.Header, c.Header)
	r.Header.Set("Authorization", "Bearer "+l.Token)
	resp, err := s.client.Do(r)
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	return resp, err
}

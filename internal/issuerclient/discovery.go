package issuerclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/strictjson"
)

// site is what the issuer's metadata says (RFC 8414 §2).
type site struct {
	jwks          string
	token         string
	introspection string
	revocations   string        // "": it has no stream
	staleness     time.Duration // 0: it doesn't say
	scopes        []string      // that people can have
	date          time.Time     // of the answer; zero: it doesn't say
}

const wellKnown = "/.well-known/oauth-authorization-server"

// maxStaleness is the greatest staleness that the issuer may state, far above any useful
// value.
const maxStaleness = 24 * time.Hour

// discover finds the metadata where RFC 8414 §3.1 puts it, or else beneath the issuer's
// path, for bearerd behind a proxy that forwards only one path to it.
func (w *web) discover(ctx context.Context, c Config) (*site, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	u, err := checkURL(c.Issuer, c.InsecureAllowHTTP)
	if err != nil {
		return nil, err
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	origin := u.Scheme + "://" + u.Host
	a, err := w.get(ctx, "the metadata", origin+wellKnown+path)
	if e, ok := errors.AsType[*statusError](err); ok && e.status == http.StatusNotFound && path != "" {
		a, err = w.get(ctx, "the metadata", origin+path+wellKnown)
	}
	if err != nil {
		return nil, err
	}
	s, err := parseMetadata(a.body, c)
	if err != nil {
		return nil, fmt.Errorf("the metadata of %s: %w", c.Issuer, err)
	}
	s.date, _ = http.ParseTime(a.header.Get("Date"))
	return s, nil
}

// otherIssuerError is the error of metadata that names another issuer.
type otherIssuerError struct{ name string }

func (e *otherIssuerError) Error() string {
	return fmt.Sprintf("it is that of another issuer, %q", e.name)
}

// parseMetadata reads metadata. That of another issuer is refused (RFC 8414 §3.3).
func parseMetadata(body []byte, c Config) (*site, error) {
	o, err := strictjson.Parse(body)
	if err != nil {
		return nil, err
	}
	var issuer string
	var s site
	var seconds float64
	if err := firstError(
		o.Read("issuer", &issuer), o.Read("jwks_uri", &s.jwks), o.Optional("token_endpoint", &s.token),
		o.Optional("introspection_endpoint", &s.introspection), o.Optional("revocations_endpoint", &s.revocations),
		o.Optional("revocations_max_staleness", &seconds), o.Optional("scopes_supported", &s.scopes),
	); err != nil {
		return nil, err
	}
	if issuer != c.Issuer {
		return nil, &otherIssuerError{issuer}
	}
	for _, address := range []string{s.jwks, s.token, s.introspection, s.revocations} {
		if address == "" {
			continue
		}
		if _, err := checkURL(address, c.InsecureAllowHTTP); err != nil {
			return nil, err
		}
	}
	if seconds < 0 || seconds > maxStaleness.Seconds() {
		return nil, fmt.Errorf("%q %w", "revocations_max_staleness", strictjson.ErrMember)
	}
	s.staleness = time.Duration(seconds * float64(time.Second))
	return &s, s.check(c)
}

// check returns an error when the issuer lacks something that the verifier needs.
func (s *site) check(c Config) error {
	switch {
	case s.jwks == "":
		return errors.New("it has no jwks_uri")
	case c.hasClient() && s.introspection == "":
		return errors.New("it has no introspection_endpoint")
	case c.InsecureWithoutRevocation:
		return nil
	case s.revocations == "" || s.token == "":
		return errors.New("it has no revocations_endpoint, so revocations can't be followed; to verify without them, set InsecureWithoutRevocation")
	case s.staleness <= 0:
		return errors.New("it has no revocations_max_staleness")
	case c.MaxStaleness != 0 && c.MaxStaleness < s.staleness:
		return fmt.Errorf("MaxStaleness is %s, which is less than the issuer's own, %s", c.MaxStaleness, s.staleness)
	}
	return nil
}

// lease returns L: that of the issuer for a verifier that confirms, because the issuer
// waits no longer.
func (s *site) lease(c Config) time.Duration {
	if c.MaxStaleness != 0 && c.Confirm == "" {
		return c.MaxStaleness
	}
	return s.staleness
}

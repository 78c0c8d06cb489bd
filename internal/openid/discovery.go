package openid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/strictjson"
	"github.com/bearerd/bearerd/internal/token"
)

// metadata is what a provider publishes of itself (OpenID Connect Discovery 1.0 §3).
type metadata struct {
	endpoint    oauth2.Endpoint
	userinfo    string // empty: it has none
	namesItself bool   // it sends iss with every answer (RFC 9207)
	keySet      string
	verifier    *assertion.Verifier
}

// metadataAge is for how long metadata is fresh: endpoints change rarely.
const metadataAge = time.Hour

// discover reads the provider's metadata. The keys are kept where their address is the
// same as before.
func (p *Provider) discover(ctx context.Context) (*metadata, time.Duration, error) {
	found, err := oidc.NewProvider(oidc.ClientContext(ctx, p.cfg.Client), p.cfg.Issuer)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the metadata of %s: %w", p.cfg.Issuer, short(err))
	}
	var text json.RawMessage
	if err := found.Claims(&text); err != nil {
		return nil, 0, fmt.Errorf("reading the metadata of %s: %w", p.cfg.Issuer, err)
	}
	m, err := p.parse(text)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the metadata of %s: %w", p.cfg.Issuer, err)
	}
	if p.previous != nil && p.previous.keySet == m.keySet {
		m.verifier = p.previous.verifier
	} else if err := p.useKeys(m); err != nil {
		return nil, 0, err
	}
	p.previous = m
	return m, metadataAge, nil
}

// short cuts an error that repeats what a server answered.
func short(err error) error {
	const most = 300
	if text := err.Error(); len(text) > most {
		return errors.New(text[:most] + "…")
	}
	return err
}

// parse reads metadata that has one reading, and checks that bearerd can be a client of
// such a provider.
func (p *Provider) parse(text []byte) (*metadata, error) {
	o, err := strictjson.Parse(text)
	if err != nil {
		return nil, err
	}
	m := &metadata{}
	var algorithms, methods []string
	for _, err := range []error{
		o.Read("authorization_endpoint", &m.endpoint.AuthURL), o.Read("token_endpoint", &m.endpoint.TokenURL), o.Read("jwks_uri", &m.keySet),
		o.Optional("userinfo_endpoint", &m.userinfo), o.Optional("authorization_response_iss_parameter_supported", &m.namesItself),
		o.Optional("id_token_signing_alg_values_supported", &algorithms), o.Optional("token_endpoint_auth_methods_supported", &methods),
	} {
		if err != nil {
			return nil, err
		}
	}
	for _, address := range []string{m.endpoint.AuthURL, m.endpoint.TokenURL, m.keySet, m.userinfo} {
		if address == "" {
			continue
		}
		if err := remote.CheckAddress(address); err != nil {
			return nil, fmt.Errorf("the address %q %w", address, err)
		}
	}
	if len(algorithms) > 0 && !slices.ContainsFunc(algorithms, verifiable) {
		return nil, fmt.Errorf("it signs ID tokens with none of EdDSA, ES256, RS256 and PS256, but with %.100q", algorithms)
	}
	m.endpoint.AuthStyle, err = authStyle(methods, p.cfg.Secret.IsSet())
	return m, err
}

func verifiable(algorithm string) bool {
	a, err := token.ParseForeignAlgorithm(algorithm)
	return err == nil && a != token.HS256
}

// authStyle returns how bearerd authenticates at the token endpoint. Metadata that names no
// method means client_secret_basic (OpenID Connect Discovery 1.0 §3).
func authStyle(methods []string, secret bool) (oauth2.AuthStyle, error) {
	switch {
	case !secret:
		return oauth2.AuthStyleInParams, nil
	case len(methods) == 0, slices.Contains(methods, "client_secret_basic"):
		return oauth2.AuthStyleInHeader, nil
	case slices.Contains(methods, "client_secret_post"):
		return oauth2.AuthStyleInParams, nil
	}
	return 0, fmt.Errorf("its token endpoint takes no client secret, but %.100q", methods)
}

func (p *Provider) useKeys(m *metadata) error {
	keys, err := assertion.SetURL(assertion.SetConfig{Name: p.cfg.Name, Address: m.keySet, Client: p.cfg.Client, Now: p.cfg.Now})
	if err != nil {
		return err
	}
	m.verifier, err = assertion.New(assertion.Config{Issuer: p.cfg.Issuer, Keys: keys, Now: p.cfg.Now})
	return err
}

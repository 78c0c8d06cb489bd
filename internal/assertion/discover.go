package assertion

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/strictjson"
	"github.com/bearerd/bearerd/internal/token"
)

// metadataAge is for how long metadata is fresh: where the keys are changes rarely.
const metadataAge = time.Hour

// DiscoverConfig configures Discover. All fields must be set.
type DiscoverConfig struct {
	Name   string // of the issuer, for messages
	Issuer string // iss
	Client *http.Client
	Now    func() time.Time
}

// discovered is a JWK Set whose address is in the issuer's metadata.
type discovered struct{ sets *remote.Value[Keys] }

// Discover returns the keys of an issuer that publishes where they are, at
// /.well-known/openid-configuration beneath itself (OpenID Connect Discovery 1.0 §4). The
// metadata is fetched when a key is needed, and again after an hour; its issuer must be
// the one that was asked.
func Discover(cfg DiscoverConfig) (Keys, error) {
	address := strings.TrimSuffix(cfg.Issuer, "/") + "/.well-known/openid-configuration"
	if err := remote.CheckAddress(address); err != nil {
		return nil, fmt.Errorf("the issuer %w", err)
	}
	var last struct {
		address string
		keys    Keys
	}
	return discovered{remote.NewValue(remote.Config[Keys]{What: "the metadata of " + cfg.Name, Now: cfg.Now, Read: func(ctx context.Context) (Keys, time.Duration, error) {
		at, err := cfg.keySet(ctx, address)
		if err != nil {
			return nil, 0, err
		}
		if last.address != at { // the keys that were read are kept if the address of the set is the same
			keys, err := SetURL(SetConfig{Name: cfg.Name, Address: at, Client: cfg.Client, Now: cfg.Now})
			if err != nil {
				return nil, 0, err
			}
			last.address, last.keys = at, keys
		}
		return last.keys, metadataAge, nil
	}})}, nil
}

// keySet reads the address of the keys from metadata.
func (cfg DiscoverConfig) keySet(ctx context.Context, address string) (string, error) {
	body, _, err := remote.Get(ctx, cfg.Client, address, nil)
	if err != nil {
		return "", err
	}
	o, err := strictjson.Parse(body)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", address, err)
	}
	var issuer, keySet string
	if err := errors.Join(o.Read("issuer", &issuer), o.Read("jwks_uri", &keySet)); err != nil {
		return "", fmt.Errorf("reading %s: %w", address, err)
	}
	if issuer != cfg.Issuer {
		return "", fmt.Errorf("reading %s: it is the metadata of another issuer", address)
	}
	return keySet, nil
}

// find returns a key of the set that the metadata names.
func (d discovered) find(ctx context.Context, alg token.Algorithm, kid string) (token.VerificationKey, error) {
	if alg == token.HS256 {
		return token.VerificationKey{}, token.ErrUnknownKey // its keys are never public
	}
	keys, err := d.sets.Get(ctx, nil)
	if err != nil {
		return token.VerificationKey{}, err
	}
	return keys.find(ctx, alg, kid)
}

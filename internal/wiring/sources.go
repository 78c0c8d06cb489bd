package wiring

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/openid"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/server"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/sso"
	"github.com/bearerd/bearerd/internal/webui/kit"
	"github.com/bearerd/bearerd/internal/webui/login"
)

// waysToSignIn are the sources of the configuration: the people whom they may sign in,
// and how requests are made to them.
type waysToSignIn struct {
	policies signin.Sources
	sources  sso.Sources
}

// wayReader reads the secrets and keys of the sources.
type wayReader struct {
	config  config.Config
	secrets *secretfile.Set // what is read is added to it
	now     func() time.Time
}

// read reads the secrets and keys of all sources. It sends them no request yet.
func (w wayReader) read(ctx context.Context) (ways waysToSignIn, err error) {
	for i, s := range w.config.SignIn.Sources {
		key := fmt.Sprintf("sign_in.sources[%d]", i)
		policy := signin.Source{
			Name: s.Name, Title: s.ShownAs(),
			Create: s.Unknown == config.UnknownCreate, LinkUsername: s.Link == config.LinkUsername,
			SetsGroups: s.Groups != "", GroupsOnly: s.GroupsOnly, Allow: s.Allow, MaxAge: s.MaxAge,
			Users: s.Users, ExternalID: s.ExternalID,
		}
		src := sso.Source{Name: s.Name, Title: s.ShownAs(), MaxAge: s.MaxAge}
		switch s.Type {
		case config.SourceApp:
			var passwords *sso.PasswordCheck
			if src.App, passwords, err = w.app(ctx, key, s); passwords != nil {
				policy.Passwords = passwords
			}
		case config.SourceOIDC:
			src.Provider, err = w.provider(key, s)
		case config.SourceHeader:
			src.Header, err = w.header(key, s)
		}
		if err != nil {
			return ways, err
		}
		ways.policies, ways.sources = append(ways.policies, policy), append(ways.sources, src)
	}
	return ways, nil
}

// claimsOf names what is read of a source.
func claimsOf(s config.SignInSource) sso.Claims {
	more := []string{}
	for claim := range s.Allow {
		more = append(more, claim)
	}
	if s.ExternalID != "" && !slices.Contains(more, s.ExternalID) {
		more = append(more, s.ExternalID)
	}
	return sso.Claims{Username: s.Username, FullName: s.FullName, Email: s.Email, Groups: s.Groups, More: more}
}

func (w wayReader) app(ctx context.Context, key string, s config.SignInSource) (*sso.App, *sso.PasswordCheck, error) {
	client, err := remote.NewClient(s.CAFile)
	if err != nil {
		return nil, nil, fmt.Errorf("%s.%w", key, err)
	}
	var secret *secretfile.Secret
	if s.SecretFile != "" {
		secret, err = w.secrets.Open(func() ([]byte, error) { return keyring.ReadSecretOf(key+".secret_file", s.SecretFile) })
		if err != nil {
			return nil, nil, err
		}
	}
	keys, err := w.appKeys(ctx, key, s, secret, client)
	if err != nil {
		return nil, nil, err
	}
	verifier, err := assertion.New(assertion.Config{Issuer: s.AssertionIssuer(), Keys: keys, Now: w.now})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", key, err)
	}
	app := &sso.App{Name: s.Name, URL: s.URL, Origin: s.Origin(), Audience: w.config.Issuer, Claims: claimsOf(s), Verifier: verifier}
	if s.PasswordURL == "" {
		return app, nil, nil
	}
	return app, sso.NewPasswordCheck(app, s.PasswordURL, secret, client, w.now), nil
}

// appKeys returns the keys of an application's assertions.
func (w wayReader) appKeys(ctx context.Context, key string, s config.SignInSource, secret *secretfile.Secret, client *http.Client) (assertion.Keys, error) {
	switch {
	case secret != nil:
		return assertion.Shared(secret), nil
	case strings.Contains(s.JWKS, "://"):
		return assertion.SetURL(assertion.SetConfig{Name: s.ShownAs(), Address: s.JWKS, Client: client, Now: w.now})
	}
	return assertion.SetFile(ctx, key+".jwks", s.JWKS, w.now)
}

func (w wayReader) provider(key string, s config.SignInSource) (*sso.Provider, error) {
	client, err := remote.NewClient(s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("%s.%w", key, err)
	}
	secret, err := openSecretFile(w.secrets, key+".client_secret_file", s.ClientSecretFile)
	if err != nil {
		return nil, err
	}
	claims := claimsOf(s)
	provider, err := openid.New(openid.Config{
		Name: s.ShownAs(), Issuer: s.Issuer, ClientID: s.ClientID, Secret: secret,
		RedirectURI: w.config.Issuer + kit.PathWays + s.Name + "/callback", Scopes: s.Scopes, Claims: claims.Names(), Client: client, Now: w.now,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return &sso.Provider{Provider: provider, Claims: claims, LogoutAll: s.Logout == config.LogoutAll}, nil
}

func (w wayReader) header(key string, s config.SignInSource) (*sso.Header, error) {
	secret, err := w.secrets.Open(func() ([]byte, error) { return readProxySecret(key, s) })
	if err != nil {
		return nil, err
	}
	return &sso.Header{
		Name: s.Name, Claims: claimsOf(s), Secret: secret, Proxies: httpkit.Proxies(w.config.TrustedProxies), Trust: s.Fresh == config.FreshTrust, Now: w.now,
	}, nil
}

// readProxySecret reads the secret by which a proxy shows that a request is its own.
func readProxySecret(key string, s config.SignInSource) ([]byte, error) {
	secret, err := keyring.ReadSecretOf(key+".secret_file", s.SecretFile)
	if err != nil {
		return nil, err
	}
	if err := keyring.CheckSecretOf(key+".secret_file", secret); err != nil {
		return nil, err
	}
	if bytes.ContainsFunc(secret, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, fmt.Errorf("%s.secret_file: the secret is sent in a header, and has characters other than visible ASCII; create one with: openssl rand -base64 48", key)
	}
	return secret, nil
}

// pageWays returns the ways to sign in as the pages offer them.
func (i *assembly) pageWays(cookies httpkit.Cookies) (login.Ways, error) {
	if len(i.ways) == 0 {
		return login.Ways{}, nil
	}
	key, err := i.ring.Derive("sign-in requests")
	if err != nil {
		return login.Ways{}, err
	}
	requests, err := sso.NewRequests(key, cookies, i.Now)
	return login.Ways{Sources: i.ways, Requests: requests, Fresh: i.Config.SignIn.Fresh}, err
}

// readLogo reads the logo of the web pages; nil when there is none.
func readLogo(c config.Config) (*kit.Logo, error) {
	if c.Site.LogoFile == "" {
		return nil, nil
	}
	logo, err := kit.ReadLogo(c.Site.LogoFile)
	if err != nil {
		return nil, fmt.Errorf("site.logo_file: %w", err)
	}
	return logo, nil
}

// takesPasswords reports whether people can sign in with a password: one that is kept here,
// or one that a source checks.
func takesPasswords(c config.Config) bool {
	return c.SignIn.Password || slices.ContainsFunc(c.SignIn.Sources, func(s config.SignInSource) bool { return s.PasswordURL != "" })
}

// askWays returns the loop that asks the providers at the start, so that the log shows
// which of them don't answer before somebody needs them.
func askWays(ways sso.Sources, logger *slog.Logger) server.Loop {
	return server.Loop{Name: "asking the sign-in sources", Run: func(ctx context.Context) error {
		for _, s := range ways {
			if s.Provider == nil {
				continue
			}
			if err := s.Provider.Load(ctx); err != nil && ctx.Err() == nil {
				logger.LogAttrs(ctx, slog.LevelWarn, "a sign-in source doesn't answer; it is asked again when somebody signs in by it",
					slog.String("source", s.Name), slog.Any("error", err))
			}
		}
		<-ctx.Done()
		return nil
	}}
}

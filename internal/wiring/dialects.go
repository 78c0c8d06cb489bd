package wiring

import (
	"context"
	"fmt"
	"slices"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/dialect/gen3"
	"github.com/bearerd/bearerd/internal/dialect/hypothesis"
	"github.com/bearerd/bearerd/internal/dialect/senaite"
	"github.com/bearerd/bearerd/internal/dialect/specify"
	"github.com/bearerd/bearerd/internal/doctor"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/server"
)

// Dialects returns the systems that bearerd speaks for.
func Dialects() []config.Dialect {
	return []config.Dialect{config.DialectSpecify, config.DialectSenaite, config.DialectHypothesis, config.DialectGen3}
}

// addDialect mounts the endpoints of a system.
func (s *shared) addDialect(name config.Dialect, e *edges) error {
	switch name {
	case config.DialectSpecify:
		s.addSpecify(e)
	case config.DialectSenaite:
		s.addSenaite(e)
	case config.DialectHypothesis:
		s.addHypothesis(e)
	case config.DialectGen3:
		s.addGen3(e)
	default:
		return fmt.Errorf("dialects: this version has no dialect %s", name)
	}
	return nil
}

// profileOf returns what the dialects that are on add to every JWT, for the verifiers of
// their systems.
func profileOf(c config.Config) issuance.Profile {
	if slices.Contains(c.Dialects, config.DialectGen3) {
		return gen3.Profile()
	}
	return issuance.Profile{}
}

// DialectPaths returns the paths that a proxy in front must pass on for the dialects that are on.
func DialectPaths(c config.Config) []doctor.Paths {
	var all []doctor.Paths
	for _, name := range c.Dialects {
		var on []server.Dialect
		switch name {
		case config.DialectSpecify:
			on = append(on, &specify.Dialect{Login: c.Specify.Login})
		case config.DialectSenaite:
			on = append(on, &senaite.Dialect{Prefixes: c.Senaite.Prefixes})
		case config.DialectHypothesis:
			on = append(on, &hypothesis.Dialect{})
		case config.DialectGen3:
			on = append(on, &gen3.Dialect{})
			if c.Gen3.DenylistListen == "" {
				on = append(on, &gen3.Denylist{})
			}
		}
		paths := doctor.Paths{Dialect: string(name)}
		for _, d := range on {
			paths.Paths = append(paths.Paths, d.Paths()...)
		}
		if name == config.DialectHypothesis {
			paths.Paths = append(paths.Paths, "/profile/developer", "/account/developer") // a page
		}
		all = append(all, paths)
	}
	return all
}

func (s *shared) addSpecify(e *edges) {
	e.own = append(e.own, &specify.Dialect{
		SignIn: s.SignIn, Issuance: s.Issuance, Revoker: s.Revoker, Directory: s.Directory, Login: s.Config.Specify.Login, Cookies: s.cookies, CrossOrigin: s.crossOrigin,
		SessionCookies: s.sessionCookies, Challenge: s.challenge,
	})
	if s.Config.Specify.Login {
		s.finders = append(s.finders, &specify.Sessions{Check: func(ctx context.Context, raw string) error {
			_, err := s.SignIn.Session(ctx, raw)
			return err
		}})
	}
}

func (s *shared) addSenaite(e *edges) {
	e.own = append(e.own, &senaite.Dialect{
		SignIn: s.SignIn, Issuance: s.Issuance, Revoker: s.Revoker, Directory: s.Directory, Issuer: s.Config.Issuer, Now: s.Now, Prefixes: s.Config.Senaite.Prefixes, LoginInQuery: s.Config.Senaite.LoginInQuery, SessionCookies: s.sessionCookies,
		Cookies: s.cookies, CrossOrigin: s.crossOrigin, Challenge: s.challenge,
	})
	s.finders = append(s.finders, senaite.NewCredentials(s.SignIn, s.Issuance, s.Now))
}

// addHypothesis mounts the dialect's endpoints; its page is one of the web pages.
func (s *shared) addHypothesis(e *edges) {
	s.developerPrefix = hypothesis.TokenPrefix
	e.own = append(e.own, &hypothesis.Dialect{
		SignIn: s.SignIn, Issuance: s.Issuance, Revoker: s.Revoker, Issuer: s.Config.Issuer, Domain: s.Config.Authority(),
		Forms: s.Forms, Token: s.oauth.TokenEndpoint(), Application: s.application(),
		SessionCookies: s.sessionCookies, Challenge: s.challenge,
	})
}

// addGen3 mounts the dialect, with the denylist on a listener of its own where the
// configuration has one.
func (s *shared) addGen3(e *edges) {
	e.own = append(e.own, &gen3.Dialect{
		SignIn: s.SignIn, Issuance: s.Issuance, Assertions: s.Assertions, Tokens: s.Tokens, Revoker: s.Revoker, Verifier: s.Verifier, PublicKeys: s.Directory.PublicKeys,
		Now: s.Now, SessionCookies: s.sessionCookies, CrossOrigin: s.crossOrigin,
		Challenge: s.challenge, CacheTime: jwksLife,
	})
	s.oauth.TokenInQuery = true // the ecosystem's SDK sends no body
	denylist := &gen3.Denylist{Verifier: s.Verifier}
	if s.Config.Gen3.DenylistListen == "" {
		e.own = append(e.own, denylist)
		return
	}
	e.inner = append(e.inner, server.Inner{Listen: s.Config.Gen3.DenylistListen, Edges: []server.Edge{denylist}})
}

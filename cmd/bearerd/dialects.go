package main

import (
	"context"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/dialect/gen3"
	"github.com/bearerd/bearerd/internal/dialect/hypothesis"
	"github.com/bearerd/bearerd/internal/dialect/senaite"
	"github.com/bearerd/bearerd/internal/dialect/specify"
	"github.com/bearerd/bearerd/internal/doctor"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/server"
)

// dialects mount the endpoints of each system that bearerd speaks for.
var dialects = map[config.Dialect]func(*shared, *edges){
	config.DialectSpecify:    (*shared).addSpecify,
	config.DialectSenaite:    (*shared).addSenaite,
	config.DialectHypothesis: (*shared).addHypothesis,
	config.DialectGen3:       (*shared).addGen3,
}

// profiles are what a dialect adds to every JWT, for the verifiers of that system.
var profiles = map[config.Dialect]func() issuance.Profile{
	config.DialectGen3: gen3.Profile,
}

// profileOf returns the profile of the dialects that are on.
func profileOf(c config.Config) issuance.Profile {
	for _, name := range c.Dialects {
		if profile, ok := profiles[name]; ok {
			return profile()
		}
	}
	return issuance.Profile{}
}

// pathsOf returns the paths that a proxy in front must pass on for the dialects that are on.
func pathsOf(c config.Config) []doctor.Paths {
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
		SignIn: s.SignIn, Issuance: s.Issuance, Revoker: s.Revoker, Directory: s.Directory, Login: s.config.Specify.Login, Cookies: s.cookies, CrossOrigin: s.crossOrigin,
		SessionCookies: s.sessionCookies, Challenge: s.challenge,
	})
	if s.config.Specify.Login {
		s.finders = append(s.finders, &specify.Sessions{Check: func(ctx context.Context, raw string) error {
			_, err := s.SignIn.Session(ctx, raw)
			return err
		}})
	}
}

func (s *shared) addSenaite(e *edges) {
	e.own = append(e.own, &senaite.Dialect{
		SignIn: s.SignIn, Issuance: s.Issuance, Revoker: s.Revoker, Directory: s.Directory, Issuer: s.config.Issuer, Now: s.now, Prefixes: s.config.Senaite.Prefixes, LoginInQuery: s.config.Senaite.LoginInQuery, SessionCookies: s.sessionCookies,
		Cookies: s.cookies, CrossOrigin: s.crossOrigin, Challenge: s.challenge,
	})
	s.finders = append(s.finders, senaite.NewCredentials(s.SignIn, s.Issuance, s.now))
}

// addHypothesis mounts the dialect's endpoints; its page is one of the web pages.
func (s *shared) addHypothesis(e *edges) {
	s.developerPrefix = hypothesis.TokenPrefix
	e.own = append(e.own, &hypothesis.Dialect{
		SignIn: s.SignIn, Issuance: s.Issuance, Revoker: s.Revoker, Issuer: s.config.Issuer, Domain: s.config.Authority(),
		Forms: s.forms, Token: s.oauth.TokenEndpoint(), Application: s.application(),
		SessionCookies: s.sessionCookies, Challenge: s.challenge,
	})
}

// addGen3 mounts the dialect, with the denylist on a listener of its own where the
// configuration has one.
func (s *shared) addGen3(e *edges) {
	e.own = append(e.own, &gen3.Dialect{
		SignIn: s.SignIn, Issuance: s.Issuance, Assertions: s.Assertions, Tokens: s.Tokens, Revoker: s.Revoker, Verifier: s.Verifier, PublicKeys: s.Directory.PublicKeys,
		Now: s.now, SessionCookies: s.sessionCookies, CrossOrigin: s.crossOrigin,
		Challenge: s.challenge, CacheTime: jwksLife,
	})
	s.oauth.TokenInQuery = true // the ecosystem's SDK sends no body
	denylist := &gen3.Denylist{Verifier: s.Verifier}
	if s.config.Gen3.DenylistListen == "" {
		e.own = append(e.own, denylist)
		return
	}
	e.inner = append(e.inner, server.Inner{Listen: s.config.Gen3.DenylistListen, Edges: []server.Edge{denylist}})
}

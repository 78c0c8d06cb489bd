package wiring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/localaddr"
	"github.com/bearerd/bearerd/internal/server"
	"github.com/bearerd/bearerd/internal/verification"
)

// gatewayParts is what a node and an edge assemble the gateway from.
type gatewayParts struct {
	gate      gateway.Gate // without its Announcer
	assert    func(context.Context, *verification.Identity) (string, error)
	now       func() time.Time
	staleness func() time.Duration // L; 0: not known
	log       *slog.Logger
}

// mounted is the gateway, ready to be served.
type mounted struct {
	edges []server.Edge
	loops []server.Loop
	proxy *gateway.Proxy // nil: there is no upstream
	// verify is the listener for proxies on this machine; nil: none.
	verify *server.Verify
}

// mountGateway returns forward auth and, where there is an upstream, the proxy, as the
// configuration says.
func mountGateway(c config.Config, p gatewayParts) (mounted, error) {
	announcer, errAnnouncer := gateway.NewAnnouncer(gateway.Announcement{
		Headers: c.Upstream.Headers, Encoding: gateway.Encoding(c.Upstream.Encoding), Groups: c.Upstream.Groups, Assert: p.assert, Now: p.now,
	})
	if errAnnouncer != nil {
		errAnnouncer = fmt.Errorf("upstream.%w", errAnnouncer)
	}
	requirements, errRequirements := gateway.NewRequirements(requirementsOf(c))
	if errRequirements != nil {
		errRequirements = fmt.Errorf("requirements: %w", errRequirements)
	}
	if err := errors.Join(errAnnouncer, errRequirements); err != nil {
		return mounted{}, err
	}
	gate := &p.gate
	gate.Announcer = *announcer
	auth := &gateway.ForwardAuth{Gate: gate, Requirements: requirements}
	m := mounted{edges: []server.Edge{auth}}
	if c.VerifyListen != "" {
		address, err := localaddr.Parse(c.VerifyListen)
		if err != nil {
			return mounted{}, fmt.Errorf("verify_listen: %w", err)
		}
		m.verify = &server.Verify{Address: address, Auth: auth}
	}
	for _, name := range c.ReportOnly() {
		p.log.Warn("this is not enforced: what would have been refused is only counted", slog.String("route", name))
	}
	if c.Upstream.URL == "" {
		return m, nil
	}
	upstream, err := parseUpstream(c.Upstream.URL)
	if err != nil {
		return mounted{}, err
	}
	m.proxy, err = gateway.NewProxy(gateway.ProxyConfig{
		Gate: gate, Upstream: upstream, Routes: routesOf(c), PassToken: c.Upstream.PassToken, KeepCookies: c.Upstream.Cookies == config.CookiesKeep,
		Origins: c.CORS.Origins, Log: p.log,
		TrustedProxies: httpkit.Proxies(c.TrustedProxies), Staleness: p.staleness,
	})
	if err != nil {
		return mounted{}, fmt.Errorf("upstream: %w", err)
	}
	m.edges = append(m.edges, m.proxy)
	m.loops = append(m.loops, server.Loop{Name: "ending what is no longer allowed", Run: m.proxy.Run})
	return m, nil
}

// parseUpstream reads upstream.url, which the configuration has checked.
func parseUpstream(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("upstream.url: %w", err)
	}
	return u, nil
}

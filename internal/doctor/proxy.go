package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/echo"
)

const proxyPages = "see docs/deploy-nginx.md, deploy-caddy.md, deploy-traefik.md or deploy-envoy.md"

// proxy asks the server how a request looks that came through the proxies in front.
func (w *Way) proxy(ctx context.Context, r *Report) {
	const name = "proxy"
	if w.Key == nil {
		r.Skip(name, "without the master key the server can't be asked how requests arrive")
		return
	}
	a, err := w.ask(ctx, http.MethodGet, w.Issuer+echo.Path, http.Header{
		echo.ProofHeader: {w.Key.Proof(echo.Path, w.Now())}, "Authorization": {echo.Authorization}, "X-Forwarded-For": {forged},
	})
	var seen echo.Seen
	switch {
	case err != nil:
		r.Fail(name, err.Error(), "see the proxy's log")
		return
	case a.status != http.StatusOK || json.Unmarshal(a.body, &seen) != nil:
		r.Fail(name, fmt.Sprintf("%s is answered with %d: the server has another master key, or is older than this program, or the proxy drops the header %s", echo.Path, a.status, echo.ProofHeader),
			"run this with the configuration of the server, and its version; let the proxy pass headers on")
		return
	}
	direct := seen.Peer == a.local
	r.authorization(seen)
	w.host(r, seen)
	if direct {
		w.direct(r, seen)
		return
	}
	r.forwarded(seen, a.local)
}

func (r *Report) authorization(seen echo.Seen) {
	if seen.Authorization {
		r.OK("authorization header", "arrives as it was sent")
		return
	}
	r.Fail("authorization header", "doesn't arrive at /auth/: tokens can't be used there",
		"let the proxy pass Authorization on to bearerd (in nginx don't set it; in Apache: CGIPassAuth on); "+proxyPages)
}

// host checks the name that the server is called by.
func (w *Way) host(r *Report, seen echo.Seen) {
	u, err := url.Parse(w.Issuer)
	if err != nil || strings.EqualFold(seen.Host, u.Host) || strings.EqualFold(seen.Host, u.Hostname()) {
		r.OK("host header", "%s", seen.Host)
		return
	}
	r.Warn("host header", "arrives as "+seen.Host+", not as "+u.Host, "let the proxy pass the Host header on (nginx: proxy_set_header Host $host)")
}

// direct reports that nothing is between here and the server, with what that means.
func (w *Way) direct(r *Report, seen echo.Seen) {
	const name = "proxy"
	switch {
	case strings.HasPrefix(w.Issuer, "https://") && !w.TLS:
		r.Warn(name, "nothing stands in front of the server, which doesn't end TLS itself", "see whether the issuer's name leads where clients are led")
	case seen.Trusted && seen.Client == forged:
		r.OK(name, "none stands in front; this machine is one of trusted_proxies")
	default:
		r.OK(name, "none stands in front")
	}
}

// forwarded checks what the proxy reports of the client; the request was sent from the
// address local.
func (r *Report) forwarded(seen echo.Seen, local string) {
	const name = "client's address"
	peer, _, err := net.SplitHostPort(seen.Peer)
	if err != nil {
		peer = seen.Peer
	}
	switch {
	case !seen.Trusted && len(seen.ForwardedFor) == 0:
		r.Fail(name, "the proxy at "+peer+" doesn't say who the client is, and isn't one of trusted_proxies: to the login limits and the audit log every client is the proxy",
			"let the proxy set X-Forwarded-For, and write trusted_proxies: ["+peer+"]; "+proxyPages)
	case !seen.Trusted:
		r.Fail(name, "the proxy at "+peer+" isn't one of trusted_proxies: to the login limits and the audit log every client is the proxy",
			"write trusted_proxies: ["+peer+"], and restart the server")
	case len(seen.ForwardedFor) == 0:
		r.Fail(name, "the proxy at "+peer+" sends no X-Forwarded-For: every client has its address", "let the proxy set X-Forwarded-For; "+proxyPages)
	case seen.Client == forged && !addsTheClient(seen, local):
		r.Fail(name, "clients can choose their address: the proxy at "+peer+" passes on the X-Forwarded-For that they send",
			"let the proxy set X-Forwarded-For to the address of its client, or add that to the end; where another proxy stands in front of it, name each in trusted_proxies and nobody else; "+proxyPages)
	case slices.Contains(seen.ForwardedFor, forged):
		r.OK(name, "the proxy at %s adds %s to what the client sent", peer, seen.ForwardedFor[len(seen.ForwardedFor)-1])
	default:
		r.OK(name, "%s, by the proxy at %s", seen.Client, peer)
	}
}

// addsTheClient reports whether the proxy added the address of the sender, which is this
// machine. If this machine is a trusted proxy itself, an address that it sends before its
// own counts, which is correct.
func addsTheClient(seen echo.Seen, local string) bool {
	host, _, err := net.SplitHostPort(local)
	return err == nil && len(seen.ForwardedFor) > 1 && seen.ForwardedFor[len(seen.ForwardedFor)-1] == host
}

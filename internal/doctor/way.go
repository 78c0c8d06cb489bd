package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/echo"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/token"
)

// Way is the way by which clients reach bearerd.
type Way struct {
	Issuer string
	Ops    string         // host:port of the listener for operators; "": there is none
	Key    *echo.Key      // nil: how requests arrive can't be asked
	Keys   []keyring.Key  // the keys of the database, by which this server is distinguished from another
	Roots  *x509.CertPool // nil: the system's
	TLS    bool           // the server ends TLS itself: nothing need stand in front
	Paths  []Paths        // of the dialects that are on
	Now    func() time.Time
	Wait   time.Duration // for an answer
}

// Paths are the paths of a dialect's endpoints, with wildcards as in a pattern of
// [http.ServeMux].
type Paths struct {
	Dialect string
	Paths   []string
}

// forged is an address that no client has (RFC 5737). If it counts, clients can choose
// their address.
const forged = "198.51.100.77"

const maxAnswer = 1 << 20

// answer is what came back, and how.
type answer struct {
	status        int
	header        http.Header
	body          []byte
	local         string // this end of the connection
	before, after time.Time
	tls           *tls.ConnectionState
}

// ask sends a request that follows no redirect.
func (w *Way) ask(ctx context.Context, method, target string, header http.Header) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, w.Wait)
	defer cancel()
	a := &answer{}
	trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { a.local = c.Conn.LocalAddr().String() }}
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), method, target, nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(r.Header, header)
	r.Header.Set("User-Agent", "bearerd-doctor")
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.Roots}, DisableKeepAlives: true, ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a.before = w.Now()
	resp, err := client.Do(r)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return nil, err
	}
	a.after = w.Now()
	defer func() { _ = resp.Body.Close() }()
	a.status, a.header, a.tls = resp.StatusCode, resp.Header, resp.TLS
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return a, err
}

// CheckServer asks this machine's server whether it is ready. It reports whether one runs.
func (w *Way) CheckServer(ctx context.Context, r *Report) bool {
	const name = "server"
	if w.Ops == "" {
		r.Skip(name, "there is no ops_listen to ask")
		return false
	}
	at := w.Ops
	if host, port, err := net.SplitHostPort(at); err == nil && (host == "" || isUnspecified(host)) {
		at = net.JoinHostPort("localhost", port)
	}
	a, err := w.ask(ctx, http.MethodGet, "http://"+at+"/readyz", nil)
	if err != nil {
		r.Warn(name, "none answers on this machine: "+err.Error(), `start it: "bearerd serve"; the log of its start says what stops it`)
		return false
	}
	var body struct{ Status, Reason string }
	switch err := json.Unmarshal(a.body, &body); {
	case err != nil || body.Status == "":
		r.Fail(name, "something else answers at ops_listen, "+w.Ops, "stop that program, or choose another ops_listen")
		return false
	case a.status != http.StatusOK:
		r.Fail(name, "it runs and gets no requests: "+body.Reason, "its log says more; see docs/operations.md, What to watch")
	default:
		r.OK(name, "ready")
	}
	return true
}

func isUnspecified(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsUnspecified()
}

// CheckOutside asks at the issuer's URL as clients do.
func (w *Way) CheckOutside(ctx context.Context, r *Report) {
	a, err := w.ask(ctx, http.MethodGet, w.Issuer+"/.well-known/oauth-authorization-server", nil)
	if err != nil {
		w.unreached(r, err)
		return
	}
	if a.tls != nil {
		r.certificate(a.tls, w.Now())
	}
	if !w.issuer(r, a) {
		r.Skip("proxy", "another server answers")
		return
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		// The header has no fractions: its second began half a second before, on average.
		here := a.before.Add(a.after.Sub(a.before) / 2)
		r.Clock("clock and the issuer's", here, date.Add(500*time.Millisecond), a.after.Sub(a.before)/2+500*time.Millisecond)
	}
	w.isUs(ctx, r)
	w.endpoints(ctx, r)
	w.dialects(ctx, r)
	w.proxy(ctx, r)
}

// unreached reports why nothing answers at the issuer's URL.
func (w *Way) unreached(r *Report, err error) {
	const name = "issuer"
	u, parseErr := url.Parse(w.Issuer)
	if parseErr != nil {
		r.Fail(name, parseErr.Error(), "write https://auth.example.org in issuer")
		return
	}
	detail := w.Issuer + " can't be reached: " + err.Error()
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var invalid x509.CertificateInvalidError
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &dns):
		r.Fail(name, detail, "create a DNS record for "+u.Hostname()+" that leads to your proxy or this server, or correct issuer")
	case errors.As(err, &unknown):
		r.Fail("certificate", detail, "let the server send the whole chain; for an authority of your own name its certificate with --ca-file")
	case errors.As(err, &wrongHost):
		r.Fail("certificate", detail, "get a certificate for "+u.Hostname())
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		r.Fail("certificate", detail, "renew the certificate, and set this machine's clock")
	case errors.As(err, &plain):
		r.Fail(name, detail, "plain HTTP answers there: let your proxy end TLS on that port, or set tls")
	default:
		r.Fail(name, detail, "start the server, and the proxy in front of it; open the port in the firewall; check the host and port of issuer")
	}
	r.Skip("proxy", "nothing answers at the issuer's URL")
}

// The times before the end of a certificate from which on it is reported.
const certificateWarns = 14 * 24 * time.Hour

func (r *Report) certificate(s *tls.ConnectionState, now time.Time) {
	if len(s.PeerCertificates) == 0 {
		return
	}
	end := s.PeerCertificates[0].NotAfter
	detail := "valid until " + end.UTC().Format(time.RFC3339)
	if end.Sub(now) < certificateWarns {
		r.Warn("certificate", detail, "renew it; see whether its renewal (certbot, acme) still runs")
		return
	}
	r.OK("certificate", "%s", detail)
}

// issuer reports whether a server of bearerd answers for this issuer.
func (w *Way) issuer(r *Report, a *answer) bool {
	const name = "issuer"
	var metadata struct {
		Issuer     string `json:"issuer"`
		Revocation string `json:"revocations_endpoint"`
	}
	what := fmt.Sprintf("%s/.well-known/oauth-authorization-server is answered with %d", w.Issuer, a.status)
	if location := a.header.Get("Location"); location != "" {
		r.Fail(name, what+", to "+location, "let issuer be the URL to which it leads, or don't redirect there")
		return false
	}
	switch err := json.Unmarshal(a.body, &metadata); {
	case a.status != http.StatusOK || err != nil:
		r.Fail(name, what+", not by bearerd", "let the proxy pass /.well-known/, /auth/ and /oauth2/ on to bearerd; see docs/deploy-nginx.md, deploy-caddy.md, deploy-traefik.md")
		return false
	case metadata.Issuer != w.Issuer:
		r.Fail(name, "the server there is "+metadata.Issuer+", and the configuration says "+w.Issuer, "write the URL by which clients reach it in issuer, exactly; restart the server after a change")
		return false
	case metadata.Revocation == "":
		r.Fail(name, "another authorization server answers for "+w.Issuer, "let the proxy pass /.well-known/, /auth/ and /oauth2/ on to bearerd")
		return false
	}
	r.OK(name, "%s answers", w.Issuer)
	return true
}

// isUs compares the keys that the server publishes with those of the database.
func (w *Way) isUs(ctx context.Context, r *Report) {
	const name = "keys that clients see"
	active := ""
	for _, k := range w.Keys {
		if k.State == keyring.Active && k.Algorithm != token.HS256 {
			active = k.KID
		}
	}
	if active == "" {
		return
	}
	a, err := w.ask(ctx, http.MethodGet, w.Issuer+"/.well-known/jwks.json", nil)
	var set struct {
		Keys []struct {
			KID string `json:"kid"`
		} `json:"keys"`
	}
	if err == nil {
		err = json.Unmarshal(a.body, &set)
	}
	var shown []string
	for _, k := range set.Keys {
		shown = append(shown, k.KID)
	}
	switch {
	case err != nil:
		r.Fail(name, "/.well-known/jwks.json: "+err.Error(), "let the proxy pass /.well-known/ on to bearerd")
	case !slices.Contains(shown, active):
		r.Fail(name, "the server at the issuer's URL doesn't show the active key of this database: it has another database, or a cache stands in between",
			"check database in the configuration of that server, and let no cache keep /.well-known/jwks.json for longer than its Cache-Control says")
	default:
		r.OK(name, "the active key of this database is among them")
	}
}

// endpoints asks what must reach bearerd and not the application.
func (w *Way) endpoints(ctx context.Context, r *Report) {
	const name = "endpoints"
	for _, e := range []struct {
		method, path string
		reached      func(*answer) bool
	}{
		{http.MethodPost, "/oauth2/token", func(a *answer) bool {
			var body struct {
				Error string `json:"error"`
			}
			return json.Unmarshal(a.body, &body) == nil && body.Error != ""
		}},
		{http.MethodGet, "/auth/openapi.json", func(a *answer) bool {
			var body struct {
				OpenAPI string `json:"openapi"`
			}
			return a.status == http.StatusOK && json.Unmarshal(a.body, &body) == nil && body.OpenAPI != ""
		}},
		{http.MethodGet, "/auth/api/v1/me", func(a *answer) bool {
			return a.status == http.StatusUnauthorized && strings.Contains(a.header.Get("WWW-Authenticate"), "Bearer")
		}},
	} {
		a, err := w.ask(ctx, e.method, w.Issuer+e.path, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
		switch {
		case err != nil:
			r.Fail(name, e.path+": "+err.Error(), "see the proxy's log")
			return
		case !e.reached(a):
			r.Fail(name, fmt.Sprintf("%s %s doesn't reach bearerd: it is answered with %d", e.method, e.path, a.status),
				"let the proxy pass everything beneath /auth/ and /oauth2/ on to bearerd, without a check of its own; see docs/deploy-nginx.md")
			return
		}
	}
	r.OK(name, "/auth/ and /oauth2/ reach bearerd")
}

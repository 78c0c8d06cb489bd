// Package clientdoc reads client ID metadata documents
// (draft-ietf-oauth-client-id-metadata-document): clients that nobody registered are known
// by an https URL, at which a document says their name and where people may be sent back to.
//
// The sender of a request chooses the URL, so it must not be possible to make this server
// send requests to its own network. A URL is in canonical form, is https on port 443, and
// is fetched without a proxy, without redirects, without credentials. Its host is
// resolved once; every address must be a public one, and the connection goes to an
// address that was checked. A reading is bounded in time and bytes, readings are limited
// by person and by host, and each document is read once within its lifetime, no matter
// who asks.
package clientdoc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/ratelimit"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/strictjson"
)

const (
	maxURL      = 255 // as long as a client's id may be
	maxDocument = 64 << 10
	timeout     = 5 * time.Second

	failedFor = time.Minute // a document that could not be read isn't asked for again
	maxKept   = 1000        // documents

	everyHost   = 2 * time.Second // readings of different documents of one host
	everyPerson = time.Second     // and for one person
	burst       = 20
	maxCounted  = 10_000
)

// hostName is a host's name in its plain form, punycode included.
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)

// lives bounds how long a document is kept, which its answer decides.
var lives = remote.Bounds{Least: 5 * time.Minute, Most: 24 * time.Hour, Usual: time.Hour}

// Resolver finds the addresses of a host.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config configures a Reader. Now must be set.
type Config struct {
	Hosts    []string // the only ones whose documents are read; none: every host's
	Resolver Resolver // nil: the system's
	TLS      *tls.Config
	Now      func() time.Time
	// Instead is for tests: the hosts that are reached at another address, which need not be
	// a public one. Never set it where strangers ask.
	Instead map[string]netip.AddrPort
}

// Reader reads documents, and keeps them for their time. Its methods may be called from any
// number of goroutines.
type Reader struct {
	cfg     Config
	client  *http.Client
	flight  singleflight.Group
	hosts   *ratelimit.Limiter[string]
	keySets *ratelimit.Limiter[string] // by hosts
	persons *ratelimit.Limiter[string]

	mu   sync.Mutex
	kept map[string]kept
}

// kept is the result of reading a document.
type kept struct {
	client *identity.Client
	err    error
	until  time.Time
}

// New returns a Reader.
func New(cfg Config) (*Reader, error) {
	if cfg.Now == nil {
		return nil, errors.New("clientdoc: now must be set")
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	if cfg.TLS == nil {
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	r := &Reader{
		cfg: cfg, kept: map[string]kept{},
		hosts:   ratelimit.New[string](ratelimit.Config{Burst: burst, Every: everyHost, MaxKeys: maxCounted}),
		keySets: ratelimit.New[string](ratelimit.Config{Burst: burst, Every: everyHost, MaxKeys: maxCounted}),
		persons: ratelimit.New[string](ratelimit.Config{Burst: burst, Every: everyPerson, MaxKeys: maxCounted}),
	}
	r.client = &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext: r.dial, TLSClientConfig: cfg.TLS, ForceAttemptHTTP2: true, DisableKeepAlives: true,
			TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return r, nil
}

// Check refuses, as fault.Invalid, what can't be the URL of a document: https on the usual
// port, a host name in its plain form, a path, and neither user, query, fragment nor dots.
func (r *Reader) Check(id string) (host string, err error) { return r.check("client_id", id) }

// check is Check for the value of a parameter or a member.
func (r *Reader) check(name, id string) (host string, err error) {
	bad := func(why string) error { return fault.New(fault.Invalid, "the %s %s", name, why).In(name) }
	u, err := url.Parse(id)
	switch {
	case err != nil || len(id) > maxURL || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' || c == '\\' }):
		return "", bad("is no URL")
	case !strings.HasPrefix(id, "https://") || u.Opaque != "":
		return "", bad("must be https")
	case u.User != nil || strings.ContainsAny(id, "?#@"):
		return "", bad("must have no user, query or fragment")
	case u.Port() != "" || strings.HasSuffix(u.Host, ":"):
		return "", bad("must name no port")
	case u.Path == "" || u.Path == "/":
		return "", bad("must have a path")
	case strings.Contains(id, "%") || slices.ContainsFunc(strings.Split(u.Path, "/")[1:], func(s string) bool { return s == "" || s == "." || s == ".." }):
		return "", bad("must have a path in its plain form")
	}
	host = u.Hostname()
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return "", bad("must have a host name, not an address")
	}
	if !hostName.MatchString(host) {
		return "", bad("must have a host name in its plain form")
	}
	if len(r.cfg.Hosts) > 0 && !slices.Contains(r.cfg.Hosts, host) {
		return "", fault.New(fault.Invalid, "clients of %s are not taken here", host).In(name)
	}
	return host, nil
}

// Read returns the client that the document at a URL describes, for a person who is signed in. The error
// is Invalid for a URL or a document that can't be taken, Limited for too many, and
// Unavailable where it can't be read now.
func (r *Reader) Read(ctx context.Context, person, id string) (*identity.Client, error) {
	host, err := r.Check(id)
	if err != nil {
		return nil, err
	}
	if k, ok := r.known(id); ok {
		return k.client, k.err
	}
	now := r.cfg.Now()
	if wait := max(r.persons.Wait(person, now), r.hosts.Wait(host, now)); wait > 0 {
		return nil, fault.After(fault.Limited, wait, "too many clients that nobody has registered")
	}
	r.persons.Take(person, now)
	r.hosts.Take(host, now)
	done := r.flight.DoChan(id, func() (any, error) {
		if k, ok := r.known(id); ok {
			return k, nil
		}
		k := r.fetch(context.WithoutCancel(ctx), id)
		r.keep(id, k)
		return k, nil
	})
	select {
	case res := <-done:
		k, _ := res.Val.(kept)
		return k.client, k.err
	case <-ctx.Done():
		return nil, fault.Wrap(ctx.Err(), fault.Unavailable, "the client's document can't be read now")
	}
}

func (r *Reader) known(id string) (kept, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.kept[id]
	return k, ok && r.cfg.Now().Before(k.until)
}

// keep keeps the result of a reading; when there is no room, the one that ends first is
// dropped.
func (r *Reader) keep(id string, k kept) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, again := r.kept[id]; !again && len(r.kept) >= maxKept {
		first := ""
		for other, o := range r.kept {
			if first == "" || o.until.Before(r.kept[first].until) {
				first = other
			}
		}
		delete(r.kept, first)
	}
	r.kept[id] = k
}

// fetch reads a document.
func (r *Reader) fetch(ctx context.Context, id string) kept {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	failed := kept{until: r.cfg.Now().Add(failedFor)}
	body, header, err := r.get(ctx, id)
	if err != nil {
		failed.err = fault.Wrap(err, fault.Unavailable, "what the client says of itself can't be read now")
		return failed
	}
	client, err := r.parse(id, body)
	if err != nil {
		failed.err = fault.Wrap(err, fault.Invalid, "what the client says of itself can't be taken: %s", err)
		return failed
	}
	return kept{client: client, until: r.cfg.Now().Add(lives.Freshness(header))}
}

// KeySet reads the JWK Set that a document named when somebody allowed its client
// something. The caller keeps it; KeySet limits how often each host is asked.
func (r *Reader) KeySet(ctx context.Context, address string) ([]byte, http.Header, error) {
	host, err := r.check(memberKeySet, address)
	if err != nil {
		return nil, nil, err
	}
	if wait := r.keySets.Take(host, r.cfg.Now()); wait > 0 {
		return nil, nil, fault.After(fault.Limited, wait, "too many key sets of one host")
	}
	return r.get(ctx, address)
}

// memberKeySet is the member of a document that names a key set (RFC 7591 §2).
const memberKeySet = "jwks_uri"

func (r *Reader) get(ctx context.Context, id string) (body []byte, header http.Header, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id, http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json")
	res, err := r.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("it answered %d", res.StatusCode)
	}
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && (!strings.HasPrefix(kind, "application/") || !strings.HasSuffix(kind, "+json")) {
		return nil, nil, fmt.Errorf("it is of type %.64q, not application/json", res.Header.Get("Content-Type"))
	}
	body, err = io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err == nil && len(body) > maxDocument {
		err = fmt.Errorf("it has more than %d bytes", maxDocument)
	}
	return body, res.Header, err
}

// dial connects to a public address of the host, and to no other.
func (r *Reader) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != "443" {
		return nil, fmt.Errorf("port %s is not asked", port)
	}
	var d net.Dialer
	if at, ok := r.cfg.Instead[host]; ok {
		return d.DialContext(ctx, network, at.String())
	}
	addresses, err := r.cfg.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	if len(addresses) == 0 {
		return nil, errors.New("the host has no address")
	}
	for _, a := range addresses {
		if !IsPublic(a) {
			return nil, errors.New("the host has an address that is not public")
		}
	}
	for _, a := range addresses {
		var conn net.Conn
		if conn, err = d.DialContext(ctx, network, netip.AddrPortFrom(a, 443).String()); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// notPublic are the networks that aren't the public internet's, or lead to others (the
// special-purpose registries of IANA, RFC 6890).
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
	"::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(list))
	for i, s := range list {
		all[i] = netip.MustParsePrefix(s)
	}
	return all
}

// IsPublic reports whether an address is one of the public internet. One that carries an
// IPv4 address within IPv6 is not.
func IsPublic(a netip.Addr) bool {
	return a.IsValid() && a.Zone() == "" && a.IsGlobalUnicast() &&
		!slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(a) })
}

// parse reads a document (draft-ietf-oauth-client-id-metadata-document §4). Its client has
// no secret: a document that claims otherwise is refused.
func (r *Reader) parse(id string, body []byte) (*identity.Client, error) {
	o, err := strictjson.Parse(body)
	if err != nil {
		return nil, errors.New("it is no JSON object with one reading")
	}
	var claimed, name, method string
	var redirects, grants []string
	for _, err := range []error{
		o.Read("client_id", &claimed), o.Read("client_name", &name), o.Read("redirect_uris", &redirects),
		o.Optional("token_endpoint_auth_method", &method), o.Optional("grant_types", &grants),
	} {
		if err != nil {
			return nil, err
		}
	}
	switch {
	case claimed != id:
		return nil, errors.New("its client_id is another URL")
	case method != "" && method != "none" && method != methodKey:
		return nil, errors.New("it wants to authenticate by something else than a key of its own, which a client that nobody registered can't")
	case o.Has("client_secret") || o.Has("client_secret_expires_at"):
		return nil, errors.New("it has a secret")
	case len(grants) > 0 && !slices.Contains(grants, identity.GrantTypeAuthorizationCode):
		return nil, errors.New("it doesn't use the authorization code grant")
	}
	c := identity.ClientOfURL(id)
	c.Name, c.RedirectURIs = name, redirects
	if method == methodKey {
		if c.Keys, err = r.keys(o); err != nil {
			return nil, err
		}
	}
	if name == "" {
		return nil, errors.New("it has no client_name")
	}
	if err := c.Validate(); err != nil {
		return nil, errors.New(fault.Message(err))
	}
	return c, nil
}

// methodKey is how a client authenticates that has a key of its own (OpenID Connect Core 1.0 §9).
const methodKey = "private_key_jwt"

// keys reads the keys of a document: a JWK Set in it, or where one is, at an address that is as
// good as a client's own.
func (r *Reader) keys(o strictjson.Object) (k identity.ClientKeys, err error) {
	if err := o.Optional(memberKeySet, &k.URI); err != nil {
		return k, err
	}
	if set := o["jwks"]; set != nil && string(set) != "null" {
		k.JWKS = string(set)
		if err := assertion.CheckSet(set); err != nil {
			return k, err
		}
	}
	if !k.Any() {
		return k, errors.New("it authenticates by a key, and names none: jwks or jwks_uri is needed")
	}
	if k.URI != "" {
		if _, err := r.check(memberKeySet, k.URI); err != nil {
			return k, errors.New(fault.Message(err))
		}
	}
	return k, nil
}

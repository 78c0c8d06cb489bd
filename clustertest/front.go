package clustertest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// issuerHost is the issuer's host where there are edges or services. No resolver knows it:
// each of them reaches it through a front of its own.
const issuerHost = "auth.bearerd.test"

var errNoNode = errors.New("there is no node to ask")

// balance returns the handler of a load balancer in front of the nodes. Choose returns the
// URL of the node that the next request goes to.
func balance(choose func() string) http.Handler {
	return &httputil.ReverseProxy{
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // a node that is killed ends what it was sending
		Rewrite: func(r *httputil.ProxyRequest) {
			if base, err := url.Parse(choose()); err == nil {
				r.SetURL(base)
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
}

// nextBase returns the URL of the next node that isn't broken, "" while there is none.
func (c *Cluster) nextBase() string { return c.baseFrom(int(c.turn.Add(1))) }

// baseFrom returns the URL of the first node that isn't broken, from one on.
func (c *Cluster) baseFrom(first int) string {
	for i := range c.Nodes {
		n := c.Nodes[(first+i)%len(c.Nodes)]
		if base := n.Base(); base != "" && !n.broken.Load() {
			return base
		}
	}
	return ""
}

// chooser returns how the front of the i-th edge or service chooses a node. Half of them
// stay with one node while that isn't broken. The others go to each in turn, so that what
// they confirm reaches another node than their stream's.
func (c *Cluster) chooser(i int) func() string {
	if i%2 == 1 {
		return c.nextBase
	}
	return func() string { return c.baseFrom(i / 2) }
}

// startPlainFront serves the issuer's URL until the test ends, and returns that URL.
func (c *Cluster) startPlainFront() string {
	c.Helper()
	l := c.listen()
	c.serve(&http.Server{ReadHeaderTimeout: startTimeout, Handler: balance(c.nextBase)}, l, (*http.Server).Serve)
	return "http://" + l.Addr().String()
}

// startFront serves the issuer until the test ends, and returns the address. It is used as
// an HTTP proxy is: it connects to the issuer alone, which ends TLS.
func (c *Cluster) startFront(choose func() string) string {
	c.Helper()
	l := c.listen()
	tunnels := &tunnels{addr: l.Addr(), conns: make(chan net.Conn), closed: make(chan struct{})}
	c.serve(&http.Server{
		ReadHeaderTimeout: startTimeout, Handler: balance(choose), ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{c.certificate.pair}},
	}, tunnels, func(s *http.Server, l net.Listener) error { return s.ServeTLS(l, "", "") })
	c.serve(&http.Server{ReadHeaderTimeout: startTimeout, Handler: tunnels}, l, (*http.Server).Serve)
	return l.Addr().String()
}

func (c *Cluster) listen() net.Listener {
	c.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		c.Fatal(err)
	}
	return l
}

func (c *Cluster) serve(s *http.Server, l net.Listener, serve func(*http.Server, net.Listener) error) {
	go func() { _ = serve(s, l) }()
	c.Cleanup(func() { _ = s.Close() })
}

// tunnels is the listener of what a front's clients connect to through it.
type tunnels struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
}

// ServeHTTP answers CONNECT.
func (t *tunnels) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.Host != issuerHost+":443" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n") // where that fails, so does the handshake
	select {
	case t.conns <- conn:
	case <-t.closed:
		_ = conn.Close()
	}
}

// Accept returns the next connection.
func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case conn := <-t.conns:
		return conn, nil
	case <-t.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. It is called once, by the server.
func (t *tunnels) Close() error {
	close(t.closed)
	return nil
}

// Addr returns the front's address.
func (t *tunnels) Addr() net.Addr { return t.addr }

// certificate is that of the issuer, which signs itself.
type certificate struct {
	pair  tls.Certificate
	roots *x509.CertPool
	pem   []byte
}

func newCertificate() (certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{issuerHost}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return certificate{}, err
	}
	var text bytes.Buffer
	if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		return certificate{}, err
	}
	c := certificate{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, x509.NewCertPool(), text.Bytes()}
	c.roots.AppendCertsFromPEM(c.pem)
	return c, nil
}

// direct sends requests to the nodes themselves, as a front would.
type direct struct {
	choose    func() string
	transport http.RoundTripper
}

// RoundTrip sends a request to the next node.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	base, err := url.Parse(d.choose())
	if err != nil {
		return nil, err
	}
	if base.Host == "" {
		return nil, errNoNode
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = base.Scheme, base.Host
	return d.transport.RoundTrip(r)
}

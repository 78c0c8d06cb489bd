package clustertest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/bearerd/bearerd/verify"
)

// The numbers of external verifiers in a history. The issuer waits for edges as for nodes, for
// services that confirm if it is asked to wait for all, and never for the others.
const (
	EdgeNode       = FollowerNode + 1000
	ConfirmingNode = FollowerNode + 2000
	ServiceNode    = FollowerNode + 3000
)

// outsideRecovery is how long after a fault, in addition to L, an edge or a service may
// answer 503. It waits before it connects again, longer each time, for up to 7.5 s, and a node
// that is just starting may send it away once.
const outsideRecovery = 16 * time.Second

// waits reports whether an acknowledgement waits for a follower: see Promise.Waits.
func waits(follower int, all bool) bool {
	return follower >= EdgeNode && follower < ConfirmingNode || all && follower >= ConfirmingNode && follower < ServiceNode
}

// Service is a service in this process that verifies with the package verify.
// Its Node has no process: only a number, and perhaps a line.
type Service struct {
	*Node

	verifier *verify.Verifier
}

// isOutside reports whether the configuration has edges or services.
func (c Config) isOutside() bool { return c.Edges+c.Confirming+c.Services > 0 || c.Fronts }

// startOutside starts what the configuration says.
func (c *Cluster) startOutside() {
	c.Helper()
	for range c.config.Edges {
		c.AddEdge()
	}
	errs := make([]error, len(c.Edges))
	var starting sync.WaitGroup
	for i, e := range c.Edges {
		starting.Go(func() { errs[i] = c.start(e) })
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		c.Fatal(err)
	}
	for i := range c.config.Confirming + c.config.Services {
		c.AddService(i < c.config.Confirming)
	}
}

// AddEdge adds an edge without starting it. It reaches the nodes through a forwarder and a
// front of its own.
func (c *Cluster) AddEdge() *Node {
	c.Helper()
	return c.AddEdgeBinary(c.config.Binary, c.config.Environment...)
}

// AddEdgeBinary is AddEdge for an edge with a binary and an environment of its own.
func (c *Cluster) AddEdgeBinary(binary string, environment ...string) *Node {
	c.Helper()
	i := len(c.Edges)
	name := fmt.Sprintf("edge%d", i)
	e := &Node{Number: EdgeNode + i, Link: c.forwardTo(c.startFront(c.chooser(i))), binary: binary, command: "edge"}
	e.environment = append([]string{"HTTPS_PROXY=http://" + e.Link.Addr()}, environment...)
	c.write(name+".secret", clientSecret+"\n")
	c.write(name+".yaml", fmt.Sprintf(`issuer: %s
listen: 127.0.0.1:0
ops_listen: 127.0.0.1:0
client_id: %s
client_secret_file: %q
ca_file: %q
dialects: [specify, hypothesis]
`, c.issuer, verifierID, filepath.Join(c.dir, name+".secret"), filepath.Join(c.dir, "ca.pem")))
	e.config, e.logFile = filepath.Join(c.dir, name+".yaml"), filepath.Join(c.dir, name+".log")
	c.Edges = append(c.Edges, e)
	c.Cleanup(func() { c.stop(e) }) // before its front
	return e
}

func (c *Cluster) forwardTo(target string) *Forwarder {
	c.Helper()
	f, err := NewForwarder(target)
	if err != nil {
		c.Fatal(err)
	}
	return f
}

// AddService starts a service and waits until it can accept tokens. It reaches the nodes
// as an edge does.
func (c *Cluster) AddService(confirms bool) *Service {
	c.Helper()
	link := c.forwardTo(c.startFront(c.chooser(len(c.Services))))
	c.Cleanup(func() { _ = link.Close() })
	proxy := &url.URL{Scheme: "http", Host: link.Addr()}
	s := c.newService(confirms, &http.Transport{
		Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.certificate.roots},
		ForceAttemptHTTP2: true, ResponseHeaderTimeout: requestTimeout, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute,
	})
	s.Link = link
	return s
}

// AddServices starts many services, which send to the nodes themselves: they are cheap, and
// their lines can't be broken.
func (c *Cluster) AddServices(count int, confirm bool) []*Service {
	c.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: requestTimeout}
	var all []*Service
	for range count {
		all = append(all, c.newService(confirm, direct{c.chooser(len(c.Services)), transport}))
	}
	return all
}

// newService starts a service with that way to the issuer.
func (c *Cluster) newService(confirm bool, way http.RoundTripper) *Service {
	c.Helper()
	i := len(c.Services)
	s := &Service{Node: &Node{Number: ServiceNode + i}}
	conf := verify.Config{
		Issuer: c.issuer, Audience: c.issuer, ClientID: verifierID, ClientSecret: clientSecret,
		NewTokensPerSecond: 10_000, HTTPClient: &http.Client{Transport: way},
	}
	if confirm {
		s.Number, conf.Confirm = ConfirmingNode+i, fmt.Sprintf("service %d", i)
	}
	var err error
	if s.verifier, err = verify.New(context.Background(), conf); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(s.verifier.Close)
	c.Services = append(c.Services, s)
	return s
}

// VerifyAt verifies a token at a service.
func (c *Cluster) VerifyAt(s *Service, t *Token) Op {
	o := Op{Kind: Verify, Token: t, Node: s.Number, Start: c.History.Now(), Outcome: Yes}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	_, err := s.verifier.Verify(ctx, t.Value)
	cancel()
	o.End = c.History.Now()
	if err != nil {
		e, known := errors.AsType[*verify.Error](err)
		if !known {
			e = &verify.Error{Status: http.StatusInternalServerError, Description: err.Error()}
		}
		o.Outcome, o.Reason = Answer{Status: e.Status}.Outcome(nil), e.Description
	}
	c.History.Add(o)
	return o
}

// confirming returns how many services confirm.
func (c *Cluster) confirming() int {
	n := 0
	for _, s := range c.Services {
		if s.Number < ServiceNode {
			n++
		}
	}
	return n
}

// outside returns the i-th of the edges and, after them, the services.
func (c *Cluster) outside(i int) *Node {
	if i < len(c.Edges) {
		return c.Edges[i]
	}
	return c.Services[i-len(c.Edges)].Node
}

// breakOutside is the breaker of edges and services.
func (c *Cluster) breakOutside(random *rand.Rand) (repair func() error, longest time.Duration) {
	n, all := c.outside(random.IntN(len(c.Edges)+len(c.Services))), Breakages()
	if n.Number >= ConfirmingNode { // it has no process of its own
		all = lineBreakages()
	}
	return c.Break(n, all[random.IntN(len(all))]), 2 * Staleness
}

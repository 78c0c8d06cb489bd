package feed_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/feed"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	good := e.reader(t)
	narrow := e.token(t, "narrow", identity.ScopeIntrospect)
	for name, c := range map[string]struct {
		query, token string
		header       []string
		status       int
		code         string // of the challenge, where there is one
	}{
		"no token":              {"", "", nil, http.StatusUnauthorized, ""},
		"another scheme":        {"", "", []string{"Authorization", "Basic YTpi"}, http.StatusUnauthorized, ""},
		"two headers":           {"", good, []string{"Authorization", "Bearer " + good}, http.StatusBadRequest, "invalid_request"},
		"junk":                  {"", "junk", nil, http.StatusUnauthorized, "invalid_token"},
		"forged":                {"", good + "x", nil, http.StatusUnauthorized, "invalid_token"},
		"another scope":         {"", narrow, nil, http.StatusForbidden, "insufficient_scope"},
		"another scope, no seq": {"?after=x", narrow, nil, http.StatusForbidden, "insufficient_scope"},
		"no number":             {"?after=x", good, nil, http.StatusBadRequest, "invalid_request"},
		"negative":              {"?after=-1", good, nil, http.StatusBadRequest, "invalid_request"},
		"signed":                {"?after=%2B1", good, nil, http.StatusBadRequest, "invalid_request"},
		"space":                 {"?after=%201", good, nil, http.StatusBadRequest, "invalid_request"},
		"fraction":              {"?after=1.0", good, nil, http.StatusBadRequest, "invalid_request"},
		"exponent":              {"?after=1e1", good, nil, http.StatusBadRequest, "invalid_request"},
		"hexadecimal":           {"?after=0x1", good, nil, http.StatusBadRequest, "invalid_request"},
		"overflow":              {"?after=9223372036854775808", good, nil, http.StatusBadRequest, "invalid_request"},
		"huge":                  {"?after=" + strings.Repeat("9", 4000), good, nil, http.StatusBadRequest, "invalid_request"},
		"repeated":              {"?after=1&after=1", good, nil, http.StatusBadRequest, "invalid_request"},
		"other repeated":        {"?a=1&a=1", good, nil, http.StatusBadRequest, "invalid_request"},
		"bad escape":            {"?after=%zz", good, nil, http.StatusBadRequest, "invalid_request"},
		"no number, header":     {"", good, []string{"Last-Event-ID", "x"}, http.StatusBadRequest, "invalid_request"},
		"negative, header":      {"", good, []string{"Last-Event-ID", "-1"}, http.StatusBadRequest, "invalid_request"},
		"repeated header":       {"", good, []string{"Last-Event-ID", "1", "Last-Event-ID", "1"}, http.StatusBadRequest, "invalid_request"},
		"beyond the log":        {"?after=9223372036854775807", good, nil, http.StatusGone, ""},
	} {
		a := e.Send(t, e.request(t.Context(), t, c.query, c.token, c.header...))
		challenge := a.Header.Get("WWW-Authenticate")
		if a.Status != c.status || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v %v", name, a.Status, a.Header, a.Object())
		}
		if c.code != "" && (a.Object()["error"] != c.code || !strings.Contains(challenge, `error="`+c.code+`"`) || a.Object()["error_description"] == "") {
			t.Errorf("%s: %s, %v", name, challenge, a.Object())
		}
		if a.Status == http.StatusUnauthorized && !strings.HasPrefix(challenge, `Bearer realm="`) {
			t.Errorf("%s: the challenge is %q", name, challenge)
		}
		if a.Status == http.StatusForbidden && !strings.Contains(challenge, `scope="revocations"`) {
			t.Errorf("%s: the challenge is %q", name, challenge)
		}
	}
	if e.edge.Streams() != 0 {
		t.Errorf("%d streams", e.edge.Streams())
	}
}

// TestNoOtherMethodAndNeverTheApplication: what isn't served here isn't what stands
// behind it either.
func TestNoOtherMethodAndNeverTheApplication(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	good := e.reader(t)
	for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, "NONSENSE"} {
		r := e.request(t.Context(), t, "", good)
		r.Method = method
		res, err := e.HTTP.Do(r)
		must(t, err)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != http.MethodGet {
			t.Errorf("%s: %d, Allow %q", method, res.StatusCode, res.Header.Get("Allow"))
		}
	}
	if a := e.Send(t, e.request(t.Context(), t, "", "")); a.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", a.Status)
	}
}

func TestAnswersAreAsDescribed(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	edge := &feed.Edge{
		Verifier: f.Verifier, Log: f.Follower, Tail: feed.Follow(f.Follower), Issuer: f.Settings.Policy.Issuer,
		Staleness: f.Settings.Staleness, Clock: f.Ledger.Clock,
	}
	e := &env{Fixture: f, Site: edgetest.Serve(t, f.Time, edge), edge: edge}
	good := e.reader(t)
	narrow := e.token(t, "narrow")
	edge.EndStreams()
	for status, r := range map[int]*http.Request{
		http.StatusBadRequest:         e.request(t.Context(), t, "?after=x", good),
		http.StatusUnauthorized:       e.request(t.Context(), t, "", "junk"),
		http.StatusForbidden:          e.request(t.Context(), t, "", narrow),
		http.StatusServiceUnavailable: e.request(t.Context(), t, "", good),
	} {
		if a := e.Send(t, r); a.Status != status {
			t.Errorf("answered %d %v, want %d", a.Status, a.Object(), status)
		}
	}
}

func TestStreamOverHTTP2(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	raw := e.reader(t)
	web := httptest.NewUnstartedServer(e.srv.Handler())
	web.EnableHTTP2 = true
	web.StartTLS()
	defer web.Close()
	e.Site = &edgetest.Site{URL: web.URL, HTTP: web.Client()}
	s := e.subscribe(t, "", raw)
	if s.res.ProtoMajor != 2 {
		t.Fatalf("it is %s", s.res.Proto)
	}
	s.upTo(t, 0)
	head := e.append(t, 1)
	e.Follower.Wake()
	s.upTo(t, head)
	must(t, e.stop())
	s.end(t)
}

// TestClientThatLeavesIsForgotten, without waiting for something to write to it.
func TestClientThatLeavesIsForgotten(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	raw := e.reader(t)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", e.srv.Addr().String())
	must(t, err)
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", feed.Path, raw)
	must(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	_, err = io.ReadFull(res.Body, make([]byte, 10))
	must(t, err)
	must(t, conn.Close())
	_ = res.Body.Close()
	eventually(t, "the stream ends", func() bool { return e.edge.Streams() == 0 })
	eventually(t, "the line in the log", func() bool { return strings.Contains(e.lines.String(), `"outcome":"the client left"`) })
}

// TestConnectionIsUsedAgain: the end of a stream is the end of an answer, and leaves
// nothing behind for the next one.
func TestConnectionIsUsedAgain(t *testing.T) {
	t.Parallel()
	e := newEnv(t, options{})
	raw := e.reader(t)
	e.HTTP.Transport = &http.Transport{MaxConnsPerHost: 1}
	s := e.subscribe(t, "", raw)
	s.upTo(t, 0)
	e.Advance(2 * time.Hour)
	s.end(t)
	raw = e.tokenOf(t, "reader", identity.ScopeRevocations)
	e.subscribe(t, fmt.Sprintf("?after=%d", s.last), raw).upTo(t, 0)
}

// TestTheTimeOfAStreamIsNotThatOfTheNextAnswer: a deadline for writing that a stream left
// behind would cut it.
func TestTheTimeOfAStreamIsNotThatOfTheNextAnswer(t *testing.T) {
	t.Parallel()
	const timeout = 40 * time.Millisecond
	e := newEnv(t, options{timeout: timeout})
	e.HTTP.Transport = &http.Transport{MaxConnsPerHost: 1}
	s := e.subscribe(t, "", e.reader(t))
	s.upTo(t, 0)
	e.Advance(2 * time.Hour)
	s.end(t)
	time.Sleep(2 * timeout) // until the stream's deadline has passed
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.URL+"/", http.NoBody)
	must(t, err)
	reused := false
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}))
	if a := e.Send(t, r); a.Status != http.StatusTeapot || !reused {
		t.Errorf("answered %d, over the same connection: %t", a.Status, reused)
	}
}

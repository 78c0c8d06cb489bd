package clustertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Answer is an HTTP response.
type Answer struct {
	Status int
	Header http.Header
	Text   string
	Body   map[string]any // nil when it is no JSON object
}

// Member returns a string member of the body, and "" when it is missing or no string.
func (a Answer) Member(name string) string {
	s, _ := a.Body[name].(string)
	return s
}

// count returns a numeric member of the body, and 0 when it is missing or no number.
func (a Answer) count(name string) int {
	n, _ := a.Body[name].(float64)
	return int(n)
}

// counts returns the numbers in an acknowledgement.
func (a Answer) counts() *Counts {
	n := &Counts{Nodes: a.count("nodes"), Confirmed: a.count("confirmed"), Expired: a.count("expired"), Seq: int64(a.count("seq"))}
	if _, counted := a.Body["verifiers"]; counted {
		n.Verifiers = &VerifierCounts{a.count("verifiers"), a.count("verifiers_confirmed"), a.count("verifiers_expired")}
	}
	return n
}

// Outcome classifies the answer. err is the error of the request.
func (a Answer) Outcome(err error) Outcome {
	switch {
	case err != nil:
		return Unknown
	case a.Status == http.StatusServiceUnavailable, a.Status == http.StatusTooManyRequests:
		return Unavailable
	case a.Status < 400:
		return Yes
	case a.Status < 500:
		return No
	}
	return Wrong
}

// Reason returns the reason that an error response states.
func (a Answer) Reason() string {
	for _, name := range []string{"error_description", "detail", "title", "error"} {
		if s := a.Member(name); s != "" {
			return s
		}
	}
	if a.Status >= 400 {
		return strconv.Itoa(a.Status)
	}
	return ""
}

// Ask is a request. Every field but Path is optional.
type Ask struct {
	Method string // empty: POST with a body, GET without
	Path   string
	Bearer string
	Basic  [2]string
	Cookie *http.Cookie
	Form   url.Values
	JSON   any
}

// Client sends requests to nodes.
type Client struct{ HTTP *http.Client }

// requestTimeout is the time limit of one request.
const requestTimeout = 8 * time.Second

// newClient returns a client that keeps connections open, as a proxy in front of
// bearerd does, and follows no redirect.
func newClient() *Client {
	return &Client{&http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

var errNowhere = errors.New("the node has no address yet")

// Do sends a request to a node and reads the whole response.
func (c *Client) Do(ctx context.Context, n *Node, ask Ask) (Answer, error) {
	base := n.Base()
	if base == "" {
		return Answer{}, errNowhere
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	r, err := ask.request(ctx, base)
	if err != nil {
		return Answer{}, err
	}
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Text: string(text)}
	_ = json.Unmarshal(text, &a.Body)
	return a, nil
}

func (ask Ask) request(ctx context.Context, base string) (*http.Request, error) {
	method := ask.Method
	var body io.Reader
	contentType := ""
	switch {
	case ask.JSON != nil:
		text, err := json.Marshal(ask.JSON)
		if err != nil {
			return nil, err
		}
		body, contentType = bytes.NewReader(text), "application/json"
	case ask.Form != nil:
		body, contentType = strings.NewReader(ask.Form.Encode()), "application/x-www-form-urlencoded"
	}
	if method == "" {
		method = http.MethodGet
		if body != nil {
			method = http.MethodPost
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, base+ask.Path, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if ask.Bearer != "" {
		r.Header.Set("Authorization", "Bearer "+ask.Bearer)
	}
	if ask.Basic[0] != "" {
		r.SetBasicAuth(url.QueryEscape(ask.Basic[0]), url.QueryEscape(ask.Basic[1]))
	}
	if ask.Cookie != nil {
		r.AddCookie(ask.Cookie)
	}
	return r, nil
}

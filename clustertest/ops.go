package clustertest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// serial numbers the tokens of a history.
type serial struct{ n atomic.Int64 }

func (s *serial) next(kind string) string { return fmt.Sprintf("%s %d", kind, s.n.Add(1)) }

// do asks a node and writes down what came of it.
func (c *Cluster) do(n *Node, o Op, ask Ask) Op {
	a, err := c.ask(n, &o, ask)
	if o.Kind == Kill && o.Outcome == Yes {
		if _, told := a.Body["nodes"]; told {
			o.Told = &Told{a.count("nodes"), a.count("confirmed"), a.count("expired")}
		}
		if revoked, known := a.Body["revoked"].(bool); known && !revoked {
			o.Outcome = No // it was no token of theirs any more
		}
	}
	if err != nil {
		o.Reason = "no answer"
	}
	c.History.Add(o)
	return o
}

func (c *Cluster) ask(n *Node, o *Op, ask Ask) (Answer, error) {
	o.Node, o.Start = n.Number, c.History.Now()
	a, err := c.Client.Do(context.Background(), n, ask)
	o.End = c.History.Now()
	o.Outcome, o.Reason = a.Outcome(err), a.Reason()
	return a, err
}

// want is a token that is asked for.
type want struct {
	kind       string // for people
	subject    string
	collection int
	parent     *Token
	status     int
	lifetime   time.Duration       // 0: the usual one
	value      func(Answer) string // where it stands in the answer
}

// issue asks for a token; it is nil when there is none.
func (c *Cluster) issue(n *Node, w want, ask Ask) *Token {
	o := Op{Kind: Issue, Subject: w.subject, Collection: w.collection, Parent: w.parent}
	a, err := c.ask(n, &o, ask)
	if err == nil && a.Status == w.status {
		o.Outcome = Yes
		o.Token = w.token(c, a, o)
	} else if o.Outcome == Yes {
		o.Outcome, o.Reason = Wrong, fmt.Sprintf("status %d", a.Status)
	}
	c.History.Add(o)
	return o.Token
}

func (w want) token(c *Cluster, a Answer, o Op) *Token {
	t := &Token{
		Name: c.serial.next(w.kind), Value: w.value(a), Subject: w.subject, Collection: w.collection,
		Parent: w.parent, From: o.Start, To: o.End,
	}
	t.ID, t.KID = a.Member("id"), kidOf(t.Value)
	if w.lifetime > 0 { // whole seconds, from the beginning of one
		t.Expiry, t.Gone = o.Start+w.lifetime-time.Second, o.End+w.lifetime
	} else if p := w.parent; p != nil && p.Gone > 0 { // it doesn't outlive that
		t.Expiry, t.Gone = max(p.Expiry-time.Second, 1), p.Gone
	}
	return t
}

// kidOf reads which key signed a JWT; "" for what is none.
func kidOf(value string) string {
	header, _, isJWT := strings.Cut(value, ".")
	text, err := base64.RawURLEncoding.DecodeString(header)
	var h struct {
		KID string `json:"kid"`
	}
	if !isJWT || err != nil || json.Unmarshal(text, &h) != nil {
		return ""
	}
	return h.KID
}

func member(name string) func(Answer) string {
	return func(a Answer) string { return a.Member(name) }
}

// Session signs a user in; the token is that of the cookie.
func (c *Cluster) Session(n *Node, user string) *Token {
	return c.issue(n, want{kind: "session", subject: user, status: http.StatusSeeOther, value: func(a Answer) string {
		for _, cookie := range (&http.Response{Header: a.Header}).Cookies() {
			if cookie.Name == "sessionid" {
				return cookie.Value
			}
		}
		return ""
	}}, Ask{Path: "/auth/login", Form: url.Values{"username": {user}, "password": {password}}})
}

func cookieOf(session *Token) *http.Cookie {
	return &http.Cookie{Name: "sessionid", Value: session.Value} //nolint:gosec // of a request
}

// ClientToken gives an access token by client credentials.
func (c *Cluster) ClientToken(n *Node) *Token {
	return c.issue(n, want{kind: "client's", subject: clientID, status: http.StatusOK, value: member("access_token")}, Ask{
		Path: "/oauth2/token", Form: url.Values{"grant_type": {"client_credentials"}}, Basic: [2]string{clientID, clientSecret},
	})
}

// PasswordToken gives an access token for a collection by the user's password.
func (c *Cluster) PasswordToken(n *Node, user string, collection int) *Token {
	return c.issue(n, want{
		kind: "password", subject: user, collection: collection, status: http.StatusOK, value: member("access_token"),
	}, Ask{Path: "/accounts/token/", Form: url.Values{
		"username": {user}, "password": {password}, "collectionid": {strconv.Itoa(collection)},
	}})
}

// SessionToken gives an access token made from a session.
func (c *Cluster) SessionToken(n *Node, session *Token) *Token {
	return c.issue(n, want{
		kind: "session's", subject: session.Subject, parent: session, status: http.StatusOK,
		value: func(a Answer) string { return a.Text },
	}, Ask{Path: "/api/token", Cookie: cookieOf(session)})
}

// APIToken gives an opaque token, for a collection or, with 0, for none. It is made
// by a session, which it outlives.
func (c *Cluster) APIToken(n *Node, session *Token, collection int) *Token {
	body := map[string]any{"name": "made by the harness"}
	if collection != 0 {
		body["collection"] = collection
	}
	t := c.issue(n, want{
		kind: "API", subject: session.Subject, collection: collection, parent: session, status: http.StatusCreated, value: member("token"),
	}, Ask{Path: "/auth/api/v1/tokens", JSON: body, Cookie: cookieOf(session)})
	if t != nil {
		t.Parent, t.Maker = nil, session
	}
	return t
}

// Exchange gives an access token made from another, which lives for so long, or as
// usual with 0.
func (c *Cluster) Exchange(n *Node, parent *Token, lifetime time.Duration) *Token {
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {parent.Value},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
	}
	if lifetime > 0 {
		form.Set("expires_in", strconv.Itoa(int(lifetime/time.Second)))
	}
	return c.issue(n, want{
		kind: "exchanged", subject: parent.Subject, collection: parent.Collection, parent: parent,
		status: http.StatusOK, lifetime: lifetime, value: member("access_token"),
	}, Ask{Path: "/oauth2/token", Form: form})
}

// Verify asks whether a token is good.
func (c *Cluster) Verify(n *Node, t *Token) Op {
	return c.do(n, Op{Kind: Verify, Token: t}, Ask{Path: "/auth/verify", Bearer: t.Value})
}

// Kill takes a token back by its value.
func (c *Cluster) Kill(n *Node, t *Token, wait bool) Op {
	return c.do(n, Op{Kind: Kill, Token: t, Wait: wait}, Ask{
		Path: "/oauth2/revoke", Bearer: c.admin, Form: url.Values{"token": {t.Value}, "wait": {strconv.FormatBool(wait)}},
	})
}

// KillByID takes a stored token back by its id.
func (c *Cluster) KillByID(n *Node, t *Token, wait bool) Op {
	return c.do(n, Op{Kind: Kill, Token: t, Wait: wait}, Ask{
		Method: http.MethodDelete, Path: "/auth/api/v1/tokens/" + t.ID + "?wait=" + strconv.FormatBool(wait), Bearer: c.admin,
	})
}

// RevokeAll takes all of a user's tokens back.
func (c *Cluster) RevokeAll(n *Node, user string, wait bool) Op {
	return c.do(n, Op{Kind: RevokeAll, Subject: user, Wait: wait}, Ask{
		Method: http.MethodPost, Path: "/auth/api/v1/users/" + user + "/revoke-all?wait=" + strconv.FormatBool(wait), Bearer: c.admin,
	})
}

// Disable disables a user, and Enable enables them again.
func (c *Cluster) Disable(n *Node, user string) Op { return c.setDisabled(n, user, Disable) }

// Enable lets a disabled user have new tokens.
func (c *Cluster) Enable(n *Node, user string) Op { return c.setDisabled(n, user, Enable) }

func (c *Cluster) setDisabled(n *Node, user string, kind Kind) Op {
	return c.do(n, Op{Kind: kind, Subject: user, Wait: true}, Ask{
		Method: http.MethodPatch, Path: "/auth/api/v1/users/" + user, Bearer: c.admin,
		JSON: map[string]bool{"disabled": kind == Disable},
	})
}

// Unbind takes a user's access to a collection, and Bind gives it.
func (c *Cluster) Unbind(n *Node, user string, collection int) Op {
	return c.do(n, Op{Kind: Unbind, Subject: user, Collection: collection, Wait: true}, Ask{
		Method: http.MethodDelete, Path: fmt.Sprintf("/auth/api/v1/users/%s/access?path=/collections/%d", user, collection), Bearer: c.admin,
	})
}

// Bind gives a user access to a collection.
func (c *Cluster) Bind(n *Node, user string, collection int) Op {
	path := fmt.Sprintf("/collections/%d", collection)
	return c.do(n, Op{Kind: Bind, Subject: user, Collection: collection, Wait: true}, Ask{
		Path: "/auth/api/v1/bindings", Bearer: c.admin,
		JSON: map[string]any{"user": user, "path": path, "permission": map[string]string{"action": "access", "path": "/"}},
	})
}

// Rotate lets the next key sign at once.
func (c *Cluster) Rotate(n *Node) Op {
	return c.do(n, Op{Kind: Rotate}, Ask{Path: "/auth/api/v1/keys", Bearer: c.admin, JSON: map[string]bool{"now": true}})
}

// Retire takes a signing key back, with all that it signed.
func (c *Cluster) Retire(n *Node, kid string) Op {
	return c.do(n, Op{Kind: Retire, Key: kid, Wait: true}, Ask{
		Method: http.MethodDelete, Path: "/auth/api/v1/keys/" + url.PathEscape(kid), Bearer: c.admin,
	})
}

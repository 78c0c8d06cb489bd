package clustertest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// serial numbers the tokens of a history.
type serial struct{ n atomic.Int64 }

func (s *serial) next(kind string) string { return fmt.Sprintf("%s %d", kind, s.n.Add(1)) }

// do sends a request to a node and records the operation.
func (c *Cluster) do(n *Node, o Op, ask Ask) Op {
	a, err := c.ask(n, &o, ask)
	if o.Kind == Revoke && o.Outcome == Yes {
		if _, counted := a.Body["nodes"]; counted {
			o.Counts = a.counts()
		}
		if revoked, known := a.Body["revoked"].(bool); known && !revoked {
			o.Outcome = No // nothing was revoked
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

// want describes a token to ask for.
type want struct {
	kind       string // for people
	subject    string
	collection int
	parent     *Token
	status     int
	lifetime   time.Duration       // 0: the default
	value      func(Answer) string // takes the token from the answer
}

// issue asks for a token and records that. It returns nil when none was issued.
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
	if w.lifetime > 0 { // JWT times are whole seconds
		t.Expiry, t.Gone = o.Start+w.lifetime-time.Second, o.End+w.lifetime
	} else if p := w.parent; p != nil && p.Gone > 0 { // it doesn't outlive its parent
		t.Expiry, t.Gone = max(p.Expiry-time.Second, 1), p.Gone
	}
	return t
}

// kidOf returns the id of the key that signed a JWT, and "" for other tokens.
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

// Session signs a user in and returns the session.
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

// ClientToken returns an access token issued for client credentials. It, and all
// functions here that return a token, return nil when none was issued.
func (c *Cluster) ClientToken(n *Node) *Token {
	return c.issue(n, want{kind: "client's", subject: clientID, status: http.StatusOK, value: member("access_token")}, Ask{
		Path: "/oauth2/token", Form: url.Values{"grant_type": {"client_credentials"}}, Basic: [2]string{clientID, clientSecret},
	})
}

// PasswordToken returns an access token for a collection, issued for a password.
func (c *Cluster) PasswordToken(n *Node, user string, collection int) *Token {
	return c.issue(n, want{
		kind: "password", subject: user, collection: collection, status: http.StatusOK, value: member("access_token"),
	}, Ask{Path: "/accounts/token/", Form: url.Values{
		"username": {user}, "password": {password}, "collectionid": {strconv.Itoa(collection)},
	}})
}

// SessionToken returns an access token made from a session.
func (c *Cluster) SessionToken(n *Node, session *Token) *Token {
	return c.issue(n, want{
		kind: "session's", subject: session.Subject, parent: session, status: http.StatusOK,
		value: func(a Answer) string { return a.Text },
	}, Ask{Path: "/api/token", Cookie: cookieOf(session)})
}

// APIToken returns an opaque token for a collection, or for none when it is 0. It is
// created by a session and outlives it.
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

// Exchange returns an access token made from another, with that lifetime or, when it
// is 0, the default one.
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

// Verify verifies a token at a node.
func (c *Cluster) Verify(n *Node, t *Token) Op {
	return c.do(n, Op{Kind: Verify, Token: t}, Ask{Path: "/auth/verify", Bearer: t.Value})
}

// RevokeEverywhere revokes a token by its value, and waits for every verifier that confirms
// too.
func (c *Cluster) RevokeEverywhere(n *Node, t *Token) Op {
	return c.do(n, Op{Kind: Revoke, Token: t, Wait: true, All: true}, Ask{
		Path: "/oauth2/revoke", Bearer: c.admin, Form: url.Values{"token": {t.Value}, "wait": {"all"}},
	})
}

// Revoke revokes a token by its value.
func (c *Cluster) Revoke(n *Node, t *Token, wait bool) Op {
	return c.do(n, Op{Kind: Revoke, Token: t, Wait: wait}, Ask{
		Path: "/oauth2/revoke", Bearer: c.admin, Form: url.Values{"token": {t.Value}, "wait": {strconv.FormatBool(wait)}},
	})
}

// ReportLeaked reports a token as leaked, which revokes it. By the configuration, the
// response comes when every node has applied that.
func (c *Cluster) ReportLeaked(n *Node, t *Token) Op {
	return c.do(n, Op{Kind: Revoke, Token: t, Wait: true}, Ask{Path: "/auth/leaked", JSON: map[string]any{"tokens": []string{t.Value}}})
}

// RevokeByCommand revokes a token with the command line.
func (c *Cluster) RevokeByCommand(t *Token) Op {
	file := fmt.Sprintf("revoke-%d.txt", c.History.Now())
	c.write(file, t.Value+"\n")
	return c.command(Op{Kind: Revoke, Token: t, Wait: true}, "token", "revoke", "--file", filepath.Join(c.dir, file))
}

// DisableByApply disables a user with an access file.
func (c *Cluster) DisableByApply(user string) Op {
	file := fmt.Sprintf("disable-%d.yaml", c.History.Now())
	c.write(file, fmt.Sprintf("users:\n  - {username: %s, disabled: true}\n", user))
	return c.command(Op{Kind: Disable, Subject: user, Wait: true}, "apply", "-f", filepath.Join(c.dir, file))
}

// command runs a command and records it. One that fails may have happened.
func (c *Cluster) command(o Op, args ...string) Op {
	o.Node, o.Start, o.Outcome = everyNode, c.History.Now(), Yes
	if _, err := c.TryRun(args...); err != nil {
		o.Outcome, o.Reason = Unknown, err.Error()
	}
	o.End = c.History.Now()
	c.History.Add(o)
	return o
}

// RevokeByID revokes a stored token by its id.
func (c *Cluster) RevokeByID(n *Node, t *Token, wait bool) Op {
	return c.do(n, Op{Kind: Revoke, Token: t, Wait: wait}, Ask{
		Method: http.MethodDelete, Path: "/auth/api/v1/tokens/" + t.ID + "?wait=" + strconv.FormatBool(wait), Bearer: c.admin,
	})
}

// RevokeAll revokes all tokens of a user.
func (c *Cluster) RevokeAll(n *Node, user string, wait bool) Op {
	return c.do(n, Op{Kind: RevokeAll, Subject: user, Wait: wait}, Ask{
		Method: http.MethodPost, Path: "/auth/api/v1/users/" + user + "/revoke-all?wait=" + strconv.FormatBool(wait), Bearer: c.admin,
	})
}

// Disable disables a user.
func (c *Cluster) Disable(n *Node, user string) Op { return c.setDisabled(n, user, Disable) }

// Enable enables a disabled user again.
func (c *Cluster) Enable(n *Node, user string) Op { return c.setDisabled(n, user, Enable) }

func (c *Cluster) setDisabled(n *Node, user string, kind Kind) Op {
	return c.do(n, Op{Kind: kind, Subject: user, Wait: true}, Ask{
		Method: http.MethodPatch, Path: "/auth/api/v1/users/" + user, Bearer: c.admin,
		JSON: map[string]bool{"disabled": kind == Disable},
	})
}

// Unbind removes a user's access to a collection.
func (c *Cluster) Unbind(n *Node, user string, collection int) Op {
	return c.do(n, Op{Kind: Unbind, Subject: user, Collection: collection, Wait: true}, Ask{
		Method: http.MethodDelete, Path: fmt.Sprintf("/auth/api/v1/users/%s/access?path=/collections/%d", user, collection), Bearer: c.admin,
	})
}

// Bind grants a user access to a collection.
func (c *Cluster) Bind(n *Node, user string, collection int) Op {
	path := fmt.Sprintf("/collections/%d", collection)
	return c.do(n, Op{Kind: Bind, Subject: user, Collection: collection, Wait: true}, Ask{
		Path: "/auth/api/v1/bindings", Bearer: c.admin,
		JSON: map[string]any{"user": user, "path": path, "permission": map[string]string{"action": "access", "path": "/"}},
	})
}

// Rotate makes the next signing key active at once.
func (c *Cluster) Rotate(n *Node) Op {
	return c.do(n, Op{Kind: Rotate}, Ask{Path: "/auth/api/v1/keys", Bearer: c.admin, JSON: map[string]bool{"now": true}})
}

// Retire revokes a signing key, with everything that it signed.
func (c *Cluster) Retire(n *Node, kid string) Op {
	return c.do(n, Op{Kind: Retire, Key: kid, Wait: true}, Ask{
		Method: http.MethodDelete, Path: "/auth/api/v1/keys/" + url.PathEscape(kid), Bearer: c.admin,
	})
}

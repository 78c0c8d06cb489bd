package token

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/strictjson"
)

// The limits of a token's chain. A client's id has up to 255 bytes.
const (
	maxChain     = 16
	maxChainID   = 64
	maxChainLink = len(chainClient) + 255
)

// chainClient begins a link of a chain that names a client, not a token.
const chainClient = "client:"

// ClientLink returns the link of a chain for a client to which a token of that chain was
// issued: what another client made from the token is revoked with that client too. It is
// never a token's id.
func ClientLink(clientID string) string { return chainClient + clientID }

// LinkedClient returns the client that a link of a chain names; ok is false where the
// link is a token's id.
func LinkedClient(link string) (clientID string, ok bool) {
	return strings.CutPrefix(link, chainClient)
}

// maxDate is the greatest NumericDate that is read.
const maxDate = 1 << 53

var (
	errMissing  = errors.New("a claim that must be there is missing or empty")
	errAudience = errors.New("aud is neither a string nor a list of strings, or holds an empty one")
	errScope    = errors.New("scope isn't of RFC 6749 syntax")
	errChain    = errors.New("chain isn't a short list of ids")
	errTaskType = errors.New("task_token_type is empty")
	errNetworks = errors.New("networks isn't a short list of networks in canonical form")
)

// Claims are the claims of a JWT. Times are whole seconds in UTC.
type Claims struct {
	Issuer        string    // iss
	Subject       string    // sub: a user's id, or the client's for client credentials
	Audience      []string  // aud, at least one
	Expiry        time.Time // exp
	IssuedAt      time.Time // iat
	NotBefore     time.Time // nbf; zero: absent
	ID            string    // jti
	ClientID      string
	Username      string
	Scope         []string
	Collection    *int64        // nil: not bound to one
	Chain         []string      // the ids of what it was made from, root first, and ClientLinks
	Actors        []string      // act: who acts for the subject, the current actor first (RFC 8693 §4.1)
	Networks      networks.List // that it may be used from; nil: any
	Seq           int64         // the revocation log's sequence as of which it was decided
	TaskTokenType string        // not empty: a task token

	AsLists bool           // for Sign: scope and aud as arrays; both forms are read
	Extra   map[string]any // for Sign: members that a dialect adds; none of ours
}

// parse reads the text of a payload, in which every claim of bearerd's has exactly its type.
func (c *Claims) parse(text string) error {
	if err := strictjson.ReadObject(text, maxMembers, c.member); err != nil {
		return err
	}
	if c.Issuer == "" || c.Subject == "" || c.ID == "" || len(c.Audience) == 0 ||
		c.Expiry.IsZero() || c.IssuedAt.IsZero() {
		return errMissing
	}
	return nil
}

func (c *Claims) member(p *strictjson.Scanner, name string) (err error) {
	switch name {
	case "iss":
		c.Issuer, err = p.Text()
	case "sub":
		c.Subject, err = p.Text()
	case "aud":
		c.Audience, err = readAudience(p)
	case "exp":
		c.Expiry, err = readDate(p)
	case "iat":
		c.IssuedAt, err = readDate(p)
	case "nbf":
		c.NotBefore, err = readDate(p)
	case "jti":
		c.ID, err = p.Text()
	case "client_id":
		c.ClientID, err = p.Text()
	case "username":
		c.Username, err = p.Text()
	case "scope":
		c.Scope, err = readScope(p)
	case "collection":
		var id int64
		id, err = p.Integer(math.MaxInt64)
		c.Collection = &id
	case "chain":
		c.Chain, err = readChain(p)
	case "act":
		c.Actors, err = readActors(p, nil)
	case "networks":
		c.Networks, err = readNetworks(p)
	case "seq":
		c.Seq, err = p.Integer(math.MaxInt64)
	case "task_token_type":
		if c.TaskTokenType, err = p.Text(); err == nil && c.TaskTokenType == "" {
			err = errTaskType
		}
	default:
		err = p.Skip()
	}
	return err
}

// readDate reads a NumericDate (RFC 7519 §2) of whole seconds from 0 to 2^53.
func readDate(p *strictjson.Scanner) (time.Time, error) {
	n, err := p.Integer(maxDate)
	return time.Unix(n, 0).UTC(), err
}

func readAudience(p *strictjson.Scanner) ([]string, error) {
	list, err := readTexts(p)
	if err != nil {
		return nil, err
	}
	if slices.Contains(list, "") {
		return nil, errAudience
	}
	return list, nil
}

// readTexts reads a string, or a list of strings.
func readTexts(p *strictjson.Scanner) ([]string, error) {
	if p.Peek() == '"' {
		s, err := p.Text()
		return []string{s}, err
	}
	return readList(p)
}

func readList(p *strictjson.Scanner) (out []string, err error) {
	err = p.Array(func() error {
		s, err := p.Text()
		out = append(out, s)
		return err
	})
	return out, err
}

// readScope reads a space-separated string (RFC 6749 §3.3), or an array of names.
func readScope(p *strictjson.Scanner) ([]string, error) {
	var names []string
	if p.Peek() != '"' {
		list, err := readList(p)
		if err != nil {
			return nil, err
		}
		names = list
	} else {
		s, err := p.Text()
		if err != nil {
			return nil, err
		}
		if s == "" {
			return nil, nil
		}
		names = strings.Split(s, " ")
	}
	for _, name := range names {
		if !validScope(name) {
			return nil, errScope
		}
	}
	return names, nil
}

// validScope reports whether s is a scope-token of RFC 6749 §3.3.
func validScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// readNetworks reads a list of networks in canonical form.
func readNetworks(p *strictjson.Scanner) (networks.List, error) {
	texts, err := readList(p)
	if err != nil {
		return nil, err
	}
	list, ok := networks.Read(texts)
	if !ok {
		return nil, errNetworks
	}
	return list, nil
}

func readChain(p *strictjson.Scanner) ([]string, error) {
	list, err := readList(p)
	if err != nil {
		return nil, err
	}
	if len(list) > maxChain {
		return nil, errChain
	}
	for _, link := range list {
		client, ok := LinkedClient(link)
		if link == "" || ok && client == "" || len(link) > maxChainLink || !ok && len(link) > maxChainID {
			return nil, errChain
		}
	}
	return list, nil
}

package token

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"
)

// The bounds of the chain of ids that a token was made from.
const (
	maxChain   = 16
	maxChainID = 64
)

var (
	errMissing  = errors.New("a claim that must be there is missing or empty")
	errAudience = errors.New("aud is neither a string nor a list of strings, or holds an empty one")
	errScope    = errors.New("scope isn't of RFC 6749 syntax")
	errChain    = errors.New("chain isn't a short list of ids")
	errTaskType = errors.New("task_token_type is empty")
)

// Claims are what a JWT says. Times are whole seconds in UTC.
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
	Collection    *int64   // nil: not bound to one
	Chain         []string // the ids of what it was made from, root first
	Seq           int64    // the revocation log's sequence as of which it was decided
	TaskTokenType string   // not empty: a task token

	ScopeAsList bool           // for Sign: scope as an array; both forms are read
	Extra       map[string]any // for Sign: members that a dialect adds; none of ours
}

// parse reads a payload, in which every claim of ours has exactly its type.
func (c *Claims) parse(part string) error {
	text, err := decodePart(part)
	if err != nil {
		return err
	}
	if err := readObject(string(text), c.member); err != nil {
		return err
	}
	if c.Issuer == "" || c.Subject == "" || c.ID == "" || len(c.Audience) == 0 ||
		c.Expiry.IsZero() || c.IssuedAt.IsZero() {
		return errMissing
	}
	return nil
}

func (c *Claims) member(p *scanner, name string) (err error) {
	switch name {
	case "iss":
		c.Issuer, err = p.text()
	case "sub":
		c.Subject, err = p.text()
	case "aud":
		c.Audience, err = p.audience()
	case "exp":
		c.Expiry, err = p.date()
	case "iat":
		c.IssuedAt, err = p.date()
	case "nbf":
		c.NotBefore, err = p.date()
	case "jti":
		c.ID, err = p.text()
	case "client_id":
		c.ClientID, err = p.text()
	case "username":
		c.Username, err = p.text()
	case "scope":
		c.Scope, err = p.scope()
	case "collection":
		var id int64
		id, err = p.integer(math.MaxInt64)
		c.Collection = &id
	case "chain":
		c.Chain, err = p.chain()
	case "seq":
		c.Seq, err = p.integer(math.MaxInt64)
	case "task_token_type":
		if c.TaskTokenType, err = p.text(); err == nil && c.TaskTokenType == "" {
			err = errTaskType
		}
	default:
		err = p.skip()
	}
	return err
}

// date reads a NumericDate (RFC 7519 §2) of whole seconds from 0 to 2^53.
func (p *scanner) date() (time.Time, error) {
	n, err := p.integer(maxDate)
	return time.Unix(n, 0).UTC(), err
}

func (p *scanner) audience() ([]string, error) {
	list, err := p.texts()
	if err != nil {
		return nil, err
	}
	if slices.Contains(list, "") {
		return nil, errAudience
	}
	return list, nil
}

// texts reads a string, or a list of strings.
func (p *scanner) texts() ([]string, error) {
	if p.peek() == '"' {
		s, err := p.text()
		return []string{s}, err
	}
	return p.list()
}

func (p *scanner) list() (out []string, err error) {
	err = p.array(func() error {
		s, err := p.text()
		out = append(out, s)
		return err
	})
	return out, err
}

// scope reads a space-separated string (RFC 6749 §3.3), or an array of names.
func (p *scanner) scope() ([]string, error) {
	var names []string
	if p.peek() != '"' {
		list, err := p.list()
		if err != nil {
			return nil, err
		}
		names = list
	} else {
		s, err := p.text()
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

func (p *scanner) chain() ([]string, error) {
	list, err := p.list()
	if err != nil {
		return nil, err
	}
	if len(list) > maxChain {
		return nil, errChain
	}
	for _, id := range list {
		if id == "" || len(id) > maxChainID {
			return nil, errChain
		}
	}
	return list, nil
}

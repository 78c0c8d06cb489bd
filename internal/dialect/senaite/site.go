package senaite

import (
	"net/url"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/verification"
)

// site is what the endpoints beneath one prefix share: who is calling, and the addresses
// beneath that prefix.
type site struct {
	signIn         *signin.Authenticator
	sessionCookies []string
	crossOrigin    *httpkit.CrossOrigin
	root           string // the URL of the prefix
	now            func() time.Time
}

// since returns for how many seconds a request has been served.
func (s site) since(start time.Time) float64 { return s.now().Sub(start).Seconds() }

// url returns the address of an endpoint, beneath the prefix that the client asked by.
func (s site) url(path string) string { return s.root + path }

// userURL returns the address of a user.
func (s site) userURL(name string) string { return s.url("/users/" + url.PathEscape(name)) }

// anonymous is the user that an anonymous caller sees.
func (s site) anonymous() user {
	return user{
		Username: "Anonymous User", Roles: []string{roleAnonymous}, Groups: []string{}, URL: s.userURL(current),
	}
}

// userOf shows a user to a caller.
func (s site) userOf(u *verification.Subject, c *caller.Caller) user {
	return user{
		ID: u.Username, Username: u.Username, FullName: u.Name, Email: u.Email, Roles: rolesOf(u),
		Groups: append(slices.Clone(u.Groups), groupEverybody), Authenticated: u.ID == c.ID(), URL: s.userURL(u.Username),
	}
}

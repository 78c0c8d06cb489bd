package gateway

import (
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
)

// doors are places where a token may stand beside a Bearer Authorization header, for
// clients that can't send one: git, WebDAV, R, instruments. The zero value is none.
type doors struct {
	basic   bool     // HTTP Basic, whose password is the token
	token   bool     // Authorization: Token
	headers []string // canonical names
}

// parseDoors reads a list such as basic, token, header:X-API-Key.
func parseDoors(list []string) (d doors, err error) {
	for _, name := range list {
		header, isHeader := strings.CutPrefix(name, "header:")
		switch {
		case name == "basic":
			d.basic = true
		case name == "token":
			d.token = true
		case isHeader && MayAnnounce(header) && !(&Announcer{}).impostor(header):
			d.headers = append(d.headers, textproto.CanonicalMIMEHeaderKey(header))
		default:
			return doors{}, fmt.Errorf("must be basic, token or header:NAME, not %.64q", name)
		}
	}
	return d, nil
}

var errTwoCredentials = fault.New(fault.Invalid, "the request has more than one credential")

// any reports whether there is one.
func (d *doors) any() bool { return d.basic || d.token || len(d.headers) > 0 }

// find returns the token that came in by a door, beside a Bearer one that was found; its
// Token is "" when there is none. More than one credential is refused.
func (d *doors) find(r *http.Request, bearer string, g *Gate) (httpkit.Credential, error) {
	c := httpkit.Credential{Token: bearer}
	take := func(other httpkit.Credential) error {
		if c.Token != "" {
			return errTwoCredentials
		}
		c = other
		return nil
	}
	for _, name := range d.headers {
		raw, err := httpkit.OnlyToken(r.Header[name], "more than one "+name+" header")
		if err == nil && raw != "" {
			err = take(httpkit.Credential{Token: raw})
		}
		if err != nil {
			return httpkit.Credential{}, err
		}
	}
	if d.token {
		raw, found, err := token.ParseCredentials(r.Header["Authorization"], "token")
		if err == nil && found {
			err = take(httpkit.Credential{Token: raw})
		}
		if err != nil {
			return httpkit.Credential{}, err
		}
	}
	if d.basic {
		pair, found, err := httpkit.Basic(r)
		// What a dialect takes for a password is not ours.
		if found && (g.Forms.LooksLikeToken(pair.Password) || !slices.ContainsFunc(g.Finders, takesBasic)) && err == nil {
			err = take(httpkit.Credential{Token: pair.Password, User: pair.Name, Ambient: true})
		}
		if err != nil {
			return httpkit.Credential{}, err
		}
	}
	return c, nil
}

func takesBasic(f httpkit.CredentialFinder) bool { return slices.Contains(f.Places().Schemes, "basic") }

// schemes returns the schemes of the Authorization header that the doors read.
func (d *doors) schemes() (list []string) {
	if d.basic {
		list = append(list, "basic")
	}
	if d.token {
		list = append(list, "token")
	}
	return list
}

// String says where a token may stand.
func (d *doors) String() string {
	places := []string{"Authorization: Bearer"}
	if d.token {
		places = append(places, "Authorization: Token")
	}
	if d.basic {
		places = append(places, "the password of HTTP Basic")
	}
	places = append(places, d.headers...)
	return strings.Join(places, ", or ")
}

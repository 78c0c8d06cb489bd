package sso

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/openid"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/signin"
)

const (
	mostRequests = 5               // of one browser: tabs
	requestLife  = 5 * time.Minute // from the button to the way back
	purposeAsked = "sign-in requests"
)

// Request is one sign-in under way in a browser.
type Request struct {
	Source   string        `json:"s"`
	Nonce    string        `json:"n"`           // names the request, to the source too
	IDNonce  string        `json:"i,omitempty"` // that of a provider's ID token
	Verifier string        `json:"v,omitempty"` // PKCE's (RFC 7636 §4.1)
	Next     string        `json:"x,omitempty"` // the path on this server that it leads to; "": the default
	Link     string        `json:"l,omitempty"` // the subject to whom an account is to be linked; "": somebody signs in
	MaxAge   time.Duration `json:"m,omitempty"` // how long ago the person may have authenticated; 0: any time
	Begun    time.Time     `json:"b"`
	App      bool          `json:"a,omitempty"` // the source answers by a POST from its own site
}

// Once returns the record by which the request is answered only once.
func (r Request) Once() signin.Once {
	return signin.Once{Name: records.OnceOf("sign-in request", r.Source, r.Nonce), Until: r.Begun.Add(2 * requestLife)}
}

// Requests are the sign-ins under way, in a cookie of the browser that began them, so
// that an answer through another browser is refused. The store makes sure that each is
// used once.
type Requests struct {
	Sealer   *Sealer
	Insecure bool // the issuer is http on loopback
	Now      func() time.Time
}

func (q *Requests) cookieName() string {
	if q.Insecure {
		return "bearerd_signin"
	}
	return "__Host-bearerd_signin"
}

// Begin notes a request in the browser, adds a nonce, and returns it. When there are
// more than five, the oldest is forgotten.
func (q *Requests) Begin(w http.ResponseWriter, r *http.Request, asked Request) (Request, error) {
	asked.Nonce, asked.Begun = rand.Text(), q.Now()
	if !asked.App {
		asked.IDNonce, asked.Verifier = rand.Text(), openid.NewVerifier()
	}
	list := append(q.read(r), asked)
	return asked, q.write(w, list[max(0, len(list)-mostRequests):])
}

// errNoRequest is the error of an answer to nothing that this browser asked.
var errNoRequest = fault.New(fault.Unauthenticated,
	"this browser has not begun that sign-in, or began it more than five minutes ago, or has finished it: begin again")

// Take returns the request that an answer of a source is for, and forgets it. The error is
// Unauthenticated when this browser has none of that nonce under way.
func (q *Requests) Take(w http.ResponseWriter, r *http.Request, source, nonce string) (Request, error) {
	list := q.read(r)
	i := slices.IndexFunc(list, func(one Request) bool { return one.Source == source && one.Nonce == nonce && nonce != "" })
	if i < 0 {
		return Request{}, errNoRequest
	}
	taken := list[i]
	return taken, q.write(w, slices.Delete(list, i, i+1))
}

// read returns the requests under way in the browser's cookie, the oldest first. A cookie
// that was not created here is ignored.
func (q *Requests) read(r *http.Request) []Request {
	var list []Request
	for _, c := range r.CookiesNamed(q.cookieName()) {
		var some []Request
		if q.Sealer.Open(purposeAsked, c.Value, &some) == nil {
			list = append(list, some...)
		}
	}
	now := q.Now()
	return slices.DeleteFunc(list, func(one Request) bool {
		return one.Over(now)
	})
}

// write sets the cookie. A source that answers from its own site needs a cookie that is
// sent with a POST from there; for others Lax is enough.
func (q *Requests) write(w http.ResponseWriter, list []Request) error {
	sealed, err := q.Sealer.Seal(purposeAsked, list)
	if err != nil {
		return err
	}
	const most = 3800 // browsers keep 4096 bytes with the attributes
	if len(sealed) > most {
		if len(list) < 2 {
			return errors.New("sso: one sign-in doesn't fit into a cookie")
		}
		return q.write(w, list[1:])
	}
	c := &http.Cookie{ //nolint:gosec // not Secure for an issuer that is http on loopback alone
		Name: q.cookieName(), Value: sealed, Path: "/", HttpOnly: true, Secure: !q.Insecure, MaxAge: int(requestLife / time.Second), SameSite: http.SameSiteLaxMode,
	}
	if !q.Insecure && slices.ContainsFunc(list, func(one Request) bool { return one.App }) {
		c.SameSite = http.SameSiteNoneMode
	}
	if len(list) == 0 {
		c.Value, c.MaxAge = "", -1
	}
	http.SetCookie(w, c)
	return nil
}

// NewRequests returns requests whose cookies suit the issuer.
func NewRequests(key [32]byte, cookies httpkit.Cookies, now func() time.Time) (*Requests, error) {
	sealer, err := NewSealer(key)
	if err != nil {
		return nil, err
	}
	return &Requests{Sealer: sealer, Insecure: cookies.Insecure(), Now: now}, nil
}

// Over reports whether the request was begun too long ago to be answered.
func (r Request) Over(now time.Time) bool {
	return now.Sub(r.Begun) > requestLife || r.Begun.After(now.Add(requestLife))
}

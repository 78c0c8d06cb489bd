package sso

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/signin"
)

const (
	typeAssertion = "bearerd-sign-in+jwt"
	assertionLife = time.Minute // from iat to exp at most
)

// App is an application whose own session identifies people. bearerd sends the browser
// to the application's sign-in view, which posts an assertion back: to an address of its
// own configuration, never to one that it was given.
type App struct {
	Name     string
	URL      string // of the sign-in view
	Origin   string // where the assertion is posted from
	Audience string // the issuer
	Claims   Claims
	Verifier *assertion.Verifier
}

// Begin returns the address that the browser is sent to.
func (a *App) Begin(_ context.Context, r Request) (string, error) {
	q := url.Values{"request": {r.Nonce}}
	if r.MaxAge > 0 {
		q.Set("max_age", strconv.FormatInt(int64(r.MaxAge/time.Second), 10))
	}
	return a.URL + "?" + q.Encode(), nil
}

// Read judges an assertion, and returns the nonce of the request that it answers and what
// it says. The caller takes the request of that nonce from the browser that brings it.
func (a *App) Read(ctx context.Context, raw string) (nonce string, st signin.Statement, err error) {
	return a.judge(ctx, raw, assertion.Expect{AnyNonce: true})
}

func (a *App) judge(ctx context.Context, raw string, x assertion.Expect) (nonce string, st signin.Statement, err error) {
	x.Types, x.Audience, x.SoleAudience = []string{typeAssertion}, []string{a.Audience}, true
	x.MaxLifetime, x.NeedID = assertionLife, true
	c, err := a.Verifier.Verify(ctx, raw, x)
	if err != nil {
		return "", st, err
	}
	if st, err = a.Claims.read(c, c.Raw); err != nil {
		return "", st, err
	}
	st.Source, st.ExternalID, st.AuthenticatedAt = a.Name, c.Subject, c.AuthTime
	st.Once = []signin.Once{{Name: records.OnceOf("assertion", a.Name, c.ID), Until: c.Expiry.Add(time.Minute)}}
	return c.Nonce, st, nil
}

// CheckAge refuses a sign-in that is older than the request allows, or whose age isn't known.
func (r Request) CheckAge(st signin.Statement, now time.Time) error {
	switch {
	case r.MaxAge == 0:
		return nil
	case st.AuthenticatedAt.IsZero():
		return fault.New(fault.SignInAgain, "it isn't said when you signed in there, and this needs a recent sign-in")
	case now.Sub(st.AuthenticatedAt) > r.MaxAge+maxSkew:
		return fault.New(fault.SignInAgain, "you signed in there too long ago for this: sign out there, and sign in again")
	}
	return nil
}

// maxSkew is how far clocks may differ.
const maxSkew = 30 * time.Second

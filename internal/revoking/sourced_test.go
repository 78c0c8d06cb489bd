package revoking_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"
)

// sourced is a node whose people sign in by two sources.
type sourced struct {
	*nodetest.Fixture

	t    *testing.T
	said int
}

func newSourced(t *testing.T) *sourced {
	t.Helper()
	return &sourced{Fixture: nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) {
		s.Sources = signin.Sources{{Name: "sso", Title: "SSO", Create: true}, {Name: "other", Title: "Other", Create: true}}
	}}), t: t}
}

// session signs somebody in by a source and returns their session.
func (f *sourced) session(source, externalID, session string) *issuance.Issued {
	f.t.Helper()
	c, err := f.Vouch(f.t.Context(), signin.Statement{Source: source, ExternalID: externalID, Username: source + "-" + externalID, Session: session})
	nodetest.Must(f.t, err)
	issued, err := f.StartSession(f.t.Context(), c, nil)
	nodetest.Must(f.t, err)
	return issued
}

// access makes an access token from a session.
func (f *sourced) access(session *issuance.Issued) *issuance.Issued {
	f.t.Helper()
	c, err := f.Session(f.t.Context(), session.Value.Reveal())
	nodetest.Must(f.t, err)
	return f.MadeAccess(f.t, c)
}

// end is a logout that is presented for the first time.
func (f *sourced) end(o revoking.SourceLogout) {
	f.t.Helper()
	f.said++
	o.At = f.Time()
	o.Once, o.Until = records.OnceOf("test", string(rune('a'+f.said))), f.Time().Add(time.Minute)
	r, err := f.EndSourced(f.t.Context(), o)
	if err != nil || !r.Revoked || r.Nodes == nil {
		f.t.Fatalf("%+v: %+v, %v", o, r, err)
	}
}

func (f *sourced) wantSession(name string, session *issuance.Issued, live bool) {
	f.t.Helper()
	if _, err := f.Session(f.t.Context(), session.Value.Reveal()); (err == nil) != live {
		f.t.Errorf("%s: %v, want it live: %t", name, err, live)
	}
}

func TestASessionThatItsSourceEnds(t *testing.T) {
	t.Parallel()
	f := newSourced(t)
	one, same, another := f.session("sso", "1", "s1"), f.session("sso", "1", "s1"), f.session("sso", "1", "s2")
	elsewhere := f.session("other", "1", "s1")
	made, kept := f.access(one), f.access(another)
	c, err := f.Session(t.Context(), one.Value.Reveal())
	nodetest.Must(t, err)
	apiToken := f.APIToken(t, c, credentials.NewCredential{})
	f.end(revoking.SourceLogout{Source: "sso", Session: "s1", ExternalID: "1"})
	f.wantSession("the session", one, false)
	f.wantSession("another of the same", same, false)
	f.wantSession("one of another session there", another, true)
	f.wantSession("one of another source", elsewhere, true)
	f.WantDead(t, "what was made from it", made)
	f.WantAlive(t, "what was made from another", kept)
	f.WantAlive(t, "an API token, which a person made", apiToken)
	events := f.Events(t, audit.Filter{Action: audit.Logout})
	if len(events) != 2 || events[0].Actor != audit.ActorSystem || events[0].Target != c.ID() || events[0].Reason != "signed out at the source sso" {
		t.Errorf("%+v", events)
	}
}

// The provider says that a session has ended while the browser is still on its way back.
func TestASessionThatItsSourceHasEndedBefore(t *testing.T) {
	t.Parallel()
	f := newSourced(t)
	f.session("sso", "1", "s0")
	c, err := f.Vouch(t.Context(), signin.Statement{Source: "sso", ExternalID: "1", Username: "sso-1", Session: "s1"})
	nodetest.Must(t, err)
	f.end(revoking.SourceLogout{Source: "sso", Session: "s1"})
	if late, err := f.StartSession(t.Context(), c, nil); err == nil {
		f.wantSession("the session that began too late", late, false)
	}
	f.wantSession("a session that begins from the next one", f.session("sso", "1", "s2"), true)
	f.wantSession("one of another source", f.session("other", "1", "s1"), true)
}

// The provider names no session: what it said of the person before leads to none.
func TestASignInOfAPersonWhoHasBeenSignedOut(t *testing.T) {
	t.Parallel()
	f := newSourced(t)
	said := func(at time.Time, session string) *caller.Caller {
		c, err := f.Vouch(t.Context(), signin.Statement{Source: "sso", ExternalID: "1", Username: "sso-1", Session: session, SaidAt: at})
		nodetest.Must(t, err)
		return c
	}
	before, named := said(f.Time(), ""), said(f.Time(), "s1")
	f.end(revoking.SourceLogout{Source: "sso", ExternalID: "1"})
	for name, c := range map[string]*caller.Caller{"without a session": before, "with a session": named} {
		if late, err := f.StartSession(t.Context(), c, nil); err == nil {
			f.wantSession(name+", said before", late, false)
		}
	}
	after, err := f.StartSession(t.Context(), said(f.Time().Add(time.Second), ""), nil)
	nodetest.Must(t, err)
	f.wantSession("said after", after, true)
}

func TestAllSessionsOfAPerson(t *testing.T) {
	t.Parallel()
	f := newSourced(t)
	one, two, eves := f.session("sso", "1", "s1"), f.session("sso", "1", ""), f.session("sso", "2", "")
	elsewhere := f.session("other", "1", "")
	f.end(revoking.SourceLogout{Source: "sso", ExternalID: "1"})
	f.wantSession("one", one, false)
	f.wantSession("two", two, false)
	f.wantSession("somebody else's", eves, true)
	f.wantSession("of the same id at another source", elsewhere, true)
	f.Advance(time.Second)
	f.wantSession("one that begins afterwards", f.session("sso", "1", "s3"), true)
	f.end(revoking.SourceLogout{Source: "sso", ExternalID: "nobody here"})
	f.wantSession("somebody else's", eves, true)
}

func TestEverythingOfAPerson(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]revoking.SourceLogout{
		"by session":             {Source: "sso", Session: "s1", Everything: true},
		"by person":              {Source: "sso", ExternalID: "1", Everything: true},
		"by both":                {Source: "sso", Session: "s1", ExternalID: "1", Everything: true},
		"by a session long gone": {Source: "sso", Session: "s0", ExternalID: "1", Everything: true},
	} {
		f := newSourced(t)
		one, eves := f.session("sso", "1", "s1"), f.session("sso", "2", "s2")
		c, err := f.Session(t.Context(), one.Value.Reveal())
		nodetest.Must(t, err)
		apiToken := f.APIToken(t, c, credentials.NewCredential{})
		f.end(o)
		f.wantSession(name+", the session", one, false)
		f.WantDead(t, name+", the API token", apiToken)
		f.wantSession(name+", somebody else's", eves, true)
		f.WantAlive(t, name+", a token made afterwards", f.access(f.session("sso", "1", "s9")))
	}
}

// What was presented already ends nothing that began since.
func TestALogoutIsGoodOnce(t *testing.T) {
	t.Parallel()
	f := newSourced(t)
	f.session("sso", "1", "")
	o := revoking.SourceLogout{Source: "sso", ExternalID: "1", Once: records.OnceOf("test", "1"), Until: f.Time().Add(time.Minute)}
	nodetest.Must(t, nodetest.Second(f.EndSourced(t.Context(), o)))
	next := f.session("sso", "1", "")
	_, err := f.EndSourced(t.Context(), o)
	nodetest.WantFault(t, "the second time", err, fault.Conflict, "used already")
	f.wantSession("the next session", next, true)
	_, err = f.EndSourced(t.Context(), revoking.SourceLogout{Source: "sso", Once: records.OnceOf("test", "2"), Until: f.Time().Add(time.Minute)})
	nodetest.WantFault(t, "nobody", err, fault.Invalid, "neither")
	f.wantSession("the next session", next, true)
}

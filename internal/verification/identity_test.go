package verification_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

func TestIdentifySaysWhomATokenSpeaksFor(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.Person(t, "ada", nodetest.May("read", "/x"))
	app := f.NewClient(t, identity.NewClient{ID: "app", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials}})
	itself, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: app})
	nodetest.Must(t, err)

	id, err := f.Identify(t.Context(), f.MadeAccess(t, ada).Value.Reveal(), verification.Requirements{})
	nodetest.Must(t, err)
	if s := id.Subject; s.ID != ada.ID() || s.Username != "ada" || s.Client || !s.May("read", "/x/y").Allowed || id.Token.Subject != s.ID {
		t.Errorf("a user's token: %+v", s)
	}
	id, err = f.Identify(t.Context(), itself.Value.Reveal(), verification.Requirements{})
	nodetest.Must(t, err)
	if s := id.Subject; s.ID != "app" || !s.Client || s.May("read", "/").Allowed {
		t.Errorf("a client's token: %+v", s)
	}
	if id.AsOf != f.Ledger.Applied() {
		t.Errorf("found good as of %d, the log is at %d", id.AsOf, f.Ledger.Applied())
	}
	_, err = f.Identify(t.Context(), "junk", verification.Requirements{})
	nodetest.WantFault(t, "junk", err, fault.InvalidToken, "malformed or unknown token")
	// A token for somebody who never was, signed all the same.
	_, err = f.Identify(t.Context(), f.Forge(t, uuid.NewString(), f.Ledger.Applied()).Value.Reveal(), verification.Requirements{})
	nodetest.WantFault(t, "nobody's token", err, fault.InvalidToken, "revoked")
}

// An edge asks who presented a token after it has accepted it. What the issuer refuses by
// then is refused, and is no error of the edge.
func TestIdentifyRefusesWhatTheSourceRefusesMeanwhile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		check token.Check
		kind  fault.Kind
	}{
		"revoked":     {token.CheckRevoked, fault.InvalidToken},
		"access lost": {token.CheckAccess, fault.InsufficientScope},
	} {
		s := newStage(t)
		s.subject = func(*int64) (*verification.Subject, error) { return nil, c.check.Refuse() }
		_, err := s.Identify(t.Context(), s.jwt(t), verification.Requirements{})
		nodetest.WantFault(t, name, err, c.kind, c.check.Refuse().Reason)
	}
}

// The issuer of an edge may know of a revocation before the edge has its entry. What it has
// called revoked is refused until the log is known as of a later time, which then decides.
func TestWhatTheSourceCallsRevokedStaysRefusedUntilTheLogHasCaughtUp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	first, second := s.jwt(t), s.jwt(t)
	identify := func(raw string) error {
		_, err := s.Identify(t.Context(), raw, verification.Requirements{})
		return err
	}
	s.subject = func(*int64) (*verification.Subject, error) { return nil, token.CheckRevoked.Refuse() }
	nodetest.WantFault(t, "what the issuer refuses", identify(first), fault.InvalidToken, "revoked")
	s.subject = func(*int64) (*verification.Subject, error) {
		return &verification.Subject{ID: "ada", Seq: s.ledger.Applied()}, nil
	}
	nodetest.Must(t, identify(second)) // from here on nothing needs to be asked about ada
	nodetest.WantFault(t, "the same, without a question", identify(first), fault.InvalidToken, "revoked")
	s.boot += time.Millisecond
	s.ledger.Renew(s.boot, lease)
	nodetest.Must(t, identify(first)) // the log has nothing about it
}

// An answer that goes on is bound to a lease by itself. Whether it may go on is decided
// from what is known here, again and again.
func TestStillGoodDecidesAgainWithoutALease(t *testing.T) {
	t.Parallel()
	four := int64(4)
	asks := verification.Requirements{Collection: &four, Scope: []string{"read"}}
	for name, c := range map[string]struct {
		act    func(n *nodetest.Still, issued *issuance.Issued) error
		kind   fault.Kind
		reason string
	}{
		"nothing": {func(*nodetest.Still, *issuance.Issued) error { return nil }, 0, ""},
		"revoked": {func(n *nodetest.Still, issued *issuance.Issued) error {
			return nodetest.Second(n.RevokeID(t.Context(), operator, issued.ID))
		}, fault.InvalidToken, "revoked"},
		"all revoked": {func(n *nodetest.Still, _ *issuance.Issued) error {
			return nodetest.Second(n.RevokeAllOf(t.Context(), operator, "ada"))
		}, fault.InvalidToken, "revoked"},
		"access lost": {func(n *nodetest.Still, _ *issuance.Issued) error {
			_, _, err := n.RemoveAccess(t.Context(), operator, "ada", "/collections/4")
			return err
		}, fault.InsufficientScope, "no access to the collection"},
		"expired": {func(n *nodetest.Still, _ *issuance.Issued) error {
			n.Advance(2 * time.Hour)
			return nil
		}, fault.InvalidToken, "expired"},
		"the user removed": {func(n *nodetest.Still, _ *issuance.Issued) error {
			return nodetest.Second(n.RemoveUser(t.Context(), operator, "ada"))
		}, fault.InvalidToken, "revoked"},
	} {
		for form, issue := range map[string]func(n *nodetest.Still) *issuance.Issued{
			"JWT": func(n *nodetest.Still) *issuance.Issued {
				return n.Made(t, n.SignedIn(t, "ada"), issuance.Request{Kind: token.KindAccess, Collection: &four, Scope: []string{"read"}})
			},
			"opaque": func(n *nodetest.Still) *issuance.Issued {
				return n.APIToken(t, n.SignedIn(t, "ada"), credentials.NewCredential{Collection: &four, Scope: []string{"read"}, Lifetime: 3600})
			},
		} {
			t.Run(name+"/"+form, func(t *testing.T) {
				t.Parallel()
				n := nodetest.NewStill(t, nodetest.Options{})
				n.Collection(t, 4, "Fish")
				n.User(t, "ada", "", nodetest.May("access", "/collections/4"))
				issued := issue(n)
				raw := issued.Value.Reveal()
				id, err := n.Identify(t.Context(), raw, asks)
				nodetest.Must(t, err)
				nodetest.Must(t, c.act(n, issued))
				n.Pass(time.Hour) // the lease is over, and none is asked for
				n.Log.Reads.Store(true)
				for range 2 {
					again, err := n.StillGood(t.Context(), id, raw, asks)
					if c.reason != "" {
						nodetest.WantFault(t, "going on", err, c.kind, c.reason)
						continue
					}
					if err != nil || again.Subject.Username != "ada" || again.AsOf != id.AsOf {
						t.Errorf("going on: %+v, %v", again, err)
					}
				}
			})
		}
	}
}

// Who is let in sees what became of the user meanwhile.
func TestStillGoodReturnsTheUserAsTheyAreNow(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	raw := f.MadeAccess(t, f.Person(t, "ada")).Value.Reveal()
	id, err := f.Identify(t.Context(), raw, verification.Requirements{})
	nodetest.Must(t, err)
	nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Groups: &[]string{"staff"}})))
	again, err := f.StillGood(t.Context(), id, raw, verification.Requirements{})
	nodetest.Must(t, err)
	if diff := cmp.Diff([]string{"staff"}, again.Subject.Groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

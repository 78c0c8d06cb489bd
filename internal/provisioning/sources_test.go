package provisioning_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// syncer returns a client with the scope of a source, as it comes by a token.
func syncer(t *testing.T, f *nodetest.Fixture, source string) *caller.Caller {
	t.Helper()
	scope := []string{identity.SourceScope(source)}
	client := f.NewClient(t, identity.NewClient{
		ID: "of-" + source, Secret: nodetest.ClientSecret, Scopes: scope, Grants: []string{identity.GrantTypeClientCredentials},
	})
	issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: client, Scope: scope})
	nodetest.Must(t, err)
	return f.ByBearer(t, issued).Waiting(revocation.WaitNodes)
}

// vouched stores a session that a source has vouched for.
func vouched(t *testing.T, f *nodetest.Fixture, source, subject string) *issuance.Issued {
	t.Helper()
	forms, err := token.NewForms(token.PrefixAPIToken)
	nodetest.Must(t, err)
	value, o, err := forms.New(token.KindSession)
	nodetest.Must(t, err)
	row := records.StoredToken{
		ID: uuid.NewString(), Kind: token.KindSession, Digest: o.Digest, Prefix: o.Prefix, Last4: o.Last4,
		Owner: subject, ClientID: identity.OwnClientID, Name: "session", Seq: f.Ledger.Applied(),
		CreatedAt: f.Time(), ExpiresAt: f.Time().Add(time.Hour), SignIn: records.SignIn{Source: source, At: f.Time()},
	}
	_, err = f.Store.Commit(t.Context(), op.Batch{Ops: []op.Op{op.AddToken{Token: row}}})
	nodetest.Must(t, err)
	return &issuance.Issued{ID: row.ID, Kind: row.Kind, Value: value, Expiry: row.ExpiresAt}
}

func TestTheOwningSourceDisablesAUserAltogether(t *testing.T) {
	t.Parallel()
	nodetest.OnEngines(t, func(t *testing.T, f *nodetest.Fixture) {
		ctx := t.Context()
		_, _, err := f.Apply(ctx, operator, django(sourceUser("17", "ada")))
		nodetest.Must(t, err)
		by, ada := syncer(t, f, "django"), f.SignedIn(t, "ada")
		lasting := f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"read"}})
		other := f.APIToken(t, f.Person(t, "eve"), credentials.NewCredential{Scope: []string{"read"}})

		user, err := f.DisableLinked(ctx, by, "django", "17", true)
		if err != nil || !user.User.Disabled || user.ExternalID != "17" || user.User.Owner != "django" || user.User.Username != "ada" {
			t.Fatalf("%+v, %v", user, err)
		}
		f.WantDead(t, "an API token", lasting)
		f.WantAlive(t, "somebody else's", other)
		end := f.Ledger.Applied()
		user, err = f.DisableLinked(ctx, by, "django", "17", true)
		if err != nil || !user.User.Disabled || f.Ledger.Applied() != end {
			t.Errorf("the second time: %+v, %v, %d entries more", user, err, f.Ledger.Applied()-end)
		}
		events := f.Events(t, audit.Filter{Action: audit.UserDisable})
		if len(events) != 1 || events[0].Actor != "of-django" || events[0].Target != ada.ID() || events[0].Reason != "by the source django" {
			t.Errorf("recorded as %+v", events)
		}
		user, err = f.DisableLinked(ctx, by, "django", "17", false)
		if err != nil || user.User.Disabled {
			t.Errorf("enabled: %+v, %v", user, err)
		}
		f.WantDead(t, "an API token from before", lasting)
		f.WantAlive(t, "one from afterwards", f.MadeAccess(t, f.SignedIn(t, "ada")))
	})
}

func TestASourceEndsItsSessionsOfAUserOfAnother(t *testing.T) {
	t.Parallel()
	nodetest.OnEngines(t, func(t *testing.T, f *nodetest.Fixture) {
		ctx := t.Context()
		_, _, err := f.Apply(ctx, operator, django(sourceUser("17", "ada")))
		nodetest.Must(t, err)
		by, ada := syncer(t, f, "museum"), f.SignedIn(t, "ada")
		_, err = f.DisableLinked(ctx, by, "museum", "m-1", true)
		nodetest.WantFault(t, "nobody is linked so", err, fault.NotFound, "")
		link := records.Link{Source: "museum", ExternalID: "m-1", UserID: ada.ID(), LinkedAt: f.Time()}
		_, err = f.Store.Commit(ctx, op.Batch{Ops: []op.Op{op.AddLink{Link: link}}})
		nodetest.Must(t, err)

		own, others := vouched(t, f, "museum", ada.ID()), vouched(t, f, "django", ada.ID())
		session, err := f.Session(ctx, own.Value.Reveal())
		nodetest.Must(t, err)
		made, lasting := f.MadeAccess(t, session), f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"read"}})

		for range 2 {
			user, err := f.DisableLinked(ctx, by, "museum", "m-1", true)
			if err != nil || user.User.Disabled || user.User.Owner != "django" {
				t.Fatalf("%+v, %v", user, err)
			}
		}
		_, err = f.Session(ctx, own.Value.Reveal())
		nodetest.WantFault(t, "the session that the source vouched for", err, fault.InvalidToken, "")
		f.WantDead(t, "what was made from it", made)
		nodetest.Must(t, nodetest.Second(f.Session(ctx, others.Value.Reveal())))
		f.WantAlive(t, "an API token", lasting)
		events := f.Events(t, audit.Filter{Action: audit.Logout})
		if len(events) != 1 || events[0].Target != ada.ID() || events[0].TokenID != own.ID || events[0].Reason != "ended by the source museum" {
			t.Errorf("recorded as %+v", events)
		}
		// Nor does it enable whom their owner has disabled.
		nodetest.Must(t, nodetest.Second(f.UpdateUser(ctx, operator, "ada", identity.UserPatch{Disabled: new(true)})))
		user, err := f.DisableLinked(ctx, by, "museum", "m-1", false)
		if err != nil || !user.User.Disabled {
			t.Errorf("%+v, %v", user, err)
		}
	})
}

func TestWhoMayNotDisableBySourceIsRecorded(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ctx := t.Context()
	_, _, err := f.Apply(ctx, operator, django(sourceUser("17", "ada")))
	nodetest.Must(t, err)
	ada := f.SignedIn(t, "ada")
	for who, c := range map[string]*caller.Caller{"a user": ada, "another source": syncer(t, f, "museum")} {
		_, err := f.DisableLinked(ctx, c, "django", "17", true)
		if !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.InsufficientScope) {
			t.Errorf("%s: %v", who, err)
		}
		events := f.Events(t, audit.Filter{Action: audit.UserDisable, Actor: c.ID()})
		if len(events) != 1 || events[0].Outcome != audit.Refused || events[0].Target != ada.ID() || events[0].TargetName != "django:17" {
			t.Errorf("%s: recorded as %+v", who, events)
		}
		_, err = f.SourceUsers(ctx, c, records.LinkedQuery{Source: "django"})
		if !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.InsufficientScope) {
			t.Errorf("%s lists: %v", who, err)
		}
	}
	user, err := f.DisableLinked(ctx, operator, "django", "17", true)
	if err != nil || !user.User.Disabled {
		t.Errorf("the operator: %+v, %v", user, err)
	}
}

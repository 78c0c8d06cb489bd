package revoking_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestRevokingEverythingReachesEveryKindOfEverybody(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	client := identity.NewClient{ID: "ci", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()}
	ci := f.NewClient(t, client)
	ofClient := func(ci *caller.Caller) *issuance.Issued {
		issued, err := f.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: ci})
		nodetest.Must(t, err)
		return issued
	}
	f.All["eve"], f.All["client"] = f.MadeAccess(t, f.Person(t, "eve")), ofClient(ci)
	f.All["stranger"] = f.Forge(t, "a user whom a backup doesn't have", f.Ledger.Applied())
	signer := f.Signer(t)
	device, err := f.StartDevice(t.Context(), ci, nil, "")
	nodetest.Must(t, err)
	nodetest.Must(t, f.DecideDevice(t.Context(), f.Owner, device.UserCode, true))

	out, err := f.RevokeEverything(t.Context(), operator)
	if err != nil || !out.Revoked || len(out.Keys) != 1 || out.Keys[0] != signer || f.Signer(t) == signer {
		t.Fatalf("%+v, %v; signed with %s", out, err, f.Signer(t))
	}
	for name, issued := range f.All {
		f.WantDead(t, name, issued)
	}
	f.wantRefusedEverywhere(t, "session access access.access key key.access key.task apitoken apitoken.access apitoken.refresh apitoken.refreshed")
	if _, err := f.RedeemDevice(t.Context(), ci, device.DeviceCode.Reveal()); !fault.Is(err, fault.InvalidGrant) {
		t.Errorf("a device that was connected before: %v", err)
	}
	events := f.Events(t, audit.Filter{Action: audit.RevokeAll})
	if len(events) != 1 || events[0].Actor != audit.ActorCLI || events[0].Target != "*" || events[0].Outcome != audit.OK {
		t.Errorf("recorded as %+v", events)
	}

	ada := f.SignedIn(t, "ada")
	f.WantAlive(t, "issued afterwards", f.MadeAccess(t, ada))
	f.WantAlive(t, "an API token made afterwards", f.APIToken(t, ada, credentials.NewCredential{}))
	known := f.MadeAccess(t, ada) // by its id alone, as from a log
	nodetest.Must(t, nodetest.Second(f.RevokeID(t.Context(), operator, known.ID)))
	f.WantDead(t, "issued and revoked afterwards", known)
	f.WantAlive(t, "a client's, afterwards", ofClient(f.AsClient(t, client)))
}

func TestOnlyTheOperatorRevokesEverything(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	root := f.Person(t, "root", nodetest.Admin(), nodetest.May("delete", access.PathTokens))
	issued := f.MadeAccess(t, root)
	for name, c := range map[string]*caller.Caller{"nobody": nil, "an administrator": root, "a token": f.ByBearer(t, issued)} {
		_, err := f.RevokeEverything(t.Context(), c)
		nodetest.WantFault(t, name, err, fault.Forbidden, "only the operator")
	}
	f.WantAlive(t, "after the refusals", issued)
}

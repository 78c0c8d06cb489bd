package credentials_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/token"
)

func TestAStoredTokenIsShownToItsOwnerAndWhoMayRevokeIt(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	f.User(t, "eve", "battery staple")
	f.User(t, "root", "power to root", nodetest.Admin())
	ada := session(t, f, "ada", "correct horse")
	issued, err := f.CreateAPIToken(t.Context(), ada, credentials.NewCredential{Name: "n"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*caller.Caller{ada, session(t, f, "root", "power to root")} {
		if got, err := f.StoredToken(t.Context(), c, issued.ID); err != nil || got.ID != issued.ID {
			t.Errorf("%s: %v %v", c.ID(), got.ID, err)
		}
	}
	if _, err := f.StoredToken(t.Context(), session(t, f, "eve", "battery staple"), issued.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("somebody else: %v", err)
	}
	if _, err := f.StoredToken(t.Context(), nil, issued.ID); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := f.StoredToken(t.Context(), ada, "no id at all"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an id that is none: %v", err)
	}
}

// credentialsBy creates a credential of each kind, and what is made from those.
func credentialsBy(t *testing.T, f *nodetest.Fixture, c *caller.Caller) map[string]*issuance.Issued {
	t.Helper()
	all := map[string]*issuance.Issued{
		"an API token": f.APIToken(t, c, credentials.NewCredential{Scope: []string{"credentials", "read"}}),
		"an API key":   f.ExchangeKey(t, c, credentials.NewCredential{Scope: []string{"read"}}),
	}
	all["an API token of that one"] = f.APIToken(t, f.ByBearer(t, all["an API token"]), credentials.NewCredential{})
	for _, from := range []string{"an API token", "an API key"} {
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: all[from].Value.Reveal()})
		nodetest.Must(t, err)
		all["an access token of "+from] = pair.Access
	}
	return all
}

// makers are Bearers that may create credentials, each with its end.
func makers(t *testing.T, f *nodetest.Fixture, c *caller.Caller) map[string]*issuance.Issued {
	t.Helper()
	scope := []string{"credentials", "read"}
	return map[string]*issuance.Issued{
		"an access token":      f.Made(t, c, issuance.Request{Kind: token.KindAccess, Scope: scope, Lifetime: 120}),
		"an API token":         f.APIToken(t, c, credentials.NewCredential{Scope: scope, Lifetime: 600}),
		"an endless API token": f.APIToken(t, c, credentials.NewCredential{Scope: scope}),
	}
}

func TestWhatABearerCreatesIsRevokedWithIt(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	ada := here.Person(t, "ada")
	for name, maker := range makers(t, here, ada) {
		children := credentialsBy(t, here, here.ByBearer(t, maker))
		for what, issued := range children {
			there.WantAlive(t, name+" made "+what, issued)
			if row, _, err := here.Store.TokenByID(t.Context(), issued.ID); err == nil && (len(row.Chain) == 0 || !slices.Contains(row.Chain, maker.ID)) {
				t.Errorf("%s made %s: the chain is %v", name, what, row.Chain)
			}
		}
		nodetest.Must(t, nodetest.Second(here.Revoke(t.Context(), ada, revoking.Revocation{Token: maker.Value.Reveal()})))
		for what, issued := range children {
			here.WantDead(t, name+" is revoked: "+what, issued)
			there.WantDead(t, name+" is revoked, on the other node: "+what, issued)
		}
	}
}

func TestWhatABearerCreatesEndsNoLaterThanIt(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	ada := f.Person(t, "ada")
	for name, maker := range makers(t, f, ada) {
		by := f.ByBearer(t, maker)
		children := credentialsBy(t, f, by)
		if maker.Expiry.IsZero() {
			if got := children["an API token"]; !got.Expiry.IsZero() {
				t.Errorf("%s made one that ends at %v", name, got.Expiry)
			}
			continue
		}
		for what, issued := range children {
			if issued.Expiry.IsZero() || issued.Expiry.After(maker.Expiry) {
				t.Errorf("%s, which ends at %v, made %s, which ends at %v", name, maker.Expiry, what, issued.Expiry)
			}
		}
		_, err := f.CreateAPIToken(t.Context(), by, credentials.NewCredential{Name: "x", Lifetime: maker.Lifetime + 1})
		nodetest.WantFault(t, name+", a longer API token", err, fault.Invalid, "the maximum is "+strconv.FormatInt(maker.Lifetime, 10)+" seconds")
		_, err = f.CreateExchangeKey(t.Context(), by, credentials.NewCredential{Lifetime: maker.Lifetime + 1})
		nodetest.WantFault(t, name+", a longer API key", err, fault.Invalid, "the maximum is")
		capped := f.ExchangeKey(t, by, credentials.NewCredential{Lifetime: maker.Lifetime + 1, Cap: true})
		if capped.Lifetime != maker.Lifetime {
			t.Errorf("%s: a capped key lives %d seconds, want %d", name, capped.Lifetime, maker.Lifetime)
		}
		shorter := f.APIToken(t, by, credentials.NewCredential{Lifetime: 60})
		if shorter.Lifetime != 60 {
			t.Errorf("%s: %d seconds, want 60", name, shorter.Lifetime)
		}
	}
}

func TestWhatAPersonCreatesOutlivesTheSession(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	ada := f.Person(t, "ada")
	children := credentialsBy(t, f, ada)
	for _, what := range []string{"an API token", "an API key"} {
		row, _, err := f.Store.TokenByID(t.Context(), children[what].ID)
		nodetest.Must(t, err)
		if len(row.Chain) != 0 || row.ClientID != "" {
			t.Errorf("%s is made from %v, through %q", what, row.Chain, row.ClientID)
		}
	}
	nodetest.Must(t, f.EndSession(t.Context(), ada))
	for what, issued := range children {
		f.WantAlive(t, "signed out: "+what, issued)
	}
	f.Advance(13 * time.Hour) // longer than the session could have lived
	f.WantAlive(t, "much later", children["an API token"])
	f.WantAlive(t, "much later", children["an API key"])
}

func TestBearerWithoutCredentialsSeesItselfAlone(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	ada := f.Person(t, "ada", nodetest.May("access", "/collections/4"))
	eve := f.Person(t, "eve")
	other := f.APIToken(t, ada, credentials.NewCredential{})
	list := func(c *caller.Caller, q records.TokenQuery) []records.StoredToken {
		t.Helper()
		q.Owner = c.ID()
		page, err := f.TokenList(t.Context(), c, q)
		nodetest.Must(t, err)
		if page.Next != "" {
			t.Errorf("it goes on after %q", page.Next)
		}
		return page.Items
	}
	for name, issued := range map[string]*issuance.Issued{
		"an access token":    f.Made(t, ada, issuance.Request{Kind: token.KindAccess, Scope: []string{"read"}, Collection: new(int64(4))}),
		"an API token":       f.APIToken(t, ada, credentials.NewCredential{Name: "mine", Scope: []string{"read"}, Collection: new(int64(4))}),
		"one without scopes": f.APIToken(t, ada, credentials.NewCredential{Name: "mine"}),
	} {
		c := f.ByBearer(t, issued)
		all := list(c, records.TokenQuery{})
		if len(all) != 1 || all[0].ID != issued.ID || all[0].Kind != issued.Kind || all[0].Name != issued.Name ||
			!slices.Equal(all[0].Scope, issued.Scope) || !all[0].ExpiresAt.Equal(issued.Expiry) || all[0].CreatedAt.IsZero() {
			t.Errorf("%s lists %+v", name, all)
		}
		if got := list(c, records.TokenQuery{Kinds: []token.Kind{issued.Kind}}); len(got) != 1 {
			t.Errorf("%s, of its kind: %+v", name, got)
		}
		if got := list(c, records.TokenQuery{Kinds: []token.Kind{token.KindSession}}); len(got) != 0 {
			t.Errorf("%s, of another kind: %+v", name, got)
		}
		_, err := f.TokenList(t.Context(), c, records.TokenQuery{Owner: c.ID(), After: "x"})
		nodetest.WantFault(t, name+", a cursor", err, fault.Invalid, "cursor")
		_, err = f.TokenList(t.Context(), c, records.TokenQuery{Owner: eve.ID()})
		nodetest.WantFault(t, name+", somebody else's", err, fault.InsufficientScope, "admin")
		row, err := f.StoredToken(t.Context(), c, issued.ID)
		if err != nil || row.ID != issued.ID {
			t.Errorf("%s sees itself as %+v, %v", name, row, err)
		}
		_, err = f.StoredToken(t.Context(), c, other.ID)
		nodetest.WantFault(t, name+", another of its owner's", err, fault.InsufficientScope, "credentials")
		_, err = f.StoredToken(t.Context(), c, eve.Token.ID)
		nodetest.WantFault(t, name+", somebody else's", err, fault.NotFound, "")
	}
	with := f.ByBearer(t, f.MadeAccess(t, ada, "credentials"))
	for name, c := range map[string]*caller.Caller{"by session": ada, "with credentials": with} {
		if got := list(c, records.TokenQuery{Kinds: []token.Kind{token.KindAPIToken}}); len(got) != 3 {
			t.Errorf("%s: %d tokens", name, len(got))
		}
		if row, err := f.StoredToken(t.Context(), c, other.ID); err != nil || row.ID != other.ID {
			t.Errorf("%s: %+v, %v", name, row, err)
		}
	}
	if row, err := f.StoredToken(t.Context(), with, with.Token.ID); err != nil || row.Kind != token.KindAccess {
		t.Errorf("with credentials, itself: %+v, %v", row, err)
	}
}

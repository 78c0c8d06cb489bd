package credentials_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestSessionsAreNamedAfterTheirBrowser(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	f.User(t, "bob", "correct horse")
	f.SessionOf(t, "bob")
	over := f.SessionOf(t, "ada")
	f.Advance(13 * time.Hour)
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"})
	begun, err := f.StartSession(ctx, f.Login(t, "ada", "correct horse"), nil)
	nodetest.Must(t, err)
	f.Advance(time.Second)
	ada := f.SignedIn(t, "ada")
	list, err := f.Sessions(t.Context(), ada)
	nodetest.Must(t, err)
	if len(list) != 2 || list[0].ID != ada.TokenID() || list[0].Name != "session" || list[1].ID != begun.ID || list[1].Name != "Firefox on Linux" {
		t.Errorf("%+v", list)
	}
	for what, id := range map[string]string{"one that is over": over.ID, "nobody's": "x", "a token": f.APIToken(t, ada, credentials.NewCredential{}).ID} {
		nodetest.WantFault(t, what, nodetest.Second(f.OwnSession(t.Context(), ada, id)), fault.NotFound, "")
	}
	bearer := f.ByBearer(t, f.MadeAccess(t, ada))
	nodetest.WantFault(t, "a token without credentials", nodetest.Second(f.Sessions(t.Context(), bearer)), fault.InsufficientScope, "")
	nodetest.WantFault(t, "nobody", nodetest.Second(f.Sessions(t.Context(), nil)), fault.Unauthenticated, "")
}

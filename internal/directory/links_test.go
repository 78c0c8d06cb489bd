package directory_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/signin"
)

func TestLinksAreForAdministrators(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Sources = signin.Sources{{Name: "museum", Title: "Museum"}} }})
	f.User(t, "ada", "")
	eve, root := f.Person(t, "eve"), f.Person(t, "root", nodetest.Admin())
	link := func(c *caller.Caller, source, id string) error {
		return nodetest.Second(f.LinkUser(t.Context(), c, "ada", source, id))
	}
	nodetest.WantFault(t, "a user", link(eve, "museum", "1"), fault.Forbidden, "")
	nodetest.WantFault(t, "removing by a user", nodetest.Second(f.UnlinkUser(t.Context(), eve, "ada", records.Link{Source: "museum", ExternalID: "1"})), fault.Forbidden, "")
	nodetest.WantFault(t, "a user's look", nodetest.Second(f.Links(t.Context(), eve, "ada")), fault.Forbidden, "")
	nodetest.Must(t, nodetest.Second(f.Links(t.Context(), eve, "eve")))
	nodetest.WantFault(t, "no source", link(root, "", "1"), fault.Invalid, "source")
	nodetest.WantFault(t, "a source that can't be", link(root, "a b", "1"), fault.Invalid, "source")
	nodetest.WantFault(t, "no id", link(root, "museum", ""), fault.Invalid, "external id")
	nodetest.Must(t, link(root, "museum", "1"))
	nodetest.WantFault(t, "twice", link(root, "museum", "1"), fault.Conflict, "")
	if c, err := f.Vouch(t.Context(), signin.Statement{Source: "museum", ExternalID: "1", Username: "somebody"}); err != nil || c.Subject.Username != "ada" {
		t.Errorf("whom the link leads to: %v", err)
	}
	f.Advance(16 * time.Minute)
	nodetest.WantFault(t, "too late", link(root, "museum", "2"), fault.SignInAgain, "")
	if e := f.LastEvent(t, audit.UserLink); e.Outcome != audit.Refused || e.Actor != root.ID() {
		t.Errorf("%+v", e)
	}
}

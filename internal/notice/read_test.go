package notice_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
)

// took delivers what waits and returns it in short form: the event's last word, who did it,
// and of what.
func took(t *testing.T, f *nodetest.Fixture) []string {
	t.Helper()
	to := &sink{}
	s := newSender(t, f, "one", to)
	s.deliver(t)
	nodetest.Must(t, s.Leave(t.Context()))
	var list []string
	for _, m := range to.got {
		text := m.Event[strings.LastIndexAny(m.Event, ":/")+1:] + " by " + m.By
		if m.User != nil {
			text += " of " + m.User.Username
		}
		if m.Token != nil {
			text += ": " + m.Token.Name
		}
		for word, is := range map[string]bool{"all": m.All, "removed": m.Removed, "session": m.Session != "", m.Change: m.Change != ""} {
			if is {
				text += " (" + word + ")"
			}
		}
		list = append(list, text)
	}
	slices.Sort(list)
	return list
}

// Every operation reports what it did, to whom and by whom, and nothing else.
func TestWhatOperationsReport(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, open func() *nodetest.Fixture) {
		f := open()
		ctx := t.Context()
		ada := f.Person(t, "ada")
		root := f.Person(t, "root", nodetest.Admin())
		f.Person(t, "bob")
		report := func(what string, do func() error, want ...string) {
			t.Helper()
			took(t, f)
			nodetest.Must(t, do())
			if diff := cmp.Diff(want, took(t, f)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		create := func(name string) *issuance.Issued { return f.APIToken(t, ada, credentials.NewCredential{Name: name}) }
		report("nothing", func() error { return nil })
		report("an API token", func() error { create("a"); return nil }, "token-created by user of ada: a")
		report("an API key", func() error { f.ExchangeKey(t, ada, credentials.NewCredential{}); return nil }, "token-created by user of ada: ")
		report("a session", func() error { f.SignedIn(t, "ada"); return nil })
		own, other, leaked := create("own"), create("other"), create("leaked")
		report("one's own token, revoked", func() error { return nodetest.Second(f.RevokeID(ctx, ada, own.ID)) })
		report("revoked by an administrator", func() error { return nodetest.Second(f.RevokeID(ctx, root, other.ID)) }, "token-revoked by admin of ada: other")
		report("leaked", func() error { return f.Leaked(ctx, []string{leaked.Value.Reveal(), "none"}) }, "token-leaked by system of ada: leaked")
		report("signing out", func() error { return f.EndSession(ctx, f.SignedIn(t, "ada")) }, "session-revoked by user of ada (session)")
		session := f.SignedIn(t, "ada")
		report("one's own session, by its id", func() error { return nodetest.Second(f.RevokeID(ctx, ada, session.TokenID())) },
			"session-revoked by user of ada (session)")
		session = f.SignedIn(t, "ada")
		report("a session, by an administrator", func() error { return nodetest.Second(f.RevokeID(ctx, root, session.TokenID())) },
			"session-revoked by admin of ada (session)", "token-revoked by admin of ada: session")
		again := create("again")
		report("regenerated", func() error { return nodetest.Second(f.Regenerate(ctx, ada, again.ID, 0)) }, "token-created by user of ada: again")
		report("everything of one's own", func() error { return nodetest.Second(f.RevokeAll(ctx, ada, ada.ID())) }, "session-revoked by user of ada (all)")
		report("everything, by an administrator", func() error { return nodetest.Second(f.RevokeAll(ctx, root, ada.ID())) },
			"session-revoked by admin of ada (all)", "token-revoked by admin of ada (all)")
		name, secret, off, on := "Ada", token.Secret("correct horse battery"), true, false
		report("another name", func() error { return nodetest.Second(f.UpdateUser(ctx, root, "ada", identity.UserPatch{Name: &name})) })
		report("a password", func() error {
			return nodetest.Second(f.UpdateUser(ctx, root, "ada", identity.UserPatch{Password: &secret}))
		},
			"credential-change by admin of ada (update)", "session-revoked by admin of ada (all)")
		report("disabled", func() error {
			return nodetest.Second(f.UpdateUser(ctx, root, "ada", identity.UserPatch{Disabled: &off}))
		},
			"session-revoked by admin of ada (all)", "user-disabled by admin of ada")
		report("enabled", func() error {
			return nodetest.Second(f.UpdateUser(ctx, root, "ada", identity.UserPatch{Disabled: &on}))
		})
		report("removed", func() error { return nodetest.Second(f.RemoveUser(ctx, root, "bob")) },
			"session-revoked by admin (all)", "user-disabled by admin (removed)")
		report("a binding", func() error {
			return nodetest.Second(f.CreateBinding(ctx, caller.Operator(), withUser(nodetest.May("read", "/x"), ada.ID())))
		})
	})
}

// A token that is used from another network than before is reported, by the last uses as they
// are written; the first network of a token is no news, nor is one that it came from before.
func TestANewNetworkIsReported(t *testing.T) {
	t.Parallel()
	onEngines(t, func(t *testing.T, open func() *nodetest.Fixture) {
		f := open()
		f.Freeze()
		ada := f.Person(t, "ada")
		value := f.APIToken(t, ada, credentials.NewCredential{Name: "laptop"}).Value.Reveal()
		took(t, f)
		use := func(f *nodetest.Fixture, address string, want ...string) {
			t.Helper()
			f.Advance(time.Minute)
			nodetest.Must(t, nodetest.Second(f.Bearer(audit.WithOrigin(t.Context(), audit.Origin{Address: address}), value)))
			nodetest.Must(t, f.FlushUses(t.Context()))
			if diff := cmp.Diff(want, took(t, f)); diff != "" {
				t.Errorf("from %s (-want +got):\n%s", address, diff)
			}
		}
		const news = "token-new-network by user of ada: laptop"
		use(f, "192.0.2.7")
		use(f, "192.0.2.200")
		use(f, "198.51.100.1", news)
		use(f, "192.0.2.7")
		use(f, "")
		use(f, "2001:db8:1:2::3", news)
		use(f, "2001:db8:1:ffff::4")
		restarted := open()
		restarted.Freeze()
		use(restarted, "198.51.100.200")
		use(restarted, "203.0.113.1", news)
		use(f, "203.0.113.2")
	})
}

// Learning networks asks the database about each of them once.
func TestANetworkIsLearnedOnce(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: wanting(notice.Interest{Receiver: receiver})})
	ada := f.Person(t, "ada")
	id := f.APIToken(t, ada, credentials.NewCredential{}).ID
	n := &notice.Networks{Store: f.Store, Journal: f.Journal, Announcer: f.Announcer}
	uses := []notice.Use{{ID: id, Address: "192.0.2.7", At: f.Time()}, {ID: id, Address: "198.51.100.1", At: f.Time()}}
	nodetest.Must(t, n.Learn(t.Context(), uses))
	before := f.Store.Queries()
	for range 100 {
		nodetest.Must(t, n.Learn(t.Context(), uses))
	}
	if asked := f.Store.Queries() - before; asked != 0 {
		t.Errorf("the database was asked %d times about networks that are known", asked)
	}
}

// A batch that replaces a hash by another one of the same password reports nothing.
func TestAnotherHashOfTheSamePasswordIsNoNews(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	u := f.User(t, "ada", "")
	hash := u.PasswordHash
	if facts := notice.Of(op.Batch{Ops: []op.Op{op.UpdateUser{ID: u.ID, PasswordHash: &hash}}}); len(facts) != 0 {
		t.Errorf("%+v", facts)
	}
}

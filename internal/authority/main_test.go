package authority_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// TestPasswordBecomesTokenThatIsTakenBack is the main job in one story.
func TestPasswordBecomesTokenThatIsTakenBack(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.Collection(t, 4, "Fish")
	f.User(t, "ada", "correct horse", authoritytest.May("access", "/collections/4"))
	ctx := t.Context()

	c := f.Login(t, "ada", "correct horse", 4)
	four := int64(4)
	issued, err := f.Issue(ctx, c, &authority.Request{Kind: token.KindAccess, Principal: c.Principal, Collection: &four})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Verify(ctx, issued.Value.Reveal(), authority.Demand{Collection: &four})
	if err != nil {
		t.Fatal(err)
	}
	if got.Username != "ada" || *got.Collection != 4 {
		t.Errorf("token speaks for %q in %d", got.Username, *got.Collection)
	}

	r, err := f.Revoke(ctx, c, authority.Revocation{Token: issued.Value.Reveal(), Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Revoked || r.Nodes == nil || r.Nodes.Confirmed != 1 {
		t.Errorf("receipt: %+v %+v", r, r.Nodes)
	}
	if _, err := f.Verify(ctx, issued.Value.Reveal(), authority.Demand{}); !fault.Is(err, fault.InvalidToken) || fault.Message(err) != "revoked" {
		t.Errorf("a revoked token: %v", err)
	}
}

package scim_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// When a provisioner is told that somebody is inactive, gone, or out of a group, every node
// has honoured it.
func TestAcknowledgedOnEveryNode(t *testing.T) {
	t.Parallel()
	o := nodetest.Options{Postgres: true, Dir: t.TempDir()}
	s := newSite(t, o)
	nodes := []*nodetest.Fixture{s.Fixture, nodetest.New(t, o), nodetest.New(t, o)}
	s.Collection(t, 4, "Fish")
	b := nodetest.May(access.ActionAccess, "/collections/4")
	b.Group = "curators"
	nodetest.Must(t, nodetest.Second(s.CreateBinding(t.Context(), operator, b)))
	for name, end := range map[string]func(user, group string){
		"inactive": func(user, _ string) {
			s.as(t, "PATCH", "/Users/"+user, patch(`{"op":"Replace","path":"active","value":"False"}`)).Is(200, `"active":false`)
		},
		"replaced": func(user, _ string) { s.as(t, "PUT", "/Users/"+user, `{"userName":"replaced","active":false}`).Is(200) },
		"removed":  func(user, _ string) { s.as(t, "DELETE", "/Users/"+user, "").Is(204) },
		"taken out": func(user, group string) {
			s.as(t, "PATCH", "/Groups/"+group, patch(`{"op":"remove","path":"members[value eq \"`+user+`\"]"}`)).Is(204)
		},
		"group removed": func(_, group string) { s.as(t, "DELETE", "/Groups/"+group, "").Is(204) },
		"group renamed": func(_, group string) {
			s.as(t, "PATCH", "/Groups/"+group, patch(`{"op":"replace","value":{"displayName":"others"}}`)).Is(204)
		},
	} {
		user := s.create(t, name)
		group := s.createGroup(t, "curators", user)
		four := int64(4)
		session := s.SignedIn(t, name)
		tokens := []*issuance.Issued{
			s.Made(t, session, issuance.Request{Kind: token.KindAccess, Collection: &four}),
			s.APIToken(t, session, credentials.NewCredential{Collection: &four}),
		}
		judge := func(n *nodetest.Fixture, issued *issuance.Issued) error {
			_, err := n.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{})
			return err
		}
		for _, n := range nodes {
			for _, issued := range tokens {
				if err := judge(n, issued); err != nil {
					t.Fatalf("%s, before: %v", name, err)
				}
			}
		}
		end(user, group)
		for i, n := range nodes {
			for _, issued := range tokens {
				err := judge(n, issued)
				if !fault.Is(err, fault.InvalidToken) && !fault.Is(err, fault.Forbidden) && !fault.Is(err, fault.InsufficientScope) {
					t.Errorf("%s, acknowledged, node %d: %v", name, i, err)
				}
			}
		}
		s.as(t, "DELETE", "/Groups/"+group, "")
	}
}

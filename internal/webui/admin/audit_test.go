package admin_test

import (
	"net/http"
	"testing"

	"github.com/bearerd/bearerd/internal/webui/webuitest"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// A row that stands for several refusals says so, on the page and in both exports.
func TestTheAuditLogSaysHowManyWereRefused(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	for range 57 {
		_ = s.Journal.Refuse(t.Context(), audit.Event{Action: audit.Login, Target: "bob"}, fault.New(fault.BadCredentials, "wrong"))
	}
	nodetest.Must(t, s.Journal.FlushRefusals(t.Context(), true))
	b.Get(t, "/auth/admin/audit?target=bob").Is(http.StatusOK, `<span class="badge bad">refused 57 times</span>`)
	b.Get(t, "/auth/admin/audit/export?format=csv&target=bob").Is(http.StatusOK, ",reason,count,actor_name,target_name\n", ",wrong,57,,\n")
	b.Get(t, "/auth/admin/audit/export?format=jsonl&target=bob").Is(http.StatusOK, `"count":57}`)
}

// The page and its exports list what came from a network and was refused, and mark an
// address that is none.
func TestTheAuditLogIsFilteredByOutcomeAndAddress(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	for _, address := range []string{"203.0.113.9", "203.0.114.9"} {
		ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: address})
		_ = s.Journal.Refuse(ctx, s.Journal.Event(ctx, "", audit.Login), fault.New(fault.BadCredentials, "wrong"))
	}
	b.Get(t, "/auth/admin/audit?outcome=refused&address=203.0.113.0/24").Is(http.StatusOK, `<span class="sub address">203.0.113.9</span>`).Lacks("203.0.114.9")
	b.Get(t, "/auth/admin/audit?outcome=ok&address=203.0.113.0/24").Is(http.StatusOK, "No events match.")
	b.Get(t, "/auth/admin/audit/export?format=jsonl&outcome=refused&address=203.0.114.9").Is(http.StatusOK, "203.0.114.9").Lacks("203.0.113.9")
	b.Get(t, "/auth/admin/audit?address=203.0.113").Is(http.StatusBadRequest, `id="filter-address-error"`)
}

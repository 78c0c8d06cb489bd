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

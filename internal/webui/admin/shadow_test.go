package admin_test

import (
	"net/http"
	"testing"

	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/shadow"
	"github.com/bearerd/bearerd/internal/webui"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

func TestTheReportOnlyPageShowsWhatWouldHaveBeenRefused(t *testing.T) {
	t.Parallel()
	kept := nodetest.New(t, nodetest.Options{})
	log, err := shadow.New(shadow.Config{Store: kept.Store, Now: kept.Time})
	nodetest.Must(t, err)
	s, root := webuitest.NewOffice(t, nodetest.Options{}, func(p *webui.Pages) {
		p.Shadow, p.ReportOnly = log, []string{"GET /api/"}
	})
	const path = "/auth/admin/shadow"
	root.Get(t, path).Is(http.StatusOK, "not enforced", "GET /api/", "Nothing would have been refused")
	log.Refuse(shadow.Refusal{Route: "GET /api/", Reason: "revoked", TokenID: "the-id", Method: "GET", Path: "/api/<b>?token=secret", Status: 200})
	root.Get(t, path).Is(http.StatusOK, "revoked", "the-id", "/api/&lt;b&gt;", "Disagreed").Lacks("secret", "<b>")
	s.Ada(t).Get(t, path).Is(http.StatusForbidden)
}

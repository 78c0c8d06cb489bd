package adminapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/shadow"
)

func TestWhatReportOnlyRoutesWouldHaveRefusedIsListed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	log, err := shadow.New(shadow.Config{Store: s.Store, Now: s.Time})
	nodetest.Must(t, err)
	s.Site = s.serve(t, func(a *adminapi.API) { a.Shadow = log })
	s.Freeze()
	log.Refuse(shadow.Refusal{Route: "/api/", Reason: "no token", Method: "GET", Path: "/api/x?token=1", Status: 401})
	log.Refuse(shadow.Refusal{Route: "/api/", Reason: "revoked", TokenID: "id", Method: "POST", Path: "/api/y", Status: 200})
	all, next := items(t, s.asAdmin(t, 200, "GET", "/shadow?limit=1", ""))
	if len(all) != 1 || next == "" {
		t.Fatalf("%v, then %q", all, next)
	}
	at := s.Time().UTC().Truncate(1000).Format("2006-01-02T15:04:05.999999999Z07:00")
	want := map[string]any{
		"route": "/api/", "reason": "no token", "token_id": nil, "count": 1.0, "agreed": 1.0, "disagreed": 0.0, "last_at": at,
		"examples": []any{map[string]any{"at": at, "method": "GET", "path": "/api/x", "status": 401.0}},
	}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	all, next = items(t, s.asAdmin(t, 200, "GET", "/shadow?cursor="+next, ""))
	if len(all) != 1 || next != "" || all[0]["token_id"] != "id" || all[0]["disagreed"] != 1.0 {
		t.Errorf("%v, then %q", all, next)
	}
	s.as(t, s.ada, "GET", "/shadow", "").Is(403)
}

package oauth

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/ratelimit"
	"github.com/bearerd/bearerd/internal/revoking"
)

// Limits of a report of leaked tokens.
const (
	maxLeaked     = 1000
	maxLeakedBody = 1 << 20
)

// newReportLimiter returns the limiter of reports: 60 at once from one address, and
// then one a minute. Its keys take about 1 MiB.
func newReportLimiter() *ratelimit.Limiter[netip.Addr] {
	return ratelimit.New[netip.Addr](ratelimit.Config{Burst: 60, Every: time.Minute, MaxKeys: 10_000})
}

// network returns what is limited for an address: the address itself or, for IPv6, its
// /64, all of which belongs to one client.
func network(address netip.Addr) netip.Addr {
	if !address.Is6() {
		return address
	}
	prefix, err := address.Prefix(64)
	if err != nil {
		return address
	}
	return prefix.Addr()
}

// report is the body of a report.
type report struct {
	Tokens []string `json:"tokens"`
}

// leaks is the endpoint of reports.
type leaks struct {
	limiter *ratelimit.Limiter[netip.Addr]
	quota   *quota.Quota // counts what the limiter refuses
	revoker *revoking.Revoker
	now     func() time.Time
}

// serve serves reports of tokens that were found in public. The response is the same for
// every report.
func (l leaks) serve(w http.ResponseWriter, r *http.Request) error {
	address := httpkit.EventOf(r.Context()).Address()
	if wait := l.limiter.Take(network(address), l.now()); wait > 0 {
		l.quota.Refused(quota.LeakedAddress)
		return fault.After(fault.Limited, wait, "too many reports from this address")
	}
	var body report
	if err := httpkit.DecodeJSONLimit(w, r, maxLeakedBody, &body); err != nil {
		return err
	}
	if body.Tokens == nil {
		return fault.New(fault.Invalid, "tokens is missing")
	}
	if len(body.Tokens) > maxLeaked {
		return fault.New(fault.Invalid, "a report has at most %d tokens", maxLeaked)
	}
	if err := l.revoker.Leaked(r.Context(), body.Tokens); err != nil {
		return err
	}
	return httpkit.WriteJSON(w, http.StatusAccepted, struct{}{})
}

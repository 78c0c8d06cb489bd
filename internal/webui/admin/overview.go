package admin

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/traffic"
	"github.com/bearerd/bearerd/internal/webui/chart"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// overviewPage is the first page of administration.
type overviewPage struct {
	office

	Status  func() revocation.Status
	Traffic traffic.Log
}

// overviewView is the first page of administration: how this node fares.
type overviewView struct {
	Fresh    bool
	LeaseAge string
	Applied  string
	Live     string
	Span     string // "hour" or "day"
	Charts   []chart.Chart
	Totals   []kit.Pair
}

// spans are how far back the charts go.
var spans = map[string]struct {
	step  time.Duration
	steps int
}{
	"hour": {time.Minute, 60},
	"day":  {15 * time.Minute, 96},
}

func (p *overviewPage) overview(w http.ResponseWriter, r *kit.Request) error {
	status := p.Status()
	view := overviewView{
		Fresh: status.Fresh, LeaseAge: chart.Milliseconds(status.LeaseAge) + " ms",
		Applied: kit.Grouped(status.Applied), Live: kit.Grouped(int64(status.Live)), Span: r.URL.Query().Get("span"),
	}
	span, known := spans[view.Span]
	if !known {
		view.Span, span = "hour", spans["hour"]
	}
	if p.Traffic != nil {
		steps, err := p.Traffic.Traffic(p.Now(), span.step, span.steps)
		if err != nil {
			return err
		}
		view.Charts, view.Totals = charts(steps), totals(steps)
	}
	return p.Render(w, r, http.StatusOK, "overview", "Overview", view)
}

func charts(steps []traffic.Step) []chart.Chart {
	by := func(of func(t traffic.Step) map[string]int64) []chart.Column {
		columns := make([]chart.Column, len(steps))
		for i, t := range steps {
			columns[i] = chart.Column{From: t.From, Parts: of(t)}
		}
		return columns
	}
	lag := make([]chart.Delay, len(steps))
	for i, t := range steps {
		lag[i] = chart.Delay{From: t.From, Slowest: t.SlowestBelow, Count: t.Acknowledged}
		if t.Acknowledged > 0 {
			lag[i].Mean = t.AcknowledgedIn / time.Duration(t.Acknowledged)
		}
	}
	return []chart.Chart{
		chart.Stacked("Tokens issued", by(func(t traffic.Step) map[string]int64 { return inWords(t.Issued, kindNames) })),
		chart.Stacked("Tokens accepted", by(func(t traffic.Step) map[string]int64 { return inWords(t.Verified, kindNames) })),
		chart.Stacked("Tokens refused, by failed check", by(func(t traffic.Step) map[string]int64 { return inWords(t.VerifyRefused, checkNames) })),
		chart.Stacked("Sign-ins, by outcome", by(func(t traffic.Step) map[string]int64 { return inWords(t.Logins, outcomeNames) })),
		chart.Delays("Revocation lag", lag),
	}
}

// What the server counts under these words is told in those.
var (
	outcomeNames = map[string]string{
		"ok": "signed in", "failed": "wrong password", "limited": "too many attempts", "disabled": "disabled account",
	}
	kindNames = map[string]string{
		"access": "access token", "task": "task token", "api-token": "API token", "api-key": "API key", "refresh": "refresh token",
	}
	checkNames = map[string]string{"time": "expired or early", "well-formed": "malformed", "type": "wrong kind", "issuer": "other issuer"}
)

// inWords returns counts under names that people know.
func inWords(counts map[string]int64, names map[string]string) map[string]int64 {
	out := make(map[string]int64, len(counts))
	for word, n := range counts {
		if name, ok := names[word]; ok {
			word = name
		}
		out[word] += n
	}
	return out
}

// totals are the numbers that have no chart.
func totals(steps []traffic.Step) []kit.Pair {
	var logins, failed, refused, revoked int64
	for _, t := range steps {
		for outcome, n := range t.Logins {
			if outcome == "ok" {
				logins += n
			} else {
				failed += n
			}
		}
		for _, n := range t.IssueRefused {
			refused += n
		}
		revoked += t.Revoked
	}
	return []kit.Pair{
		{Name: "Sign-ins", Value: kit.Grouped(logins)},
		{Name: "Sign-ins refused", Value: kit.Grouped(failed)},
		{Name: "Token requests refused", Value: kit.Grouped(refused)},
		{Name: "Revocations written", Value: kit.Grouped(revoked)},
	}
}

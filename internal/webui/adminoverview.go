package webui

import (
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/traffic"
)

// overviewView is the first page of administration: how this node fares.
type overviewView struct {
	Fresh    bool
	LeaseAge string
	Applied  string
	Live     string
	Span     string // "hour" or "day"
	Charts   []chart
	Totals   []pair
}

// spans are how far back the charts go.
var spans = map[string]struct {
	step  time.Duration
	steps int
}{
	"hour": {time.Minute, 60},
	"day":  {15 * time.Minute, 96},
}

func (p *Pages) overview(w http.ResponseWriter, r *request) error {
	status := p.Status()
	view := overviewView{
		Fresh: status.Fresh, LeaseAge: milliseconds(status.LeaseAge) + " ms",
		Applied: grouped(status.Applied), Live: grouped(int64(status.Live)), Span: r.URL.Query().Get("span"),
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
	return p.render(w, r, http.StatusOK, "overview", "Overview", view)
}

func charts(steps []traffic.Step) []chart {
	by := func(of func(t traffic.Step) map[string]int64) []column {
		columns := make([]column, len(steps))
		for i, t := range steps {
			columns[i] = column{t.From, of(t)}
		}
		return columns
	}
	lag := make([]delay, len(steps))
	for i, t := range steps {
		lag[i] = delay{from: t.From, slowest: t.SlowestBelow, acknowledgment: t.Acknowledged}
		if t.Acknowledged > 0 {
			lag[i].mean = t.AcknowledgedIn / time.Duration(t.Acknowledged)
		}
	}
	return []chart{
		stacked("Tokens issued", by(func(t traffic.Step) map[string]int64 { return named(t.Issued, kindNames) })),
		stacked("Tokens accepted", by(func(t traffic.Step) map[string]int64 { return named(t.Verified, kindNames) })),
		stacked("Tokens refused, by failed check", by(func(t traffic.Step) map[string]int64 { return named(t.VerifyRefused, checkNames) })),
		stacked("Sign-ins, by outcome", by(func(t traffic.Step) map[string]int64 { return named(t.Logins, outcomeNames) })),
		delays("Revocation lag", lag),
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

// named returns counts under names that people know.
func named(counts map[string]int64, names map[string]string) map[string]int64 {
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
func totals(steps []traffic.Step) []pair {
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
		revoked += t.Revocations()
	}
	return []pair{
		{"Sign-ins", grouped(logins)},
		{"Sign-ins refused", grouped(failed)},
		{"Token requests refused", grouped(refused)},
		{"Revocations", grouped(revoked)},
	}
}

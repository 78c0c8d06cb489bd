package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/traffic"
	"github.com/bearerd/bearerd/internal/webui/chart"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// Cluster is what the overview shows of all nodes. What is nil is not shown.
type Cluster struct {
	History traffic.History
	Figures func(context.Context) (upkeep.CountedFigures, error)
	Notices func() []notice.State // the state of the sending to receivers, as this node knows it
}

// overviewPage is the first page of administration.
type overviewPage struct {
	office

	Status  func() revocation.Status
	Traffic traffic.Log
	Cluster Cluster
}

// overviewView is the first page of administration: what there is, what happened, and the
// state of this node.
type overviewView struct {
	Tiles    []kit.Pair
	Counted  time.Time // when the numbers of the tiles were counted; zero: not yet
	Notices  []lateNotices
	Fresh    bool
	LeaseAge string
	Applied  string
	Live     string
	Span     string // of spans
	OneNode  bool   // what is shown is of this node alone
	Charts   []chart.Chart
	Totals   []kit.Pair
}

// lateNotices are notices that a receiver doesn't accept.
type lateNotices struct {
	Receiver, Failure, Waiting string
	Since                      time.Time
}

// spans are how far back the charts go. The first one is the default.
var spans = []struct {
	name  string
	step  time.Duration
	steps int
	style chart.Style
}{
	{"day", time.Hour, 24, chart.Style{Clock: "15:04"}},
	{"hour", time.Minute, 60, chart.Style{Clock: "15:04"}},
	{"week", 3 * time.Hour, 56, chart.Style{Clock: "2 Jan 15:04"}},
	{"quarter", 24 * time.Hour, 90, chart.Style{Clock: "2 Jan"}},
}

func (p *overviewPage) overview(w http.ResponseWriter, r *kit.Request) error {
	status := p.Status()
	view := overviewView{
		Fresh: status.Fresh, LeaseAge: chart.Milliseconds(status.LeaseAge) + " ms",
		Applied: kit.Grouped(status.Applied), Live: kit.Grouped(int64(status.Live)), Notices: p.lateNotices(),
	}
	span := spans[0]
	for _, one := range spans {
		if one.name == r.URL.Query().Get("span") {
			span = one
		}
	}
	view.Span, view.OneNode = span.name, span.step < time.Hour
	steps, err := p.steps(r.Context(), span.step, span.steps)
	if err != nil {
		return err
	}
	if steps != nil {
		view.Charts, view.Totals = charts(span.style, steps), totals(steps)
	}
	if err := p.count(r.Context(), &view); err != nil {
		return err
	}
	return p.Render(w, r, http.StatusOK, "overview", "Overview", view)
}

// steps returns what happened: on all nodes by the hour, on this one by the minute; nil
// where nothing is counted.
func (p *overviewPage) steps(ctx context.Context, step time.Duration, n int) ([]traffic.Step, error) {
	switch {
	case step >= time.Hour && p.Cluster.History != nil:
		return p.Cluster.History.Hours(ctx, step, n)
	case step < time.Hour && p.Traffic != nil:
		return p.Traffic.Traffic(p.Now(), step, n)
	}
	return nil, nil
}

// count fills the tiles.
func (p *overviewPage) count(ctx context.Context, view *overviewView) error {
	if p.Cluster.Figures == nil {
		return nil
	}
	f, err := p.Cluster.Figures(ctx)
	if err != nil || f.Began.IsZero() {
		return err
	}
	view.Counted = f.Began
	for _, tile := range []struct {
		name  string
		count int64
	}{
		{"Users", f.Users},
		{"Live API tokens and keys", f.Live},
		{"Expiring this week", f.Expiring},
		{"Never used", f.NeverUsed},
		{"Never expiring", f.NeverExpires},
		{"Revoked today", f.RevokedToday},
	} {
		view.Tiles = append(view.Tiles, kit.Pair{Name: tile.name, Value: kit.Grouped(tile.count)})
	}
	return nil
}

// lateNotices lists the receivers to which nothing can be sent now.
func (p *overviewPage) lateNotices() (list []lateNotices) {
	if p.Cluster.Notices == nil {
		return nil
	}
	for _, s := range p.Cluster.Notices() {
		if s.Failure != "" {
			list = append(list, lateNotices{s.Receiver, s.Failure, kit.Count(int64(s.Waiting.Count), "notice"), s.Waiting.Oldest})
		}
	}
	return list
}

// means returns a meaning that all parts have.
func means(m chart.Meaning) func(string) chart.Meaning {
	return func(string) chart.Meaning { return m }
}

// unless returns a meaning of all parts but one.
func unless(part string, is, all chart.Meaning) func(string) chart.Meaning {
	return func(p string) chart.Meaning {
		if p == part {
			return is
		}
		return all
	}
}

func charts(style chart.Style, steps []traffic.Step) []chart.Chart {
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
		style.Stacked("Tokens issued", means(chart.Allowed), by(func(t traffic.Step) map[string]int64 { return inWords(t.Issued, kindNames) })),
		style.Stacked("Tokens accepted", means(chart.Allowed), by(func(t traffic.Step) map[string]int64 { return inWords(t.Verified, kindNames) })),
		style.Stacked("Tokens refused, by failed check", unless("revoked", chart.Revoked, chart.Refused),
			by(func(t traffic.Step) map[string]int64 { return inWords(t.VerifyRefused, checkNames) })),
		style.Stacked("Sign-ins, by outcome", unless(outcomeNames["ok"], chart.Allowed, chart.Refused),
			by(func(t traffic.Step) map[string]int64 { return inWords(t.Logins, outcomeNames) })),
		style.Stacked("Revocations", means(chart.Revoked), by(func(t traffic.Step) map[string]int64 { return inWords(t.Revoked, revokedNames) })),
		style.Delays("Revocation lag", lag),
	}
}

// The server counts under the words on the left; the page shows those on the right.
var (
	outcomeNames = map[string]string{
		"ok": "signed in", "failed": "wrong password", "limited": "too many attempts", "disabled": "disabled account",
	}
	kindNames = map[string]string{
		"access": "access token", "task": "task token", "api-token": "API token", "api-key": "API key", "refresh": "refresh token",
	}
	revokedNames = map[string]string{
		"token": "tokens and sessions", "user": "all of a user", "client": "all of a client", "key": "signing keys",
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
		revoked += t.Revocations()
	}
	return []kit.Pair{
		{Name: "Sign-ins", Value: kit.Grouped(logins)},
		{Name: "Sign-ins refused", Value: kit.Grouped(failed)},
		{Name: "Token requests refused", Value: kit.Grouped(refused)},
		{Name: "Revocations", Value: kit.Grouped(revoked)},
	}
}

package adminapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/traffic"
)

// Steps of the statistics: whole minutes, all of them within a day, since that is
// what a node keeps.
const (
	standardSpan = time.Hour
	maxSpan      = 24 * time.Hour
	standardStep = time.Minute
)

// stats is the state of the node that answers, and what it did recently.
type stats struct {
	Node  node        `json:"node"`
	Step  int64       `json:"step"` // seconds
	Steps []statsStep `json:"steps"`
}

// node is the revocation log as this node knows it.
type node struct {
	Fresh    bool    `json:"fresh"`
	LeaseAge float64 `json:"lease_age"` // seconds
	Seq      int64   `json:"seq"`
	Live     int     `json:"live_revocations"`
}

// statsStep is what happened in one length of time.
type statsStep struct {
	From          time.Time        `json:"from"`
	Until         time.Time        `json:"until"`
	Issued        map[string]int64 `json:"issued"`
	IssueRefused  map[string]int64 `json:"issue_refused"`
	Verified      map[string]int64 `json:"verified"`
	VerifyRefused map[string]int64 `json:"verify_refused"`
	Logins        map[string]int64 `json:"logins"`
	Revocations   int64            `json:"revocations"`
	Revoked       map[string]int64 `json:"revoked"`        // the same, by what was revoked
	Lag           *lag             `json:"revocation_lag"` // null: nothing was waited for
}

// lag is how long revocations took until they held on every node, in seconds.
type lag struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	Below float64 `json:"below"` // a bound that the slowest stayed below
}

func statsStepOf(t traffic.Step) statsStep {
	s := statsStep{
		From: t.From.UTC(), Until: t.Until.UTC(), Issued: t.Issued, IssueRefused: t.IssueRefused, Verified: t.Verified,
		VerifyRefused: t.VerifyRefused, Logins: t.Logins, Revocations: t.Revocations(), Revoked: t.Revoked,
	}
	if t.Acknowledged > 0 {
		mean := t.AcknowledgedIn / time.Duration(t.Acknowledged)
		s.Lag = &lag{Count: t.Acknowledged, Mean: mean.Seconds(), Below: t.SlowestBelow.Seconds()}
	}
	return s
}

// steps reads the length of a step, and how many there are from since until now.
func (p parameters) steps(now time.Time) (step time.Duration, count int, err error) {
	since, err := p.instant("since")
	if err != nil {
		return 0, 0, err
	}
	if since.IsZero() {
		since = now.Add(-standardSpan)
	}
	if since.After(now) || now.Sub(since) > maxSpan {
		return 0, 0, fault.New(fault.Invalid, "the parameter \"since\" must be a time within the last 24 hours").In("since")
	}
	step = standardStep
	if text := p.get("step"); text != "" {
		n, err := strconv.Atoi(text)
		step = time.Duration(n) * time.Second
		if err != nil || n < 60 || n > int(maxSpan/time.Second) || n%60 != 0 || strconv.Itoa(n) != text {
			return 0, 0, fault.New(fault.Invalid, "the parameter \"step\" must be whole minutes within a day, in seconds: 60, 120, … 86400").In("step")
		}
	}
	first, last := since.Truncate(step), now.Truncate(step)
	count = int(last.Sub(first)/step) + 1
	return step, min(count, int(maxSpan/step)), nil
}

// statistics are the endpoints of what the charts of the pages show.
type statistics struct {
	status  func() revocation.Status // how far this node has applied the revocation log
	traffic traffic.Log              // nil: nothing is counted
	now     func() time.Time
}

func (e statistics) routes() []route {
	return []route{{"GET", "/stats", e.read, "since step", administrator}}
}

// read returns to administrators what the charts of the pages show.
func (e statistics) read(w http.ResponseWriter, r *request) error {
	now := e.now()
	step, count, err := r.query.steps(now)
	if err != nil {
		return err
	}
	status := e.status()
	answer := stats{
		Node: node{
			Fresh: status.Fresh, LeaseAge: status.LeaseAge.Seconds(), Seq: status.Applied, Live: status.Live,
		},
		Step: int64(step / time.Second), Steps: []statsStep{},
	}
	if e.traffic != nil {
		list, err := e.traffic.Traffic(now, step, count)
		if err != nil {
			return err
		}
		answer.Steps = each(list, statsStepOf)
	}
	return httpkit.WriteJSON(w, http.StatusOK, answer)
}

package oauth_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/issuance"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

func (e *env) report(t testing.TB, body string, options ...option) answer {
	t.Helper()
	return e.do(t, http.MethodPost, "/auth/leaked", body, append([]option{withHeader("Content-Type", "application/json")}, options...)...)
}

func reportOf(t testing.TB, tokens ...string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"tokens": tokens})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// accepted checks the answer that all reports get.
func (a answer) accepted(t testing.TB, what string) {
	t.Helper()
	if a.status != http.StatusAccepted || a.text != "{}\n" {
		t.Errorf("%s: %d %s", what, a.status, a.text)
	}
}

func TestLeakedTokensDieWhoeverReportsThem(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	session, err := e.Session(t.Context(), e.SessionToken(t, "ada", "correct horse").Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	issued, err := e.Issue(t.Context(), session, &issuance.Request{Kind: token.KindAPIToken, Parent: session.Token, Name: "laptop"})
	if err != nil {
		t.Fatal(err)
	}
	leaked := []string{e.accessToken(t, "ada"), e.clientToken(t, "ci"), issued.Value.Reveal()}
	other := e.accessToken(t, "bob")
	e.report(t, reportOf(t, append(leaked, leaked[0], "junk", "a.b.c")...)).accepted(t, "good ones")
	for _, raw := range leaked {
		if !e.dead(t, raw) {
			t.Errorf("%.4s… lives", raw)
		}
	}
	if e.dead(t, other) {
		t.Error("a token died that nobody reported")
	}
	if events := e.Events(t, audit.Filter{Action: audit.LeakedReport}); len(events) != len(leaked) {
		t.Errorf("%d events for %d tokens", len(events), len(leaked))
	}
}

func TestReportsAreAnsweredAlikeForGoodAndBad(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	good := e.accessToken(t, "ada")
	for name, body := range map[string]string{
		"good": reportOf(t, good), "again": reportOf(t, good), "junk": reportOf(t, "junk"), "empty": reportOf(t, ""),
		"none": `{"tokens":[]}`, "huge token": reportOf(t, strings.Repeat("a", 100<<10)),
		"a thousand": reportOf(t, strings.Split(strings.Repeat("junk ", 1000), " ")[:1000]...),
		"a charset":  reportOf(t, "bda_"+strings.Repeat("0", 36)),
	} {
		e.report(t, body, withHeader("Content-Type", "application/json; charset=utf-8")).accepted(t, name)
	}
}

func TestBadReportsAreRefused(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	good := e.accessToken(t, "ada")
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"empty":           {"", 400},
		"null":            {"null", 400},
		"a list":          {`["x"]`, 400},
		"no tokens":       {"{}", 400},
		"null tokens":     {`{"tokens":null}`, 400},
		"a text":          {`{"tokens":"x"}`, 400},
		"numbers":         {`{"tokens":[1]}`, 400},
		"unknown":         {`{"tokens":["` + good + `"],"x":1}`, 400},
		"repeated":        {`{"tokens":["` + good + `"],"tokens":[]}`, 400},
		"another case":    {`{"Tokens":["` + good + `"]}`, 400},
		"two values":      {reportOf(t, good) + "{}", 400},
		"not UTF-8":       {"{\"tokens\":[\"" + good + "\",\"\xff\"]}", 400},
		"more than max":   {reportOf(t, append(strings.Split(strings.Repeat("junk ", 1000), " "), good)...), 400},
		"more than 1 MiB": {reportOf(t, good, strings.Repeat("a", 1<<20)), 413},
	} {
		a := e.report(t, c.body)
		if a.status != c.status || a.header.Get("Content-Type") != "application/problem+json" || a.body["detail"] == "" {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
	if a := e.report(t, "tokens="+good, withHeader("Content-Type", typeForm)); a.status != http.StatusBadRequest {
		t.Errorf("a form: %d", a.status)
	}
	if e.dead(t, good) {
		t.Error("a refused report revoked a token")
	}
}

func TestReportsAreLimitedAnAddress(t *testing.T) {
	t.Parallel()
	e := newRevokeEnv(t, nodetest.Options{})
	good := e.accessToken(t, "ada")
	for i := range 60 {
		e.report(t, reportOf(t, "junk")).accepted(t, strconv.Itoa(i))
	}
	a := e.report(t, reportOf(t, good))
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	if a.status != http.StatusTooManyRequests || err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("%d, Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
	if e.dead(t, good) {
		t.Error("a limited report revoked a token")
	}
	e.Advance(time.Minute)
	e.report(t, reportOf(t, good)).accepted(t, "a minute later")
	if !e.dead(t, good) {
		t.Error("the token lives")
	}
}

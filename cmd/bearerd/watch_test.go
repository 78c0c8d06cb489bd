package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// alerts are the rules that stand in a file of Prometheus.
type alerts struct {
	Groups []struct {
		Rules []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			Annotations map[string]string `yaml:"annotations"`
			Labels      map[string]string `yaml:"labels"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

const rulesFile = deploy + "prometheus/bearerd.rules.yaml"

func readAlerts(t *testing.T) alerts {
	t.Helper()
	var a alerts
	must(t, yaml.Unmarshal([]byte(readText(t, rulesFile)), &a))
	if len(a.Groups) != 1 || len(a.Groups[0].Rules) < 10 {
		t.Fatalf("the rules are %+v", a)
	}
	return a
}

// dashboard is what a dashboard of Grafana asks Prometheus.
type dashboard struct {
	Panels []struct {
		Title   string `json:"title"`
		Type    string `json:"type"`
		GridPos struct{ X, Y, W, H int }
		Targets []struct {
			Expr string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
}

// dashboardQueries returns the questions of the dashboard, with values in place of its
// variables.
func dashboardQueries(t *testing.T) []string {
	t.Helper()
	var d dashboard
	must(t, json.Unmarshal([]byte(readText(t, deploy+"grafana/bearerd.json")), &d))
	values := strings.NewReplacer("$__rate_interval", "5m", "$job", "bearerd", "$instance", "a")
	var queries []string
	for _, p := range d.Panels {
		if p.Type != "row" && (len(p.Targets) == 0 || p.Title == "") {
			t.Errorf("the panel %q asks nothing", p.Title)
		}
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("the panel %q is wider than the page", p.Title)
		}
		for _, target := range p.Targets {
			queries = append(queries, values.Replace(target.Expr))
		}
	}
	if len(queries) < 20 {
		t.Fatalf("the dashboard asks %d questions", len(queries))
	}
	return queries
}

// metricsOf returns the text of /metrics of a server that has issued and verified a token,
// and sent a notice to a receiver.
func metricsOf(t *testing.T) string {
	t.Helper()
	arrived := make(chan struct{}, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		arrived <- struct{}{}
	}))
	t.Cleanup(receiver.Close)
	b := newBench(t, t.TempDir(), "notices: [{url: \""+receiver.URL+"/events\"}]\n")
	p := b.serve()
	if a, err := b.verify(p, b.token(p)); err != nil || a.status != 200 {
		t.Fatalf("verifying: %v, %v", a.status, err)
	}
	b.run("token", "create", "ada", "--name", "laptop", "--expires-in", "24h")
	<-arrived
	var metrics string
	for n := 0; !strings.Contains(metrics, `bearerd_notices_sent_total{receiver="`+receiver.URL+`/events"} 1`); n++ {
		if n == 100 {
			t.Fatal("the notice that arrived isn't counted")
		}
		if n > 0 {
			time.Sleep(50 * time.Millisecond)
		}
		resp, err := b.client.Get(p.ops + "/metrics")
		must(t, err)
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		must(t, err)
		metrics = string(text)
	}
	return metrics
}

// Every metric that an alert or the dashboard asks for is there, with the labels that it
// selects by and the values that it compares with.
func TestEveryMetricThatIsWatchedExists(t *testing.T) {
	t.Parallel()
	metrics := metricsOf(t)
	queries := dashboardQueries(t)
	for _, r := range readAlerts(t).Groups[0].Rules {
		queries = append(queries, r.Expr)
	}
	selector := regexp.MustCompile(`\b((?:bearerd|process|go)_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher := regexp.MustCompile(`([a-z_]+)(=~|=)"([^"]*)"`)
	seen := map[string]bool{}
	for _, q := range queries {
		for _, m := range selector.FindAllStringSubmatch(q, -1) {
			seen[m[1]] = true
			series := regexp.MustCompile(`(?m)^`+m[1]+`(\{.*\})? `).FindAllString(metrics, -1)
			if len(series) == 0 {
				t.Errorf("there is no %s, asked for by %s", m[1], q)
				continue
			}
			for _, label := range matcher.FindAllStringSubmatch(m[2], -1) {
				checkLabel(t, m[1], series, label)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d metrics are watched", len(seen))
	}
}

// checkLabel reports a label that a metric doesn't have, or a value that it never has. The
// labels job and instance are Prometheus' own; which statuses there are is up to requests.
func checkLabel(t *testing.T, metric string, series []string, label []string) {
	t.Helper()
	name, value := label[1], label[3]
	if name == "job" || name == "instance" {
		return
	}
	for _, one := range series {
		found := regexp.MustCompile(`[{,]` + name + `="([^"]*)"`).FindStringSubmatch(one)
		switch {
		case found == nil:
		case name == "code" || label[2] == "=" && found[1] == value:
			return
		case label[2] == "=~" && regexp.MustCompile(`^(?:`+value+`)$`).MatchString(found[1]):
			return
		}
	}
	t.Errorf("%s has no %s that is %s%q", metric, name, label[2], value)
}

func TestPrometheusTakesTheAlertsAndTheyFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	promtool := tool(t, "promtool")
	for _, args := range [][]string{{"check", "rules", "bearerd.rules.yaml"}, {"test", "rules", "bearerd.rules.test.yaml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = deploy + "prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	// Every alert is seen to fire.
	tests := readText(t, deploy+"prometheus/bearerd.rules.test.yaml")
	for _, r := range readAlerts(t).Groups[0].Rules {
		if !regexp.MustCompile(`alertname: ` + r.Alert + `\n\s+eval_time: \w+\n\s+exp_alerts:\n`).MatchString(tests) {
			t.Errorf("no test sees %s fire", r.Alert)
		}
		severities := []string{"critical", "warning", "info"}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || !slices.Contains(severities, r.Labels["severity"]) {
			t.Errorf("%s says not enough: %v %v", r.Alert, r.Annotations, r.Labels)
		}
	}
}

func TestPrometheusTakesTheQuestionsOfTheDashboard(t *testing.T) {
	t.Parallel()
	promtool := tool(t, "promtool")
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, q := range dashboardQueries(t) {
		text, err := json.Marshal(q) // a YAML text, too
		must(t, err)
		rules.WriteString("  - {record: 'question:" + strings.Repeat("x", i+1) + "', expr: " + string(text) + "}\n")
	}
	path := filepath.Join(t.TempDir(), "dashboard.yaml")
	must(t, os.WriteFile(path, []byte(rules.String()), 0o600))
	if out, err := exec.Command(promtool, "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("promtool check rules: %v\n%s", err, out)
	}
}

func TestPrometheusLintsTheMetrics(t *testing.T) {
	t.Parallel()
	promtool := tool(t, "promtool")
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(metricsOf(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// The page about monitoring names each alert, and no other.
func TestEveryAlertIsDocumented(t *testing.T) {
	t.Parallel()
	page := readText(t, "../../docs/monitoring.md")
	var named, there []string
	for _, m := range regexp.MustCompile("`(Bearerd[A-Za-z]+)`").FindAllStringSubmatch(page, -1) {
		named = append(named, m[1])
	}
	for _, r := range readAlerts(t).Groups[0].Rules {
		there = append(there, r.Alert)
	}
	slices.Sort(named)
	slices.Sort(there)
	if !slices.Equal(slices.Compact(named), there) {
		t.Errorf("the page names %v, and there are %v", named, there)
	}
}

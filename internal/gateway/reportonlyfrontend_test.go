package gateway_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/frontendtest"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// A web server that asks with enforce=false, as its page says, hands every request on with its
// own credentials and without a word about who is calling, its answer with its cookies; and
// what would have been refused is counted.
func TestFrontendLetsRequestsGoOnAsTheyCameWhileBearerdReports(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]struct {
		run  frontendtest.Starter
		host string
		keep map[string]string // what arrives otherwise than it came
	}{
		"nginx":   {run: frontendtest.Nginx, host: frontendtest.TrialHost},
		"caddy":   {run: frontendtest.Caddy, host: frontendtest.TrialHost},
		"traefik": {frontendtest.Traefik, frontendtest.TrialHost, map[string]string{"X-Http-Method-Override": "", "Cookie": "own"}},
		"envoy":   {frontendtest.EnvoyReporting, frontendtest.Host, map[string]string{"X-Http-Method-Override": "", "Cookie": "own"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nodetest.Options{})
			w.watched(t)
			small := w.issue(t, nil)
			client := f.run(t, serve(t, w.reportingQuestions(t)), cookieSetter(t)).Client()
			session := w.SessionToken(t, "ada", password).Value.Reveal()
			for _, authorization := range []string{"", "Bearer junk", "Token " + small.Value.Reveal(), "Bearer " + small.Value.Reveal(), "Basic YTpi"} {
				h := http.Header{
					"Cookie": {"a=b; bearerd_session=" + session + "; c=d"}, "X-Api-Key": {"key"}, "X-Jwt-Auth-Token": {"jwt"},
					"X-Http-Method-Override": {"PUT"}, "Remote-User": {"root"}, "X-Bearerd-Scope": {"all"},
				}
				want := map[string]string{"Cookie": "a=b; c=d", "X-Api-Key": "key", "X-Jwt-Auth-Token": "jwt", "X-Http-Method-Override": "PUT", "Authorization": ""}
				if authorization != "" {
					h.Set("Authorization", authorization)
					want["Authorization"] = authorization
				}
				for header, value := range f.keep {
					if want[header] = value; value == "own" {
						want[header] = h.Get(header)
					}
				}
				status, answer, arrived := tried(t, client, f.host, h)
				got := map[string]string{}
				for header := range want {
					got[header] = arrived.Header.Get(header)
				}
				if diff := cmp.Diff(want, got); diff != "" || status != http.StatusTeapot {
					t.Errorf("%q: %d (-want +got):\n%s", authorization, status, diff)
				}
				if who := identityOf(arrived.Header); len(who) != 0 {
					t.Errorf("%q: the application is told %v", authorization, who)
				}
				if len(answer["Set-Cookie"]) != 2 || name != "envoy" && answer.Get("Bearerd-Report-Only") != "true" {
					t.Errorf("%q: the answer is %v", authorization, answer)
				}
			}
			reasons := map[string]int64{}
			for _, s := range w.shadows(t) {
				reasons[s.Reason] += s.Count
			}
			if reasons["the scope read is needed"] == 0 || reasons["malformed or unknown token"] == 0 {
				t.Errorf("counted %v", reasons)
			}
		})
	}
}

// reportingQuestions serves what a web server asks, with the requirements that Envoy's page
// names for the time in which bearerd only reports.
func (w *world) reportingQuestions(t *testing.T) http.Handler {
	t.Helper()
	var own struct {
		Requirements map[string]config.NamedRequirement `yaml:"requirements"`
	}
	nodetest.Must(t, yaml.Unmarshal([]byte(frontendtest.EnvoyBlocks(t)[2]), &own))
	named := map[string]gateway.NamedRequirement{}
	for name, r := range own.Requirements {
		if !r.ReportOnly() {
			t.Errorf("the page enforces %s", name)
		}
		named[name] = gateway.NamedRequirement{Scope: []string{"write"}, SafeScope: []string{"read"}, ReportOnly: true}
	}
	return w.questionsFor(named)
}

// tried sends a request to the API of a site, and returns the answer and what arrived.
func tried(t *testing.T, client *http.Client, host string, h http.Header) (int, http.Header, seen) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/api/x", nil)
	nodetest.Must(t, err)
	r.Header = h
	resp, err := client.Do(r)
	nodetest.Must(t, err)
	defer func() { _ = resp.Body.Close() }()
	var s seen
	nodetest.Must(t, json.NewDecoder(resp.Body).Decode(&s))
	return resp.StatusCode, resp.Header, s
}

package chart

import (
	"os"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// meta is what every object has.
type meta struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
}

// target names an object.
type target struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Port      int    `json:"port,omitempty"`
}

// The types of the Gateway API and of Envoy Gateway, as far as the chart uses them: a field
// that isn't here isn't in its output.
type (
	httpRoute struct {
		meta

		Spec struct {
			ParentRefs []target `json:"parentRefs"`
			Hostnames  []string `json:"hostnames"`
			Rules      []struct {
				BackendRefs []target `json:"backendRefs"`
			} `json:"rules"`
		} `json:"spec"`
	}
	securityPolicy struct {
		meta

		Spec struct {
			TargetRefs []target `json:"targetRefs"`
			ExtAuth    struct {
				FailOpen         *bool    `json:"failOpen"`
				HeadersToExtAuth []string `json:"headersToExtAuth"`
				HTTP             struct {
					BackendRefs      []target `json:"backendRefs"`
					Path             string   `json:"path"`
					HeadersToBackend []string `json:"headersToBackend"`
				} `json:"http"`
			} `json:"extAuth"`
		} `json:"spec"`
	}
	referenceGrant struct {
		meta

		Spec struct {
			From []target `json:"from"`
			To   []target `json:"to"`
		} `json:"spec"`
	}
	clientTrafficPolicy struct {
		meta

		Spec struct {
			TargetRefs []target `json:"targetRefs"`
			Path       struct {
				EscapedSlashesAction string `json:"escapedSlashesAction"`
			} `json:"path"`
			Headers struct {
				WithUnderscoresAction string `json:"withUnderscoresAction"`
				EarlyRequestHeaders   struct {
					Remove []string `json:"remove"`
				} `json:"earlyRequestHeaders"`
			} `json:"headers"`
		} `json:"spec"`
	}
)

func TestTheRouteLeadsToBearerd(t *testing.T) {
	t.Parallel()
	var r httpRoute
	only(t, must(t, large), "HTTPRoute", "").into(t, &r)
	if r.Spec.Hostnames[0] != "auth.example.org" || r.Spec.ParentRefs[0].Name != "eg" || r.Spec.Rules[0].BackendRefs[0] != (target{Name: "bearerd", Port: 8080}) {
		t.Errorf("it is %+v", r.Spec)
	}
	withPort := must(t, "issuer: https://auth.example.org:8443\nhttpRoute: {enabled: true, parentRefs: [{name: eg}]}")
	only(t, withPort, "HTTPRoute", "").into(t, &r)
	if r.Spec.Hostnames[0] != "auth.example.org" {
		t.Errorf("with a port it is for %v", r.Spec.Hostnames)
	}
}

// identity are the headers that say who is calling, as bearerd's page for Envoy has them.
func identity(t *testing.T) (toBackend, removed []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/deploy-envoy.md")
	if err != nil {
		t.Fatal(err)
	}
	list := func(after, name string) (names []string) {
		_, rest, _ := strings.Cut(string(page), after)
		line, _, _ := strings.Cut(rest, "]")
		for item := range strings.SplitSeq(line, name) {
			if header, _, ok := strings.Cut(item, "}"); ok {
				names = append(names, header)
			}
		}
		return names
	}
	return list("allowed_upstream_headers:\n                    patterns: [", "{exact: "), list("mutations: [", "{remove: ")
}

// bearerd is asked about each request by its requirement; nothing passes without it, and all
// that it says of the caller replaces what the client said.
func TestThePolicyAsksBearerdByName(t *testing.T) {
	t.Parallel()
	toBackend, _ := identity(t)
	if len(toBackend) != 12 {
		t.Fatalf("the page has %v", toBackend)
	}
	objects := must(t, large)
	for name, namespace := range map[string]string{"museum": "museum", "here": "auth"} {
		o := only(t, objects, "SecurityPolicy", name)
		var p securityPolicy
		o.into(t, &p)
		auth := p.Spec.ExtAuth
		if auth.FailOpen == nil || *auth.FailOpen || auth.HTTP.Path != "/auth/ext-authz/api" || auth.HTTP.BackendRefs[0] != (target{Name: "bearerd", Namespace: "auth", Port: 8080}) {
			t.Errorf("%s asks %+v", name, auth)
		}
		if p.Namespace != namespace || p.Spec.TargetRefs[0].Kind != "HTTPRoute" {
			t.Errorf("%s is in %s for %+v", name, p.Namespace, p.Spec.TargetRefs)
		}
		for _, header := range toBackend {
			if !slices.Contains(auth.HTTP.HeadersToBackend, header) {
				t.Errorf("%s: a client's %s survives", name, header)
			}
		}
		for _, header := range []string{"cookie", "origin", "sec-fetch-site", "x-forwarded-for"} {
			if !slices.Contains(auth.HeadersToExtAuth, header) {
				t.Errorf("%s: bearerd isn't told %s", name, header)
			}
		}
	}
	var g referenceGrant
	only(t, objects, "ReferenceGrant", "").into(t, &g)
	if g.Namespace != "auth" || g.Spec.From[0].Namespace != "museum" || g.Spec.To[0] != (target{Kind: "Service", Name: "bearerd"}) {
		t.Errorf("the grant is %+v", g)
	}
}

// What the page for Envoy removes of every request, the chart's policy removes too.
func TestThePolicyOfTheGatewayRemovesWhatClientsMayNotSay(t *testing.T) {
	t.Parallel()
	_, removed := identity(t)
	if len(removed) < 20 {
		t.Fatalf("the page removes %v", removed)
	}
	var p clientTrafficPolicy
	only(t, must(t, large), "ClientTrafficPolicy", "").into(t, &p)
	for _, header := range removed {
		if !slices.Contains(p.Spec.Headers.EarlyRequestHeaders.Remove, header) {
			t.Errorf("%s stays", header)
		}
	}
	if p.Spec.Headers.WithUnderscoresAction != "RejectRequest" || p.Spec.Path.EscapedSlashesAction != "RejectRequest" || p.Namespace != "gateways" {
		t.Errorf("it is %+v", p)
	}
}

// The rules of the operator's object are those of the file, templates of Prometheus included.
func TestTheChartsRulesAreTheRules(t *testing.T) {
	t.Parallel()
	var rule struct {
		meta

		Spec map[string]any `json:"spec"`
	}
	objects := must(t, large)
	only(t, objects, "PrometheusRule", "bearerd").into(t, &rule)
	text, err := os.ReadFile("../../deploy/prometheus/bearerd.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := yaml.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(rule.Spec)
	if err != nil {
		t.Fatal(err)
	}
	expected, err := yaml.Marshal(want)
	if err != nil || string(got) != string(expected) || !strings.Contains(string(got), "$labels.instance") {
		t.Errorf("%v; they are\n%s", err, got)
	}
	monitor := string(only(t, objects, "ServiceMonitor", "bearerd").text)
	for _, line := range []string{"port: ops", "app.kubernetes.io/component: ops", "release: prometheus", "replacement: bearerd"} {
		if !strings.Contains(monitor, line) {
			t.Errorf("the monitor lacks %q:\n%s", line, monitor)
		}
	}
}

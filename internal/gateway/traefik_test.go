package gateway_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/bearerd/bearerd/internal/frontendtest"
)

func TestTraefiksPageCopiesTheTenHeadersAndNoOther(t *testing.T) {
	t.Parallel()
	blocks := frontendtest.TraefikBlocks(t)
	f := frontendtest.ReadTraefik(t, blocks[1])
	labels := traefikLabels(t, blocks[2])
	asks := 0
	for name, m := range f.HTTP.Middlewares {
		a := m.ForwardAuth
		if a == nil {
			continue
		}
		asks++
		if diff := cmp.Diff(identityHeaders, a.AuthResponseHeaders); diff != "" || a.TrustForwardHeader {
			t.Errorf("%s (-code +page):\n%s", name, diff)
		}
		match := regexp.MustCompile(a.AuthResponseHeadersRegex).MatchString
		for header := range forgeries() {
			if !match(header) {
				t.Errorf("%s: a client's %s survives", name, header)
			}
		}
		for _, header := range []string{"Authorization", "Cookie", "Host", "X-Forwarded-For", "X-Request-Id", "Referer"} {
			if match(header) {
				t.Errorf("%s: %s is taken away", name, header)
			}
		}
		if !strings.HasPrefix(a.Address, "http://127.0.0.1:8080/auth/verify?") || !strings.HasSuffix(a.Address, "preflight=pass") {
			t.Errorf("%s asks %s", name, a.Address)
		}
		if name != "bearerd" && name != "bearerd-optional" {
			continue
		}
		for option, want := range map[string]string{
			"address":                  strings.Replace(a.Address, "127.0.0.1", "bearerd", 1),
			"trustForwardHeader":       fmt.Sprint(a.TrustForwardHeader),
			"authResponseHeaders":      strings.Join(a.AuthResponseHeaders, ","),
			"authResponseHeadersRegex": a.AuthResponseHeadersRegex,
		} {
			if got := labels["traefik.http.middlewares."+name+".forwardauth."+option]; got != want {
				t.Errorf("the label %s is %q, want %q as in the file", option, got, want)
			}
		}
		if got := labels["traefik.http.routers.bearerd.rule"]; got != f.HTTP.Routers["bearerd"].Rule {
			t.Errorf("the label's rule is %q", got)
		}
	}
	if asks != 6 {
		t.Errorf("%d questions in the file", asks)
	}
	for name, router := range f.HTTP.Routers {
		if router.Service == "application" && (len(router.Middlewares) < 2 || f.HTTP.Middlewares[router.Middlewares[1]].ForwardAuth == nil) {
			t.Errorf("the router %s asks nobody", name)
		}
	}
	for _, name := range []string{"bearerd-keep", "bearerd-http"} {
		for header, value := range f.HTTP.Middlewares[name].Headers.CustomRequestHeaders {
			if got, there := labels["traefik.http.middlewares."+name+".headers.customrequestheaders."+header]; !there || got != value {
				t.Errorf("no label removes %s", header)
			}
		}
	}
	if _, there := labels["traefik.http.middlewares.bearerd-keep.headers.customresponseheaders.Set-Cookie"]; !there {
		t.Error("no label keeps cookies from what a token opened")
	}
	for block, names := range map[int][]string{3: {"login", "login-token", "login-preflight"}, 4: {"application"}} {
		for _, name := range names {
			router, label := f.HTTP.Routers[name], "traefik.http.routers."+name
			got := traefikLabels(t, blocks[block])
			if got[label+".rule"] != router.Rule || got[label+".middlewares"] != strings.Join(router.Middlewares, "@docker,")+"@docker" {
				t.Errorf("the labels of %s differ from the file: %v", name, got)
			}
		}
	}
}

func traefikLabels(t *testing.T, text string) map[string]string {
	t.Helper()
	var file struct {
		Labels []string `yaml:"labels"`
	}
	must(t, yaml.Unmarshal([]byte(text), &file))
	labels := map[string]string{}
	for _, l := range file.Labels {
		name, value, _ := strings.Cut(l, "=")
		labels[name] = value
	}
	return labels
}

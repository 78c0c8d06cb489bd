package gateway_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

// traefik is what Traefik's documentation says of the parts of it that our page
// uses, read from the very file of the page. It is no Traefik: what it shows is that
// bearerd and the file fit the documentation.
type traefik struct {
	HTTP struct {
		Middlewares map[string]struct {
			ForwardAuth *forwardAuth `yaml:"forwardAuth"`
			Headers     *struct {
				CustomRequestHeaders map[string]string `yaml:"customRequestHeaders"`
			} `yaml:"headers"`
		} `yaml:"middlewares"`
		Routers map[string]struct {
			Rule        string   `yaml:"rule"`
			Middlewares []string `yaml:"middlewares"`
			Service     string   `yaml:"service"`
		} `yaml:"routers"`
		Services map[string]struct {
			LoadBalancer struct {
				Servers []struct {
					URL string `yaml:"url"`
				} `yaml:"servers"`
			} `yaml:"loadBalancer"`
		} `yaml:"services"`
	} `yaml:"http"`
}

type forwardAuth struct {
	Address                  string   `yaml:"address"`
	TrustForwardHeader       bool     `yaml:"trustForwardHeader"`
	AuthResponseHeaders      []string `yaml:"authResponseHeaders"`
	AuthResponseHeadersRegex string   `yaml:"authResponseHeadersRegex"`
}

// traefikBlocks returns the YAML of the page, in order.
func traefikBlocks(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/deploy-traefik.md")
	must(t, err)
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) != 4 {
		t.Fatalf("%d blocks of YAML", len(blocks))
	}
	return blocks
}

func readTraefik(t testing.TB, text string) *traefik {
	t.Helper()
	var file traefik
	loader, err := yaml.NewLoader(strings.NewReader(text), yaml.WithKnownFields())
	must(t, err)
	must(t, loader.Load(&file))
	return &file
}

// playTraefik plays Traefik with the documented file.
func playTraefik(t testing.TB, bearerd, application string) *http.Client {
	t.Helper()
	text := strings.ReplaceAll(traefikBlocks(t)[1], "http://127.0.0.1:8080", bearerd)
	f := readTraefik(t, replaceOnce(t, text, "http://127.0.0.1:8000", application))
	base := parseURL(t, serve(t, f))
	return &http.Client{
		Transport:     &http.Transport{DisableCompression: true, Proxy: http.ProxyURL(base)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var prefix = regexp.MustCompile("PathPrefix\\(`([^`]*)`\\)")

// ServeHTTP takes the router whose rule is the longest of those that match.
func (f *traefik) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.URL.Scheme, r.URL.Host = "", ""
	names := slices.SortedFunc(maps.Keys(f.HTTP.Routers), func(a, b string) int {
		return len(f.HTTP.Routers[b].Rule) - len(f.HTTP.Routers[a].Rule)
	})
	for _, name := range names {
		router := f.HTTP.Routers[name]
		prefixes := prefix.FindAllStringSubmatch(router.Rule, -1)
		if !strings.Contains(router.Rule, "Host(`"+r.Host+"`)") || len(prefixes) > 0 &&
			!slices.ContainsFunc(prefixes, func(m []string) bool { return strings.HasPrefix(path.Clean(r.URL.Path), m[1]) }) {
			continue
		}
		for _, m := range router.Middlewares {
			middleware := f.HTTP.Middlewares[m]
			if middleware.ForwardAuth != nil && !middleware.ForwardAuth.passes(w, r) {
				return
			}
			if middleware.Headers != nil {
				for name := range middleware.Headers.CustomRequestHeaders {
					r.Header.Del(name) // an empty value removes it
				}
			}
		}
		target, err := url.Parse(f.HTTP.Services[router.Service].LoadBalancer.Servers[0].URL)
		if err != nil {
			panic(err)
		}
		(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = p.In.Host }}).ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

// passes asks, and answers the client itself when the answer is no.
func (a *forwardAuth) passes(w http.ResponseWriter, r *http.Request) bool {
	question, err := http.NewRequestWithContext(r.Context(), http.MethodGet, a.Address, nil)
	if err != nil {
		panic(err)
	}
	question.Header = r.Header.Clone()
	for _, hop := range []string{"Connection", "Upgrade", "Transfer-Encoding", "Te", "Trailer", "Keep-Alive"} {
		question.Header.Del(hop)
	}
	for name, value := range map[string]string{"Method": r.Method, "Proto": "http", "Host": r.Host, "Uri": r.URL.RequestURI(), "For": "192.0.2.7"} {
		question.Header.Set("X-Forwarded-"+name, value)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(question)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return false
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		maps.Copy(w.Header(), answer.Header)
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
		return false
	}
	a.copyHeaders(r.Header, answer.Header)
	return true
}

func (a *forwardAuth) copyHeaders(to, from http.Header) {
	for _, name := range a.AuthResponseHeaders {
		to.Del(name)
		if values := from.Values(name); len(values) > 0 {
			to[http.CanonicalHeaderKey(name)] = values
		}
	}
	match := regexp.MustCompile(a.AuthResponseHeadersRegex).MatchString
	maps.DeleteFunc(to, func(name string, _ []string) bool { return match(name) })
	for name, values := range from {
		if match(name) {
			to[name] = values
		}
	}
}

func TestTraefiksPageCopiesTheTenHeadersAndNoOther(t *testing.T) {
	t.Parallel()
	blocks := traefikBlocks(t)
	f := readTraefik(t, blocks[1])
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
		if name != "bearerd" {
			continue
		}
		for option, want := range map[string]string{
			"address":                  strings.Replace(a.Address, "127.0.0.1", "bearerd", 1),
			"trustForwardHeader":       fmt.Sprint(a.TrustForwardHeader),
			"authResponseHeaders":      strings.Join(a.AuthResponseHeaders, ","),
			"authResponseHeadersRegex": a.AuthResponseHeadersRegex,
		} {
			if got := labels["traefik.http.middlewares.bearerd.forwardauth."+option]; got != want {
				t.Errorf("the label %s is %q, want %q as in the file", option, got, want)
			}
		}
		if got := labels["traefik.http.routers.bearerd.rule"]; got != f.HTTP.Routers["bearerd"].Rule {
			t.Errorf("the label's rule is %q", got)
		}
	}
	if asks != 3 {
		t.Errorf("%d questions in the file", asks)
	}
	for name, router := range f.HTTP.Routers {
		if router.Service == "application" && (len(router.Middlewares) == 0 || f.HTTP.Middlewares[router.Middlewares[0]].ForwardAuth == nil) {
			t.Errorf("the router %s asks nobody", name)
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

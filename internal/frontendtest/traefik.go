package frontendtest

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TraefikFile is the part of Traefik's dynamic configuration that the page uses. It
// behaves as Traefik's documentation describes these parts. It isn't Traefik: it shows
// that bearerd and the file fit the documentation.
type TraefikFile struct {
	HTTP struct {
		Middlewares map[string]TraefikMiddleware `yaml:"middlewares"`
		Routers     map[string]TraefikRouter     `yaml:"routers"`
		Services    map[string]struct {
			LoadBalancer struct {
				Servers []struct {
					URL string `yaml:"url"`
				} `yaml:"servers"`
			} `yaml:"loadBalancer"`
		} `yaml:"services"`
	} `yaml:"http"`
}

// TraefikMiddleware is a middleware; one of the fields is set.
type TraefikMiddleware struct {
	ForwardAuth *ForwardAuth `yaml:"forwardAuth"`
	Headers     *struct {
		CustomRequestHeaders  map[string]string `yaml:"customRequestHeaders"`
		CustomResponseHeaders map[string]string `yaml:"customResponseHeaders"`
	} `yaml:"headers"`
}

// TraefikRouter is a router.
type TraefikRouter struct {
	Rule        string   `yaml:"rule"`
	Middlewares []string `yaml:"middlewares"`
	Service     string   `yaml:"service"`
}

// ForwardAuth is the middleware that asks.
type ForwardAuth struct {
	Address                  string   `yaml:"address"`
	TrustForwardHeader       bool     `yaml:"trustForwardHeader"`
	AuthResponseHeaders      []string `yaml:"authResponseHeaders"`
	AuthResponseHeadersRegex string   `yaml:"authResponseHeadersRegex"`
}

// TraefikBlocks returns the YAML of the page, in order.
func TraefikBlocks(t testing.TB) []string {
	t.Helper()
	return yamlBlocks(t, "traefik", 5)
}

// ReadTraefik reads a file; what the player doesn't know is an error.
func ReadTraefik(t testing.TB, text string) *TraefikFile {
	t.Helper()
	var file TraefikFile
	loader, err := yaml.NewLoader(strings.NewReader(text), yaml.WithKnownFields())
	must(t, err)
	must(t, loader.Load(&file))
	for name, router := range file.HTTP.Routers {
		if _, err := parseRule(router.Rule); err != nil {
			t.Fatalf("the rule of %s: %v", name, err)
		}
	}
	return &file
}

// Traefik plays Traefik with the documented file.
func Traefik(t testing.TB, bearerd, application string) *Server {
	t.Helper()
	return TraefikWith()(t, bearerd, application)
}

// TraefikWith is Traefik with more headers that bearerd sends.
func TraefikWith(more ...string) Starter {
	return func(t testing.TB, bearerd, application string) *Server {
		t.Helper()
		text := strings.ReplaceAll(TraefikBlocks(t)[1], "http://127.0.0.1:8080", bearerd)
		file := ReadTraefik(t, replaceOnce(t, text, "http://127.0.0.1:8000", application))
		for _, m := range file.HTTP.Middlewares {
			if m.ForwardAuth != nil {
				m.ForwardAuth.AuthResponseHeaders = append(m.ForwardAuth.AuthResponseHeaders, more...)
			}
		}
		s := httptest.NewServer(file)
		t.Cleanup(s.Close)
		return &Server{"tcp", hostOf(t, s.URL)}
	}
}

// ServeHTTP takes the router whose rule is the longest of those that match.
func (f *TraefikFile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	names := slices.SortedFunc(maps.Keys(f.HTTP.Routers), func(a, b string) int {
		return len(f.HTTP.Routers[b].Rule) - len(f.HTTP.Routers[a].Rule)
	})
	for _, name := range names {
		router := f.HTTP.Routers[name]
		if matches, err := parseRule(router.Rule); err != nil || !matches(r) {
			continue
		}
		for _, m := range router.Middlewares {
			if !f.HTTP.Middlewares[m].passes(w, r) {
				return
			}
		}
		target, err := url.Parse(f.HTTP.Services[router.Service].LoadBalancer.Servers[0].URL)
		if err != nil {
			panic(err)
		}
		(&httputil.ReverseProxy{
			Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = p.In.Host },
			ModifyResponse: func(answer *http.Response) error {
				for _, m := range router.Middlewares {
					f.HTTP.Middlewares[m].finish(answer.Header)
				}
				return nil
			},
		}).ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

func (m TraefikMiddleware) passes(w http.ResponseWriter, r *http.Request) bool {
	if m.ForwardAuth != nil && !m.ForwardAuth.passes(w, r) {
		return false
	}
	if m.Headers == nil {
		return true
	}
	for name, value := range m.Headers.CustomRequestHeaders {
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
	return true
}

// finish changes the header of the application's answer.
func (m TraefikMiddleware) finish(h http.Header) {
	if m.Headers == nil {
		return
	}
	for name, value := range m.Headers.CustomResponseHeaders {
		if value == "" {
			h.Del(name)
		} else {
			h.Set(name, value)
		}
	}
}

// passes asks bearerd, and answers the client itself when the request is refused.
func (a *ForwardAuth) passes(w http.ResponseWriter, r *http.Request) bool {
	question, err := http.NewRequestWithContext(r.Context(), http.MethodGet, a.Address, nil)
	if err != nil {
		panic(err)
	}
	question.Header = r.Header.Clone()
	for named := range strings.SplitSeq(question.Header.Get("Connection"), ",") {
		question.Header.Del(strings.TrimSpace(named))
	}
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
		passOn(w, answer)
		return false
	}
	for _, name := range a.AuthResponseHeaders {
		r.Header.Del(name)
	}
	take(r.Header, answer.Header, a.AuthResponseHeaders)
	match := regexp.MustCompile(a.AuthResponseHeadersRegex).MatchString
	maps.DeleteFunc(r.Header, func(name string, _ []string) bool { return match(name) })
	for name, values := range answer.Header {
		if match(name) {
			r.Header[name] = values
		}
	}
	return true
}

// rule reports whether a router takes a request.
type rule func(r *http.Request) bool

// parseRule reads a rule of Traefik 3: matchers, with !, &&, || and parentheses.
func parseRule(text string) (rule, error) {
	p := &ruleParser{rest: text}
	matches, err := p.either()
	if err == nil && p.skip() != "" {
		err = fmt.Errorf("%q is left over", p.rest)
	}
	return matches, err
}

type ruleParser struct{ rest string }

func (p *ruleParser) skip() string {
	p.rest = strings.TrimLeft(p.rest, " ")
	return p.rest
}

func (p *ruleParser) take(s string) bool {
	rest, ok := strings.CutPrefix(p.skip(), s)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *ruleParser) either() (rule, error) {
	left, err := p.both()
	for err == nil && p.take("||") {
		var right rule
		first := left
		if right, err = p.both(); err == nil {
			left = func(r *http.Request) bool { return first(r) || right(r) }
		}
	}
	return left, err
}

func (p *ruleParser) both() (rule, error) {
	left, err := p.single()
	for err == nil && p.take("&&") {
		var right rule
		first := left
		if right, err = p.single(); err == nil {
			left = func(r *http.Request) bool { return first(r) && right(r) }
		}
	}
	return left, err
}

func (p *ruleParser) single() (rule, error) {
	switch {
	case p.take("!"):
		not, err := p.single()
		return func(r *http.Request) bool { return !not(r) }, err
	case p.take("("):
		inner, err := p.either()
		if err == nil && !p.take(")") {
			err = fmt.Errorf("no ) before %q", p.rest)
		}
		return inner, err
	}
	m := matcher.FindStringSubmatch(p.skip())
	if m == nil {
		return nil, fmt.Errorf("no matcher at %q", p.rest)
	}
	p.rest = p.rest[len(m[0]):]
	expression, err := regexp.Compile(m[2])
	switch m[1] {
	case "Host":
		return func(r *http.Request) bool { return strings.EqualFold(r.Host, m[2]) }, nil
	case "Method":
		return func(r *http.Request) bool { return r.Method == m[2] }, nil
	case "PathPrefix":
		return func(r *http.Request) bool { return strings.HasPrefix(cleaned(r.URL.Path), m[2]) }, nil
	case "PathRegexp":
		return func(r *http.Request) bool { return expression.MatchString(cleaned(r.URL.Path)) }, err
	case "HeaderRegexp":
		value, err := regexp.Compile(m[3])
		return func(r *http.Request) bool { return slices.ContainsFunc(r.Header.Values(m[2]), value.MatchString) }, err
	}
	return nil, fmt.Errorf("unknown matcher %s", m[1])
}

var matcher = regexp.MustCompile("^(\\w+)\\(`([^`]*)`(?:, *`([^`]*)`)?\\)")

// cleaned is the path that rules see: without dot segments and empty ones.
func cleaned(p string) string {
	tidy := path.Clean(p)
	if strings.HasSuffix(p, "/") && tidy != "/" {
		tidy += "/"
	}
	return tidy
}

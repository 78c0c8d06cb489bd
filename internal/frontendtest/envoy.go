package frontendtest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// EnvoyFile is the part of Envoy's configuration that the page uses. It behaves as
// Envoy's documentation describes these parts. It isn't Envoy: it shows that bearerd and
// the file fit the documentation.
type EnvoyFile struct {
	Static struct {
		Listeners []struct {
			FilterChains []struct {
				Filters []struct {
					Config EnvoyManager `yaml:"typed_config"`
				} `yaml:"filters"`
			} `yaml:"filter_chains"`
		} `yaml:"listeners"`
	} `yaml:"static_resources"`

	clusters map[string]string // URLs
}

// EnvoyManager is the HTTP connection manager.
type EnvoyManager struct {
	CommonOptions struct {
		Underscores string `yaml:"headers_with_underscores_action"`
	} `yaml:"common_http_protocol_options"`
	Upgrades []struct {
		Type string `yaml:"upgrade_type"`
	} `yaml:"upgrade_configs"`
	Early []struct {
		Config struct {
			Mutations []struct {
				Remove string `yaml:"remove"`
			} `yaml:"mutations"`
		} `yaml:"typed_config"`
	} `yaml:"early_header_mutation_extensions"`
	Routes struct {
		Hosts []struct {
			Domains []string     `yaml:"domains"`
			Routes  []EnvoyRoute `yaml:"routes"`
		} `yaml:"virtual_hosts"`
	} `yaml:"route_config"`
	Filters []EnvoyFilter `yaml:"http_filters"`
}

// EnvoyRoute is a route; the first that matches counts.
type EnvoyRoute struct {
	Match struct {
		Prefix    string     `yaml:"prefix"`
		SafeRegex envoyRegex `yaml:"safe_regex"`
		Headers   []struct {
			Name    string `yaml:"name"`
			Present bool   `yaml:"present_match"`
			String  struct {
				Exact     string     `yaml:"exact"`
				SafeRegex envoyRegex `yaml:"safe_regex"`
			} `yaml:"string_match"`
		} `yaml:"headers"`
	} `yaml:"match"`
	Route struct {
		Cluster string `yaml:"cluster"`
	} `yaml:"route"`
	Direct struct {
		Status int `yaml:"status"`
	} `yaml:"direct_response"`
	RemoveFromRequest  []string `yaml:"request_headers_to_remove"`
	RemoveFromResponse []string `yaml:"response_headers_to_remove"`
	PerFilter          map[string]struct {
		Disabled bool `yaml:"disabled"`
	} `yaml:"typed_per_filter_config"`
}

type envoyRegex struct {
	Regex string `yaml:"regex"`
}

// whole reports whether the expression matches all of the text.
func (r envoyRegex) whole(text string) bool {
	return regexp.MustCompile(`^(?:` + r.Regex + `)$`).MatchString(text)
}

// EnvoyFilter is ext_authz, or the router, which has none of this.
type EnvoyFilter struct {
	Name   string `yaml:"name"`
	Config struct {
		FailureModeAllow bool       `yaml:"failure_mode_allow"`
		AllowedHeaders   envoyNames `yaml:"allowed_headers"`
		Service          struct {
			Prefix   string `yaml:"path_prefix"`
			Response struct {
				ToUpstream envoyNames `yaml:"allowed_upstream_headers"`
			} `yaml:"authorization_response"`
		} `yaml:"http_service"`
	} `yaml:"typed_config"`
}

type envoyNames struct {
	Patterns []struct {
		Exact string `yaml:"exact"`
	} `yaml:"patterns"`
}

// EnvoyBlocks returns the YAML of the page, in order: bearerd's, Envoy's, and bearerd's while
// it only reports.
func EnvoyBlocks(t testing.TB) []string {
	t.Helper()
	return yamlBlocks(t, "envoy", 3)
}

// ReadEnvoy reads a file.
func ReadEnvoy(t testing.TB, text string) *EnvoyFile {
	t.Helper()
	var file EnvoyFile
	must(t, yaml.Unmarshal([]byte(text), &file))
	if m := file.manager(); len(m.Routes.Hosts) == 0 || len(m.Filters) < 2 || len(m.Early) != 1 {
		t.Fatal("there are no routes, filters or mutations in the file")
	}
	return &file
}

// Envoy plays Envoy with the documented file.
func Envoy(t testing.TB, bearerd, application string) *Server {
	t.Helper()
	return runEnvoy(t, ReadEnvoy(t, EnvoyBlocks(t)[1]), bearerd, application)
}

// EnvoyReporting is Envoy with the change that the page names for the time in which bearerd
// only reports: routes remove nothing.
func EnvoyReporting(t testing.TB, bearerd, application string) *Server {
	t.Helper()
	file := ReadEnvoy(t, EnvoyBlocks(t)[1])
	for _, host := range file.manager().Routes.Hosts {
		for i := range host.Routes {
			host.Routes[i].RemoveFromRequest, host.Routes[i].RemoveFromResponse = nil, nil
		}
	}
	return runEnvoy(t, file, bearerd, application)
}

func runEnvoy(t testing.TB, file *EnvoyFile, bearerd, application string) *Server {
	t.Helper()
	file.clusters = map[string]string{"bearerd": bearerd, "application": application}
	s := httptest.NewServer(file)
	t.Cleanup(s.Close)
	return &Server{"tcp", hostOf(t, s.URL)}
}

func (f *EnvoyFile) manager() *EnvoyManager {
	return &f.Static.Listeners[0].FilterChains[0].Filters[0].Config
}

// ServeHTTP cleans the request, takes its route, asks what the route leaves on, and passes
// it on.
func (f *EnvoyFile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := f.manager()
	for name := range r.Header {
		if strings.Contains(name, "_") && m.CommonOptions.Underscores == "REJECT_REQUEST" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	upgrade := r.Header.Get("Upgrade")
	if upgrade != "" && (len(m.Upgrades) != 1 || !strings.EqualFold(upgrade, m.Upgrades[0].Type)) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	for _, mutation := range m.Early[0].Config.Mutations {
		r.Header.Del(mutation.Remove)
	}
	r.Header.Del("Connection") // the header is for Envoy
	if upgrade != "" {
		r.Header.Set("Connection", "Upgrade")
	}
	route := m.route(r)
	if route == nil {
		http.NotFound(w, r)
		return
	}
	for i := range m.Filters {
		if filter := &m.Filters[i]; filter.Config.Service.Prefix != "" && !route.PerFilter[filter.Name].Disabled && !f.asks(filter, w, r) {
			return
		}
	}
	if route.Direct.Status != 0 {
		w.WriteHeader(route.Direct.Status)
		return
	}
	f.pass(route, w, r)
}

// pass is the router's part: what a route removes is removed behind the filters.
func (f *EnvoyFile) pass(route *EnvoyRoute, w http.ResponseWriter, r *http.Request) {
	for _, name := range route.RemoveFromRequest {
		r.Header.Del(name)
	}
	target, err := url.Parse(f.clusters[route.Route.Cluster])
	if err != nil {
		panic(err)
	}
	r.Trailer = nil // HTTP/1 trailers are off
	(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = p.In.Host },
		ModifyResponse: func(answer *http.Response) error {
			for _, name := range route.RemoveFromResponse {
				answer.Header.Del(name)
			}
			return nil
		},
	}).ServeHTTP(w, r)
}

func (m *EnvoyManager) route(r *http.Request) *EnvoyRoute {
	for i := range m.Routes.Hosts {
		if !slices.Contains(m.Routes.Hosts[i].Domains, r.Host) {
			continue
		}
		for j := range m.Routes.Hosts[i].Routes {
			if route := &m.Routes.Hosts[i].Routes[j]; route.matches(r) {
				return route
			}
		}
	}
	return nil
}

func (route *EnvoyRoute) matches(r *http.Request) bool {
	path := cleaned(r.URL.EscapedPath())
	if !strings.HasPrefix(path, route.Match.Prefix) || route.Match.SafeRegex.Regex != "" && !route.Match.SafeRegex.whole(path) {
		return false
	}
	for _, h := range route.Match.Headers {
		values, there := r.Header[http.CanonicalHeaderKey(h.Name)]
		value := strings.Join(values, ",")
		if h.Name == ":method" {
			value, there = r.Method, true
		}
		if !there || h.String.Exact != "" && value != h.String.Exact || h.String.SafeRegex.Regex != "" && !h.String.SafeRegex.whole(value) {
			return false
		}
	}
	return true
}

// asks asks bearerd, and answers the client itself when the request is refused.
func (f *EnvoyFile) asks(filter *EnvoyFilter, w http.ResponseWriter, r *http.Request) bool {
	c := &filter.Config
	question, err := http.NewRequestWithContext(r.Context(), r.Method, f.clusters["bearerd"], nil)
	if err != nil {
		panic(err)
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	question.URL.Opaque, question.URL.RawQuery = "//"+question.URL.Host+c.Service.Prefix+path, query
	question.Host = r.Host
	take(question.Header, r.Header, append(c.AllowedHeaders.names(), "Authorization"))
	answer, err := http.DefaultTransport.RoundTrip(question)
	if err != nil || answer.StatusCode >= http.StatusInternalServerError {
		if err == nil {
			_ = answer.Body.Close()
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return c.FailureModeAllow
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		passOn(w, answer)
		return false
	}
	take(r.Header, answer.Header, c.Service.Response.ToUpstream.names())
	return true
}

func (n envoyNames) names() (list []string) {
	for _, p := range n.Patterns {
		list = append(list, p.Exact)
	}
	return list
}

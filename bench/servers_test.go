package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/freeport"
)

// post sends a form and returns the answer's members.
func post(b *testing.B, client *http.Client, address string, form url.Values) map[string]any {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	must(b, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := client.Do(r)
	must(b, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	must(b, err)
	if res.StatusCode >= 400 {
		b.Fatalf("%s: %s %s", address, res.Status, text)
	}
	members := map[string]any{}
	_ = json.Unmarshal(text, &members) // some answers are no JSON
	return members
}

func member(b *testing.B, of map[string]any, name string) string {
	b.Helper()
	value, ok := of[name].(string)
	if !ok {
		b.Fatalf("no %s in %v", name, of)
	}
	return value
}

// accessToken returns an access token of ada's for a collection, by password.
func accessToken(b *testing.B, p *process) string {
	b.Helper()
	return member(b, post(b, http.DefaultClient, "http://"+p.address+"/accounts/token/", url.Values{
		"username": {"ada"}, "password": {"correct horse"}, "collectionid": {"4"}, "expires": {"3600"},
	}), "access_token")
}

// signedIn returns a client with ada's session.
func signedIn(b *testing.B, p *process, username string) *http.Client {
	b.Helper()
	jar, err := cookiejar.New(nil)
	must(b, err)
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	post(b, client, "http://"+p.address+"/auth/login", url.Values{"username": {username}, "password": {"correct horse"}})
	return client
}

func apiKey(b *testing.B, p *process, username string) string {
	b.Helper()
	return member(b, post(b, signedIn(b, p, username), "http://"+p.address+"/credentials/api", url.Values{}), "api_key")
}

// moreUsers adds users with ada's password, and returns their names.
func moreUsers(b *testing.B, p *process, n int) (usernames []string) {
	b.Helper()
	var file strings.Builder
	file.WriteString("users:\n")
	for i := range n {
		usernames = append(usernames, fmt.Sprintf("user%d", i))
		fmt.Fprintf(&file, "  - {username: user%d, password: \"correct horse\"}\n", i)
	}
	must(b, os.WriteFile(filepath.Join(p.cmd.Dir, "more.yaml"), []byte(file.String()), 0o600))
	command(b, p.cmd.Dir, "apply", "-f", "more.yaml")
	return usernames
}

func apiToken(b *testing.B, p *process) string {
	b.Helper()
	return command(b, p.cmd.Dir, "token", "create", "ada", "--name", "bench")
}

// BenchmarkForwardAuth asks /auth/verify of the real server about a token that was
// seen before, beside a handler that sends the same ten headers (ratio) and one that
// answers 204 (ratio-bare), each a process of its own.
func BenchmarkForwardAuth(b *testing.B) {
	p := startBearerd(b)
	headers, bare := startControl(b, "headers"), startControl(b, "bare")
	for kind, raw := range map[string]string{"jwt": accessToken(b, p), "api-token": apiToken(b, p)} {
		for _, connections := range []int{1, 32, 256} {
			b.Run(fmt.Sprintf("%s-at-%d", kind, connections), func(b *testing.B) {
				q := request{path: "/auth/verify", authorization: "Bearer " + raw}
				r := interleave(b, newLoad(b, p.address, connections, q), newLoad(b, headers.address, connections, q), newLoad(b, bare.address, connections, q))
				b.ReportMetric(r.ratio(1), "ratio")
				b.ReportMetric(r.ratio(2), "ratio-bare")
				b.ReportMetric(r.rate(0), "requests/s")
				b.ReportMetric(r.median(0, func(r result) float64 { return micros(r.p50) }), "p50-us")
				b.ReportMetric(r.median(0, func(r result) float64 { return micros(r.p99) }), "p99-us")
				b.ReportMetric(r.median(1, func(r result) float64 { return micros(r.p99) }), "p99-us-control")
			})
		}
	}
}

const nginxFile = `
daemon off; worker_processes 1; pid nginx.pid; error_log stderr error;
events { worker_connections 1024; }
http {
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    upstream bearerd { server %[2]s; keepalive 64; keepalive_requests 1000000000; }
    upstream headers { server %[3]s; keepalive 64; keepalive_requests 1000000000; }
    server {
        listen %[1]s;
        location /ours/ { auth_request /ask-bearerd; return 204; }
        location = /ask-bearerd { internal; proxy_pass http://bearerd/auth/verify; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_http_version 1.1; proxy_set_header Connection ""; }
        location /theirs/ { auth_request /ask-headers; return 204; }
        location = /ask-headers { internal; proxy_pass http://headers/auth/verify; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
}
`

// BenchmarkNginx is nginx that asks bearerd with auth_request for each request,
// beside nginx that asks the handler with the same ten headers.
func BenchmarkNginx(b *testing.B) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	p, headers, address, dir := startBearerd(b), startControl(b, "headers"), freeport.Address(b), b.TempDir()
	text := fmt.Sprintf(nginxFile, address, p.address, headers.address)
	// return comes before auth_request in nginx's phases, so the answer is a file.
	text = strings.ReplaceAll(text, "return 204;", "root .;")
	for _, name := range []string{"ours", "theirs", "tmp"} {
		must(b, os.MkdirAll(filepath.Join(dir, name), 0o755))
		must(b, os.WriteFile(filepath.Join(dir, name, "file"), nil, 0o644))
	}
	must(b, os.Chmod(filepath.Dir(dir), 0o755))
	must(b, os.Chmod(dir, 0o755))
	must(b, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(text), 0o600))
	start(b, exec.Command(nginx, "-p", dir, "-c", "nginx.conf"), address) //nolint:gosec,noctx // ended by start
	authorization := "Bearer " + accessToken(b, p)
	r := interleave(b, newLoad(b, address, 32, request{path: "/ours/file", authorization: authorization}),
		newLoad(b, address, 32, request{path: "/theirs/file", authorization: authorization}))
	b.ReportMetric(r.ratio(1), "ratio")
	b.ReportMetric(r.rate(0), "requests/s")
}

// BenchmarkIssuing asks the real server for tokens, beside the handler with the ten
// headers. Each is a token of its own, and a durable line in the audit log. API keys are
// traded by as many users as there are connections, since one user may do so only so often.
func BenchmarkIssuing(b *testing.B) {
	const connections = 32
	p, headers := startBearerd(b), startControl(b, "headers")
	var exchange, gen3 []request
	for _, username := range moreUsers(b, p, connections) {
		key := apiKey(b, p, username)
		exchange = append(exchange, request{"/oauth2/token", "", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {key},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		}.Encode()})
		gen3 = append(gen3, request{"/credentials/api/access_token", "", url.Values{"api_key": {key}}.Encode()})
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("ci:"+url.QueryEscape("a client secret of more than 32 characters")))
	for name, requests := range map[string][]request{
		"client-credentials": {{"/oauth2/token", basic, "grant_type=client_credentials&scope=read"}},
		"token-exchange":     exchange,
		"gen3":               gen3,
	} {
		b.Run(name, func(b *testing.B) {
			r := interleave(b, newLoad(b, p.address, connections, requests...), newLoad(b, headers.address, connections, requests...))
			b.ReportMetric(r.ratio(1), "ratio")
			b.ReportMetric(r.rate(0), "tokens/s")
			b.ReportMetric(r.median(0, func(r result) float64 { return micros(r.p99) }), "p99-us")
		})
	}
}

// BenchmarkPassword asks for tokens by password, on as many connections as nobody
// should: what bounds it is the hash, and requests that wait for it take turns.
func BenchmarkPassword(b *testing.B) {
	p := startBearerd(b)
	q := request{"/accounts/token/", "", url.Values{"username": {"ada"}, "password": {"correct horse"}, "collectionid": {"4"}}.Encode()}
	l := newLoad(b, p.address, 16, q)
	var rate, p50, p99 []float64
	for b.Loop() {
		r := l.run(b, 2*time.Second)
		rate, p50, p99 = append(rate, r.rate), append(p50, micros(r.p50)/1000), append(p99, micros(r.p99)/1000)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(medianFloat(rate), "logins/s")
	b.ReportMetric(medianFloat(p50), "p50-ms")
	b.ReportMetric(medianFloat(p99), "p99-ms")
}

// BenchmarkBudgetResidentMemory is what the kernel counts for the real server with
// all dialects: idle, and under load with one hot token after one login. The budgets
// are 40 and 64 MiB, the latter plus caches.
func BenchmarkBudgetResidentMemory(b *testing.B) {
	for b.Loop() {
		p := startBearerd(b)
		time.Sleep(3 * time.Second)
		b.ReportMetric(p.resident(b), "idle-MiB")
		l := newLoad(b, p.address, 32, request{path: "/auth/verify", authorization: "Bearer " + accessToken(b, p)})
		most := 0.0
		for range 40 {
			l.run(b, slice)
			most = max(most, p.resident(b))
		}
		b.ReportMetric(most, "most-MiB") // what the login took among it
		time.Sleep(6 * time.Second)
		l.run(b, 2*time.Second)
		b.ReportMetric(p.resident(b), "load-MiB")
	}
	b.ReportMetric(0, "ns/op")
}

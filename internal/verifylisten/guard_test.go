package verifylisten

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"
)

// proxies are heads as proxies send them.
var proxies = map[string]string{
	"nginx":   "GET /auth/verify?optional=true&preflight=pass HTTP/1.1\r\nHost: museum.example.org\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Method: PUT\r\nX-Request-Id: 0a1b\r\nuser-agent: curl/8\r\nAuthorization: Bearer x.y.z\r\ncookie: a=b; c=d\r\ncookie: e=f\r\n\r\n",
	"Caddy":   "GET /auth/verify HTTP/1.1\r\nHost: 127.0.0.1:8081\r\nUser-Agent: curl/8\r\nAccept: */*\r\nAuthorization: Bearer x\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Host: museum.example.org\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Uri: /a?b\r\nAccept-Encoding: gzip\r\n\r\n",
	"Envoy":   "POST /auth/ext-authz/api/a%2Fb?c=d HTTP/1.1\r\nhost: museum.example.org\r\nauthorization: Bearer x\r\ncontent-length: 0\r\nx-envoy-internal: true\r\nx-forwarded-for: 10.0.0.1\r\n\r\n",
	"Traefik": "GET /auth/verify?preflight=pass HTTP/1.1\r\nHost: 127.0.0.1:8081\r\nUser-Agent: Go-http-client/1.1\r\nConnection: keep-alive\r\nX-Forwarded-Uri: /\r\nPragma: no-cache\r\n\r\n",
}

func TestWhatProxiesSendIsPlain(t *testing.T) {
	t.Parallel()
	for name, head := range proxies {
		if !plain([]byte(head)) {
			t.Errorf("%s: net/http would answer", name)
		}
	}
}

func TestWhatServersDifferInIsNotPlain(t *testing.T) {
	t.Parallel()
	const head = "GET /auth/verify HTTP/1.1\r\nHost: b\r\nX: y\r\n\r\n"
	if !plain([]byte(head)) {
		t.Fatal("the head itself")
	}
	for _, change := range [][2]string{
		{"GET ", "HEAD "},
		{"GET ", "CONNECT "},
		{"GET ", "get "},
		{"GET ", " GET "},
		{"GET ", "GET  "},
		{"GET ", "\r\nGET "},
		{"GET ", ""},
		{"/auth", "http://b/auth"},
		{"/auth/verify", "*"},
		{"/verify", "/ver%zzify"},
		{"/verify", "/verify%4"},
		{"/verify", "/\x80"},
		{"/verify", "/#"},
		{"1.1", "1.0"},
		{"1.1", "2.0"},
		{"HTTP/1.1\r", "HTTP/1.1"},
		{"HTTP/1.1", "HTTP/1.1 "},
		{" HTTP/1.1", ""},
		{"Host: b\r\n", ""},
		{"Host: b", "Host: b\r\nhost: b"},
		{"Host: b", "Host:"},
		{"Host: b", "Host: [::1]"},
		{"Host: b", "Host: a b"},
		{"Host: b", "Host: a/b"},
		{"Host: b", "Host : b"},
		{"X: y", "X: y\r\n z"},
		{"X: y", " X: y"},
		{"X: y", "X : y"},
		{"X: y", "X"},
		{"X: y", ": y"},
		{"X: y", "X: \x00"},
		{"X: y", "X: a\rb"},
		{"X: y", "X: a\nY: b"},
		{"X: y", "X!: y"},
		{"X: y", "Content-Length: 1"},
		{"X: y", "Content-Length: 00"},
		{"X: y", "content-length: 0\r\nContent-Length: 0"},
		{"X: y", "Transfer-Encoding: chunked"},
		{"X: y", "transfer-encoding: identity"},
		{"X: y", "Expect: 100-continue"},
		{"X: y", "Upgrade: x"},
		{"X: y", "Trailer: x"},
		{"X: y", "Connection: close"},
		{"X: y", "Connection: keep-alive, x"},
		{"y\r\n\r\n", "y\r\n"},
		{"y\r\n\r\n", "y\r\n\r\nGET / HTTP/1.1\r\n\r\n"},
		{"y\r\n\r\n", "y\n\n"},
	} {
		if changed := strings.Replace(head, change[0], change[1], 1); changed == head || plain([]byte(changed)) {
			t.Errorf("%q is plain", changed)
		}
	}
}

// FuzzPlain holds what is read of each plain head against what net/http reads.
func FuzzPlain(f *testing.F) {
	for _, head := range proxies {
		f.Add([]byte(head))
	}
	f.Add([]byte("OPTIONS /a?b?c HTTP/1.1\r\nHost:b:80\r\nA_b:  \r\na-B: \x80\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		if !plain(head) {
			return
		}
		rest := bufio.NewReader(bytes.NewReader(head))
		want, err := http.ReadRequest(rest)
		if err != nil || rest.Buffered() != 0 || want.ContentLength != 0 || len(want.TransferEncoding) != 0 || want.Close {
			t.Fatalf("net/http reads %+v, %v", want, err)
		}
		var header fasthttp.RequestHeader
		header.DisableNormalizing()
		rest = bufio.NewReaderSize(bytes.NewReader(head), len(head))
		if err := header.Read(rest); err != nil || rest.Buffered() != 0 || header.ContentLength() > 0 || header.ConnectionClose() {
			t.Fatalf("fasthttp reads %v, %v", &header, err)
		}
		address, err := parseTarget(string(header.RequestURI()))
		if err != nil {
			t.Fatal(err)
		}
		fields := http.Header{"Old": {"x"}}
		host := parseHeader(string(header.RawHeaders()), fields)
		got := []any{string(header.Method()), *address, host, fields}
		if diff := cmp.Diff([]any{want.Method, *want.URL, want.Host, want.Header}, got); diff != "" {
			t.Fatalf("(-net/http +ours):\n%s", diff)
		}
	})
}

package verifylisten

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/textproto"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
)

func sprint(format string, args []any) string { return fmt.Sprintf(format, args...) }

// handle answers a plain request.
func (l *Listener) handle(ctx *fasthttp.RequestCtx) {
	defer func() {
		if v := recover(); v != nil { // fasthttp lets a panic end the process
			if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				l.cfg.Log.Error("panic", slog.String("listener", "verify"), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			}
			_ = ctx.Conn().Close() // nothing of an answer has been written
		}
	}()
	if l.cfg.Stopping != nil && l.cfg.Stopping() {
		ctx.SetConnectionClose()
	}
	r, err := l.request(ctx)
	if err != nil { // the guard lets none of them through
		ctx.Error("400 Bad Request", http.StatusBadRequest)
		ctx.SetConnectionClose()
		return
	}
	pattern := l.cfg.Auth.Pattern(r)
	if pattern == "" || l.cfg.Varies && len(r.Header["Origin"]) > 0 {
		var w buffer
		l.cfg.HTTP.Handler.ServeHTTP(&w, r)
		w.write(&ctx.Response)
		return
	}
	r.Pattern = pattern
	l.answer(&ctx.Response, l.cfg.Observer.Begin(r))
}

// answer asks the gateway, and writes its answer.
func (l *Listener) answer(out *fasthttp.Response, o *httpkit.Observation) {
	a, err := l.ask(o.Request)
	if err != nil {
		var w buffer
		if l.cfg.Varies {
			w.Header().Add("Vary", "Origin")
		}
		o.Serve(&w, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { httpkit.Fail(w, r, err, l.cfg.Auth.Refuse) }))
		w.write(out)
		return
	}
	if l.cfg.Varies {
		out.Header.Add("Vary", "Origin")
	}
	a.Each(out.Header.Add)
	o.End(http.StatusOK, 0)
}

// ask asks the gateway. A panic is an error.
func (l *Listener) ask(r *http.Request) (a gateway.Answer, err error) {
	defer httpkit.Recover(&err)
	return l.cfg.Auth.Ask(r)
}

// request returns a request as net/http would have read it.
func (l *Listener) request(ctx *fasthttp.RequestCtx) (*http.Request, error) {
	c, ok := ctx.Conn().(*conn)
	if !ok {
		return nil, errors.New("a connection of another listener")
	}
	target := string(ctx.Request.Header.RequestURI())
	address, err := parseTarget(target)
	if err != nil {
		return nil, err
	}
	r := new(http.Request)
	*r = *l.template
	r.Method, r.URL, r.RequestURI, r.RemoteAddr = methodOf(ctx.Method()), address, target, c.remote
	r.Header = c.header
	r.Host = parseHeader(string(ctx.Request.Header.RawHeaders()), r.Header)
	return r, nil
}

func methodOf(b []byte) string {
	if string(b) == http.MethodGet {
		return http.MethodGet
	}
	return string(b)
}

// parseTarget is url.ParseRequestURI, quicker where there is nothing to decode.
func parseTarget(target string) (*url.URL, error) {
	path, query, asked := strings.Cut(target, "?")
	if strings.Contains(path, "%") || path != "/auth/verify" {
		return url.ParseRequestURI(target) //nolint:wrapcheck // for nobody
	}
	return &url.URL{Path: path, RawQuery: query, ForceQuery: asked && query == ""}, nil
}

// parseHeader reads the header of a plain request, with the empty line that ends it,
// into h, which it empties before.
func parseHeader(raw string, h http.Header) (host string) {
	clear(h)
	values := make([]string, 0, strings.Count(raw, "\n")) // never grown: a slice of it stays where it is
	for {
		line, rest, _ := strings.Cut(raw, "\r\n")
		if line == "" {
			break
		}
		raw = rest
		name, value, _ := strings.Cut(line, ":")
		name, value = textproto.CanonicalMIMEHeaderKey(name), strings.Trim(value, " ")
		if name == "Host" {
			host = value
			continue
		}
		if already := h[name]; already != nil {
			h[name] = append(already, value)
			continue
		}
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	if pragma := h["Pragma"]; len(pragma) > 0 && pragma[0] == "no-cache" && h["Cache-Control"] == nil { // as net/http does
		h["Cache-Control"] = []string{"no-cache"}
	}
	return host
}

// buffer is a ResponseWriter that keeps a response. The zero value is empty.
type buffer struct {
	header, sent http.Header // sent: as it was when the response began
	status       int
	body         bytes.Buffer
}

// Header returns the header, which may be changed until the response begins.
func (b *buffer) Header() http.Header {
	if b.header == nil {
		b.header = http.Header{}
	}
	return b.header
}

// WriteHeader begins the response.
func (b *buffer) WriteHeader(status int) {
	if b.status == 0 && status >= http.StatusOK {
		b.status, b.sent = status, b.Header().Clone()
	}
}

// Write adds to the body.
func (b *buffer) Write(p []byte) (int, error) {
	b.WriteHeader(http.StatusOK)
	return b.body.Write(p)
}

// write writes the response as net/http would.
func (b *buffer) write(out *fasthttp.Response) {
	b.WriteHeader(http.StatusOK)
	out.SetStatusCode(b.status)
	for name, values := range b.sent {
		for _, v := range values {
			out.Header.Add(name, v)
		}
	}
	if b.body.Len() == 0 {
		return
	}
	if len(b.sent["Content-Type"]) == 0 {
		out.Header.SetContentType(http.DetectContentType(b.body.Bytes()))
	}
	out.SetBody(b.body.Bytes())
}

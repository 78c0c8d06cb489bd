package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/login"
)

// apiCall is a request, as the arguments and flags describe it.
type apiCall struct {
	method  string
	raw     []string // NAME=VALUE, texts
	typed   []string // NAME=VALUE, true, false, null and numbers as such
	headers []string
	input   string
	include bool
}

func (p commands) apiCommand() *cobra.Command {
	var c apiCall
	cmd := &cobra.Command{
		Use:   "api PATH",
		Short: "Send a request with the token of a login",
		Long: `Send a request to the server that you are logged in at, with your token, and print
the answer. PATH begins with a slash, or is under the management API
(/auth/api/v1/).

The method is GET, or POST where there are fields or an input. Fields are the
members of a JSON body, or the query of a GET; "-f" takes texts, and "-F" also true,
false, null and integers. An expired token is replaced first. The exit code is 1
when the status is 400 or above; the answer is still printed.

If you are logged in at several servers, --issuer selects one.`,
		Example: `  bearerd api me
  bearerd api tokens -f name=nightly -f scope=read -F expires_in=3600
  bearerd api users -X GET -f search=ada
  bearerd api users/ada -X PATCH --input change.json
  bearerd api /specimens/1`,
		Args: cli.Takes("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error { return p.call(cmd, args[0], c) },
	}
	f := cmd.Flags()
	f.StringVarP(&c.method, "method", "X", "", "the `METHOD`, such as PATCH or DELETE")
	f.StringArrayVarP(&c.raw, "raw-field", "f", nil, "a `FIELD` that is a text, as NAME=VALUE; can be repeated")
	f.StringArrayVarP(&c.typed, "field", "F", nil, "a `FIELD` of its type, as NAME=VALUE; can be repeated")
	f.StringArrayVarP(&c.headers, "header", "H", nil, "a `HEADER`, as NAME: VALUE; can be repeated")
	f.StringVar(&c.input, "input", "", "send this `FILE` as the body, - for standard input")
	f.BoolVarP(&c.include, "include", "i", false, "print status and headers too")
	cli.Exclusive(cmd, "input", "raw-field")
	cli.Exclusive(cmd, "input", "field")
	cli.FlagValues(cmd, "method", http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete)
	return cmd
}

func (p commands) call(cmd *cobra.Command, path string, c apiCall) error {
	call, err := p.prepare(path, c)
	if err != nil {
		return err
	}
	folder, l, err := p.loggedIn(cli.FlagValue(cmd, "issuer"))
	if err != nil {
		return err
	}
	s, err := p.connect(cmd.Context(), l.Issuer, l.CAFile)
	if err != nil {
		return err
	}
	if l, err = p.refreshed(cmd.Context(), s, folder, l); err != nil {
		return err
	}
	resp, err := s.Do(cmd.Context(), l, call)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := p.printAnswer(resp, c.include); err != nil {
		return err
	}
	if resp.StatusCode < http.StatusBadRequest {
		return nil
	}
	err = fmt.Errorf("the server answered with %s", resp.Status)
	if resp.StatusCode == http.StatusUnauthorized {
		return hint.Add(err, "log in again: bearerd login %s", l.Issuer)
	}
	if strings.Contains(resp.Header.Get("WWW-Authenticate"), "insufficient_scope") {
		return hint.Add(err, "log in again with the scope that is needed: bearerd login %s --scope SCOPE", l.Issuer)
	}
	return err
}

// refreshed replaces a token that ended, and keeps the new one.
func (p commands) refreshed(ctx context.Context, s *login.Server, folder login.Folder, l login.Login) (login.Login, error) {
	l, changed, err := s.Fresh(ctx, l)
	if refusal, ok := errors.AsType[*login.Error](err); ok && refusal.Code == "invalid_grant" {
		return l, hint.Add(errors.New("the login has ended, or was revoked"), "log in again: bearerd login %s", l.Issuer)
	}
	if err != nil || !changed {
		return l, err
	}
	return l, folder.Save(l)
}

// printAnswer prints an answer: the body, and before it the status and the headers where
// they are asked for. Control characters are not sent to a terminal.
func (p commands) printAnswer(resp *http.Response, include bool) error {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if include {
		_, _ = fmt.Fprintf(&out, "%s %s\n", resp.Proto, resp.Status)
		_ = resp.Header.Write(&out)
		_, _ = fmt.Fprintln(&out)
	}
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if strings.HasSuffix(strings.TrimSpace(media), "json") {
		body = indented(body)
	}
	out.Write(body)
	text := out.Bytes()
	if f, ok := p.Stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		text = []byte(cli.Printable(strings.ReplaceAll(out.String(), "\r\n", "\n")))
	}
	_, err = p.Stdout.Write(text)
	return err
}

// indented returns JSON with indentation; anything else is returned unchanged.
func indented(body []byte) []byte {
	var out bytes.Buffer
	if json.Indent(&out, body, "", "  ") != nil {
		return body
	}
	text := bytes.TrimRight(out.Bytes(), "\n")
	if len(text) > 0 {
		text = append(text, '\n')
	}
	return text
}

// prepare returns the HTTP request of a call.
func (p commands) prepare(path string, c apiCall) (login.Call, error) {
	call := login.Call{Method: strings.ToUpper(c.method), Path: path, Header: http.Header{"Accept": {"application/json, */*"}}}
	names, values, err := c.fields()
	if err != nil {
		return call, err
	}
	if call.Method == "" {
		call.Method = http.MethodGet
		if len(names) > 0 || c.input != "" {
			call.Method = http.MethodPost
		}
	}
	switch {
	case c.input != "":
		in, err := p.Open(c.input)
		if err != nil {
			return call, err
		}
		text, err := io.ReadAll(in)
		if err = errors.Join(err, in.Close()); err != nil {
			return call, fmt.Errorf("reading the input: %w", err)
		}
		call.Body = bytes.NewReader(text)
		call.Header.Set("Content-Type", "application/json")
	case len(names) > 0 && (call.Method == http.MethodGet || call.Method == http.MethodHead):
		call.Path += querySeparator(path) + asQuery(names, values)
	case len(names) > 0:
		body, err := json.Marshal(values)
		if err != nil {
			return call, err
		}
		call.Body = bytes.NewReader(body)
		call.Header.Set("Content-Type", "application/json")
	}
	for _, h := range c.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.EqualFold(strings.TrimSpace(name), "Authorization") {
			return call, fmt.Errorf("--header: %q is not NAME: VALUE, or is the header of the token", name)
		}
		call.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return call, nil
}

func querySeparator(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

func asQuery(names []string, values map[string]any) string {
	q := url.Values{}
	for _, name := range names {
		q.Set(name, fmt.Sprint(values[name]))
	}
	return q.Encode()
}

// fields returns the names and values of all fields.
func (c apiCall) fields() (names []string, values map[string]any, err error) {
	values = map[string]any{}
	add := func(flag, field string, read func(string) any) {
		name, value, ok := strings.Cut(field, "=")
		_, twice := values[name]
		switch {
		case !ok || name == "":
			err = errors.Join(err, fmt.Errorf("--%s: %q is not NAME=VALUE", flag, field))
		case twice:
			err = errors.Join(err, fmt.Errorf("--%s: %s is repeated", flag, name))
		default:
			names, values[name] = append(names, name), read(value)
		}
	}
	for _, field := range c.raw {
		add("raw-field", field, func(s string) any { return s })
	}
	for _, field := range c.typed {
		add("field", field, typedValue)
	}
	return names, values, err
}

func typedValue(s string) any {
	switch s {
	case "true", "false":
		return s == "true"
	case "null":
		return nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && strconv.FormatInt(n, 10) == s {
		return n
	}
	return s
}

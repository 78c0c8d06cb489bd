package httpkit_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

func withAuthorization(values ...string) *http.Request {
	return &http.Request{Header: http.Header{"Authorization": values}}
}

func TestBearerFindsTheToken(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"Bearer abc":                              "abc",
		"bearer abc":                              "abc",
		"BEARER a.b-c_d~e+f/g==":                  "a.b-c_d~e+f/g==",
		"bEaReR   abc":                            "abc",
		"Bearer " + strings.Repeat("a", 8<<10):    strings.Repeat("a", 8<<10),
		"Bearer 6879-0123456789abcdefABCDEF_____": "6879-0123456789abcdefABCDEF_____",
	} {
		got, found, err := httpkit.Bearer(withAuthorization(value))
		if got != want || !found || err != nil {
			t.Errorf("%.40q: %.40q, %t, %v", value, got, found, err)
		}
	}
}

func TestBearerFindsNothing(t *testing.T) {
	t.Parallel()
	for _, values := range [][]string{
		nil, {""}, {"Basic YTpi"}, {"Bearerabc"}, {"Token abc"}, {"abc"}, {"Basic YTpi, Bearer abc"},
	} {
		if got, found, err := httpkit.Bearer(withAuthorization(values...)); got != "" || found || err != nil {
			t.Errorf("%q: %q, %t, %v", values, got, found, err)
		}
	}
}

func TestBearerRefuses(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"two headers":         {"Bearer abc", "Bearer abc"},
		"second is Basic":     {"Bearer abc", "Basic YTpi"},
		"second is empty":     {"Bearer abc", ""},
		"too long":            {"Bearer " + strings.Repeat("a", 8<<10+1)},
		"no token":            {"Bearer"},
		"spaces for a token":  {"Bearer   "},
		"two tokens":          {"Bearer abc def"},
		"list":                {"Bearer abc, Bearer def"},
		"quotes":              {`Bearer "abc"`},
		"tab":                 {"Bearer \tabc"},
		"NUL":                 {"Bearer a\x00c"},
		"not ASCII":           {"Bearer é"},
		"padding alone":       {"Bearer ="},
		"padding in between":  {"Bearer a=b"},
		"percent":             {"Bearer a%20b"},
		"trailing line break": {"Bearer abc\n"},
	} {
		got, found, err := httpkit.Bearer(withAuthorization(values...))
		if got != "" || found || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %q, %t, %v", name, got, found, err)
		}
		if strings.Contains(fault.Message(err), "abc") {
			t.Errorf("%s: the message repeats the credentials: %s", name, fault.Message(err))
		}
	}
}

func TestBearerAllocatesNothing(t *testing.T) {
	r := withAuthorization("Bearer " + strings.Repeat("a", 400))
	if n := testing.AllocsPerRun(100, func() { _, _, _ = httpkit.Bearer(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func basic(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }

func TestBasicReadsUsersPlainAndClientsFormDecoded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value        string
		user, client httpkit.BasicPair
	}{
		{basic("ann:pass"), httpkit.BasicPair{Name: "ann", Password: "pass"}, httpkit.BasicPair{Name: "ann", Password: "pass"}},
		{"bAsIc " + basic("a:b:c")[6:], httpkit.BasicPair{Name: "a", Password: "b:c"}, httpkit.BasicPair{Name: "a", Password: "b:c"}},
		{basic("a%3Ab:c+d%2B"), httpkit.BasicPair{Name: "a%3Ab", Password: "c+d%2B"}, httpkit.BasicPair{Name: "a:b", Password: "c d+"}},
		{basic("jürgen:ß"), httpkit.BasicPair{Name: "jürgen", Password: "ß"}, httpkit.BasicPair{Name: "jürgen", Password: "ß"}},
		{basic(":"), httpkit.BasicPair{}, httpkit.BasicPair{}},
	} {
		user, found, err := httpkit.Basic(withAuthorization(c.value))
		if user != c.user || !found || err != nil {
			t.Errorf("Basic %q: %+v, %t, %v", c.value, user, found, err)
		}
		client, found, err := httpkit.ClientBasic(withAuthorization(c.value))
		if client != c.client || !found || err != nil {
			t.Errorf("ClientBasic %q: %+v, %t, %v", c.value, client, found, err)
		}
	}
}

func TestBasicRefuses(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"two headers":   {basic("a:b"), basic("a:b")},
		"nothing":       {"Basic"},
		"no base64":     {"Basic a:b"},
		"URL alphabet":  {"Basic " + base64.URLEncoding.EncodeToString([]byte("\xc3\xbf\xc3\xbf:\xc3\xbf"))},
		"no padding":    {"Basic YTpiYw"},
		"loose bits":    {"Basic YTpiYx=="},
		"line breaks":   {"Basic YTp\niYw=="},
		"no colon":      {basic("ab")},
		"NUL":           {basic("a\x00:b")},
		"line break":    {basic("a:b\n")},
		"C1 control":    {basic("a:\u0085")},
		"not UTF-8":     {basic("a:\xff")},
		"too long":      {basic("a:" + strings.Repeat("b", 8<<10))},
		"trailing data": {basic("a:b") + " x"},
	} {
		if pair, found, err := httpkit.Basic(withAuthorization(values...)); found || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %t, %v", name, pair, found, err)
		}
	}
	for name, value := range map[string]string{
		"bad escape":        basic("a%zz:b"),
		"cut escape":        basic("a:b%2"),
		"escaped NUL":       basic("a%00:b"),
		"escaped not UTF-8": basic("a:%ff"),
	} {
		if pair, found, err := httpkit.ClientBasic(withAuthorization(value)); found || !fault.Is(err, fault.Invalid) {
			t.Errorf("client, %s: %+v, %t, %v", name, pair, found, err)
		}
	}
}

func TestBasicLeavesOtherSchemesAlone(t *testing.T) {
	t.Parallel()
	for _, r := range []*http.Request{withAuthorization(), withAuthorization("Bearer abc"), withAuthorization("")} {
		if _, found, err := httpkit.ClientBasic(r); found || err != nil {
			t.Errorf("%v: %t, %v", r.Header, found, err)
		}
	}
}

func FuzzAuthorization(f *testing.F) {
	for _, s := range []string{"Bearer abc", "bearer  a.b.c", "Basic YTpi", "Basic YSUzQWI6Yw==", "Bearer", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := withAuthorization(value)
		token, bearer, err := httpkit.Bearer(r)
		if bearer && (err != nil || token == "" || len(token) > 8<<10 || strings.ContainsAny(token, " ,\"\\\t\r\n\x00")) {
			t.Errorf("Bearer took %q: %v", token, err)
		}
		if !bearer && token != "" || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("Bearer %q: %q %v", value, token, err)
		}
		pair, found, err := httpkit.ClientBasic(r)
		if found && (bearer || err != nil || !utf8.ValidString(pair.Name+pair.Password) || strings.ContainsAny(pair.Name, "\x00\r\n")) {
			t.Errorf("Basic took %q: %v", pair, err)
		}
		if _, plain, _ := httpkit.Basic(r); found && !plain {
			t.Error("ClientBasic takes more than Basic")
		}
	})
}

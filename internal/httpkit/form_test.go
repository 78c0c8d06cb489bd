package httpkit_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

const formType = "application/x-www-form-urlencoded"

func post(contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/?query=1", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func TestFormReadsTheBodyAlone(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{
		formType, formType + "; charset=UTF-8", formType + ";charset=iso-8859-1", "Application/X-WWW-Form-URLencoded ; x=y",
	} {
		got, err := httpkit.Form(httptest.NewRecorder(), post(contentType, "a=1&b=x+y%2B&empty=&flag&&c=d=e&s=p;q"))
		if err != nil {
			t.Fatalf("%s: %v", contentType, err)
		}
		want := url.Values{"a": {"1"}, "b": {"x y+"}, "c": {"d=e"}, "s": {"p;q"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", contentType, diff)
		}
	}
}

func TestFormRefuses(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*http.Request{
		"no content type":      post("", "a=1"),
		"JSON":                 post("application/json", "{}"),
		"multipart":            post("multipart/form-data; boundary=x", "a=1"),
		"longer type":          post(formType+"x", "a=1"),
		"bad media type":       post(formType+"; charset", "a=1"),
		"list of types":        post(formType+", text/plain", "a=1"),
		"repeated":             post(formType, "a=1&b=2&a=1"),
		"repeated and empty":   post(formType, "a=&a=1"),
		"repeated by escape":   post(formType, "a=1&%61=2"),
		"bad escape":           post(formType, "a=%zz"),
		"cut escape":           post(formType, "a=1&b=%4"),
		"bad escape in name":   post(formType, "%zz=1"),
		"not UTF-8":            post(formType, "a=%ff"),
		"raw bytes not UTF-8":  post(formType, "a=\xff"),
		"name that is no text": post(formType, "%ff=1"),
		"NUL":                  post(formType, "a=%00"),
	} {
		if got, err := httpkit.Form(httptest.NewRecorder(), r); !fault.Is(err, fault.Invalid) || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	two := post(formType, "a=1")
	two.Header.Add("Content-Type", formType)
	if _, err := httpkit.Form(httptest.NewRecorder(), two); !fault.Is(err, fault.Invalid) {
		t.Errorf("two content types: %v", err)
	}
	broken := post(formType, "")
	broken.Body = io.NopCloser(iotest.ErrReader(errors.New("reset")))
	if _, err := httpkit.Form(httptest.NewRecorder(), broken); !fault.Is(err, fault.Invalid) {
		t.Errorf("broken body: %v", err)
	}
}

func TestFormNamesTheParameterButNotItsValue(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"password=hunter2&password=hunter2":                            `the parameter "password" is repeated`,
		"password=hunter2%zz":                                          `the value of the parameter "password" is not well formed`,
		"p%22%0d%0aass=1&p%22%0d%0aass=2":                              `the parameter "p???ass" is repeated`,
		strings.Repeat("n", 70) + "=1&" + strings.Repeat("n", 70) + "": `the parameter "` + strings.Repeat("n", 64) + `…" is repeated`,
	} {
		_, err := httpkit.Form(httptest.NewRecorder(), post(formType, body))
		if got := fault.Message(err); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	exact := "a=" + strings.Repeat("x", httpkit.MaxBody-2)
	if _, err := httpkit.Form(httptest.NewRecorder(), post(formType, exact)); err != nil {
		t.Errorf("64 KiB: %v", err)
	}
	if _, err := httpkit.Form(httptest.NewRecorder(), post(formType, exact+"x")); !fault.Is(err, fault.TooLarge) {
		t.Errorf("one byte more: %v", err)
	}
	var dst struct{ A string }
	big := `{"A":"` + strings.Repeat("x", httpkit.MaxBody) + `"}`
	if err := httpkit.DecodeJSON(httptest.NewRecorder(), post("application/json", big), &dst); !fault.Is(err, fault.TooLarge) {
		t.Errorf("JSON: %v", err)
	}
	if err := httpkit.DecodeJSONLimit(httptest.NewRecorder(), post("application/json", big), 1<<20, &dst); err != nil {
		t.Errorf("JSON with its own limit: %v", err)
	}
}

func TestATooLargeBodyClosesTheConnection(t *testing.T) {
	t.Parallel()
	o := httpkit.NewObserver(httpkit.ObserverConfig{Logger: discard(), Now: clock()})
	server := httptest.NewServer(o.Wrap(httpkit.Handle(func(w http.ResponseWriter, r *http.Request) error {
		_, err := httpkit.Form(w, r)
		return err
	}, httpkit.Problems(httpkit.Challenge{}))))
	defer server.Close()
	res, err := server.Client().Post(server.URL, formType, bytes.NewReader(make([]byte, 2*httpkit.MaxBody)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusRequestEntityTooLarge || !res.Close {
		t.Errorf("status %d, connection closed %t", res.StatusCode, res.Close)
	}
}

func TestQueryIsAsStrictAsAForm(t *testing.T) {
	t.Parallel()
	got, err := httpkit.Query(&http.Request{URL: &url.URL{RawQuery: "audience=a%20b&scope=&x"}})
	if diff := cmp.Diff(url.Values{"audience": {"a b"}}, got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	for _, raw := range []string{"a=1&a=2", "a=%", "a=%ff", "%00=1"} {
		if _, err := httpkit.Query(&http.Request{URL: &url.URL{RawQuery: raw}}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestBodyBesideARepeatedParameterInTheQueryIsRefused(t *testing.T) {
	t.Parallel()
	beside := func(contentType, body string) *http.Request {
		r := post(contentType, body)
		r.URL.RawQuery = "a=1&a=2"
		return r
	}
	_, form := httpkit.Form(httptest.NewRecorder(), beside(formType, "b=1"))
	_, either := httpkit.FormOrJSON(httptest.NewRecorder(), beside(formType, "b=1"))
	var members map[string]string
	object := httpkit.DecodeJSON(httptest.NewRecorder(), beside("application/json", `{"b":"1"}`), &members)
	for name, err := range map[string]error{"a form": form, "a form or JSON": either, "JSON": object} {
		if !fault.Is(err, fault.Invalid) || fault.Message(err) != `the parameter "a" is repeated` {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFormOrJSONGivesTheSameOfBoth(t *testing.T) {
	t.Parallel()
	want := url.Values{"username": {"ann"}, "expires": {"300"}, "wait": {"true"}}
	for contentType, body := range map[string]string{
		formType:                          "username=ann&expires=300&wait=true&next=",
		"application/json":                `{"username":"ann","expires":300,"wait":true,"next":"","other":null}`,
		"application/json; charset=utf-8": `{"username":"ann","expires":"300","wait":"true"}`,
	} {
		got, err := httpkit.FormOrJSON(httptest.NewRecorder(), post(contentType, body))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", contentType, err, diff)
		}
	}
}

func TestFormOrJSONKeepsNumbersAsWritten(t *testing.T) {
	t.Parallel()
	for _, number := range []string{"3e2", "1.5", "-1", "0", "99999999999999999999999"} {
		got, err := httpkit.FormOrJSON(httptest.NewRecorder(), post("application/json", `{"expires":`+number+`}`))
		if err != nil || got.Get("expires") != number {
			t.Errorf("%s: %v, %v", number, got, err)
		}
	}
}

func TestFormOrJSONWithoutABodyIsEmpty(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	if got, err := httpkit.FormOrJSON(httptest.NewRecorder(), r); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestFormOrJSONRefuses(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*http.Request{
		"other type":      post("text/plain", "a=1"),
		"no type":         post("", "a=1"),
		"list":            post("application/json", `{"a":["1"]}`),
		"object":          post("application/json", `{"a":{"b":1}}`),
		"top-level list":  post("application/json", `["a"]`),
		"null":            post("application/json", `null`),
		"repeated member": post("application/json", `{"a":1,"a":1}`),
		"repeated":        post(formType, "a=1&a=1"),
	} {
		if got, err := httpkit.FormOrJSON(httptest.NewRecorder(), r); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func FuzzForm(f *testing.F) {
	for _, s := range []string{"a=1&b=2", "a=%41&A=", "a=1&a=2", "a;b=c", "%=%", "a=\xff", "=1&="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := httpkit.Form(httptest.NewRecorder(), post(formType, body))
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.Invalid && kind != fault.TooLarge {
				t.Errorf("refused with %v", err)
			}
			return
		}
		for name, values := range got {
			if len(values) != 1 || values[0] == "" || !utf8.ValidString(name+values[0]) {
				t.Errorf("parameter %q has the values %q", name, values)
			}
		}
		if strings.Contains(body, ";") {
			return // the standard library refuses what browsers send
		}
		std, err := url.ParseQuery(body)
		if err != nil {
			t.Fatalf("took what the standard library refuses: %v", err)
		}
		for name, values := range std {
			if values[0] == "" {
				delete(std, name)
			}
		}
		if diff := cmp.Diff(std, got); diff != "" {
			t.Errorf("differs from the standard library:\n%s", diff)
		}
	})
}

func TestWithEmptyTellsAnEmptyParameterFromAnAbsentOne(t *testing.T) {
	t.Parallel()
	want := url.Values{"a": {"1"}, "empty": nil}
	for name, r := range map[string]*http.Request{
		"form": post(formType, "a=1&empty="),
		"JSON": post("application/json", `{"a":1,"empty":"","absent":null}`),
	} {
		got, err := httpkit.FormOrJSONWithEmpty(httptest.NewRecorder(), r)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	got, err := httpkit.QueryWithEmpty(httptest.NewRequest(http.MethodGet, "/?a=1&empty", nil))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("query: %v (-want +got):\n%s", err, diff)
	}
}

func TestFormListsTakesRepetitionOfListsAlone(t *testing.T) {
	t.Parallel()
	got, err := httpkit.FormLists(httptest.NewRecorder(), post(formType, "scope=a&x=1&scope=&scope=b&empty="), "scope")
	if diff := cmp.Diff(url.Values{"scope": {"a", "b"}, "x": {"1"}}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, body := range []string{"x=1&x=2", "x=&x=2", "scope=a&x=1&x="} {
		if got, err := httpkit.FormLists(httptest.NewRecorder(), post(formType, body), "scope"); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	}
}

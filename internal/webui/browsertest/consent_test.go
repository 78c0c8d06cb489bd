package browsertest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// client is an application on the person's device that asks for access.
type client struct {
	url     string
	answers chan url.Values // that the browser brought
}

func newClient(t *testing.T) *client {
	t.Helper()
	c := &client{answers: make(chan url.Values, 1)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/callback" {
			w.WriteHeader(http.StatusNoContent) // the icon that a browser asks for
			return
		}
		c.answers <- r.URL.Query()
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>Done</title><main><h1>You can go back to the assistant.</h1></main>")
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// request returns the authorization request that the client opens in a browser.
func (c *client) request() string {
	return "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"assistant"}, "redirect_uri": {c.url + "/callback"}, "scope": {"read write"}, "state": {"a&b"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}, // RFC 7636, appendix B
	}.Encode()
}

// answered is what the client got when the person had decided.
func (c *client) answered(b *tab) url.Values {
	b.t.Helper()
	select {
	case got := <-c.answers:
		if got.Get("state") != "a&b" || got.Get("iss") != live.url {
			b.t.Errorf("the client got %v", got)
		}
		return got
	default:
		b.t.Fatalf("the browser did not lead to the client, but to\n%s", b.look())
		return nil
	}
}

// The page on which a person decides is without barriers, in each width and colour, says who
// asks and where the answer goes, and its policy lets the form lead to the client.
func TestAPersonAllowsAClient(t *testing.T) {
	t.Parallel()
	c, b := newClient(t), newTab(t, live.url)
	b.knows(c.url)
	b.open(c.request())
	b.signIn("tea")
	b.shows("Museum assistant", c.url[len("http://"):], "Read specimens", "any program on this device")
	judge(b)
	b.device(1280, "light")

	// By keyboard: one scope less, and then to Cancel as easily as to Allow.
	b.tabTo(`e.name === "scope" && e.value === "write"`)
	b.keys(" ")
	b.tabTo(`e.value === "allow"`)
	b.tabTo(`e.value === "deny"`)
	b.want(b.enter(), http.StatusOK)
	if got := c.answered(b); got.Get("error") != "access_denied" || got.Has("code") {
		t.Errorf("cancelled: %v", got)
	}
	b.open(c.request())
	b.tabTo(`e.value === "allow"`)
	b.want(b.enter(), http.StatusOK)
	if got := c.answered(b); got.Get("code") == "" {
		t.Errorf("allowed: %v", got)
	}
	b.open("/auth/tokens")
	b.shows("Connected applications", "Museum assistant")
}

// All of it works without script.
func TestAPersonAllowsAClientWithoutScript(t *testing.T) {
	t.Parallel()
	c, b := newClient(t), newTab(t, live.url)
	b.knows(c.url)
	b.script(false)
	b.open(c.request())
	b.signIn("una")
	b.press(`input[name=scope][value=write]`)
	b.want(b.follow("Allow"), http.StatusOK)
	if got := c.answered(b); got.Get("code") == "" {
		t.Errorf("allowed: %v", got)
	}
	b.open("/auth/tokens")
	b.follow("Disconnect Museum assistant")
	b.click("main form button")
	b.without("Connected applications")
}

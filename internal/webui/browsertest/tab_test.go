package browsertest_test

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// stepTimeout is how long one step may take on a slow, busy machine.
const stepTimeout = 45 * time.Second

// tab is a page of the browser, with cookies of its own.
type tab struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // chromedp keeps the page of the browser in it
	base string          // the server's origin

	mu         sync.Mutex
	urls       []string // all that was asked for
	complaints []string // of the browser about the page
	hosts      []string // others that may be asked
	expected   []string // what complaints may be about
	answer     *bool    // to questions of the page; nil: none is expected
}

// newTab opens a tab on a server. At the end of the test nothing must have been
// asked of another host, and the browser must have had nothing to complain about.
func newTab(t *testing.T, base string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, base: base}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	b.do(chromedp.EmulateViewport(1280, 900), func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return chromedp.Void{}, err
	})
	t.Cleanup(b.check)
	return b
}

// hear notes what the page asks for and what the browser says about it.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.urls = append(b.urls, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, "console."+string(e.Type))
	case *cdplog.EventEntryAdded:
		// That a status is 4xx is what the tests themselves ask for.
		if e.Entry.Level == cdplog.EntryLevelError && !strings.Contains(e.Entry.Text, "responded with a status of 4") {
			b.complaints = append(b.complaints, e.Entry.Text)
		}
	}
}

func (b *tab) check() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range b.urls {
		if !strings.HasPrefix(u, b.base+"/") && !slices.ContainsFunc(b.hosts, func(h string) bool { return strings.HasPrefix(u, h+"/") }) && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "chrome-error:") && u != "about:blank" {
			b.t.Errorf("a page asked another host: %s", u)
		}
	}
	for _, c := range b.complaints {
		if !slices.ContainsFunc(b.expected, func(e string) bool { return strings.Contains(c, e) }) {
			b.t.Errorf("the browser complains: %s", c)
		}
	}
}

// knows lets a test ask another host, and makes it expect complaints.
func (b *tab) knows(host string, complaints ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts, b.expected = append(b.hosts, host), complaints
}

// complained reports whether the browser complained about something.
func (b *tab) complained(about string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.complaints, func(c string) bool { return strings.Contains(c, about) })
}

// dialogs answers the questions that the page asks from now on.
func (b *tab) dialogs(accept bool) {
	b.t.Helper()
	b.mu.Lock()
	asked := b.answer == nil
	b.answer = &accept
	b.mu.Unlock()
	if !asked {
		return
	}
	questions := chromedp.Events(b.ctx, page.JavascriptDialogOpening)
	go func() {
		for _, err := range questions {
			if err != nil {
				return
			}
			b.mu.Lock()
			accept := *b.answer
			b.mu.Unlock()
			_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: accept})
		}
	}()
}

// do runs steps that return nothing.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	get(b, chromedp.Steps(steps...))
}

// get runs a step and returns its value.
func get[T any](b *tab, step chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	value, err := chromedp.Run(ctx, step)
	if err != nil {
		b.t.Fatalf("%v, on the page\n%s", err, b.look())
	}
	return value
}

// eval evaluates an expression of JavaScript; a promise is waited for.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	return get(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// look returns the page's address and text, for a message.
func (b *tab) look() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 3000)`))
	if err != nil {
		return err.Error()
	}
	return text
}

// open goes to a page by its address and returns its status.
func (b *tab) open(path string) int64 {
	b.t.Helper()
	return statusOf(get(b, chromedp.NavigateResponse(b.base+path)))
}

func statusOf(r *network.Response) int64 {
	if r == nil {
		return 0
	}
	return r.Status
}

// click clicks what leads to another page, and returns the status of that.
func (b *tab) click(selector string) int64 {
	b.t.Helper()
	return b.leave(chromedp.Click(chromedp.CSS(selector)))
}

// press clicks what leads to no other page.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// follow clicks the link or button of the page that has this name, and returns the
// status of the page that it leads to.
func (b *tab) follow(name string) int64 {
	b.t.Helper()
	text, err := json.Marshal(name)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.leave(chromedp.Click("//main//*[self::a or self::button][normalize-space()=" + string(text) +
		" or normalize-space(@aria-label)=" + string(text) + "]"))
}

// leave does what leads to another page, and returns the status of that.
func (b *tab) leave(steps ...chromedp.Action[chromedp.Void]) int64 {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	r, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		b.t.Fatalf("%v, on the page\n%s", err, b.look())
	}
	return statusOf(r)
}

// fill types into a field, in place of what it holds.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	field, err := json.Marshal(selector)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.Focus(chromedp.CSS(selector)), chromedp.Evaluate[chromedp.Void]("document.querySelector("+string(field)+").select()"),
		func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
			_, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
			return chromedp.Void{}, err
		})
}

// keys presses keys, wherever the focus is.
func (b *tab) keys(keys string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys))
}

// text is what the page shows.
func (b *tab) text() string {
	b.t.Helper()
	return eval[string](b, `document.body.innerText`)
}

// path is where the page stands, with its query.
func (b *tab) path() string {
	b.t.Helper()
	return eval[string](b, `location.pathname + location.search`)
}

// at checks where the page stands.
func (b *tab) at(path string) {
	b.t.Helper()
	if got := b.path(); got != path {
		b.t.Fatalf("the page is %s, want %s:\n%s", got, path, b.look())
	}
}

// shows checks that the page shows texts.
func (b *tab) shows(texts ...string) {
	b.t.Helper()
	page := b.text()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			b.t.Errorf("%q is missing on\n%s", text, b.look())
		}
	}
}

// without checks that a text stands nowhere on the page, markup included.
func (b *tab) without(texts ...string) {
	b.t.Helper()
	page := eval[string](b, `document.documentElement.outerHTML`)
	for _, text := range texts {
		if strings.Contains(page, text) {
			b.t.Errorf("%q stands on\n%s", text, b.look())
		}
	}
}

// want checks a status.
func (b *tab) want(got, want int64) {
	b.t.Helper()
	if got != want {
		b.t.Fatalf("status %d, want %d:\n%s", got, want, b.look())
	}
}

// signIn signs in on the sign-in page that the tab is on, or is led to.
func (b *tab) signIn(username string) {
	b.t.Helper()
	if !strings.HasPrefix(b.currentPath(), "/auth/login") {
		b.open("/auth/login")
	}
	b.fill("#username", username)
	b.fill("#password", password)
	b.want(b.click("main button[type=submit]"), 200)
}

func (b *tab) currentPath() string {
	u, err := url.Parse(get(b, chromedp.Location()))
	if err != nil {
		b.t.Fatal(err)
	}
	return u.Path
}

// device emulates a screen and a choice of colours.
func (b *tab) device(width int64, scheme string) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, 900), func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		return chromedp.Void{}, err
	})
}

// script switches the pages' scripts on or off.
func (b *tab) script(on bool) {
	b.t.Helper()
	b.do(func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return chromedp.Void{}, err
	})
}

// back goes the way back, which may need no load.
func (b *tab) back() {
	b.t.Helper()
	eval[chromedp.Void](b, `void (window.here = true)`)
	h := get(b, chromedp.NavigationEntries())
	b.do(func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: h.Entries[h.CurrentIndex-1].ID})
		return chromedp.Void{}, err
	})
	b.await(`!window.here && document.readyState === "complete" && !!document.querySelector("main h1")`)
}

// await waits until an expression of JavaScript is true, across pages.
func (b *tab) await(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	for {
		met, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if met {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("%s doesn't come true (%v) on\n%s", expression, err, b.look())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// history lists the addresses that the tab can go back and forth to.
func (b *tab) history() []string {
	b.t.Helper()
	var urls []string
	for _, e := range get(b, chromedp.NavigationEntries()).Entries {
		urls = append(urls, e.URL)
	}
	return urls
}

// asked lists the addresses that the tab asked for.
func (b *tab) asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.urls)
}

// reload asks for the page again, as often as it takes to fulfil a condition, an
// expression of JavaScript.
func (b *tab) reload(until string) {
	b.t.Helper()
	end := time.Now().Add(stepTimeout)
	for !eval[bool](b, until) {
		if time.Now().After(end) {
			b.t.Fatalf("%s doesn't come true on\n%s", until, b.look())
		}
		b.do(chromedp.Reload())
	}
}

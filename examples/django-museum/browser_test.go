package museum_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/bearerd/bearerd/internal/frontendtest"
)

// tab is a page of a browser.
type tab struct {
	*museum

	page context.Context //nolint:containedctx // chromedp keeps the page of the browser in it
}

// browse starts a browser with a page.
func (m *museum) browse() *tab {
	m.Helper()
	program := frontendtest.Program(m.T, "chromium", "chromium-browser", "google-chrome")
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(program), chromedp.UserDataDir(m.TempDir()), chromedp.Flag("lang", "en-GB"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.WithoutCancel(m.Context()), options...)
	page, stopBrowser := chromedp.NewContext(allocator)
	m.Cleanup(func() {
		stopBrowser()
		stopAllocator()
	})
	must(m.T, chromedp.Do(page))
	return &tab{museum: m, page: page}
}

// get runs a step and returns its value.
func get[T any](b *tab, step chromedp.Action[T]) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.page, stepTimeout)
	defer cancel()
	value, err := chromedp.Run(ctx, step)
	if err != nil {
		b.Fatalf("%v, on the page\n%s", err, b.look())
	}
	return value
}

// look returns the page's address and text.
func (b *tab) look() string {
	ctx, cancel := context.WithTimeout(b.page, stepTimeout)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 3000)`))
	if err != nil {
		return err.Error()
	}
	return text
}

// open goes to a page by its path.
func (b *tab) open(path string) {
	b.Helper()
	if r := get(b, chromedp.NavigateResponse(b.url+path)); r == nil || r.Status != 200 {
		b.Fatalf("%s: %+v", path, r)
	}
}

// fill types into a field.
func (b *tab) fill(selector, text string) {
	b.Helper()
	get(b, chromedp.Steps(chromedp.Focus(chromedp.CSS(selector)), func(ctx context.Context, _ *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
		return chromedp.Void{}, err
	}))
}

// follow clicks the link or button of this name, and waits for the page that it leads to.
func (b *tab) follow(name string, status int64) {
	b.Helper()
	quoted, err := json.Marshal(name)
	must(b.T, err)
	ctx, cancel := context.WithTimeout(b.page, stepTimeout)
	defer cancel()
	r, err := chromedp.RunResponse(ctx, chromedp.Click("//*[self::a or self::button][normalize-space()="+string(quoted)+
		" or normalize-space(@aria-label)="+string(quoted)+"]"))
	if err != nil || r == nil || r.Status != status {
		b.Fatalf("%s: %v, %+v, on the page\n%s", name, err, r, b.look())
	}
}

// press clicks what leads to another page, and waits for it.
func (b *tab) press(selector string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.page, stepTimeout)
	defer cancel()
	if r, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector))); err != nil || r == nil || r.Status != 200 {
		b.Fatalf("%s: %v, %+v, on the page\n%s", selector, err, r, b.look())
	}
}

// createToken creates a token on bearerd's page and returns it.
func (b *tab) createToken(name, collection string, scopes ...string) string {
	b.Helper()
	b.open("/auth/tokens/new")
	b.fill("#name", name)
	for _, scope := range scopes {
		get(b, chromedp.Click(chromedp.CSS("input[name=scope][value="+scope+"]")))
	}
	if collection != "" {
		get(b, chromedp.Evaluate[chromedp.Void](`document.querySelector("#collection").value = "`+collection+`"`))
	}
	b.follow("Create token", 201)
	return get(b, chromedp.Evaluate[string](`document.querySelector("#value").textContent`))
}

// revokeToken revokes a token on bearerd's page.
func (b *tab) revokeToken(name string) {
	b.Helper()
	b.open("/auth/tokens")
	b.follow("Revoke "+name, 200)
	b.follow("Revoke it", 200)
}

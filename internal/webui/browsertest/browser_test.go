// Package browsertest_test drives the pages with a real browser, headless Chromium:
// what a person does with them against the real binary, and every page in every look
// against pages whose clock stands still. The second is what the screenshots in docs/
// are made of: make screenshots.
package browsertest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "write a screenshot of every page into this `FOLDER`")

// Those of names that break pages are to be looked at, and are no part of the docs.
var hostile = flag.String("hostile", "", "write screenshots of pages full of difficult names into this `FOLDER`")

// What the tests share: one browser, one binary, and one server of it.
var (
	browser context.Context
	live    *liveServer
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		log.Fatal(err)
	}
	os.Exit(code)
}

// errNoBrowser says that there is no browser to drive.
var errNoBrowser = errors.New("chromium is missing: .ci/packages installs it")

// run runs the tests in a browser. Without one they are skipped, as a whole; where
// CI is "true" that is a failure.
func run(m *testing.M) (code int, err error) {
	program, err := findBrowser()
	if err != nil {
		if os.Getenv("CI") == "true" {
			return 1, err
		}
		fmt.Fprintln(os.Stderr, "skipped:", err)
		return 0, nil
	}
	dir, err := os.MkdirTemp("", "bearerd-browser-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if live, err = startLive(dir); err != nil {
		return 1, err
	}
	defer live.stop()
	ctx, stop, err := startBrowser(program, dir)
	if err != nil {
		return 1, err
	}
	browser = ctx //nolint:fatcontext // one browser, for all the tests
	defer stop()
	return m.Run(), nil
}

func findBrowser() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if program, err := exec.LookPath(name); err == nil {
			return program, nil
		}
	}
	return "", errNoBrowser
}

// startBrowser starts the browser that every test has tabs of.
func startBrowser(program, dir string) (ctx context.Context, stop func(), err error) {
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(program), chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("lang", "en-GB"),
		// All that it needs is on loopback: a page that asks another host gets nothing,
		// and the test hears of it.
		chromedp.Flag("proxy-server", "http://127.0.0.1:9"), chromedp.Flag("proxy-bypass-list", "127.0.0.1;localhost"),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stopBrowser := chromedp.NewContext(allocator)
	stop = func() {
		stopBrowser()
		stopAllocator()
	}
	if err := chromedp.Do(ctx); err != nil {
		stop()
		return nil, nil, fmt.Errorf("starting %s: %w", program, err)
	}
	return ctx, stop, nil
}

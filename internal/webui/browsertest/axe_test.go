package browsertest_test

import (
	"crypto/sha256"
	_ "embed" // axe-core
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe.min.js
var axe string

// axeSum is the checksum of the axe-core that testdata/README.md names.
const axeSum = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"

func TestAxeIsWhatItSaysItIs(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte(axe))
	if got := hex.EncodeToString(sum[:]); got != axeSum {
		t.Errorf("testdata/axe.min.js has the SHA-256 %s", got)
	}
}

// violation is what axe-core found.
type violation struct {
	ID, Help string
	Nodes    []struct{ HTML, FailureSummary string }
}

// barriers runs every rule of axe-core on the page but the experimental ones, those
// of WCAG 2.2 AA and of good practice among them.
func (b *tab) barriers(look string) {
	b.t.Helper()
	b.rules(look, "")
}

// Rules about what one look changes and no other.
const (
	onlyColours = `, runOnly: { type: "rule", values: ["color-contrast", "link-in-text-block"] }`
	onlyRoom    = `, runOnly: { type: "rule", values: ["target-size", "scrollable-region-focusable"] }`
)

// colours runs the rules about what the dark changes.
func (b *tab) colours(look string) {
	b.t.Helper()
	b.rules(look, onlyColours)
}

// room runs the rules about what the size of the screen changes.
func (b *tab) room(look string) {
	b.t.Helper()
	b.rules(look, onlyRoom)
}

func (b *tab) rules(look, only string) {
	b.t.Helper()
	for _, v := range b.violations(only) {
		var where strings.Builder
		for _, n := range v.Nodes {
			fmt.Fprintf(&where, "\n  %.300s\n    %s", n.HTML, strings.ReplaceAll(n.FailureSummary, "\n", "\n    "))
		}
		b.t.Errorf("%s (%s): %s: %s%s", b.path(), look, v.ID, v.Help, where.String())
	}
}

// violations returns what axe-core finds on the page.
func (b *tab) violations(only string) []violation {
	b.t.Helper()
	// It is half a megabyte, which a page is given once.
	if !eval[bool](b, `!!window.axe`) {
		eval[chromedp.Void](b, axe+`; void 0`)
	}
	return eval[[]violation](b, `(async () => {
		const all = Object.fromEntries(axe.getRules(["wcag2aaa", "experimental"]).map((r) => [r.ruleId, { enabled: false }]));
		axe.getRules(["wcag22aa", "wcag2aa", "wcag2a", "best-practice"]).forEach((r) => { all[r.ruleId] = { enabled: true }; });
		const found = await axe.run(document, { rules: all, preload: false, resultTypes: ["violations"]`+only+` });
		return found.violations.map((v) => ({ ID: v.id, Help: v.help,
			Nodes: v.nodes.slice(0, 5).map((n) => ({ HTML: n.html, FailureSummary: n.failureSummary })) }));
	})()`)
}

// TestBarriersAreFound puts barriers on a page, which each of the ways to look finds.
func TestBarriersAreFound(t *testing.T) {
	t.Parallel()
	b := newTab(t, live.url)
	b.open("/auth/login")
	eval[chromedp.Void](b, `document.querySelector("main").insertAdjacentHTML("beforeend",
		"<p id='pale'>pale</p><ul id='tight'><li><a href='#a'>a</a></li><li><a href='#b'>b</a></li></ul><input>");
		for (const e of document.querySelectorAll("#pale, #tight, #tight li, #tight a")) Object.assign(e.style,
			e.id === "pale" ? { color: "#999", background: "#888" } : { display: "inline-block", font: "6px/6px sans-serif", margin: 0, padding: 0 });
		void 0`)
	ids := func(only string) string {
		var list []string
		for _, v := range b.violations(only) {
			list = append(list, v.ID)
		}
		slices.Sort(list)
		return strings.Join(list, " ")
	}
	for only, want := range map[string]string{"": "color-contrast label target-size", onlyColours: "color-contrast", onlyRoom: "target-size"} {
		if got := ids(only); got != want {
			t.Errorf("%q finds %q, want %q", only, got, want)
		}
	}
}

// fits checks that nothing has to be scrolled sideways.
func (b *tab) fits(look string) {
	b.t.Helper()
	type sizes struct {
		Scroll, Client int
		Wide           []string
	}
	got := eval[sizes](b, `(() => {
		const d = document.documentElement;
		const inside = (e) => { for (e = e.parentElement; e; e = e.parentElement) {
			if (getComputedStyle(e).overflowX !== "visible") return true; } return false; };
		const wide = [...document.querySelectorAll("body *")].filter((e) =>
			e.getBoundingClientRect().right > d.clientWidth + 1 && !inside(e) && e.getBoundingClientRect().width > 0 && !e.closest(".skip"));
		return { Scroll: d.scrollWidth, Client: d.clientWidth, Wide: wide.slice(0, 5).map((e) => e.outerHTML.slice(0, 200)) };
	})()`)
	if got.Scroll > got.Client || len(got.Wide) > 0 {
		b.t.Errorf("%s (%s): %d pixels wide on a screen of %d:\n%s", b.path(), look, got.Scroll, got.Client, strings.Join(got.Wide, "\n"))
	}
}

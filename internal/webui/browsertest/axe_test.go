package browsertest_test

import (
	"crypto/sha256"
	_ "embed" // axe-core
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
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

// appearance runs the rules about what a look changes: colours, sizes and what scrolls.
func (b *tab) appearance(look string) {
	b.t.Helper()
	b.rules(look, `, runOnly: { type: "rule", values: ["color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"] }`)
}

func (b *tab) rules(look, only string) {
	b.t.Helper()
	found := eval[[]violation](b, `(async () => {
		if (!window.axe) { `+axe+` }
		const all = Object.fromEntries(axe.getRules(["wcag2aaa", "experimental"]).map((r) => [r.ruleId, { enabled: false }]));
		axe.getRules(["wcag22aa", "wcag2aa", "wcag2a", "best-practice"]).forEach((r) => { all[r.ruleId] = { enabled: true }; });
		const found = await axe.run(document, { rules: all, preload: false, resultTypes: ["violations"]`+only+` });
		return found.violations.map((v) => ({ ID: v.id, Help: v.help,
			Nodes: v.nodes.slice(0, 5).map((n) => ({ HTML: n.html, FailureSummary: n.failureSummary })) }));
	})()`)
	for _, v := range found {
		var where strings.Builder
		for _, n := range v.Nodes {
			fmt.Fprintf(&where, "\n  %.300s\n    %s", n.HTML, strings.ReplaceAll(n.FailureSummary, "\n", "\n    "))
		}
		b.t.Errorf("%s (%s): %s: %s%s", b.path(), look, v.ID, v.Help, where.String())
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

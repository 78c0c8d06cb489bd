package main

import (
	"fmt"
	"html"
	"strings"
)

// The chart has a bar for each budget that is a ratio: the measured value as a share of
// the budget, so that one line is the limit of all.
const (
	chartWidth  = 760
	labelWidth  = 400
	barWidth    = 260 // of the limit
	rowHeight   = 30
	chartMargin = 16
)

// chart draws how the budgets are kept, with the spread of each.
func chart(seen measurements) string {
	var bars strings.Builder
	y := 56
	for _, r := range sections[0].rows {
		s, ok := seen.spread(r.metric)
		if !ok || r.budget <= 0 {
			continue
		}
		fmt.Fprintf(&bars, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWidth-8, y+14, html.EscapeString(strings.ReplaceAll(r.what, "`", "")))
		lo, mid, hi := r.share(s.least), r.share(s.median), r.share(s.most)
		fmt.Fprintf(&bars, `<rect x="%d" y="%d" width="%.1f" height="18" class="%s"/>`+"\n", labelWidth, y, mid*barWidth, r.class(s))
		fmt.Fprintf(&bars, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" class="spread"/>`+"\n",
			labelWidth+min(lo, hi)*barWidth, labelWidth+max(lo, hi)*barWidth, y+9, y+9)
		y += rowHeight
	}
	limit := labelWidth + barWidth
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="What was measured, as a part of each budget">
<style>
text { font: 13px system-ui, sans-serif; fill: #333 }
.title { font-weight: 600 }
.kept { fill: #3a7d44 } .missed { fill: #b3423a }
.spread { stroke: #111; stroke-width: 2 }
.limit { stroke: #555; stroke-dasharray: 4 3 }
svg { background: #fff }
</style>
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="%d" y="24" class="title">Share of each budget that is used: less is better</text>
<text x="%d" y="44" text-anchor="middle">budget</text>
%s<line x1="%d" x2="%d" y1="48" y2="%d" class="limit"/>
</svg>
`, chartWidth, y+chartMargin, chartMargin, limit, bars.String(), limit, limit, y)
}

// share returns how much of the budget a value uses, at most a bit more than all of it.
// For a ratio that should be large it is the inverse.
func (r row) share(v float64) float64 {
	share := v / r.budget
	if r.least {
		share = r.budget / v
	}
	return min(share, 1.3)
}

func (r row) class(s spread) string {
	if r.met(s) == "yes" {
		return "kept"
	}
	return "missed"
}

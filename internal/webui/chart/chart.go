// Package chart draws counts and durations as bars, with the same in words and as a
// table beside them.
package chart

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/webui/kit"
)

// Chart is a drawing of bars, one a step, each made of parts on top of each other.
type Chart struct {
	Name    string
	Summary string // the same in words, for people who can't see the chart
	Unit    string // of the greatest value
	Top     string // that value
	Bars    []Bar
	Width   int // of the drawing, in its own units
	Legend  []Legend
	From    time.Time
	Middle  time.Time
	Columns []string // the same as a table: what is counted, and
	Rows    []Row    // how much of it there was in each step that had any
}

// Row is a step as a row of a table.
type Row struct {
	Name  string
	Cells []string
}

// Bar is one part of a step, in the drawing's units: the height is 100.
type Bar struct {
	X, Y, Width, Height string
	Class               string
	Text                string // what it stands for
}

// Legend names one sort of part, with how many there were in all.
type Legend struct {
	Class, Name, Total string
}

// clock is how the time of a step is written.
const clock = "15:04"

// barWidth is what a step takes, with the gap beside it, in the drawing's units.
const barWidth, barGap = 10, 2

// Column is one step of a chart: its time, and how much of what.
type Column struct {
	From  time.Time
	Parts map[string]int64
}

// sum is how much there was of everything.
func (c Column) sum() int64 {
	all := int64(0)
	for _, n := range c.Parts {
		all += n
	}
	return all
}

// classes is how many colours there are. What has none of its own is drawn as rest.
const (
	classes = 6
	rest    = "the rest"
)

// Stacked draws counts by name.
func Stacked(name string, columns []Column) Chart {
	totals := map[string]int64{}
	top := int64(0)
	for _, c := range columns {
		for part, n := range c.Parts {
			totals[part] += n
		}
		top = max(top, c.sum())
	}
	order := slices.SortedFunc(maps.Keys(totals), func(a, b string) int {
		return cmp.Or(cmp.Compare(totals[b], totals[a]), cmp.Compare(a, b))
	})
	out := Chart{Name: name, Top: kit.Grouped(top), Width: len(columns) * barWidth, Columns: order}
	if len(columns) > 0 {
		out.From, out.Middle = columns[0].From, columns[len(columns)/2].From
	}
	shown := order
	if len(order) > classes {
		shown = append(slices.Clone(order[:classes-1]), rest)
		for _, part := range order[classes-1:] {
			totals[rest] += totals[part]
		}
	}
	for i, part := range shown {
		out.Legend = append(out.Legend, Legend{classOf(i), part, kit.Grouped(totals[part])})
	}
	for i, c := range columns {
		out.Bars = append(out.Bars, c.draw(i, shown, top)...)
		if row, some := c.row(order); some {
			out.Rows = append(out.Rows, row)
		}
	}
	out.Summary = summary(name, out.Legend)
	return out
}

// row returns the step as a row of a table; some is false when nothing happened in it.
func (c Column) row(order []string) (row Row, some bool) {
	row.Name = c.From.UTC().Format(clock)
	for _, part := range order {
		some = some || c.Parts[part] != 0
		row.Cells = append(row.Cells, kit.Grouped(c.Parts[part]))
	}
	return row, some
}

// draw returns the parts of a step, the most frequent one at the bottom.
func (c Column) draw(at int, order []string, top int64) []Bar {
	var bars []Bar
	floor, left := 100.0, c.sum()
	for i, part := range order {
		n := c.Parts[part]
		if part == rest {
			n = left
		}
		left -= n
		if n == 0 {
			continue
		}
		height := 100 * float64(n) / float64(top)
		floor -= height
		bars = append(bars, Bar{
			X: decimal(float64(at * barWidth)), Y: decimal(max(floor, 0)), Width: decimal(barWidth - barGap), Height: decimal(height),
			Class: classOf(i), Text: c.From.UTC().Format(clock) + " " + part + ": " + kit.Grouped(n),
		})
	}
	return bars
}

func classOf(i int) string { return "s" + strconv.Itoa(i) }

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

func summary(name string, legends []Legend) string {
	if len(legends) == 0 {
		return name + ": none"
	}
	parts := make([]string, len(legends))
	for i, l := range legends {
		parts[i] = l.Total + " " + l.Name
	}
	return name + ": " + strings.Join(parts, ", ")
}

// Delay is one step of a chart of durations: what was usual, and the slowest.
type Delay struct {
	From          time.Time
	Mean, Slowest time.Duration
	Count         int64
}

// Delays draws how long something took: the mean, and above it what the slowest
// stayed below.
func Delays(name string, list []Delay) Chart {
	top := time.Duration(0)
	total := int64(0)
	for _, d := range list {
		top = max(top, d.Slowest, d.Mean)
		total += d.Count
	}
	out := Chart{Name: name, Top: Milliseconds(top), Unit: " ms", Width: len(list) * barWidth}
	if len(list) > 0 {
		out.From, out.Middle = list[0].From, list[len(list)/2].From
	}
	out.Columns = []string{"revocations", "mean", "all below"}
	for i, d := range list {
		if d.Count == 0 {
			continue
		}
		mean := 100 * float64(d.Mean) / float64(top)
		slowest := max(100*float64(d.Slowest)/float64(top)-mean, 0)
		x, width := decimal(float64(i*barWidth)), decimal(barWidth-barGap)
		text := d.From.UTC().Format(clock) + " mean " + Milliseconds(d.Mean) + " ms, all below " + Milliseconds(d.Slowest) + " ms"
		out.Bars = append(out.Bars,
			Bar{x, decimal(100 - mean), width, decimal(mean), "s0", text},
			Bar{x, decimal(100 - mean - slowest), width, decimal(slowest), "pale", text})
		out.Rows = append(out.Rows, Row{d.From.UTC().Format(clock), []string{
			kit.Grouped(d.Count), Milliseconds(d.Mean) + " ms", Milliseconds(d.Slowest) + " ms",
		}})
	}
	if total > 0 {
		out.Legend = []Legend{{"s0", "mean", ""}, {"pale", "slowest", ""}}
		out.Summary = name + ": " + kit.Count(total, "revocation") + ", all below " + Milliseconds(top) + " ms"
		return out
	}
	out.Summary = name + ": none"
	return out
}

// Milliseconds writes a duration in milliseconds, without the unit.
func Milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms >= 10 {
		return strconv.FormatFloat(ms, 'f', 0, 64)
	}
	return strconv.FormatFloat(ms, 'f', 1, 64)
}

// Package chart draws counts and durations as bars, and shows them in words and as a
// table too.
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
	From    string
	Middle  string
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
	Text                string // what it means
}

// Legend names one kind of part, with its total.
type Legend struct {
	Class, Name, Total string
}

// Meaning is the meaning of a part: parts of one meaning have shades of one colour.
type Meaning string

// The meanings.
const (
	Allowed Meaning = "allowed"
	Refused Meaning = "refused"
	Revoked Meaning = "revoked"
)

// Style is how the charts of a page are drawn.
type Style struct {
	Clock string // how the time of a step is written, as time.Format has it
}

func (s Style) stamp(t time.Time) string { return t.UTC().Format(s.Clock) }

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

// classes is how many colours there are. Parts without a colour of their own are drawn as
// the rest.
const (
	classes = 6
	rest    = "the rest"
)

// Stacked draws counts by name, each in a colour of its meaning.
func (s Style) Stacked(name string, meaning func(part string) Meaning, columns []Column) Chart {
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
		out.From, out.Middle = s.stamp(columns[0].From), s.stamp(columns[len(columns)/2].From)
	}
	shown := order
	if len(order) > classes {
		shown = append(slices.Clone(order[:classes-1]), rest)
		for _, part := range order[classes-1:] {
			totals[rest] += totals[part]
		}
	}
	classes := classesOf(shown, meaning)
	for i, part := range shown {
		out.Legend = append(out.Legend, Legend{classes[i], part, kit.Grouped(totals[part])})
	}
	for i, c := range columns {
		at := s.stamp(c.From)
		out.Bars = append(out.Bars, drawing{at: at, x: i, order: shown, classes: classes, top: top}.of(c)...)
		if row, some := c.row(at, order); some {
			out.Rows = append(out.Rows, row)
		}
	}
	out.Summary = summary(name, out.Legend)
	return out
}

// row returns the step as a row of a table; some is false when nothing happened in it.
func (c Column) row(at string, order []string) (row Row, some bool) {
	row.Name = at
	for _, part := range order {
		some = some || c.Parts[part] != 0
		row.Cells = append(row.Cells, kit.Grouped(c.Parts[part]))
	}
	return row, some
}

// drawing is how one step is drawn.
type drawing struct {
	at      string // when it was
	x       int
	order   []string
	classes []string
	top     int64
}

// of returns the parts of a step, the most frequent one at the bottom.
func (d drawing) of(c Column) []Bar {
	var bars []Bar
	floor, left := 100.0, c.sum()
	for i, part := range d.order {
		n := c.Parts[part]
		if part == rest {
			n = left
		}
		left -= n
		if n == 0 {
			continue
		}
		height := 100 * float64(n) / float64(d.top)
		floor -= height
		bars = append(bars, Bar{
			X: decimal(float64(d.x * barWidth)), Y: decimal(max(floor, 0)), Width: decimal(barWidth - barGap), Height: decimal(height),
			Class: d.classes[i], Text: d.at + " " + part + ": " + kit.Grouped(n),
		})
	}
	return bars
}

// classesOf returns the colour of each part: that of its meaning, in another shade than the
// other parts of that meaning.
func classesOf(parts []string, meaning func(string) Meaning) []string {
	used := map[Meaning]int{}
	list := make([]string, len(parts))
	for i, part := range parts {
		m := meaning(part)
		list[i] = string(m) + strconv.Itoa(used[m])
		used[m]++
	}
	return list
}

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

// Delay is one step of a chart of durations: the mean, and the slowest.
type Delay struct {
	From          time.Time
	Mean, Slowest time.Duration
	Count         int64
}

// Delays draws how long something took: the mean, and above it a bound that the slowest
// stayed below.
func (s Style) Delays(name string, list []Delay) Chart {
	top := time.Duration(0)
	total := int64(0)
	for _, d := range list {
		top = max(top, d.Slowest, d.Mean)
		total += d.Count
	}
	out := Chart{Name: name, Top: Milliseconds(top), Unit: " ms", Width: len(list) * barWidth}
	if len(list) > 0 {
		out.From, out.Middle = s.stamp(list[0].From), s.stamp(list[len(list)/2].From)
	}
	out.Columns = []string{"revocations", "mean", "all below"}
	for i, d := range list {
		if d.Count == 0 {
			continue
		}
		mean := 100 * float64(d.Mean) / float64(top)
		slowest := max(100*float64(d.Slowest)/float64(top)-mean, 0)
		x, width := decimal(float64(i*barWidth)), decimal(barWidth-barGap)
		text := s.stamp(d.From) + " mean " + Milliseconds(d.Mean) + " ms, all below " + Milliseconds(d.Slowest) + " ms"
		out.Bars = append(out.Bars,
			Bar{x, decimal(100 - mean), width, decimal(mean), "revoked0", text},
			Bar{x, decimal(100 - mean - slowest), width, decimal(slowest), "pale", text})
		out.Rows = append(out.Rows, Row{s.stamp(d.From), []string{
			kit.Grouped(d.Count), Milliseconds(d.Mean) + " ms", Milliseconds(d.Slowest) + " ms",
		}})
	}
	if total > 0 {
		out.Legend = []Legend{{"revoked0", "mean", ""}, {"pale", "slowest", ""}}
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

package webui

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// chart is a drawing of bars, one a step, each made of parts on top of each other.
type chart struct {
	Name    string
	Summary string // the same in words, for people who can't see the chart
	Unit    string // of the greatest value
	Top     string // that value
	Bars    []bar
	Width   int // of the drawing, in its own units
	Legend  []legend
	From    time.Time
	Middle  time.Time
	Columns []string   // the same as a table: what is counted, and
	Rows    []chartRow // how much of it there was in each step that had any
}

// chartRow is a step as a row of a table.
type chartRow struct {
	Name  string
	Cells []string
}

// bar is one part of a step, in the drawing's units: the height is 100.
type bar struct {
	X, Y, Width, Height string
	Class               string
	Text                string // what it stands for
}

// legend names one sort of part, with how many there were in all.
type legend struct {
	Class, Name, Total string
}

// clock is how the time of a step is written.
const clock = "15:04"

// barWidth is what a step takes, with the gap beside it, in the drawing's units.
const barWidth, barGap = 10, 2

// column is one step of a chart: its time, and how much of what.
type column struct {
	from  time.Time
	parts map[string]int64
}

// sum is how much there was of everything.
func (c column) sum() int64 {
	all := int64(0)
	for _, n := range c.parts {
		all += n
	}
	return all
}

// classes is how many colours there are. What has none of its own is drawn as rest.
const (
	classes = 6
	rest    = "the rest"
)

// stacked draws counts by name.
func stacked(name string, columns []column) chart {
	totals := map[string]int64{}
	top := int64(0)
	for _, c := range columns {
		for part, n := range c.parts {
			totals[part] += n
		}
		top = max(top, c.sum())
	}
	order := slices.SortedFunc(maps.Keys(totals), func(a, b string) int {
		return cmp.Or(cmp.Compare(totals[b], totals[a]), cmp.Compare(a, b))
	})
	out := chart{Name: name, Top: grouped(top), Width: len(columns) * barWidth, Columns: order}
	if len(columns) > 0 {
		out.From, out.Middle = columns[0].from, columns[len(columns)/2].from
	}
	shown := order
	if len(order) > classes {
		shown = append(slices.Clone(order[:classes-1]), rest)
		for _, part := range order[classes-1:] {
			totals[rest] += totals[part]
		}
	}
	for i, part := range shown {
		out.Legend = append(out.Legend, legend{classOf(i), part, grouped(totals[part])})
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
func (c column) row(order []string) (row chartRow, some bool) {
	row.Name = c.from.UTC().Format(clock)
	for _, part := range order {
		some = some || c.parts[part] != 0
		row.Cells = append(row.Cells, grouped(c.parts[part]))
	}
	return row, some
}

// draw returns the parts of a step, the most frequent one at the bottom.
func (c column) draw(at int, order []string, top int64) []bar {
	var bars []bar
	floor, left := 100.0, c.sum()
	for i, part := range order {
		n := c.parts[part]
		if part == rest {
			n = left
		}
		left -= n
		if n == 0 {
			continue
		}
		height := 100 * float64(n) / float64(top)
		floor -= height
		bars = append(bars, bar{
			X: decimal(float64(at * barWidth)), Y: decimal(max(floor, 0)), Width: decimal(barWidth - barGap), Height: decimal(height),
			Class: classOf(i), Text: c.from.UTC().Format(clock) + " " + part + ": " + grouped(n),
		})
	}
	return bars
}

func classOf(i int) string { return "s" + strconv.Itoa(i) }

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

func summary(name string, legends []legend) string {
	if len(legends) == 0 {
		return name + ": none"
	}
	parts := make([]string, len(legends))
	for i, l := range legends {
		parts[i] = l.Total + " " + l.Name
	}
	return name + ": " + strings.Join(parts, ", ")
}

// delay is one step of a chart of durations: what was usual, and the slowest.
type delay struct {
	from           time.Time
	mean, slowest  time.Duration
	acknowledgment int64
}

// delays draws how long something took: the mean, and above it what the slowest
// stayed below.
func delays(name string, list []delay) chart {
	top := time.Duration(0)
	total := int64(0)
	for _, d := range list {
		top = max(top, d.slowest, d.mean)
		total += d.acknowledgment
	}
	out := chart{Name: name, Top: milliseconds(top), Unit: " ms", Width: len(list) * barWidth}
	if len(list) > 0 {
		out.From, out.Middle = list[0].from, list[len(list)/2].from
	}
	out.Columns = []string{"revocations", "mean", "all below"}
	for i, d := range list {
		if d.acknowledgment == 0 {
			continue
		}
		mean := 100 * float64(d.mean) / float64(top)
		slowest := max(100*float64(d.slowest)/float64(top)-mean, 0)
		x, width := decimal(float64(i*barWidth)), decimal(barWidth-barGap)
		text := d.from.UTC().Format(clock) + " mean " + milliseconds(d.mean) + " ms, all below " + milliseconds(d.slowest) + " ms"
		out.Bars = append(out.Bars,
			bar{x, decimal(100 - mean), width, decimal(mean), "s0", text},
			bar{x, decimal(100 - mean - slowest), width, decimal(slowest), "pale", text})
		out.Rows = append(out.Rows, chartRow{d.from.UTC().Format(clock), []string{
			grouped(d.acknowledgment), milliseconds(d.mean) + " ms", milliseconds(d.slowest) + " ms",
		}})
	}
	if total > 0 {
		out.Legend = []legend{{"s0", "mean", ""}, {"pale", "slowest", ""}}
		out.Summary = name + ": " + count(total, "revocation") + ", all below " + milliseconds(top) + " ms"
		return out
	}
	out.Summary = name + ": none"
	return out
}

func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms >= 10 {
		return strconv.FormatFloat(ms, 'f', 0, 64)
	}
	return strconv.FormatFloat(ms, 'f', 1, 64)
}

package feed

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// chunk is a run of entries with the text of their events. It doesn't change, except that
// the first reader renders it.
type chunk struct {
	after, last revocation.Seq // it holds what the log has between them, last included
	count       int
	soonest     int64 // when the first of them has run out, in Unix seconds

	once    sync.Once
	entries []revocation.Entry // until they are rendered
	text    []byte
	marks   []mark
}

// mark is where the event of one entry ends in the text.
type mark struct {
	seq  revocation.Seq
	runs int64 // until when it matters, in Unix seconds
	end  int
}

const never = math.MaxInt64

// newChunk makes a chunk of at least one entry. It keeps none of the caller's memory
// but the ids.
func newChunk(after revocation.Seq, entries []revocation.Entry) *chunk {
	c := &chunk{
		after: after, last: entries[len(entries)-1].Seq, count: len(entries), soonest: never,
		entries: slices.Clone(entries),
	}
	for i := range entries {
		c.soonest = min(c.soonest, runsUntil(&entries[i]))
	}
	return c
}

func runsUntil(e *revocation.Entry) int64 {
	switch {
	case e.Until.IsZero():
		return never
	case e.Until.Nanosecond() > 0:
		return e.Until.Unix() + 1
	}
	return e.Until.Unix()
}

// events returns the text of the entries after a sequence, without those that have run
// out by expired: the shared text, if that is all of it.
func (c *chunk) events(after revocation.Seq, then int64) []byte {
	c.once.Do(c.render)
	if after <= c.after && then < c.soonest {
		return c.text
	}
	var part []byte
	start := 0
	for _, m := range c.marks {
		if m.seq > after && then < m.runs {
			part = append(part, c.text[start:m.end]...)
		}
		start = m.end
	}
	return part
}

func (c *chunk) render() {
	c.marks = make([]mark, len(c.entries))
	for i := range c.entries {
		e := &c.entries[i]
		c.text = appendRevocation(c.text, e)
		c.marks[i] = mark{seq: e.Seq, runs: runsUntil(e), end: len(c.text)}
	}
	c.text = slices.Clip(c.text)
	c.entries = nil
}

// appendRevocation writes an event. JSON has no bare line ends, so the data is one
// line for every id. An entry without an end, or with one beyond the years that RFC
// 3339 can write, has no until.
func appendRevocation(text []byte, e *revocation.Entry) []byte {
	id, _ := json.Marshal(e.ID) // a string can be encoded
	text = append(text, "event: revocation\nid: "...)
	text = strconv.AppendInt(text, e.Seq, 10)
	text = append(text, "\ndata: {\"seq\":"...)
	text = strconv.AppendInt(text, e.Seq, 10)
	text = append(text, ",\"what\":\""...)
	text = append(text, e.What...)
	text = append(text, "\",\"id\":"...)
	text = append(text, id...)
	text = append(text, ",\"until\":"...)
	if until := e.Until.UTC(); e.Until.IsZero() || until.Year() > 9999 {
		text = append(text, "null"...)
	} else {
		text = appendTime(text, until)
	}
	text = append(text, ",\"at\":"...)
	text = appendTime(text, e.At.UTC())
	return append(text, "}\n\n"...)
}

func appendTime(text []byte, t time.Time) []byte {
	text = append(text, '"')
	text = t.AppendFormat(text, time.RFC3339Nano)
	return append(text, '"')
}

// appendHeartbeat writes a heartbeat: what was written before is everything up to seq, as
// of that many microseconds after the request came. After a snapshot it also has the
// latest time until which an entry that the snapshot lacks mattered; a zero time is left
// out.
func appendHeartbeat(text []byte, seq revocation.Seq, asOf int64, purged time.Time) []byte {
	text = append(text, "event: heartbeat\nid: "...)
	text = strconv.AppendInt(text, seq, 10)
	text = append(text, "\ndata: {\"seq\":"...)
	text = strconv.AppendInt(text, seq, 10)
	text = append(text, ",\"as_of\":"...)
	text = strconv.AppendInt(text, asOf, 10)
	if !purged.IsZero() {
		text = append(text, ",\"purged_until\":"...)
		text = appendTime(text, purged.UTC())
	}
	return append(text, "}\n\n"...)
}

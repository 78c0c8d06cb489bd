package edgetest

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// Fact is something that a system's own tests expect of its endpoints.
type Fact struct {
	From  string // the file and the test in the system's repository
	Says  string // what is expected, in words
	Steps []Step
	Fresh bool // the steps need a stage of their own
	// Differs is why bearerd differs; the steps then contain what bearerd does. The
	// dialect's page has a row that begins with these words.
	Differs string
}

// Step is a request and its expected answer. <NAME> in it is replaced by the secret of
// that name of the Stage, or by what an earlier step kept.
type Step struct {
	Ask    string   // METHOD PATH
	Header []string // NAME: VALUE
	Body   string
	Act    string // an act of the stage, in place of a request
	Status int
	// Has holds members of the JSON answer by their path, as "items.0.username"; Any, when
	// it is only there; None, when it is not.
	Has  map[string]any
	Text string   // is part of the answer
	Not  string   // is no part of it
	Sets []string // cookies that are set, by name
	Kept bool     // caches may keep it; otherwise its headers must forbid that
	// Keep keeps members of the answer under names.
	Keep map[string]string
}

type presence bool

// Any and None are the values in Has of a member whose value is unknown.
const (
	Any  presence = true
	None presence = false
)

// CheckFacts checks every fact, and that the dialect's page lists those that differ.
func CheckFacts(t *testing.T, facts []Fact, page string, setUp func(t *testing.T) Stage) {
	t.Helper()
	text, err := os.ReadFile(page) //nolint:gosec // of this repository
	if err != nil {
		t.Fatal(err)
	}
	differ := 0
	shared := setUp(t)
	for i, f := range facts {
		t.Run(fmt.Sprintf("%02d %s", i+1, f.Says), func(t *testing.T) {
			stage := shared
			if f.Fresh {
				stage = setUp(t)
			}
			f.check(t, stage)
		})
		if f.Differs != "" {
			differ++
			if !strings.Contains(string(text), "| "+f.Differs) {
				t.Errorf("%s: %s is no row of %s", f.From, f.Differs, page)
			}
		}
	}
	t.Logf("%d of %d facts hold", len(facts)-differ, len(facts))
}

func (f Fact) check(t *testing.T, stage Stage) {
	t.Helper()
	p := newPlayer(t, stage)
	for i, s := range f.Steps {
		if s.Act != "" {
			act := stage.Acts[s.Act]
			if act == nil {
				t.Fatalf("no act is called %q", s.Act)
			}
			act()
			continue
		}
		if complaint := p.check(t, s); complaint != "" {
			t.Errorf("%s\nstep %d, %s: %s", f.From, i+1, s.Ask, complaint)
		}
	}
}

// check asks, and returns what is wrong with the answer.
func (p *player) check(t *testing.T, s Step) string {
	t.Helper()
	method, path, _ := strings.Cut(s.Ask, " ")
	head := append([]string{method + " " + path}, s.Header...)
	r := p.parse(t, strings.Join(head, "\n")+"\n\n"+s.Body)
	if s.Body != "" && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response := p.site.Send(t, r)
	body := response.Body
	if response.Status != s.Status {
		return fmt.Sprintf("%d %.300s, want %d", response.Status, body, s.Status)
	}
	if !strings.Contains(body, s.Text) || s.Not != "" && strings.Contains(body, p.meant(t, s.Not)) {
		return fmt.Sprintf("%.300s, want %q in it, and not %q", body, s.Text, s.Not)
	}
	if !s.Kept && response.Status < 300 && response.Header.Get("Cache-Control") != "no-store" {
		return "a cache may keep it: " + response.Header.Get("Cache-Control")
	}
	for _, name := range s.Sets {
		if c := response.Cookies()[name]; c == nil || c.Value == "" {
			return "sets no cookie " + name
		}
	}
	var answer any
	if len(s.Has)+len(s.Keep) > 0 {
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			return fmt.Sprintf("%.300s: %v", body, err)
		}
	}
	for at, want := range s.Has {
		got, there := member(answer, at)
		if want == None && there || want != None && !there {
			return fmt.Sprintf("%s is there: %v; %.300s", at, there, body)
		}
		if _, free := want.(presence); !free && !reflect.DeepEqual(got, want) {
			return fmt.Sprintf("%s is %v, want %v", at, got, want)
		}
	}
	for at, name := range s.Keep {
		value, _ := member(answer, at)
		p.values["<"+name+">"] = fmt.Sprint(value)
	}
	return ""
}

// member returns the value at a path of members and indices.
func member(v any, path string) (any, bool) {
	for name := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			next, there := at[name]
			if !there {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}

package clustertest_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/clustertest"
)

// What can be broken. A process is told by a variable which of them it is.
const (
	noLease      = "no lease"
	noSequence   = "cache filled without a sequence"
	noOrder      = "appended without order" // and nobody complains of a gap
	noWait       = "a wait that doesn't wait"
	tooEarly     = "acknowledged before it is honoured here"
	unnotified   = "no notifications"
	clockSetBack = "a wall clock that is set back" // by an hour, at SIGUSR1
)

// broken is bearerd with all of them in it. One binary is built for all, because
// that takes longer than most of the tests.
var broken = sync.OnceValues(func() (string, error) {
	breakable := func(name string) string {
		return "package " + name + "\n\nimport \"os\"\n\nvar sabotage = os.Getenv(\"SABOTAGE\")\n"
	}
	return build(clustertest.Mutation{
		Name: "broken",
		Files: map[string]string{
			"internal/revocation/sabotage.go": breakable("revocation"),
			"internal/authority/sabotage.go":  breakable("authority"),
			"internal/store/sabotage.go":      brokenStore,
			"cmd/bearerd/sabotage.go":         brokenClock,
		},
		Edits: []clustertest.Edit{{
			File: "internal/revocation/lease.go",
			Old:  "l.clock() < l.end }", New: `(l.clock() < l.end || sabotage == "no lease") }`,
		}, {
			File: "internal/authority/facts.go",
			Old:  "a.principals.put(t.Subject, &p, a.Now())\n\treturn &p, nil",
			New:  noSequenceHere + "a.principals.put(t.Subject, &p, a.Now())\n\treturn &p, nil",
		}, {
			File: "internal/authority/facts.go",
			Old:  "a.principals.put(t.Subject, &p, a.Now())\n\tif p.CollectionExists {",
			New:  noSequenceHere + "a.principals.put(t.Subject, &p, a.Now())\n\tif p.CollectionExists {",
		}, {
			File: "internal/store/migrate.go", Old: "c.script(ctx, m.text)", New: "c.script(ctx, sabotageScript(m.text))",
		}, {
			File: "internal/store/pggroup.go", Old: "if c == revoking || c == killing {",
			New: `if (c == revoking || c == killing) && sabotage != "appended without order" {`,
		}, {
			File: "internal/revocation/question.go", Old: "missing > last && missing > p.Purged",
			New: `missing > last && missing > p.Purged && sabotage != "appended without order"`,
		}, {
			File: "internal/revocation/question.go", Old: "len(p.Entries) == 0 && p.last(after) != p.Head",
			New: `len(p.Entries) == 0 && p.last(after) != p.Head && sabotage != "appended without order"`,
		}, {
			File: "internal/revocation/await.go", Old: "case c.Seq >= cfg.Target:",
			New: `case c.Seq >= cfg.Target, sabotage == "a wait that doesn't wait":`,
		}, {
			File: "internal/authority/revoke.go", Old: "defer cancel()\n\tif err := a.Follower.CatchUp(ctx); err != nil {",
			New: "defer cancel()\n\tcatchUp := a.Follower.CatchUp\n\tif sabotage == \"acknowledged before it is honoured here\" {\n" +
				"\t\tcatchUp = func(context.Context) error { return nil }\n\t}\n\tif err := catchUp(ctx); err != nil {",
		}, {
			File: "cmd/bearerd/clock.go", Old: "return now, now.Sub(start)", New: "return now.Round(0).Add(-setBack()), now.Sub(start)",
		}},
	}, false)
})

const noSequenceHere = "if sabotage == \"cache filled without a sequence\" {\n\t\tp.Seq = a.Follower.Applied()\n\t}\n\t"

// Without order, sequences are given out in a transaction of their own, so that a
// later one may be there first.
const brokenStore = `package store

import (
	"os"
	"strings"
)

var sabotage = os.Getenv("SABOTAGE")

func sabotageScript(text string) string {
	const (
		notify    = "PERFORM pg_notify('bearerd_log', '');"
		ordered   = "head := bearerd_append(whats, ids, untils, entry_ats);"
		unordered = "UPDATE log_head SET seq = seq + cardinality(whats) WHERE one = 1 RETURNING seq INTO head; COMMIT; " +
			"PERFORM pg_sleep(random() * 0.25); INSERT INTO log_entries (seq, what, id, until, at) " +
			"SELECT head - cardinality(whats) + e.n, e.what, e.id, e.until, e.at " +
			"FROM unnest(whats, ids, untils, entry_ats) WITH ORDINALITY AS e (what, id, until, at, n); " + notify
	)
	if !strings.Contains(text, "CREATE PROCEDURE bearerd_revoke") {
		return text
	}
	if strings.Count(text, notify) != 1 || strings.Count(text, ordered) != 1 {
		panic("the log is appended to in another way")
	}
	switch sabotage {
	case "no notifications":
		return strings.Replace(text, notify, "", 1)
	case "appended without order":
		return strings.Replace(text, ordered, unordered, 1)
	}
	return text
}
`

// No process can be given a wall clock of its own, so it is the one place where the
// program reads it that is changed. What tells how much time has passed is the real
// one, as is the boot-time clock.
const brokenClock = `package main

import (
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var back atomic.Int64

var listen = sync.OnceFunc(func() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	go func() {
		for range signals {
			back.Add(int64(time.Hour))
		}
	}()
})

func setBack() time.Duration {
	listen()
	return time.Duration(back.Load())
}
`

// brokenConfig is of a cluster whose processes are broken in one way.
func brokenConfig(tb testing.TB, how string, nodes int) clustertest.Config {
	tb.Helper()
	conf := config(tb, nodes)
	binary, err := broken()
	if err != nil {
		tb.Fatal(err)
	}
	conf.Binary, conf.Environment = binary, []string{"SABOTAGE=" + how}
	return conf
}

// provocations bring to light what is broken: the checker must complain of the broken
// one, and not of bearerd itself.
var provocations = map[string]func(*clustertest.Cluster){
	noLease: func(c *clustertest.Cluster) {
		_, mend := cutOffAndRevoke(c, clustertest.Breakages()[0])
		must(c, mend())
	},
	noSequence: takeAccessDuringALookUp,
	noOrder:    takeManyBackAtOnce,
	noWait:     func(c *clustertest.Cluster) { askAtOnce(c, c.Nodes[0], c.Nodes[1], true) },
	tooEarly:   func(c *clustertest.Cluster) { askAtOnce(c, c.Nodes[0], c.Nodes[0], false) },
}

// takeAccessDuringALookUp takes users' access at one node while another reads what
// they may do, and holds what was read back until the first has acknowledged: for one
// user after another, until the other node didn't lose patience meanwhile.
func takeAccessDuringALookUp(c *clustertest.Cluster) {
	c.Helper()
	here, far := c.Nodes[0], c.Nodes[1]
	for i := range clustertest.Users {
		user := fmt.Sprintf("user%d", i)
		session := issued(c, func() *clustertest.Token { return c.Session(here, user) })
		token := issued(c, func() *clustertest.Token { return c.APIToken(here, session, 4) })
		a, err := c.Client.Do(c.Context(), here, clustertest.Ask{Path: "/auth/api/v1/me", Bearer: token.Value})
		must(c, err)
		id := a.Member("id")
		if id == "" {
			c.Fatalf("who is %s? %s", user, a.Text)
		}
		mended := c.History.Break("a look-up is slow", far.Number)
		must(c, far.Link.Set(clustertest.Weather{HoldReply: func(asked []byte) bool { return bytes.Contains(asked, []byte(id)) }}))
		asked := make(chan clustertest.Op, 1)
		go func() { asked <- c.Verify(far, token) }()
		eventually(c, 10*time.Second, "what was read is on its way back", func() bool { return far.Link.Held() > 0 })
		acknowledged(c, func() clustertest.Op { return c.Unbind(here, user, 4) })
		must(c, far.Link.Restore())
		patient := (<-asked).Outcome != clustertest.Unavailable
		mended()
		for range 20 {
			c.Verify(far, token)
		}
		if patient {
			return
		}
	}
}

// takeManyBackAtOnce takes tokens back at the same time and asks another node about
// each as soon as it is acknowledged.
func takeManyBackAtOnce(c *clustertest.Cluster) {
	c.Helper()
	here, far := c.Nodes[0], c.Nodes[1]
	const rounds, inOne = 6, 8
	for range rounds {
		var taking sync.WaitGroup
		for range inOne {
			token := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
			accepted(c, far, token)
			taking.Go(func() {
				c.Kill(here, token, true)
				for range 5 {
					c.Verify(far, token)
				}
			})
		}
		taking.Wait()
	}
}

// askAtOnce takes tokens back at a node whose line is slow, as is that of the node
// that is asked about them at once.
func askAtOnce(c *clustertest.Cluster, here, asked *clustertest.Node, wait bool) {
	c.Helper()
	mended := c.History.Break("slow", asked.Number)
	for range 3 {
		token := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
		accepted(c, asked, token)
		must(c, asked.Link.Set(clustertest.Weather{Delay: 50 * time.Millisecond}))
		acknowledged(c, func() clustertest.Op { return c.Kill(here, token, wait) })
		for range 20 {
			c.Verify(asked, token)
		}
		must(c, asked.Link.Restore())
	}
	mended()
}

// TestTheHarnessCatchesBrokenOnes breaks bearerd in each of these ways.
func TestTheHarnessCatchesBrokenOnes(t *testing.T) {
	t.Parallel()
	for how, provoke := range provocations {
		t.Run(how, func(t *testing.T) {
			c := clustertest.New(t, brokenConfig(t, how, 2))
			provoke(c)
			for _, v := range c.Check() {
				if v.Rule == clustertest.RuleTakenBack {
					t.Logf("caught: %v", v)
					return
				}
			}
			t.Errorf("nobody noticed: %s", c.Report())
		})
	}
}

// TestBearerdStandsWhatBreaksTheBrokenOnes does the same with bearerd as it is.
func TestBearerdStandsWhatBreaksTheBrokenOnes(t *testing.T) {
	t.Parallel()
	c := cluster(t, 2)
	for how, provoke := range provocations {
		provoke(c)
		for _, n := range c.Nodes {
			must(c, n.WaitReady(t.Context(), c.Client.HTTP))
		}
		if violations := c.Check(); len(violations) > 0 {
			t.Fatalf("%s: %v\n%s", how, violations[0], c.History.Story(violations[0]))
		}
	}
}

// TestAMutationThatFitsNowhereIsRefused holds the harness to what it changes.
func TestAMutationThatFitsNowhereIsRefused(t *testing.T) {
	t.Parallel()
	const file = "internal/revocation/lease.go"
	for name, m := range map[string]clustertest.Mutation{
		"absent":  {Edits: []clustertest.Edit{{File: file, Old: "no such text", New: ""}}},
		"twice":   {Edits: []clustertest.Edit{{File: file, Old: "return", New: ""}}},
		"no file": {Edits: []clustertest.Edit{{File: "internal/revocation/none.go", Old: "x", New: ""}}},
		"there":   {Files: map[string]string{file: "package revocation"}},
	} {
		if _, err := m.Build(t.Context(), t.TempDir(), false); err == nil {
			t.Errorf("%s: it was built", name)
		}
	}
}

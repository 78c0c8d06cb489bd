package clustertest_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/clustertest"
)

// mutant is bearerd broken in one way, and what brings that to light. The checker
// must complain of the broken one, and not of bearerd itself.
type mutant struct {
	clustertest.Mutation

	provoke func(*clustertest.Cluster)
}

const follower, pgconn = "internal/revocation/", "internal/store/pgconn.go"

var mutants = map[string]mutant{
	"no lease": {
		Mutation: clustertest.Mutation{Edits: []clustertest.Edit{{
			File: follower + "lease.go", Old: "return l.clock != nil && l.clock() < l.end", New: "return l.clock != nil",
		}}},
		provoke: func(c *clustertest.Cluster) {
			_, mend := cutOffAndRevoke(c, clustertest.Breakages()[0])
			must(c, mend())
		},
	},
	"cache filled without a sequence": {
		Mutation: clustertest.Mutation{Edits: []clustertest.Edit{{
			File: "internal/authority/facts.go",
			Old:  "a.principals.put(t.Subject, &p, a.Now())\n\treturn &p, nil",
			New:  "p.Seq = a.Follower.Applied()\n\ta.principals.put(t.Subject, &p, a.Now())\n\treturn &p, nil",
		}, {
			File: "internal/authority/facts.go",
			Old:  "a.principals.put(t.Subject, &p, a.Now())\n\tif p.CollectionExists {",
			New:  "p.Seq = a.Follower.Applied()\n\ta.principals.put(t.Subject, &p, a.Now())\n\tif p.CollectionExists {",
		}}},
		provoke: takeAccessDuringALookUp,
	},
	// Sequences are given out in a transaction of their own, so that a later one may
	// be there first; and nobody complains of the gap.
	"appended without order": {
		Mutation: clustertest.Mutation{Edits: []clustertest.Edit{{
			File: pgconn, Old: "WITH head AS (UPDATE log_head SET seq = seq + %[1]d WHERE one = 1 RETURNING seq)",
			New: "WITH taken AS (UPDATE log_head SET seq = seq + %[1]d WHERE one = 1 RETURNING seq) " +
				"SELECT set_config('broken.seq', seq::text, false) FROM taken;\nCOMMIT;\nBEGIN;\nSELECT pg_sleep(random() * 0.25);\n" +
				"WITH head AS (SELECT current_setting('broken.seq')::bigint AS seq)",
		}, {
			File: pgconn, Old: "selectHead = `SELECT seq FROM log_head WHERE one = 1`",
			New: "selectHead = `SELECT current_setting('broken.seq')::bigint`",
		}, {
			File: follower + "question.go", Old: "missing > last && missing > p.Purged", New: "missing < 0",
		}, {
			File: follower + "question.go", Old: "len(p.Entries) == 0 && p.last(after) != p.Head", New: "p.Head < 0",
		}}},
		provoke: takeManyBackAtOnce,
	},
	"a wait that doesn't wait": {
		Mutation: clustertest.Mutation{Edits: []clustertest.Edit{{
			File: follower + "await.go", Old: "case c.Seq >= cfg.Target:", New: "case c.Seq >= 0:",
		}}},
		provoke: func(c *clustertest.Cluster) { askAtOnce(c, c.Nodes[0], c.Nodes[1], true) },
	},
	"acknowledged before it is honoured here": {
		Mutation: clustertest.Mutation{Edits: []clustertest.Edit{{
			File: "internal/authority/revoke.go",
			Old:  "defer cancel()\n\tif err := a.Follower.CatchUp(ctx); err != nil {", New: "defer cancel()\n\tif err := ctx.Err(); err != nil {",
		}}},
		provoke: func(c *clustertest.Cluster) { askAtOnce(c, c.Nodes[0], c.Nodes[0], false) },
	},
}

// takeAccessDuringALookUp takes a user's access at one node while another reads what
// that user may do, and holds what was read back until the first has acknowledged.
func takeAccessDuringALookUp(c *clustertest.Cluster) {
	c.Helper()
	here, far := c.Nodes[0], c.Nodes[1]
	token := c.APIToken(here, c.Session(here, "user0"), 4)
	a, err := c.Client.Do(c.Context(), here, clustertest.Ask{Path: "/auth/api/v1/me", Bearer: token.Value})
	must(c, err)
	id := a.Member("id")
	if id == "" {
		c.Fatalf("who is user0? %s", a.Text)
	}
	looking := make(chan struct{})
	var once sync.Once
	mended := c.History.Break("a look-up is slow", far.Number)
	must(c, far.Link.Set(clustertest.Weather{HoldReply: func(asked []byte) bool {
		held := bytes.Contains(asked, []byte(id))
		if held {
			once.Do(func() { close(looking) })
		}
		return held
	}}))
	var asking sync.WaitGroup
	asking.Go(func() { c.Verify(far, token) })
	<-looking
	acknowledged(c, c.Unbind(here, "user0", 4))
	must(c, far.Link.Restore())
	asking.Wait()
	mended()
	for range 20 {
		c.Verify(far, token)
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
			token := c.ClientToken(here)
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
		token := c.ClientToken(here)
		accepted(c, asked, token)
		must(c, asked.Link.Set(clustertest.Weather{Delay: 50 * time.Millisecond}))
		acknowledged(c, c.Kill(here, token, wait))
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
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conf := config(t, 2)
			m.Name = name
			binary, err := build(m.Mutation, false)
			if err != nil {
				t.Fatal(err)
			}
			conf.Binary = binary
			c := clustertest.New(t, conf)
			m.provoke(c)
			for _, v := range c.Check() {
				if v.Rule == clustertest.RuleTakenBack {
					t.Logf("caught: %v", v)
					return
				}
			}
			t.Errorf("nobody noticed: %s", strings.TrimSpace(c.Report()))
		})
	}
}

// TestBearerdStandsWhatBreaksTheBrokenOnes does the same with bearerd as it is.
func TestBearerdStandsWhatBreaksTheBrokenOnes(t *testing.T) {
	t.Parallel()
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			c := cluster(t, 2)
			m.provoke(c)
			keepsItsPromise(c)
		})
	}
}

package clustertest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

// followed adds Python's verifier to a cluster, where Debian's Python has what it needs; in
// CI that must be there.
func followed(tb testing.TB, conf clustertest.Config, environment ...string) clustertest.Config {
	tb.Helper()
	const python = "/usr/bin/python3"
	if out, err := exec.CommandContext(tb.Context(), python, "-c", "import jwt, cryptography").CombinedOutput(); err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("Debian's python3-jwt is needed: %v\n%s", err, out)
		}
		tb.Logf("without Python's verifier: %v", err)
		return conf
	}
	source, err := filepath.Abs(filepath.Join("..", "clients", "python", "src"))
	if err != nil {
		tb.Fatal(err)
	}
	conf.Follower = &clustertest.Follower{
		Command:     []string{python, filepath.Join("testdata", "follower.py")},
		Environment: append(environment, "PYTHONPATH="+source, "PYTHONDONTWRITEBYTECODE=1"),
	}
	return conf
}

// TestAFollowerThatForgetsIsFoundOut holds that the checker finds a yes of the follower to
// a token that was revoked longer than L ago, and that bearerd.verify says none.
func TestAFollowerThatForgetsIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, environment := range map[string][]string{"as it is": nil, "forgetful": {"SABOTAGE=forgetful"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conf := followed(t, config(t, 2), environment...)
			if conf.Follower == nil {
				t.Skip("there is no Python that can verify")
			}
			c := clustertest.New(t, conf)
			token := issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) })
			eventually(c, 10*time.Second, "the follower accepts the token", func() bool {
				return c.VerifyAtFollower(token).Outcome == clustertest.Yes
			})
			acknowledged(c, func() clustertest.Op { return c.Revoke(c.Nodes[0], token, true) })
			for end := c.History.Now() + 2*clustertest.Staleness; c.History.Now() < end; time.Sleep(20 * time.Millisecond) {
				c.VerifyAtFollower(token)
			}
			if found := len(c.Check()) > 0; found != (environment != nil) {
				t.Errorf("%d violations: %v", len(c.Check()), c.Check())
			}
		})
	}
}

// TestAFollowerThatConfirmsIsWaitedFor: what wait=all has acknowledged bearerd.verify refuses at
// once, where its confirmations reach one node or the other.
func TestAFollowerThatConfirmsIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, sabotage := range map[string]string{"as it is": "", "forgetful": "forgetful"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conf := followed(t, config(t, 2), "CONFIRM=python", "SABOTAGE="+sabotage)
			if conf.Follower == nil {
				t.Skip("there is no Python that can verify")
			}
			c := clustertest.New(t, conf)
			accepts := func(token *clustertest.Token) bool { return c.VerifyAtFollower(token).Outcome == clustertest.Yes }
			late := 0
			for i := range 10 {
				token := issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[i%2]) })
				eventually(c, 10*time.Second, "the follower accepts the token", func() bool { return accepts(token) })
				acknowledged(c, func() clustertest.Op { return c.RevokeEverywhere(c.Nodes[i%2], token) })
				if accepts(token) {
					late++
				}
			}
			if late > 0 != (sabotage != "") {
				t.Errorf("%d of 10 were accepted after their acknowledgement", late)
			}
		})
	}
}

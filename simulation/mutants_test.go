package simulation_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

// mutants are builds of bearerd with one mistake each, and worlds in which the database has
// one. Each breaks the promise, or makes it silent where it must answer.
var mutants = []string{
	"no lease",
	"a wait that doesn't wait",
	"acknowledged before it is honoured here",
	"a lease from a read",
	"heartbeats from a read",
	"a silent node isn't waited for",
	"applied after the answer",
	"commits that don't wait for the standby",
	"a cancelled commit counts",
	"cache filled without a sequence",
	"acknowledged from a read",
	"a lease from the answer",
	"a verifier's lease from the heartbeat",
	"a verifier that confirms first",
	"a verifier is forgotten with its stream",
	"a silent verifier counts as confirmed",
	"a node leaves without its verifiers",
	"a verifier's own longer lease",
}

// TestEveryMutantIsCaught runs each mutant from the first seed on until the checker finds
// TestEveryMutantIsCaught runs each mutant from the first seed on until the checker finds
// something.
func TestEveryMutantIsCaught(t *testing.T) {
	t.Parallel()
	binary, err := clustertest.Mutants().BuildTest(t.Context(), t.TempDir(), "./simulation")
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range mutants {
		t.Run(how, func(t *testing.T) {
			begun := time.Now()
			cmd := exec.CommandContext(t.Context(), binary, "-test.run", "^TestSeeds$", "-test.v", "-for", "3m", "-first", "1000", "-test.timeout", "15m")
			cmd.Env = append(cmd.Environ(), "SABOTAGE="+how)
			text, err := cmd.CombinedOutput()
			line := violationIn(string(text))
			if err == nil || line == "" {
				t.Fatalf("not caught in %v:\n%s", time.Since(begun), text)
			}
			t.Logf("caught after %v: %s", time.Since(begun).Round(10*time.Millisecond), line)
		})
	}
}

// violationIn returns the first violation in the output of a run.
func violationIn(text string) string {
	for line := range strings.Lines(text) {
		for _, rule := range []string{
			clustertest.RuleRevoked, clustertest.RuleRevived, clustertest.RuleRefused, clustertest.RuleSilent, clustertest.RuleAcknowledgement,
		} {
			if strings.Contains(line, rule) {
				return strings.TrimSpace(line)
			}
		}
	}
	return ""
}

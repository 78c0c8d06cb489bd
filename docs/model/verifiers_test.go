package model_test

import (
	"fmt"
	"strings"
	"testing"
)

// verifierMutants are the rules and assumptions of verifiers.pml. Without any of them P1 is
// broken.
var verifierMutants = []string{
	"CONFIRM_FIRST", "FROM_HEARTBEAT", "LONGER_LEASE", "BYE_LEASED",
	"FORGET_CLOSED", "COUNT_SILENT", "NO_REGISTRATION_MARGIN", "REGISTER_LATE", "NO_FLOOR", "UNLISTED_HEARTBEATS",
	"LEAVE_ALONE", "LEAVE_WRITING", "STOPPED",
}

// TestPromiseHoldsForAVerifier searches every order of the steps of a node, a verifier that
// follows its stream, and a revocation that waits for it.
func TestPromiseHoldsForAVerifier(t *testing.T) {
	t.Parallel()
	for name, switches := range map[string][]string{
		"who waits for it": {"L=2", "P2=0"},
		"both halves":      {"L=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := search{model: verifiers, switches: switches, optimize: "-O1"}.run(t)
			if r.violated != holds {
				t.Errorf("%s is broken:\n%s", r.violated, r.output)
			}
			t.Log(summary(r.output))
		})
	}
}

// TestWaitingForAVerifierNeedsEachRule takes away one rule or assumption at a time.
func TestWaitingForAVerifierNeedsEachRule(t *testing.T) {
	t.Parallel()
	for _, name := range verifierMutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := search{model: verifiers, switches: []string{"P2=0", name + "=1"}}.run(t)
			if r.violated != p1 {
				t.Errorf("breaks %q, want P1:\n%s", r.violated, r.output)
			}
		})
	}
}

// TestRegistrationMarginIsForDriftAlone: a registration that ends L after its question relies
// on clocks that run alike.
func TestRegistrationMarginIsForDriftAlone(t *testing.T) {
	t.Parallel()
	r := search{model: verifiers, switches: []string{"P2=0", "NO_REGISTRATION_MARGIN=1", "EXACT=1"}}.run(t)
	if r.violated != holds {
		t.Errorf("%s is broken:\n%s", r.violated, r.output)
	}
}

// TestVerifierGetsThere asks for what must be able to happen, or the promise would be empty.
func TestVerifierGetsThere(t *testing.T) {
	t.Parallel()
	for k, what := range []string{
		"an acknowledgement that the verifier has confirmed",
		"an acknowledgement without its confirmation, when its lease has ended",
		"a yes as late as P2 allows",
		"an acknowledgement while the row of a node that left was waited for",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r := search{model: verifiers, switches: []string{fmt.Sprintf("REACH=%d", k+1)}}.run(t)
			if !strings.Contains(r.violated, "||") {
				t.Errorf("found %q, want the marked line:\n%s", r.violated, summary(r.output))
			}
		})
	}
}

// TestEveryStepOfAVerifierIsTaken: each line of the model is reached, but for those of two
// nodes or streams.
func TestEveryStepOfAVerifierIsTaken(t *testing.T) {
	t.Parallel()
	r := search{model: verifiers, switches: []string{"P2=0"}}.run(t)
	if !strings.Contains(r.output, "unreached in proctype Verifier") {
		t.Fatalf("the search doesn't say what it has not reached:\n%s", r.output)
	}
	for _, line := range unreached.FindAllString(r.output, -1) {
		if !strings.HasSuffix(line, `"-end-"`) {
			t.Error(line)
		}
	}
}

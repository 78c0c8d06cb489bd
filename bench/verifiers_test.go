package main

import (
	"bufio"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	verifiers   = 10_000
	readClient  = "reader" // reads the log
	revocations = 20
	quiet       = 10 * time.Second // of heartbeats alone
	pause       = 700 * time.Millisecond
)

const readerFile = `
clients:
  - {id: reader, secret: "a client secret of more than 32 characters", grants: [client_credentials], scopes: [revocations, introspect]}
`

// BenchmarkBudgetConfirmingVerifiers has 10,000 verifiers confirm to one node, and beside
// it, one after the other, to a handler that writes the same bytes and checks nothing.
func BenchmarkBudgetConfirmingVerifiers(b *testing.B) {
	var ours, control []figures
	for b.Loop() {
		ours = append(ours, measureBearerd(b))
		control = append(control, measureFanOut(b))
	}
	b.ReportMetric(0, "ns/op")
	of := func(all []figures, value func(figures) float64) float64 {
		var values []float64
		for _, f := range all {
			values = append(values, value(f))
		}
		return medianFloat(values)
	}
	report := func(name, unit string, value func(figures) float64) {
		b.ReportMetric(of(ours, value), name+unit)
		b.ReportMetric(of(control, value), name+unit+"-control")
	}
	report("p50", "-ms", func(f figures) float64 { return f.p50 })
	report("p99", "-ms", func(f figures) float64 { return f.p99 })
	report("memory", "-KiB", func(f figures) float64 { return f.memory })
	report("idle", "-cpu", func(f figures) float64 { return f.idle })
	report("revocation", "-cpu-ms", func(f figures) float64 { return f.each })
	b.ReportMetric(of(ours, func(f figures) float64 { return f.nodes }), "p50-nodes-ms")
	b.ReportMetric(of(ours, func(f figures) float64 { return f.expired }), "expired")
}

// figures are what is measured of one server.
type figures struct {
	p50, p99 float64 // milliseconds from the request to revoke to the answer, when all have confirmed
	nodes    float64 // the median when nobody waits for the verifiers
	memory   float64 // KiB of the process a verifier
	idle     float64 // processors that the heartbeats take
	expired  float64 // verifiers a revocation whose lease had ended before they could confirm
	each     float64 // milliseconds of a processor that a revocation takes, the heartbeats left out
}

func measureBearerd(b *testing.B) figures {
	b.Helper()
	p := startBearerd(b)
	must(b, os.WriteFile(filepath.Join(p.cmd.Dir, "reader.yaml"), []byte(readerFile), 0o600))
	command(b, p.cmd.Dir, "apply", "-f", "reader.yaml")
	var f figures
	before := p.resident(b)
	bearer := member(b, p.asClient(b, readClient, "/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"revocations"}}), "access_token")
	crowd := startVerifiers(b, p.address, bearer)
	defer crowd.end(b)
	expired := 0.0
	f.measure(b, p, before, func() time.Duration {
		took, late := p.revoke(b, "all")
		expired += late
		return took
	})
	f.expired = expired / revocations
	var nodes []float64
	for range revocations {
		took, _ := p.revoke(b, "true")
		nodes = append(nodes, millis(took))
		time.Sleep(pause)
	}
	f.nodes = medianFloat(nodes)
	return f
}

func measureFanOut(b *testing.B) figures {
	b.Helper()
	p := startControl(b, "fan-out")
	var f figures
	before := p.resident(b)
	crowd := startVerifiers(b, p.address, "none")
	defer crowd.end(b)
	f.measure(b, p, before, func() time.Duration {
		began := time.Now()
		post(b, http.DefaultClient, "http://"+p.address+"/oauth2/revoke", url.Values{})
		return time.Since(began)
	})
	return f
}

// measure measures a server to which all verifiers are connected.
func (f *figures) measure(b *testing.B, p *process, before float64, revoke func() time.Duration) {
	b.Helper()
	revoke() // the first one makes what is made once
	time.Sleep(pause)
	cpu := p.processor(b)
	time.Sleep(quiet)
	f.idle = (p.processor(b) - cpu).Seconds() / quiet.Seconds()
	cpu = p.processor(b)
	began := time.Now()
	var took []float64
	for range revocations {
		took = append(took, millis(revoke()))
		time.Sleep(pause)
	}
	beats := time.Duration(f.idle * float64(time.Since(began)))
	f.each = millis(p.processor(b)-cpu-beats) / revocations
	slices.Sort(took)
	f.p50, f.p99 = took[len(took)/2], took[len(took)*99/100]
	f.memory = (p.resident(b) - before) * 1024 / verifiers
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// asClient posts a form as a client.
func (p *process) asClient(b *testing.B, id, path string, form url.Values) map[string]any {
	b.Helper()
	form.Set("client_id", id)
	form.Set("client_secret", "a client secret of more than 32 characters")
	return post(b, http.DefaultClient, "http://"+p.address+path, form)
}

// revoke revokes a new token. It returns how long the answer took, and how many verifiers had
// not confirmed by then.
func (p *process) revoke(b *testing.B, wait string) (took time.Duration, expired float64) {
	b.Helper()
	raw := member(b, p.asClient(b, "ci", "/oauth2/token", url.Values{"grant_type": {"client_credentials"}}), "access_token")
	began := time.Now()
	answer := p.asClient(b, "ci", "/oauth2/revoke", url.Values{"token": {raw}, "wait": {wait}})
	took = time.Since(began)
	if wait == "all" { // on a machine that is too busy leases end, and registrations with them
		confirmed, _ := answer["verifiers_confirmed"].(float64)
		expired = verifiers - confirmed
	}
	return took, expired
}

// processor is the time of processors that a process has taken.
func (p *process) processor(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/stat")
	must(b, err)
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	ticks := 0
	for _, field := range fields[11:13] { // in user mode and in the kernel
		n, err := strconv.Atoi(field)
		must(b, err)
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100)
}

// startVerifiers starts the verifiers in a process of their own, and waits until all of them
// are registered.
func startVerifiers(b *testing.B, address, bearer string) *crowdProcess {
	b.Helper()
	self, err := os.Executable()
	must(b, err)
	cmd := exec.Command(self) //nolint:noctx // ended by end
	cmd.Env = append(os.Environ(), controlVariable+"=verifiers", "BEARERD_BENCH_TARGET="+address,
		"BEARERD_BENCH_TOKEN="+bearer, "BEARERD_BENCH_COUNT="+strconv.Itoa(verifiers))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(b, err)
	must(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		b.Fatalf("the verifiers said %q: %v", line, err)
	}
	return &crowdProcess{cmd}
}

type crowdProcess struct{ cmd *exec.Cmd }

func (c *crowdProcess) end(b *testing.B) {
	b.Helper()
	must(b, c.cmd.Process.Kill())
	_ = c.cmd.Wait()
}

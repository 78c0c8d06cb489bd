// Command bench runs bearerd's benchmarks, prints one table of the results and their
// budgets, and with -write puts it and a chart into docs/performance.md.
//
// Each benchmark with a budget is run several times; the table has the median of the
// runs, the least and the most. A run alternates between what it measures and a control,
// so that other load on the machine affects both.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// suite is one run of go test.
type suite struct {
	dir    string // relative to the repository
	bench  string
	time   string
	count  int
	module string // where go runs; "": the repository
}

// The suites. Those that take long to set up are run once: their figures are not ratios.
var suites = []suite{
	{dir: "./internal/token", bench: "BudgetVerifyNew", time: "1s", count: 5},
	{dir: "./internal/verification", bench: "BudgetVerifySeen|BudgetVerifyImported", time: "1s", count: 5},
	{dir: "./internal/gateway", bench: "BudgetForwardAuthSeen|BudgetVerifyListen", time: "6s", count: 5},
	{dir: "./internal/server", bench: "BudgetIntrospection|BudgetIssue", time: "1s", count: 5},
	{dir: "./internal/revocation", bench: "Budget", time: "1x", count: 1},
	{dir: "./internal/verification", bench: "Growth", time: "1x", count: 1},
	{dir: "./internal/store", bench: "Commit|TokenByDigest", time: "1s", count: 1},
	{dir: ".", module: "bench", bench: "Libraries", time: "1s", count: 5},
	{dir: ".", module: "bench", bench: "ForwardAuth|Nginx|Issuing", time: "5x", count: 5},
	{dir: ".", module: "bench", bench: "Password|ResidentMemory", time: "1x", count: 3},
	{dir: ".", module: "bench", bench: "ConfirmingVerifiers", time: "1x", count: 3},
}

func main() {
	write := flag.String("write", "", "the `FILE` to put the table into, with a chart beside it")
	only := flag.String("only", "", "run the suites alone whose benchmarks hold this `TEXT`")
	flag.Parse()
	if err := run(context.Background(), *write, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, write, only string) error {
	seen := measurements{}
	for _, s := range suites {
		if !strings.Contains(s.bench, only) {
			continue
		}
		if err := s.run(ctx, seen); err != nil {
			return err
		}
	}
	table := markdown(seen)
	fmt.Println(machine(ctx, seen))
	fmt.Println()
	fmt.Print(table)
	if write == "" {
		return nil
	}
	if err := replace(write, machine(ctx, seen)+"\n\n"+table); err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(write, filepath.Ext(write))+".svg", []byte(chart(seen)), 0o644) //nolint:gosec // a document
}

// run runs a suite. A benchmark that fails because its budget was missed still prints its
// figures, and the table shows what was missed.
func (s suite) run(ctx context.Context, seen measurements) error {
	started := time.Now()
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", s.bench, "-benchtime", s.time, //nolint:gosec // the list above
		"-count", fmt.Sprint(s.count), "-timeout", "20m", s.dir)
	cmd.Dir = filepath.Join("..", s.module)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	before := len(seen)
	said := seen.read(out)
	failed := cmd.Wait()
	fmt.Fprintf(os.Stderr, "%s %s: %.0f s\n", s.dir, s.bench, time.Since(started).Seconds())
	if failed != nil && (len(seen) == before || !strings.Contains(said, "budget")) {
		return fmt.Errorf("%s: %w\n%s", s.bench, failed, said)
	}
	return nil
}

// measurements are the values of each metric of each benchmark.
type measurements map[string][]float64

// read takes the results from the output of go test, and returns the rest.
func (m measurements) read(r io.Reader) string {
	var rest strings.Builder
	name := ""
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := lines.Text()
		fields := strings.Fields(line)
		if cpu, found := strings.CutPrefix(line, "cpu: "); found {
			m["cpu "+cpu] = nil
		}
		if len(fields) > 0 && strings.HasPrefix(fields[0], "Benchmark") {
			name = strings.TrimSuffix(fields[0], "-"+fmt.Sprint(runtime.GOMAXPROCS(0)))
			fields = fields[1:]
		} else if !isResult(fields) {
			rest.WriteString(line + "\n")
			continue
		}
		for i := 1; i+1 < len(fields); i += 2 { // after the count, pairs of value and unit
			var value float64
			if _, err := fmt.Sscan(fields[i], &value); err == nil {
				m[name+" "+fields[i+1]] = append(m[name+" "+fields[i+1]], value)
			}
		}
	}
	return rest.String()
}

// isResult reports whether a line continues the result of a benchmark that wrote output
// itself.
func isResult(fields []string) bool {
	var n int
	if len(fields) < 3 {
		return false
	}
	_, err := fmt.Sscan(fields[0], &n)
	return err == nil
}

// machine returns a description of the machine.
func machine(ctx context.Context, seen measurements) string {
	cpu := runtime.GOARCH
	for name := range seen {
		if model, found := strings.CutPrefix(name, "cpu "); found {
			cpu = model
		}
	}
	commit, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		commit = []byte("unknown")
	}
	return fmt.Sprintf("Measured on %s, at commit %s: %d cores (%s), %s, %s.",
		time.Now().UTC().Format("2 January 2006"), strings.TrimSpace(string(commit)), runtime.NumCPU(), cpu, runtime.GOOS, runtime.Version())
}

const (
	tableBegin = "<!-- table -->"
	tableEnd   = "<!-- end of the table -->"
)

// replace puts text between the marks of a document.
func replace(path, text string) error {
	old, err := os.ReadFile(path) //nolint:gosec // the operator's own
	if err != nil {
		return err
	}
	head, rest, begun := strings.Cut(string(old), tableBegin)
	_, tail, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		return fmt.Errorf("%s has no place for the table", path)
	}
	return os.WriteFile(path, []byte(head+tableBegin+"\n"+text+"\n"+tableEnd+tail), 0o644) //nolint:gosec // a document
}

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// row is one figure of the table. Without a budget it is only shown.
type row struct {
	what   string
	metric string  // benchmark and unit
	budget float64 // 0: none
	least  bool    // the budget is the least, not the most
	unit   string
}

// section is a part of the table.
type section struct {
	title string
	rows  []row
}

var sections = []section{
	{"Budgets", []row{
		{what: "verify, token seen before, to the raw Ed25519 check", metric: "BenchmarkBudgetVerifySeen ratio", budget: 0.01},
		{what: "its store queries, the follower's own among them", metric: "BenchmarkBudgetVerifySeen queries/op", budget: 0.001},
		{what: "verify, token new, to the raw Ed25519 check", metric: "BenchmarkBudgetVerifyNew ratio", budget: 1.25},
		{what: "verify, imported token seen before, to an API token of bearerd's own", metric: "BenchmarkBudgetVerifyImported ratio"},
		{what: "`/auth/verify`, to a handler with the same ten headers", metric: "BenchmarkBudgetForwardAuthSeen ratio", budget: 0.85, least: true},
		{what: "`/auth/verify`, to a bare 204 handler", metric: "BenchmarkBudgetForwardAuthSeen ratio-bare", budget: 0.70, least: true},
		{what: "`/auth/verify` on `verify_listen`, to a bare 204 handler", metric: "BenchmarkBudgetVerifyListen ratio-bare", budget: 1.30, least: true},
		{what: "introspection, to the ten-header handler", metric: "BenchmarkBudgetIntrospection ratio", budget: 0.50, least: true},
		{what: "issuing, client credentials, to the ten-header handler", metric: "BenchmarkBudgetIssue ratio", budget: 0.20, least: true},
		{what: "issuing, client credentials, to a bare 204 handler", metric: "BenchmarkBudgetIssue ratio-bare", budget: 0.25, least: true},
		{what: "resident memory, idle, all dialects", metric: "BenchmarkBudgetResidentMemory idle-MiB", budget: 40, unit: "MiB"},
		{what: "resident memory under load, after a login", metric: "BenchmarkBudgetResidentMemory load-MiB", budget: 64, unit: "MiB"},
		{what: "the most of it, the login's hash included", metric: "BenchmarkBudgetResidentMemory most-MiB", budget: 64, unit: "MiB"},
		{what: "memory of a revoked id, among 10 million", metric: "BenchmarkBudgetRevokedIDMemory/10000000 bytes/id", budget: 40, unit: "bytes"},
		{what: "look-up among 10 million live ids, to 10 thousand", metric: "BenchmarkBudgetRevocationLookup ratio"},
		{what: "start with 1 million live revocations", metric: "BenchmarkBudgetStartMillion s", budget: 5, unit: "s"},
	}},
	{"10,000 verifiers that confirm to one node; the handler writes the same bytes and checks nothing", []row{
		{what: "revocation with `wait=all` to its answer, median", metric: "BenchmarkBudgetConfirmingVerifiers p50-ms", budget: 1000, unit: "ms"},
		{what: "the same of the handler", metric: "BenchmarkBudgetConfirmingVerifiers p50-ms-control", unit: "ms"},
		{what: "p99", metric: "BenchmarkBudgetConfirmingVerifiers p99-ms", unit: "ms"},
		{what: "p99 of the handler", metric: "BenchmarkBudgetConfirmingVerifiers p99-ms-control", unit: "ms"},
		{what: "median with `wait=true`, which waits for none of them", metric: "BenchmarkBudgetConfirmingVerifiers p50-nodes-ms", unit: "ms"},
		{what: "of 10,000 that could not confirm in time", metric: "BenchmarkBudgetConfirmingVerifiers expired"},
		{what: "memory a verifier", metric: "BenchmarkBudgetConfirmingVerifiers memory-KiB", unit: "KiB"},
		{what: "memory a connection of the handler", metric: "BenchmarkBudgetConfirmingVerifiers memory-KiB-control", unit: "KiB"},
		{what: "processors that the heartbeats take", metric: "BenchmarkBudgetConfirmingVerifiers idle-cpu"},
		{what: "the same of the handler", metric: "BenchmarkBudgetConfirmingVerifiers idle-cpu-control"},
		{what: "processor time of a revocation", metric: "BenchmarkBudgetConfirmingVerifiers revocation-cpu-ms", unit: "ms"},
		{what: "the same of the handler", metric: "BenchmarkBudgetConfirmingVerifiers revocation-cpu-ms-control", unit: "ms"},
	}},
	{"A new EdDSA token, to the raw signature check, in one run", []row{
		{what: "bearerd", metric: "BenchmarkLibraries bearerd"},
		{what: "golang-jwt v5", metric: "BenchmarkLibraries golang-jwt"},
		{what: "go-jose v4", metric: "BenchmarkLibraries go-jose"},
		{what: "lestrrat-go/jwx v3", metric: "BenchmarkLibraries jwx"},
	}},
	{"Forward auth of the real server, each side a process of its own, to the ten-header handler", slices.Concat(
		forwardAuth("jwt", 1), forwardAuth("jwt", 32), forwardAuth("jwt", 256), forwardAuth("api-token", 32),
		[]row{{what: "nginx with `auth_request`, to nginx that asks the handler", metric: "BenchmarkNginx ratio"}},
	)},
	{"Issuing, the real server, 32 connections", []row{
		{what: "client credentials", metric: "BenchmarkIssuing/client-credentials tokens/s", unit: "tokens/s"},
		{what: "API key by token exchange", metric: "BenchmarkIssuing/token-exchange tokens/s", unit: "tokens/s"},
		{what: "API key at gen3's endpoint", metric: "BenchmarkIssuing/gen3 tokens/s", unit: "tokens/s"},
		{what: "password, 16 at a time", metric: "BenchmarkPassword logins/s", unit: "logins/s"},
		{what: "its p99", metric: "BenchmarkPassword p99-ms", unit: "ms"},
	}},
	{"Growth: a verification of a token seen before", []row{
		growth("Revocations", "0", "nothing revoked"), growth("Revocations", "10000", "10 thousand live revocations"),
		growth("Revocations", "1000000", "1 million"), growth("Revocations", "10000000", "10 million"),
		growth("Tokens", "1", "1 token remembered"), growth("Tokens", "10000", "one of 10 thousand, at random"),
		growth("Tokens", "1000000", "one of 1 million, at random"),
		{what: "memory of one of 1 million", metric: "BenchmarkGrowthOfTokens/1000000 bytes/token", unit: "bytes"},
	}},
}

func forwardAuth(kind string, connections int) []row {
	name := fmt.Sprintf("BenchmarkForwardAuth/%s-at-%d ", kind, connections)
	what := fmt.Sprintf("%s, %d connections", strings.ReplaceAll(kind, "jwt", "JWT"), connections)
	return []row{
		{what: what, metric: name + "ratio"},
		{what: what + ", p50", metric: name + "p50-us", unit: "µs"},
		{what: what + ", p99", metric: name + "p99-us", unit: "µs"},
		{what: what + ", p99 of the handler", metric: name + "p99-us-control", unit: "µs"},
	}
}

func growth(of, n, what string) row {
	return row{what: what, metric: "BenchmarkGrowthOf" + of + "/" + n + " ns/verify", unit: "ns"}
}

// spread is the median, the least and the most of some values.
type spread struct {
	median, least, most float64
	n                   int
}

func (m measurements) spread(metric string) (spread, bool) {
	values := slices.Sorted(slices.Values(m[metric]))
	if len(values) == 0 {
		return spread{}, false
	}
	return spread{values[len(values)/2], values[0], values[len(values)-1], len(values)}, true
}

func (s spread) String() string {
	if s.n == 1 {
		return number(s.median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.median), number(s.least), number(s.most))
}

// number formats a value with three significant digits.
func number(v float64) string {
	text := strconv.FormatFloat(v, 'g', 3, 64)
	if v >= 100 {
		text = strconv.FormatFloat(v, 'f', 0, 64)
	}
	if strings.Contains(text, "e") {
		text = strconv.FormatFloat(v, 'f', 6, 64)
	}
	return text
}

// met reports whether the median is within the budget.
func (r row) met(s spread) string {
	switch {
	case r.budget == 0:
		return ""
	case r.least && s.median >= r.budget, !r.least && s.median <= r.budget:
		return "yes"
	}
	return "**no**"
}

func (r row) wanted() string {
	switch {
	case r.budget == 0:
		return ""
	case r.least:
		return "≥ " + strconv.FormatFloat(r.budget, 'f', 2, 64)
	}
	return strings.TrimSpace("≤ " + strconv.FormatFloat(r.budget, 'g', -1, 64) + " " + r.unit)
}

// markdown returns the table of results.
func markdown(seen measurements) string {
	var out strings.Builder
	for _, s := range sections {
		var lines strings.Builder
		for _, r := range s.rows {
			if v, ok := seen.spread(r.metric); ok {
				fmt.Fprintf(&lines, "| %s | %s | %s | %s |\n", r.what, r.wanted(), strings.TrimSpace(v.String()+" "+r.unit), r.met(v))
			}
		}
		if lines.Len() > 0 {
			fmt.Fprintf(&out, "| %s | budget | measured (least–most) | met |\n|---|---|---|---|\n%s\n", s.title, lines.String())
		}
	}
	return out.String()
}

package clustertest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

const ms = time.Millisecond

// promise is what the histories below are checked against: L is 1 s, three nodes run.
var promise = clustertest.Promise{Staleness: 1000 * ms, Nodes: 3, Waits: func(follower int, all bool) bool {
	return follower == edgeNode || all && follower == confirmingNode
}}

// The followers: the first is waited for never, the others as an edge and as a service that
// confirms.
const (
	edgeNode       = clustertest.FollowerNode + 1
	confirmingNode = clustertest.FollowerNode + 2
)

func all(o clustertest.Op) clustertest.Op {
	o.All = true
	o.Counts.Verifiers = &clustertest.VerifierCounts{}
	return o
}

// at returns the operation with its start and end set, in milliseconds.
func at(o clustertest.Op, start, end int) clustertest.Op {
	o.Start, o.End = time.Duration(start)*ms, time.Duration(end)*ms
	return o
}

func on(node int, o clustertest.Op) clustertest.Op {
	o.Node = node
	return o
}

// newToken returns a token that was issued from 0 to 10 ms.
func newToken(name, subject string) *clustertest.Token {
	return &clustertest.Token{Name: name, Subject: subject, To: 10 * ms}
}

func verify(t *clustertest.Token, out clustertest.Outcome, reason string) clustertest.Op {
	return clustertest.Op{Kind: clustertest.Verify, Token: t, Outcome: out, Reason: reason}
}

func kill(t *clustertest.Token, wait bool) clustertest.Op {
	o := clustertest.Op{Kind: clustertest.Revoke, Token: t, Outcome: clustertest.Yes, Wait: wait}
	if wait {
		o.Counts = &clustertest.Counts{Nodes: 3, Confirmed: 3}
	}
	return o
}

func about(kind clustertest.Kind, subject string, wait bool) clustertest.Op {
	return clustertest.Op{Kind: kind, Subject: subject, Outcome: clustertest.Yes, Wait: wait}
}

func unanswered(o clustertest.Op) clustertest.Op {
	o.Outcome, o.Counts = clustertest.Unknown, nil
	return o
}

type story struct {
	ops    []clustertest.Op
	faults []clustertest.Fault
	want   []string
}

func (s story) check(t *testing.T) {
	t.Helper()
	s.checkFor(t, promise)
}

func (s story) checkFor(t *testing.T, promise clustertest.Promise) {
	t.Helper()
	var got []string
	for _, v := range clustertest.Check(clustertest.HistoryOf(s.ops, s.faults), promise) {
		got = append(got, v.Rule)
		t.Log(v)
	}
	if !slices.Equal(got, s.want) {
		t.Errorf("violations: %q, want %q", got, s.want)
	}
}

func TestCheckFindsEachViolationAndNoOther(t *testing.T) {
	t.Parallel()
	const (
		yes, no, lost = clustertest.Yes, clustertest.No, clustertest.Unavailable
	)
	token := newToken("token", "ada")
	child := &clustertest.Token{Name: "child", Subject: "ada", Parent: token, From: 20 * ms, To: 30 * ms}
	later := &clustertest.Token{Name: "later", Subject: "ada", From: 200 * ms, To: 210 * ms}
	lateJWT := &clustertest.Token{Name: "late JWT", Subject: "ada", KID: "k1", From: 200 * ms, To: 210 * ms}
	scoped := &clustertest.Token{Name: "scoped", Subject: "ada", Collection: 4, To: 10 * ms}
	made := &clustertest.Token{Name: "made", Subject: "ada", Maker: token, From: 200 * ms, To: 210 * ms}
	signed := &clustertest.Token{Name: "signed", Subject: "ci", KID: "k1", To: 10 * ms}
	mortal := &clustertest.Token{Name: "mortal", Subject: "ada", Expiry: 500 * ms, Gone: 1500 * ms, To: 10 * ms}
	unbind := clustertest.Op{Kind: clustertest.Unbind, Subject: "ada", Collection: 4, Outcome: yes, Wait: true}
	bind := clustertest.Op{Kind: clustertest.Bind, Subject: "ada", Collection: 4, Outcome: yes}
	retire := clustertest.Op{Kind: clustertest.Retire, Key: "k1", Outcome: yes, Wait: true}
	rotate := clustertest.Op{Kind: clustertest.Rotate, Outcome: yes, Wait: true}
	issue := clustertest.Op{Kind: clustertest.Issue, Subject: "ada"}
	as := func(o clustertest.Op, out clustertest.Outcome) clustertest.Op { o.Outcome = out; return o }
	from := func(o clustertest.Op, parent *clustertest.Token) clustertest.Op { o.Parent = parent; return o }
	fault := func(node, from, to int) clustertest.Fault {
		return clustertest.Fault{Kind: "cut", Node: node, From: time.Duration(from) * ms, To: time.Duration(to) * ms}
	}
	former := func(from, to int) clustertest.Fault {
		return clustertest.Fault{Kind: "on the former primary", Node: 2, From: time.Duration(from) * ms, To: time.Duration(to) * ms}
	}
	exposed := func(from, to int) []clustertest.Fault {
		return []clustertest.Fault{{
			Kind: clustertest.Lost, Node: -1, From: time.Duration(from) * ms, To: time.Duration(to) * ms,
		}}
	}
	const unknown = "malformed or unknown token"
	type ops = []clustertest.Op
	for name, s := range map[string]story{
		"nothing":                      {},
		"a yes before, a no after":     {ops: ops{at(verify(token, yes, ""), 50, 60), at(kill(token, true), 100, 120), at(verify(token, no, "revoked"), 130, 140)}},
		"a yes that began before":      {ops: ops{at(kill(token, true), 100, 120), at(on(1, verify(token, yes, "")), 119, 300)}},
		"a yes that began after":       {ops: ops{at(kill(token, true), 100, 120), at(on(1, verify(token, yes, "")), 121, 130)}, want: []string{clustertest.RuleRevoked}},
		"a child's":                    {ops: ops{at(kill(token, true), 100, 120), at(on(1, verify(child, yes, "")), 121, 130)}, want: []string{clustertest.RuleRevoked}},
		"a parent's":                   {ops: ops{at(kill(child, true), 100, 120), at(on(1, verify(token, yes, "")), 121, 130)}},
		"no wait, another node":        {ops: ops{at(kill(token, false), 100, 120), at(on(1, verify(token, yes, "")), 1119, 1130)}},
		"no wait, too late":            {ops: ops{at(kill(token, false), 100, 120), at(on(1, verify(token, yes, "")), 1121, 1130)}, want: []string{clustertest.RuleRevoked}},
		"no wait, the same node":       {ops: ops{at(kill(token, false), 100, 120), at(verify(token, yes, ""), 121, 130)}, want: []string{clustertest.RuleRevoked}},
		"a follower, in time":          {ops: ops{at(kill(token, true), 100, 120), at(on(clustertest.FollowerNode, verify(token, yes, "")), 1119, 1130)}},
		"a follower, too late":         {ops: ops{at(kill(token, true), 100, 120), at(on(clustertest.FollowerNode, verify(token, yes, "")), 1121, 1130)}, want: []string{clustertest.RuleRevoked}},
		"an edge, too late":            {ops: ops{at(kill(token, true), 100, 120), at(on(edgeNode, verify(token, yes, "")), 121, 130)}, want: []string{clustertest.RuleRevoked}},
		"an edge, not waited for":      {ops: ops{at(kill(token, false), 100, 120), at(on(edgeNode, verify(token, yes, "")), 121, 130)}},
		"confirming, not waited for":   {ops: ops{at(kill(token, true), 100, 120), at(on(confirmingNode, verify(token, yes, "")), 121, 130)}},
		"confirming, waited for":       {ops: ops{at(all(kill(token, true)), 100, 120), at(on(confirmingNode, verify(token, yes, "")), 121, 130)}, want: []string{clustertest.RuleRevoked}},
		"all, and one that doesn't":    {ops: ops{at(all(kill(token, true)), 100, 120), at(on(clustertest.FollowerNode, verify(token, yes, "")), 121, 130)}},
		"a follower without a cause":   {ops: ops{at(on(clustertest.FollowerNode, verify(token, no, "revoked")), 50, 60)}, want: []string{clustertest.RuleRefused}},
		"a follower silent in peace":   {ops: ops{at(on(clustertest.FollowerNode, verify(token, clustertest.Unavailable, "")), 50, 60)}, want: []string{clustertest.RuleSilent}},
		"a follower of a broken node":  {ops: ops{at(on(clustertest.FollowerNode, verify(token, clustertest.Unavailable, "")), 50, 60)}, faults: []clustertest.Fault{fault(1, 40, 50)}},
		"unanswered, either way":       {ops: ops{at(unanswered(kill(token, true)), 100, 120), at(verify(token, yes, ""), 121, 130), at(verify(token, no, "revoked"), 9000, 9010)}, faults: []clustertest.Fault{fault(0, 90, 125)}},
		"unanswered, then revived":     {ops: ops{at(unanswered(kill(token, true)), 100, 120), at(verify(token, no, "revoked"), 121, 130), at(verify(token, yes, ""), 131, 140)}, faults: []clustertest.Fault{fault(0, 90, 125)}, want: []string{clustertest.RuleRevived}},
		"revived elsewhere in time":    {ops: ops{at(kill(token, true), 100, 900), at(verify(token, no, "revoked"), 121, 130), at(on(1, verify(token, yes, "")), 131, 140)}},
		"revived elsewhere, late":      {ops: ops{at(kill(token, true), 100, 1900), at(verify(token, no, "revoked"), 121, 130), at(on(1, verify(token, yes, "")), 1131, 1140)}, want: []string{clustertest.RuleRevived}},
		"refused without a cause":      {ops: ops{at(verify(token, no, "revoked"), 50, 60)}, want: []string{clustertest.RuleRefused}},
		"refused before the cause":     {ops: ops{at(verify(token, no, "revoked"), 50, 60), at(kill(token, true), 100, 120)}, want: []string{clustertest.RuleRefused}},
		"refused while it happens":     {ops: ops{at(kill(token, true), 100, 120), at(verify(token, no, "revoked"), 90, 101)}},
		"all of a user":                {ops: ops{at(about(clustertest.RevokeAll, "ada", true), 100, 120), at(on(2, verify(child, yes, "")), 130, 140)}, want: []string{clustertest.RuleRevoked}},
		"all of another user":          {ops: ops{at(about(clustertest.RevokeAll, "bob", true), 100, 120), at(on(2, verify(token, yes, "")), 130, 140)}},
		"the next one lives":           {ops: ops{at(about(clustertest.RevokeAll, "ada", true), 100, 120), at(verify(later, yes, ""), 230, 240)}},
		"the next one must live":       {ops: ops{at(about(clustertest.RevokeAll, "ada", true), 100, 120), at(verify(later, no, "revoked"), 230, 240)}, want: []string{clustertest.RuleRefused}},
		"made with a revoked one":      {ops: ops{at(about(clustertest.RevokeAll, "ada", false), 100, 120), at(verify(made, no, "revoked"), 230, 240)}},
		"issued while it happened":     {ops: ops{at(about(clustertest.RevokeAll, "ada", true), 205, 220), at(verify(later, no, "revoked"), 230, 240)}},
		"issued while, the other way":  {ops: ops{at(about(clustertest.RevokeAll, "ada", true), 205, 220), at(verify(later, yes, ""), 230, 240)}},
		"disabled":                     {ops: ops{at(about(clustertest.Disable, "ada", true), 100, 120), at(on(1, verify(token, yes, "")), 130, 140)}, want: []string{clustertest.RuleRevoked}},
		"disabled and enabled":         {ops: ops{at(about(clustertest.Disable, "ada", true), 100, 120), at(about(clustertest.Enable, "ada", false), 130, 140), at(on(1, verify(token, yes, "")), 150, 160)}, want: []string{clustertest.RuleRevoked}},
		"no token while disabled":      {ops: ops{at(about(clustertest.Disable, "ada", true), 100, 120), at(as(issue, no), 130, 140)}},
		"a token when enabled":         {ops: ops{at(about(clustertest.Disable, "ada", true), 100, 120), at(about(clustertest.Enable, "ada", false), 130, 140), at(as(issue, no), 1200, 1210)}, want: []string{clustertest.RuleRefused}},
		"made from a revoked one":      {ops: ops{at(kill(token, true), 100, 120), at(from(as(issue, yes), token), 130, 140)}, want: []string{clustertest.RuleRevoked}},
		"not made from a revoked one":  {ops: ops{at(kill(token, true), 100, 120), at(from(as(issue, no), token), 130, 140)}},
		"not made from a good one":     {ops: ops{at(from(as(issue, no), token), 130, 140)}, want: []string{clustertest.RuleRefused}},
		"a lost collection":            {ops: ops{at(unbind, 100, 120), at(on(1, verify(scoped, yes, "")), 130, 140)}, want: []string{clustertest.RuleRevoked}},
		"a lost collection, refused":   {ops: ops{at(unbind, 100, 120), at(on(1, verify(scoped, no, "no access to the collection")), 130, 140)}},
		"a collection given back":      {ops: ops{at(unbind, 100, 120), at(bind, 125, 128), at(on(1, verify(scoped, yes, "")), 130, 140)}},
		"given back, refused for a L":  {ops: ops{at(unbind, 100, 120), at(bind, 125, 128), at(on(1, verify(scoped, no, "")), 1120, 1140)}},
		"given back, refused for good": {ops: ops{at(unbind, 100, 120), at(bind, 125, 128), at(on(1, verify(scoped, no, "")), 1140, 1150)}, want: []string{clustertest.RuleRefused}},
		"lost after it was given back": {ops: ops{at(bind, 90, 95), at(unbind, 100, 120), at(on(1, verify(scoped, yes, "")), 130, 140)}, want: []string{clustertest.RuleRevoked}},
		"a retired key":                {ops: ops{at(retire, 100, 120), at(on(1, verify(signed, yes, "")), 130, 140)}, want: []string{clustertest.RuleRevoked}},
		"a retired key, refused":       {ops: ops{at(retire, 100, 120), at(on(1, verify(signed, no, "revoked")), 130, 140)}},
		"a key that isn't known yet":   {ops: ops{at(on(1, rotate), 40, 70), at(verify(signed, no, "malformed or unknown token"), 60, 65)}},
		"a key that must be known":     {ops: ops{at(on(1, rotate), 40, 70), at(verify(signed, no, "malformed or unknown token"), 71, 75)}, want: []string{clustertest.RuleRefused}},
		"unknown to a former primary":  {ops: ops{at(on(2, verify(later, no, unknown)), 230, 240)}, faults: []clustertest.Fault{former(150, 400)}},
		"a follower asked there":       {ops: ops{at(on(clustertest.FollowerNode, verify(later, no, "revoked")), 230, 240)}, faults: []clustertest.Fault{former(150, 400)}},
		"a follower asked there again": {ops: ops{at(on(clustertest.FollowerNode, verify(later, no, "no access to the collection")), 230, 240)}, faults: []clustertest.Fault{former(150, 400)}},
		"a follower remembers that":    {ops: ops{at(on(clustertest.FollowerNode, verify(later, no, "revoked")), 3300, 3310)}, faults: []clustertest.Fault{former(150, 400)}},
		"a follower's memory ends":     {ops: ops{at(on(clustertest.FollowerNode, verify(later, no, "revoked")), 3500, 3510)}, faults: []clustertest.Fault{former(150, 400)}, want: []string{clustertest.RuleRefused}},
		"a JWT needs no asking":        {ops: ops{at(on(clustertest.FollowerNode, verify(lateJWT, no, "revoked")), 230, 240)}, faults: []clustertest.Fault{former(150, 400)}, want: []string{clustertest.RuleRefused}},
		"known to a former primary":    {ops: ops{at(on(2, verify(token, no, unknown)), 230, 240)}, faults: []clustertest.Fault{former(150, 400)}, want: []string{clustertest.RuleRefused}},
		"known to the other nodes":     {ops: ops{at(on(1, verify(later, no, unknown)), 230, 240)}, faults: []clustertest.Fault{former(150, 400)}, want: []string{clustertest.RuleRefused}},
		"revoked by a former primary":  {ops: ops{at(on(2, verify(later, no, "revoked")), 230, 240)}, faults: []clustertest.Fault{former(150, 400)}, want: []string{clustertest.RuleRefused}},
		"after it was fenced":          {ops: ops{at(on(2, verify(later, no, unknown)), 410, 420)}, faults: []clustertest.Fault{former(150, 400)}, want: []string{clustertest.RuleRefused}},
		"lost with the primary":        {ops: ops{at(as(kill(token, true), lost), 100, 120), at(verify(token, no, "revoked"), 130, 140), at(on(1, verify(token, yes, "")), 1500, 1510)}, faults: exposed(90, 200)},
		"lost, acknowledged before":    {ops: ops{at(kill(token, false), 60, 65), at(as(kill(token, true), lost), 100, 120), at(on(1, verify(token, no, "revoked")), 130, 140), at(on(1, verify(token, yes, "")), 150, 160)}, faults: exposed(90, 200), want: []string{clustertest.RuleRevived}},
		"lost, not with that primary":  {ops: ops{at(as(kill(token, true), lost), 100, 120), at(verify(token, no, "revoked"), 130, 140), at(on(1, verify(token, yes, "")), 1500, 1510)}, faults: append(exposed(1200, 1300), fault(-1, 90, 200)), want: []string{clustertest.RuleRevived}},
		"another reason than the key":  {ops: ops{at(on(1, rotate), 40, 70), at(verify(signed, no, "revoked"), 60, 65)}, want: []string{clustertest.RuleRefused}},
		"expired":                      {ops: ops{at(verify(mortal, no, "expired"), 510, 520)}},
		"expired too early":            {ops: ops{at(verify(mortal, no, "expired"), 410, 420)}, want: []string{clustertest.RuleRefused}},
		"expired and accepted":         {ops: ops{at(verify(mortal, yes, ""), 1490, 1510), at(verify(mortal, yes, ""), 1510, 1520)}, want: []string{clustertest.RuleRevived}},
		"expired and back":             {ops: ops{at(verify(mortal, no, "expired"), 510, 520), at(verify(mortal, yes, ""), 530, 540)}, want: []string{clustertest.RuleRevived}},
		"unavailable in peace":         {ops: ops{at(verify(token, lost, ""), 50, 60)}, want: []string{clustertest.RuleSilent}},
		"unavailable in trouble":       {ops: ops{at(verify(token, lost, ""), 50, 60)}, faults: []clustertest.Fault{fault(0, 40, 55)}},
		"another's trouble":            {ops: ops{at(verify(token, lost, ""), 50, 60)}, faults: []clustertest.Fault{fault(1, 40, 55)}, want: []string{clustertest.RuleSilent}},
		"everybody's trouble":          {ops: ops{at(verify(token, lost, ""), 50, 60)}, faults: []clustertest.Fault{fault(-1, 40, 55)}},
		"still unavailable":            {ops: ops{at(verify(token, lost, ""), 2040, 2050)}, faults: []clustertest.Fault{fault(0, 40, 55)}},
		"unavailable for too long":     {ops: ops{at(verify(token, lost, ""), 2060, 2070)}, faults: []clustertest.Fault{fault(0, 40, 55)}, want: []string{clustertest.RuleSilent}},
		"a response with 500":          {ops: ops{at(verify(token, clustertest.Wrong, "500"), 50, 60)}, want: []string{clustertest.RuleWrong}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.check(t)
		})
	}
}

func TestCheckCountsTheNodes(t *testing.T) {
	t.Parallel()
	token := newToken("token", "ada")
	counted := func(nodes, confirmed, expired int) clustertest.Op {
		o := kill(token, true)
		o.Counts = &clustertest.Counts{Nodes: nodes, Confirmed: confirmed, Expired: expired}
		return at(o, 5000, 5010)
	}
	trouble := []clustertest.Fault{{Kind: "killed", Node: 1, From: 3000 * ms, To: 4000 * ms}}
	bad := []string{clustertest.RuleAcknowledgement}
	for name, s := range map[string]story{
		"all":                      {ops: []clustertest.Op{counted(3, 3, 0)}},
		"one too few":              {ops: []clustertest.Op{counted(2, 2, 0)}, want: bad},
		"one expired in peace":     {ops: []clustertest.Op{counted(3, 2, 1)}, want: bad},
		"one expired in trouble":   {ops: []clustertest.Op{counted(3, 2, 1)}, faults: trouble},
		"one more after a restart": {ops: []clustertest.Op{counted(4, 3, 1)}, faults: trouble},
		"two more":                 {ops: []clustertest.Op{counted(5, 3, 2)}, faults: trouble, want: bad},
		"the sum is wrong":         {ops: []clustertest.Op{counted(3, 2, 0)}, faults: trouble, want: bad},
		"nobody":                   {ops: []clustertest.Op{counted(0, 0, 0)}, faults: trouble, want: bad},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.check(t)
		})
	}
}

// Edges are counted among the nodes, and services that confirm apart, where all are waited
// for. Who connects again is counted twice for a moment, and who moves not at all.
func TestCheckCountsEdgesAndServices(t *testing.T) {
	t.Parallel()
	token := newToken("token", "ada")
	promise := clustertest.Promise{Staleness: 1000 * ms, Nodes: 2, Edges: 2, Confirming: 3, FollowerRecovery: 8000 * ms}
	counted := func(all bool, n clustertest.Counts) []clustertest.Op {
		o := kill(token, true)
		o.All, o.Counts = all, &n
		return []clustertest.Op{at(o, 15_000, 15_010)}
	}
	nodes := func(nodes, confirmed, expired int) []clustertest.Op {
		return counted(false, clustertest.Counts{Nodes: nodes, Confirmed: confirmed, Expired: expired})
	}
	services := func(count, confirmed, expired int) []clustertest.Op {
		return counted(true, clustertest.Counts{
			Nodes: 4, Confirmed: 4, Verifiers: &clustertest.VerifierCounts{Count: count, Confirmed: confirmed, Expired: expired},
		})
	}
	trouble := []clustertest.Fault{{Kind: "killed", Node: clustertest.EdgeNode, From: 3000 * ms, To: 4000 * ms}}
	later := []clustertest.Fault{{Kind: "killed", Node: clustertest.EdgeNode, From: 3000 * ms, To: 6000 * ms}}
	bad := []string{clustertest.RuleAcknowledgement}
	for name, s := range map[string]story{
		"all":                                {ops: nodes(4, 4, 0)},
		"one moves":                          {ops: nodes(3, 3, 0)},
		"one is counted twice":               {ops: nodes(5, 5, 0)},
		"more than exist":                    {ops: nodes(7, 7, 0), want: bad},
		"a node is missing":                  {ops: nodes(1, 1, 0), want: bad},
		"one silent in peace":                {ops: nodes(4, 3, 1), want: bad},
		"one silent long after trouble":      {ops: nodes(4, 3, 1), faults: trouble, want: bad},
		"one silent while it comes back":     {ops: nodes(4, 3, 1), faults: later},
		"more than exist after trouble":      {ops: nodes(10, 9, 1), faults: later, want: bad},
		"the edges of a node that ended":     {ops: nodes(7, 4, 3), faults: later},
		"services":                           {ops: services(3, 3, 0)},
		"a silent service in peace":          {ops: services(3, 2, 1), want: bad},
		"a silent service in trouble":        {ops: services(3, 2, 1), faults: later},
		"more services than exist":           {ops: services(7, 7, 0), want: bad},
		"a sum that is wrong":                {ops: services(3, 2, 0), faults: later, want: bad},
		"services that weren't asked for":    {ops: counted(false, *services(3, 3, 0)[0].Counts), want: bad},
		"no services where all are asked of": {ops: counted(true, *nodes(4, 4, 0)[0].Counts), want: bad},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.checkFor(t, promise)
		})
	}
}

// What is broken at one edge excuses no other.
func TestAnEdgesTroubleIsItsOwn(t *testing.T) {
	t.Parallel()
	token := newToken("other", "bob")
	silent := at(on(edgeNode, verify(token, clustertest.Unavailable, "")), 50, 60)
	for node, want := range map[int][]string{edgeNode: nil, edgeNode + 1: {clustertest.RuleSilent}, 0: nil} {
		story{ops: []clustertest.Op{silent}, faults: []clustertest.Fault{{Kind: "cut off", Node: node, From: 40 * ms, To: 50 * ms}}, want: want}.check(t)
	}
}

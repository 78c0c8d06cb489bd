package verification

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Explanation says why a token is accepted or refused: each check in order, what it
// looked at, and how recent this process's knowledge is.
type Explanation struct {
	Allowed  bool
	Checks   []CheckResult
	Token    *Token         // nil when it is not genuine
	Grants   []access.Grant // that decide access
	Seq      revocation.Seq // up to which the log is applied here
	LeaseAge time.Duration  // since the last answer of the log
	Fresh    bool           // whether this process may accept tokens now
}

// CheckResult is the result of one check. OK is nil when the check was not made because
// an earlier one failed.
type CheckResult struct {
	Check  string
	OK     *bool
	Detail string
}

// Explain makes every check of Verify on a token and reports the result of each. The
// error is Unavailable when that can't be done now.
func (v *Verifier) Explain(ctx context.Context, raw string, r Requirements) (*Explanation, error) {
	t, err := v.facts.recall(ctx, raw)
	if err == nil {
		// The log is applied up to the token's sequence first, as for Verify: another node may
		// have issued the token a moment ago.
		if t, err = v.facts.catchUp(ctx, raw, t); err == nil {
			r.at = v.ledger.Now()
			err = v.judge.check(ctx, raw, t, &r)
		}
	}
	refusal, refused := RefusalOf(err)
	if err != nil && !refused {
		return nil, err
	}
	now := v.Standing()
	x := &Explanation{Seq: now.AsOf, LeaseAge: now.LeaseAge, Fresh: now.Fresh, Allowed: err == nil && now.Fresh, Token: t}
	for _, check := range token.Checks() {
		x.Checks = append(x.Checks, checkResult(check, refusal, detail(check, v.cfg.Issuer, t, &r)))
	}
	if t == nil {
		return x, nil
	}
	x.Grants, err = v.facts.grants(ctx, raw, t, &r)
	return x, err
}

// Withhold leaves out what only the owner of the token and administrators may see.
func (x *Explanation) Withhold() {
	x.Token, x.Grants = nil, nil
	for i := range x.Checks {
		if ok := x.Checks[i].OK; ok != nil && *ok {
			x.Checks[i].Detail = ""
		}
	}
}

// checkResult returns the result of a check: passed, failed, or not made because an
// earlier one failed.
func checkResult(check token.Check, r *token.Refusal, detail string) CheckResult {
	out := CheckResult{Check: check.String(), Detail: detail}
	switch ok := true; {
	case r == nil || check < r.Check:
		out.OK = &ok
	case check == r.Check:
		ok = false
		out.OK, out.Detail = &ok, r.Reason
	default:
		out.Detail = "not checked"
	}
	return out
}

// detail returns what a check looked at, in words that hold no secret.
func detail(check token.Check, issuer string, t *Token, r *Requirements) string {
	if t == nil {
		return ""
	}
	switch check {
	case token.CheckWellFormed:
		if t.jwt == nil {
			return "well-formed opaque token"
		}
		return "well-formed JWT"
	case token.CheckSignature:
		if t.jwt == nil {
			return "found by its digest"
		}
		return "signed by " + t.KID
	case token.CheckType:
		return t.Kind.String()
	case token.CheckIssuer:
		return issuer
	case token.CheckTime:
		return lifetimeDetail(t)
	case token.CheckAudience:
		return strings.Join(t.Audience, " ")
	case token.CheckRevoked:
		return "decided as of log entry " + strconv.FormatInt(t.Seq, 10) + ", not revoked since"
	case token.CheckNetwork:
		return networkDetail(t)
	case token.CheckScope:
		return scopeDetail(r.Scope, t.Scope)
	case token.CheckAccess:
		return accessDetail(t, r)
	}
	return ""
}

// lifetimeDetail returns when a token was issued and when it expires, in UTC (RFC 3339).
func lifetimeDetail(t *Token) string {
	from := "issued " + t.IssuedAt.UTC().Format(time.RFC3339)
	if t.Expiry.IsZero() {
		return from + ", never expires"
	}
	return from + ", expires " + t.Expiry.UTC().Format(time.RFC3339)
}

// networkDetail returns the networks that a token may be used from, and not from where it
// was used: somebody else than its owner may read this.
func networkDetail(t *Token) string {
	if t.Networks == nil {
		return "not limited to networks"
	}
	return "from " + t.Networks.String()
}

// scopeDetail returns the scopes that are needed and those that the token has.
func scopeDetail(needed, has []string) string {
	if len(needed) == 0 {
		return "no scope is needed"
	}
	return fmt.Sprintf("needs %q, has %q", strings.Join(needed, " "), strings.Join(has, " "))
}

// accessDetail returns what a token is bound to, and what is asked of its user.
func accessDetail(t *Token, r *Requirements) string {
	var parts []string
	if t.BindsCollection() {
		parts = append(parts, fmt.Sprintf("bound to collection %d", *t.Collection))
	}
	if r.Collection != nil {
		parts = append(parts, fmt.Sprintf("needs collection %d", *r.Collection))
	}
	if r.Action != "" {
		parts = append(parts, "needs "+r.Action+" "+string(r.Path))
	}
	if len(parts) == 0 {
		return "no collection and no permission is needed"
	}
	return strings.Join(parts, ", ")
}

// grants returns the grants that decide access, whatever the other checks said.
func (f *facts) grants(ctx context.Context, raw string, t *Token, asked *Requirements) ([]access.Grant, error) {
	collection := asked.Collection
	if t.BindsCollection() {
		collection = t.Collection
	}
	s, err := f.subject(ctx, raw, t)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var grants []access.Grant
	if collection != nil {
		grants = s.May(access.ActionAccess, access.CollectionPath(*collection)).Because
	}
	if asked.Action != "" {
		grants = append(grants, s.May(asked.Action, asked.Path).Because...)
	}
	return grants, nil
}

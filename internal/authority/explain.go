package authority

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Explanation tells why a token or a user is let in or not: each check in order,
// what decided it, and how fresh this node's knowledge is.
type Explanation struct {
	Allowed  bool
	Checks   []CheckResult
	Bindings []access.Grant // that decided access, or would
	Token    *Token         // nil when it is not genuine, or not the caller's to see
	Revoked  *Undoing       // nil when it isn't revoked, or not the caller's to see
	Seq      revocation.Seq // up to which this node honours the log
	LeaseAge time.Duration  // since the last news of the log
	Fresh    bool           // whether this node may say yes
}

// CheckResult is one check: OK is nil when it was not reached.
type CheckResult struct {
	Check  string
	OK     *bool
	Detail string
}

// Undoing is the log entry that took a token back, and who made it, as far as the
// audit log still knows.
type Undoing struct {
	Entry  revocation.Entry
	By     string // subject, client, "cli" or "system"; "" when unknown
	Reason string
	At     time.Time
}

// ExplainToken makes every check of section 4 of the design on a token and tells
// each. Whoever has the token may ask; what lies behind the checks (bindings, who
// revoked it, its claims) is told to its owner and to administrators alone.
func (a *Authority) ExplainToken(ctx context.Context, c *Caller, raw string, d Demand) (*Explanation, error) {
	if c == nil {
		return nil, fault.New(fault.Unauthenticated, "sign in first")
	}
	if err := a.askStore(ctx); err != nil && !a.Follower.Fresh() {
		return nil, err
	}
	t, err := a.recall(ctx, raw)
	if err == nil {
		if t.Seq > a.Follower.Applied() {
			err = token.Malformed()
		} else {
			err = a.judge(ctx, t, &d)
		}
	}
	r, refused := refusalOf(err)
	if err != nil && !refused {
		return nil, err
	}
	x := a.explanation()
	x.Allowed = err == nil && x.Fresh
	if t != nil && (c.owns(t) || c.requireAdmin() == nil) {
		x.Token = t
	}
	for _, check := range token.Checks() {
		x.Checks = append(x.Checks, checkResult(check, r, a.detail(check, x.Token, &d)))
	}
	if x.Token == nil {
		return x, nil
	}
	return x, a.disclose(ctx, x, t, &d)
}

func (a *Authority) explanation() *Explanation {
	return &Explanation{Seq: a.Follower.Applied(), LeaseAge: a.Follower.LeaseAge(), Fresh: a.Follower.Fresh()}
}

// checkResult says of a check whether it passed, failed, or came after the one
// that failed.
func checkResult(check token.Check, r *token.Refusal, detail string) CheckResult {
	out := CheckResult{Check: check.String(), Detail: detail}
	switch ok := true; {
	case r == nil || check < r.Check:
		out.OK = &ok
	case check == r.Check:
		ok = false
		out.OK, out.Detail = &ok, r.Reason
	default:
		out.Detail = "not reached"
	}
	return out
}

// detail says what a check looked at.
func (a *Authority) detail(check token.Check, t *Token, d *Demand) string {
	if t == nil {
		return ""
	}
	switch check {
	case token.CheckWellFormed:
		if t.jwt == nil {
			return "an opaque token, with a good checksum"
		}
		return "a JWT of one reading"
	case token.CheckSignature:
		if t.jwt == nil {
			return "found by its digest"
		}
		return "signed by " + t.KID
	case token.CheckType:
		return t.Kind.String()
	case token.CheckIssuer:
		return a.Policy.Issuer
	case token.CheckTime:
		return lifetimeDetail(t)
	case token.CheckAudience:
		return strings.Join(t.Audience, " ")
	case token.CheckRevoked:
		return "decided as of " + strconv.FormatInt(t.Seq, 10) + ", not taken back since"
	case token.CheckScope:
		return wanted(d.Scope, t.Scope)
	case token.CheckAccess:
		return accessDetail(t, d)
	}
	return ""
}

func lifetimeDetail(t *Token) string {
	from := "issued " + t.IssuedAt.UTC().Format(time.RFC3339)
	if t.Expiry.IsZero() {
		return from + ", never expires"
	}
	return from + ", expires " + t.Expiry.UTC().Format(time.RFC3339)
}

func wanted(demanded, have []string) string {
	if len(demanded) == 0 {
		return "no scope is asked for"
	}
	return fmt.Sprintf("asked for %q, has %q", strings.Join(demanded, " "), strings.Join(have, " "))
}

func accessDetail(t *Token, d *Demand) string {
	var parts []string
	if t.bindsCollection() {
		parts = append(parts, fmt.Sprintf("bound to collection %d", *t.Collection))
	}
	if d.Collection != nil {
		parts = append(parts, fmt.Sprintf("asked for collection %d", *d.Collection))
	}
	if d.Action != "" {
		parts = append(parts, "asked for "+d.Action+" "+string(d.Path))
	}
	if len(parts) == 0 {
		return "no collection and no permission is asked for"
	}
	return strings.Join(parts, ", ")
}

// disclose adds what lies behind the checks.
func (a *Authority) disclose(ctx context.Context, x *Explanation, t *Token, d *Demand) error {
	if a.revoked(t) {
		u, err := a.undoing(ctx, t)
		if err != nil {
			return err
		}
		x.Revoked = u
	}
	p, err := a.PrincipalOf(ctx, t)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	collection := d.Collection
	if t.bindsCollection() {
		collection = t.Collection
	}
	if collection != nil {
		x.Bindings = p.May(ActionAccess, access.CollectionPath(*collection)).Because
	}
	if d.Action != "" {
		x.Bindings = append(x.Bindings, p.May(d.Action, d.Path).Because...)
	}
	return nil
}

// undoing finds the entry that took a token back: a kill of it or of what it was
// made from, or a cut-off later than its sequence; at a key any, for whoever stole
// it may have dated the token after it.
func (a *Authority) undoing(ctx context.Context, t *Token) (*Undoing, error) {
	for _, id := range append([]string{t.ID}, t.Chain...) {
		e, ok, err := a.Store.LogEntry(ctx, revocation.Token, id)
		if err != nil {
			return nil, err
		}
		if ok {
			return a.undoneBy(ctx, e, audit.Filter{TokenID: id}, t.Subject)
		}
	}
	names := []struct {
		what revocation.What
		id   string
	}{{revocation.Subject, t.Subject}, {revocation.Client, t.ClientID}, {revocation.SigningKey, t.KID}}
	for _, n := range names {
		e, ok, err := a.Store.LogEntry(ctx, n.what, n.id)
		if err != nil {
			return nil, err
		}
		if ok && (e.Seq > t.Seq || n.what == revocation.SigningKey) {
			return a.undoneBy(ctx, e, audit.Filter{Target: n.id}, n.id)
		}
	}
	return &Undoing{Reason: t.dead}, nil
}

// undoActions are the acts that append a kill or a voiding cut-off.
var undoActions = []string{
	audit.TokenRevoke, audit.TokenRegenerate, audit.TokenReuse, audit.Logout, audit.LeakedReport, audit.RevokeAll,
	audit.UserDisable, audit.UserPassword, audit.UserRemove, audit.ClientUpdate, audit.ClientRemove, audit.KeyRetire,
}

// undoneBy finds the event of an entry. An event that names another id, as that of a
// family does, is found by its target and its time, which is the entry's.
func (a *Authority) undoneBy(ctx context.Context, e revocation.Entry, f audit.Filter, target string) (*Undoing, error) {
	u := &Undoing{Entry: e, At: e.At}
	for _, f := range []audit.Filter{f, {Target: target, Since: e.At, Until: e.At.Add(time.Microsecond)}} {
		f, err := f.Canonical()
		if err != nil {
			return nil, err
		}
		events, err := a.Store.AuditEvents(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, event := range events {
			if event.Outcome == audit.OK && slices.Contains(undoActions, event.Action) {
				u.By, u.Reason = event.Actor, event.Action
				return u, nil
			}
		}
	}
	return u, nil
}

// ExplainUser tells whether a user may do an action on a path, and the bindings
// that decide it: one's own, or anybody's to administrators.
func (a *Authority) ExplainUser(ctx context.Context, c *Caller, ref, action string, path access.Path) (*Explanation, error) {
	u, err := a.User(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	p, err := a.Store.Principal(ctx, records.Who{UserID: u.ID})
	if err != nil {
		return nil, err
	}
	enabled, d := !u.Disabled, p.May(action, path)
	x := a.explanation()
	x.Allowed, x.Bindings = d.Allowed, d.Because
	x.Checks = []CheckResult{
		{Check: "enabled", OK: &enabled, Detail: enabledDetail(enabled)},
		{Check: token.CheckAccess.String(), OK: &d.Allowed, Detail: action + " " + string(path)},
	}
	return x, nil
}

func enabledDetail(enabled bool) string {
	if enabled {
		return "the account is enabled"
	}
	return "the account is disabled"
}

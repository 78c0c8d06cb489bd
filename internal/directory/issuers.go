package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
)

// Issuers reads the issuers that are trusted. Only Apply changes them: they name files of
// the servers.
type Issuers struct{ store Store }

// IssuerList returns every trusted issuer, for administrators.
func (i *Issuers) IssuerList(ctx context.Context, c *caller.Caller) ([]records.Issuer, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	return i.store.Issuers(ctx)
}

// pruneIssuers removes the issuers that the file doesn't have. Sources own none.
func (p *plan) pruneIssuers(d *Desired) {
	if p.source != "" {
		return
	}
	for _, old := range sorted(p.issuers, func(s records.Issuer) string { return s.Name }) {
		if d.hasIssuer(old.Name) {
			continue
		}
		p.first = append(p.first, records.RemoveIssuer{Name: old.Name, Version: old.Version})
		p.add(old.Name, p.editor.issuerChange(audit.IssuerRemove, old, records.Issuer{}))
		delete(p.issuers, old.Name)
	}
}

func (d *Desired) hasIssuer(name string) bool {
	return slices.ContainsFunc(d.Issuers, func(n records.Issuer) bool { return n.Name == name })
}

// issuer plans what makes an issuer of the file the stored one. A rule keeps its version
// only where nothing of it changed, and nothing of the issuer but its other rules.
func (p *plan) issuer(d *Desired, n records.Issuer) error {
	if p.source != "" {
		return fault.New(fault.Invalid, "trusted issuers are for administrators, not for the source %q", p.source)
	}
	if err := n.Validate(); err != nil {
		return err
	}
	for _, other := range p.issuers {
		if other.Issuer == n.Issuer && other.Name != n.Name && !d.hasIssuer(other.Name) {
			return fault.New(fault.Conflict, "the issuer %q has that iss already: --prune would remove it", other.Name).In("issuer")
		}
	}
	for _, rule := range n.Rules {
		if err := p.checkRuleClient(d, rule); err != nil {
			return err
		}
	}
	old, stored := p.issuers[n.Name]
	same := n.SameApartFromRules(old)
	unchanged := same && len(n.Rules) == len(old.Rules)
	rules := slices.Clone(n.Rules)
	for i, rule := range rules {
		at := slices.IndexFunc(old.Rules, rule.Same)
		unchanged = unchanged && at == i
		if rules[i].ID = uuid.NewString(); same && at >= 0 {
			rules[i].ID = old.Rules[at].ID
		}
	}
	if unchanged {
		return nil
	}
	n.Rules, n.Version = rules, uuid.NewString()
	action := audit.IssuerCreate
	if stored {
		action = audit.IssuerUpdate
		p.first = append(p.first, records.RemoveIssuer{Name: old.Name, Version: old.Version})
	}
	p.add(n.Name, p.editor.issuerChange(action, old, n))
	p.issuers[n.Name] = n
	return nil
}

// checkRuleClient refuses a rule whose client there won't be, or that has scopes which its
// client may not have.
func (p *plan) checkRuleClient(d *Desired, rule records.IssuerRule) error {
	if rule.Client == "" {
		return nil
	}
	client, ok := p.clients[rule.Client]
	if !ok || d.Prune && p.prunesClient(d, client) {
		return fault.New(fault.Invalid, "the rule %q: there is no client %q", rule.Name, rule.Client).In("rules")
	}
	if extra := identity.Subset(rule.Scope, client.Scopes); len(extra) > 0 {
		return fault.New(fault.Invalid, "the rule %q: the client %s doesn't list the scope %s", rule.Name, client.ID, extra[0]).In("rules")
	}
	return nil
}

func (p *plan) prunesClient(d *Desired, c identity.Client) bool {
	return p.source == "" && c.Owner == "" && !slices.ContainsFunc(d.Clients, func(n NewClient) bool { return n.ID == c.ID })
}

// issuerChange returns the change from one state of an issuer to another, of which now has
// no name when it is removed. What came of rules that are no longer there is revoked.
func (e *editor) issuerChange(action string, old, now records.Issuer) change {
	c := change{action: action, target: old.Name}
	if now.Name != "" {
		c.target = now.Name
		c.ops = []records.Op{records.AddIssuer{Issuer: now}}
	}
	var ended []string
	for _, rule := range old.Rules {
		if slices.ContainsFunc(now.Rules, func(r records.IssuerRule) bool { return r.ID == rule.ID }) {
			continue
		}
		ops, entries := e.journal.Kill(journal.Kill{ID: rule.ID, Opaque: true, Reason: "rule of a trusted issuer removed or changed"})
		c.ops, c.log = append(c.ops, ops...), append(c.log, entries...)
		ended = append(ended, rule.Name)
	}
	if len(ended) > 0 {
		c.remark = "what came of these rules is revoked: " + strings.Join(ended, ", ")
	}
	return c
}

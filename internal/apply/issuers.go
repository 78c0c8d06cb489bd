package apply

import (
	"slices"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// pruneIssuers removes the issuers that the file doesn't have. Sources own none.
func (p *plan) pruneIssuers(d *Desired) {
	if p.source != "" {
		return
	}
	for _, old := range sorted(p.issuers, func(s records.Issuer) string { return s.Name }) {
		if d.hasIssuer(old.Name) {
			continue
		}
		p.first = append(p.first, op.RemoveIssuer{Name: old.Name, Version: old.Version})
		p.add(old.Name, p.editor.IssuerChange(audit.IssuerRemove, old, records.Issuer{}))
		delete(p.issuers, old.Name)
	}
}

// hasIssuer reports whether the file has an issuer of a name.
func (d *Desired) hasIssuer(name string) bool {
	return slices.ContainsFunc(d.Issuers, func(n records.Issuer) bool { return n.Name == name })
}

// issuer plans the change that makes the stored issuer equal to the one in the file. A
// rule keeps its version only where nothing of it changed, and nothing of the issuer but
// its other rules.
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
		p.first = append(p.first, op.RemoveIssuer{Name: old.Name, Version: old.Version})
	}
	p.add(n.Name, p.editor.IssuerChange(action, old, n))
	p.issuers[n.Name] = n
	return nil
}

// checkRuleClient refuses a rule whose client won't exist, or that has scopes which its
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

// prunesClient reports whether a client is removed.
func (p *plan) prunesClient(d *Desired, c identity.Client) bool {
	return p.source == "" && c.Owner == "" && !slices.ContainsFunc(d.Clients, func(n identity.NewClient) bool { return n.ID == c.ID })
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/export"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

func (p *program) applyCommand() *cobra.Command {
	var file string
	var dryRun, prune bool
	var from apply.Desired // the source and its ways
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Apply an access file: users, roles, bindings, clients, issuers",
		Long: `Change collections, roles, users, bindings, clients and trusted issuers to what the
access file contains, in one transaction. Applying a file a second time changes
nothing. What is not in the file stays as it is; --prune deletes it.

With --source NAME, another system writes the file, again and again. The source owns
what the file creates: --prune deletes that and nothing else, and a file without
--source deletes nothing that a source owns. A user is identified by external_id: a
rename keeps the subject, and a new user with the name of a deleted one inherits
nothing. A changed password_hash alone revokes nothing, since systems encode the
same password again; a later password_changed_at revokes all tokens of the user, and
--revoke-on-new-hash does so for every changed hash. A source never prunes OAuth
clients.

An error names the file and the line, and nothing is changed.`,
		Example: `  bearerd apply -f access.yaml --dry-run
  bearerd apply -f access.yaml
  bearerd apply -f from-django.yaml --source django --prune`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			access, err := config.LoadAccess(file)
			if err != nil {
				return err
			}
			desired, err := desiredOf(access)
			if err != nil {
				return err
			}
			desired.DryRun, desired.Prune = dryRun, prune
			desired.Source, desired.Adopt, desired.RevokeOnNewHash = from.Source, from.Adopt, from.RevokeOnNewHash
			if cmd.Flags().Changed("source") && from.Source == "" {
				return errors.New("--source needs a name")
			}
			return p.with(cmd, needs{creates: true, rehearses: dryRun, waits: true}, func(ctx context.Context, i *instance) error {
				done, receipt, err := i.Applier.Apply(ctx, caller.Operator(), desired)
				if err != nil {
					return atLine(err, access)
				}
				p.warnOfClients(desired, done)
				changes := make([]change, len(done))
				verb := ""
				if dryRun {
					verb = "would "
				}
				for n, d := range done {
					changes[n] = change{d.Action, d.Target}
					p.say("%s%s", verb, inWords(d))
				}
				switch {
				case len(done) == 0:
					p.say("nothing to change")
				case dryRun:
					p.say("%s, not applied: this was a dry run", count(len(done), "change"))
				case receipt.Revoked:
					p.say("%s applied; %s", count(len(done), "change"), i.reach(receipt))
				default:
					p.say("%s applied", count(len(done), "change"))
				}
				return p.show(struct {
					Changes []change `json:"changes"`
					DryRun  bool     `json:"dry_run"`
				}{changes, dryRun}, silent)
			})
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the access `FILE`")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show what would change, and change nothing")
	cmd.Flags().BoolVar(&prune, "prune", false, "delete what is not in the file; with --source, only what it owns")
	cmd.Flags().StringVar(&from.Source, "source", "", "the file comes from the system with this `NAME`, which owns what it creates")
	cmd.Flags().BoolVar(&from.Adopt, "adopt", false, "with --source: take over users of the names in the file whom nobody owns")
	cmd.Flags().BoolVar(&from.RevokeOnNewHash, "revoke-on-new-hash", false, "with --source: a changed password hash revokes everything of the user")
	_ = cmd.MarkFlagRequired("file")
	waitFlag(cmd)
	return cmd
}

// change is one line of what apply did.
type change struct {
	Action string `json:"action"`
	Target string `json:"target"`
}

// warnOfClients warns of changed clients whose id or secret can't be sent by every client
// library.
func (p *program) warnOfClients(desired apply.Desired, done []apply.Applied) {
	for _, n := range desired.Clients {
		if slices.ContainsFunc(done, func(d apply.Applied) bool {
			return d.Target == n.ID && (d.Action == audit.ClientCreate || d.Action == audit.ClientUpdate)
		}) {
			p.warnOfBasic(n.ID, n.Secret)
		}
	}
}

// inWords turns "user.create" about ada into "create user ada".
func inWords(d apply.Applied) string {
	noun, verb, _ := strings.Cut(d.Action, ".")
	if verb == "remove" {
		verb = "delete" // as the command is called
	}
	if verb == "rename" || d.Action == audit.CollectionUpdate {
		return "rename " + noun + " " + d.Was + " to " + d.Target
	}
	if noun == "user" && verb == "password" {
		return "change the password of user " + d.Target
	}
	return verb + " " + noun + " " + d.Target
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// atLine adds to an error the line of the file that it is about.
func atLine(err error, file *config.AccessFile) error {
	m, ok := errors.AsType[*apply.MistakeError](err)
	if !ok {
		return err
	}
	return fmt.Errorf("%s: %w", position(file, m), m.Err)
}

func position(file *config.AccessFile, m *apply.MistakeError) config.Position {
	switch m.List {
	case "collections":
		return file.Collections[m.Index].At
	case "roles":
		return file.Roles[m.Index].At
	case "users":
		return file.Users[m.Index].At
	case "bindings":
		return file.Bindings[m.Index].At
	case "clients":
		return file.Clients[m.Index].At
	case "issuers":
		return file.Issuers[m.Index].At
	}
	return config.Position{}
}

// desiredOf converts an access file to the form that package apply reads, which checks
// what the names in it mean.
func desiredOf(file *config.AccessFile) (apply.Desired, error) {
	var d apply.Desired
	for _, c := range file.Collections {
		d.Collections = append(d.Collections, records.Collection{ID: *c.ID, Name: c.Name})
	}
	for _, r := range file.Roles {
		role := access.Role{Name: r.Name}
		for _, p := range r.Permissions {
			role.Permissions = append(role.Permissions, permissionOf(p))
		}
		d.Roles = append(d.Roles, role)
	}
	for _, u := range file.Users {
		user, err := desiredUser(u)
		if err != nil {
			return d, fmt.Errorf("%s: password_hash: %s", u.At, fault.Message(err))
		}
		d.Users = append(d.Users, user)
	}
	for _, b := range file.Bindings {
		binding := access.Binding{User: b.User, Group: b.Group, Role: b.Role, Path: access.Path(b.Path)}
		if b.Permission != nil {
			p := permissionOf(*b.Permission)
			binding.Permission = &p
		}
		d.Bindings = append(d.Bindings, binding)
	}
	for _, c := range file.Clients {
		digest, err := secretDigest(c.SecretHash)
		if err != nil {
			return d, fmt.Errorf("%s: secret_hash: %w", c.At, err)
		}
		d.Clients = append(d.Clients, identity.NewClient{
			ID: c.ID, Secret: token.Secret(c.Secret.Reveal()), SecretDigest: digest, Grants: c.Grants, Scopes: c.Scopes, Audiences: c.Audiences,
			ExchangeFrom: c.ExchangeFrom, Name: c.Name, RedirectURIs: c.RedirectURIs,
			Keys: identity.ClientKeys{JWKS: string(c.JWKS), URI: c.JWKSURI},
		})
	}
	for _, s := range file.Issuers {
		issuer, err := issuerOf(s)
		if err != nil {
			return d, err
		}
		d.Issuers = append(d.Issuers, issuer)
	}
	return d, nil
}

// secretDigest reads the digest of a client's secret; nil for none.
func secretDigest(s config.Secret) ([]byte, error) {
	if !s.IsSet() {
		return nil, nil
	}
	text, ok := strings.CutPrefix(s.Reveal(), export.SecretPrefix)
	digest, err := hex.DecodeString(text)
	if !ok || err != nil || len(digest) != sha256.Size {
		return nil, fmt.Errorf("is %s and the %d hexadecimal digits of a SHA-256", export.SecretPrefix, 2*sha256.Size)
	}
	return digest, nil
}

func issuerOf(s config.Issuer) (records.Issuer, error) {
	issuer := records.Issuer{
		Name: s.Name, Issuer: s.Issuer, JWKS: s.JWKS, SecretFile: s.SecretFile, CAFile: s.CAFile, Audience: s.Audience,
		Once: s.Once == nil || *s.Once, MaxAge: config.DefaultMaxAge,
	}
	if s.MaxAge != nil {
		issuer.MaxAge = *s.MaxAge
	}
	for _, r := range s.Rules {
		scope, err := identity.ParseScope(r.Scope)
		if err != nil {
			return issuer, fmt.Errorf("%s: scope: %s", r.At, fault.Message(err))
		}
		rule := records.IssuerRule{
			Name: r.Name, Match: map[string]json.RawMessage{}, Client: r.Client, UserClaim: r.UserClaim, Source: r.Source,
			Scope: scope, Audiences: r.Audiences, TTL: r.TTL,
		}
		for name, value := range r.Match {
			rule.Match[name] = value.JSON
		}
		issuer.Rules = append(issuer.Rules, rule)
	}
	return issuer, nil
}

func permissionOf(p config.Permission) access.Permission {
	return access.Permission{Action: p.Action, Path: access.Path(p.Path)}
}

func desiredUser(u config.User) (apply.DesiredUser, error) {
	d := apply.DesiredUser{
		NewUser: identity.NewUser{
			Username: u.Username, Name: orZero(u.Name), Email: orZero(u.Email), Groups: u.Groups, Disabled: orZero(u.Disabled),
			Password: token.Secret(u.Password.Reveal()),
		},
		SetName: u.Name != nil, SetEmail: u.Email != nil, SetGroups: u.Groups != nil, SetDisabled: u.Disabled != nil,
		SetPasswordHash: u.PasswordHash.IsThere(), ExternalID: u.ExternalID, PasswordChangedAt: u.PasswordChangedAt,
	}
	var err error
	d.PasswordHash, err = passhash.Parse(u.PasswordHash.Reveal())
	return d, err
}

// orZero returns the value of a member, and the zero value where the file doesn't have
// it.
func orZero[T any](member *T) (v T) {
	if member != nil {
		v = *member
	}
	return v
}

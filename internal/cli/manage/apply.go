package manage

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/accessfile"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/wiring"
)

func applyCommand(p *local.Database) *cobra.Command {
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
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			access, err := accessfile.Load(file)
			if err != nil {
				return err
			}
			desired := access.Desired
			desired.DryRun, desired.Prune = dryRun, prune
			desired.Source, desired.Adopt, desired.RevokeOnNewHash = from.Source, from.Adopt, from.RevokeOnNewHash
			if cmd.Flags().Changed("source") && from.Source == "" {
				return errors.New("--source needs a name")
			}
			return p.With(cmd, local.Needs{Creates: true, Rehearses: dryRun, Waits: true}, func(ctx context.Context, i *wiring.Instance) error {
				done, receipt, err := i.Applier.Apply(ctx, caller.Operator(), desired)
				if err != nil {
					return access.AtLine(err)
				}
				warnOfClients(p, desired, done)
				changes := make([]change, len(done))
				verb := ""
				if dryRun {
					verb = "would "
				}
				for n, d := range done {
					changes[n] = change{d.Action, d.Target}
					p.Say("%s%s", verb, inWords(d))
				}
				switch {
				case len(done) == 0:
					p.Say("nothing to change")
				case dryRun:
					p.Say("%s, not applied: this was a dry run", cli.Count(len(done), "change"))
				case receipt.Revoked:
					p.Say("%s applied; %s", cli.Count(len(done), "change"), local.Reach(i, receipt))
				default:
					p.Say("%s applied", cli.Count(len(done), "change"))
				}
				return p.Show(struct {
					Changes []change `json:"changes"`
					DryRun  bool     `json:"dry_run"`
				}{changes, dryRun}, cli.Silent)
			})
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the access `FILE`")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show what would change, and change nothing")
	cmd.Flags().BoolVar(&prune, "prune", false, "delete what is not in the file; with --source, only what it owns")
	cmd.Flags().StringVar(&from.Source, "source", "", "the file comes from the system with this `NAME`, which owns what it creates")
	cmd.Flags().BoolVar(&from.Adopt, "adopt", false, "with --source: take over users of the names in the file whom nobody owns")
	cmd.Flags().BoolVar(&from.RevokeOnNewHash, "revoke-on-new-hash", false, "with --source: a changed password hash revokes everything of the user")
	cli.Require(cmd, "file")
	local.WaitFlag(cmd)
	return cmd
}

// change is one line of what apply did.
type change struct {
	Action string `json:"action"`
	Target string `json:"target"`
}

// warnOfClients warns of changed clients whose id or secret can't be sent by every client
// library.
func warnOfClients(p *local.Database, desired apply.Desired, done []apply.Applied) {
	for _, n := range desired.Clients {
		if slices.ContainsFunc(done, func(d apply.Applied) bool {
			return d.Target == n.ID && (d.Action == audit.ClientCreate || d.Action == audit.ClientUpdate)
		}) {
			warnOfBasic(p, n.ID, n.Secret)
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

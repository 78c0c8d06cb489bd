package manage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/wiring"
)

// keys are the commands about signing keys.
type keys struct{ *local.Database }

func (p keys) group() *cobra.Command {
	return cli.Group("keys", "List, rotate and retire signing keys",
		`List, rotate and retire signing keys, and create a master key.

A key is "next" while it is only published in the JWK Set, "active" while it signs,
"retired" until its last token has expired, and then "gone". Keys rotate
automatically (signing.rotate_every).`,
		p.list(), p.rotate(), p.retire(), p.master())
}

func (p keys) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List signing keys, the active one first",
		Args:  cli.Takes(),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, _ []string) error {
			keys, err := i.Directory.KeyList(ctx, caller.Operator())
			if err != nil {
				return err
			}
			return p.Show(cli.Listed(cli.Rendered(keys, adminapi.KeyOf)), func(w io.Writer) {
				rows := make([][]string, len(keys))
				for i, k := range keys {
					state := string(k.State)
					if k.Revoked() {
						state += " (revoked)"
					}
					rows[i] = []string{k.KID, state, string(k.Algorithm), cli.TimeText(k.CreatedAt), cli.TimeText(k.ActiveAt), cli.TimeText(k.RetiredAt)}
				}
				cli.Table(w, "KID\tSTATE\tALGORITHM\tCREATED\tSIGNS FROM\tUNTIL", rows)
			})
		}),
	}
}

func (p keys) rotate() *cobra.Command {
	var now bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Replace the active key with a new one",
		Long: `Publish a new key in the JWK Set of every server at once. It signs as soon as every
cached copy of the set has expired, so that no verifier sees an unknown key; with
--now it signs at once. Tokens that the old key signed stay valid.

To revoke the tokens of an old key, see "bearerd keys retire".`,
		Args: cli.Takes(),
		RunE: p.OnDatabase(local.Needs{Waits: true}, func(ctx context.Context, i *wiring.Instance, _ []string) error {
			if err := i.Directory.RotateKeys(ctx, caller.Operator(), now); err != nil {
				return err
			}
			keys, err := i.Directory.KeyList(ctx, caller.Operator())
			if err != nil {
				return err
			}
			for _, k := range keys {
				switch k.State {
				case keyring.Active:
					p.Say("key %s signs", k.KID)
				case keyring.Next:
					p.Say("key %s is published, and signs from %s", k.KID, cli.TimeText(k.ActiveAt))
				case keyring.Retired, keyring.Gone:
				}
			}
			return p.Show(cli.Listed(cli.Rendered(keys, adminapi.KeyOf)), cli.Silent)
		}),
	}
	cmd.Flags().BoolVar(&now, "now", false, "sign with the new key at once")
	local.WaitFlag(cmd)
	return cmd
}

func (p keys) retire() *cobra.Command {
	return p.Revokes(p.About(local.NounKey, &cobra.Command{
		Use:   "retire KID",
		Short: "Retire a signing key, and revoke every token that it signed",
		Long: `Revoke a signing key, with every token that it signed and all that was made from
those. When it was the active one the next key signs at once.`,
		Args: cli.Takes("KID"),
	}), "key %s is revoked, with every token that it signed; %s", func(i *wiring.Instance) local.Operation { return i.Directory.RetireKey })
}

func (p keys) master() *cobra.Command {
	return &cobra.Command{
		Use:   "master FILE",
		Short: "Create a master key",
		Long: `Create a master key: 32 random bytes in base64 on one line, in a new file that only
its owner may read. "bearerd serve" creates one beside a new SQLite database; use
this command to keep it in another place.`,
		Args: cli.Takes("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := keyring.MakeMaster(args[0])
			if errors.Is(err, fs.ErrExist) {
				return hint.Add(fmt.Errorf("%s exists already, and was not changed", args[0]),
					"to replace a master key is to lose every signing key that it sealed")
			}
			if err != nil {
				return err
			}
			p.Say("created the master key %s; keep a copy of it apart from the backups", args[0])
			return p.Show(map[string]string{"file": args[0]}, cli.Silent)
		},
	}
}

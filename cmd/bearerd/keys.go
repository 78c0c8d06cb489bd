package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/bearerd/bearerd/internal/caller"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/keyring"
)

func (p *program) keysCommand() *cobra.Command {
	return group("keys", "List, rotate and retire signing keys",
		`List, rotate and retire signing keys, and make a master key.

A key is shown in the JWK Set as "next" before it signs, "active" while it signs,
"retired" until its last token has expired, and then "gone". Keys follow one
another by themselves (signing.rotate_every).`,
		p.keysListCommand(), p.keysRotateCommand(), p.keysRetireCommand(), p.keysMasterCommand())
}

// keyJSON is a signing key as the management API shows it.
type keyJSON struct {
	KID       string     `json:"kid"`
	Algorithm string     `json:"algorithm"`
	State     string     `json:"state"`
	Revoked   bool       `json:"revoked"`
	CreatedAt *time.Time `json:"created_at"`
	ActiveAt  *time.Time `json:"active_at"`
	RetiredAt *time.Time `json:"retired_at"`
	GoneAt    *time.Time `json:"gone_at"`
}

func keysOf(keys []keyring.Key) []keyJSON {
	out := make([]keyJSON, len(keys))
	for i, k := range keys {
		out[i] = keyJSON{
			k.KID, string(k.Algorithm), string(k.State), k.Revoked(),
			instantOf(k.CreatedAt), instantOf(k.ActiveAt), instantOf(k.RetiredAt), instantOf(k.GoneAt),
		}
	}
	return out
}

func (p *program) keysListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List signing keys, the active one first",
		Args:  takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd, needs{}, func(ctx context.Context, i *instance) error {
				keys, err := i.Directory.KeyList(ctx, caller.Operator())
				if err != nil {
					return err
				}
				return p.show(listed(keysOf(keys)), func(w io.Writer) { keyTable(w, keys) })
			})
		},
	}
}

func keyTable(w io.Writer, keys []keyring.Key) {
	rows := make([][]string, len(keys))
	for i, k := range keys {
		state := string(k.State)
		if k.Revoked() {
			state += " (revoked)"
		}
		rows[i] = []string{k.KID, state, string(k.Algorithm), clock(k.CreatedAt), clock(k.ActiveAt), clock(k.RetiredAt)}
	}
	table(w, "KID\tSTATE\tALGORITHM\tMADE\tSIGNS FROM\tUNTIL", rows)
}

func (p *program) keysRotateCommand() *cobra.Command {
	var now bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Let a new key follow the active one",
		Long: `Show a new key in the JWK Set of every server at once. It signs when it has been
shown for as long as the set may be cached, so that no verifier meets a key that it
doesn't know; with --now it signs at once. What the old key signed stays good.

To make an old key's tokens worthless, see "bearerd keys retire".`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.with(cmd, needs{waits: true}, func(ctx context.Context, i *instance) error {
				if err := i.Directory.RotateKeys(ctx, caller.Operator(), now); err != nil {
					return err
				}
				keys, err := i.Directory.KeyList(ctx, caller.Operator())
				if err != nil {
					return err
				}
				for _, k := range keys {
					p.sayKey(k)
				}
				return p.show(listed(keysOf(keys)), silent)
			})
		},
	}
	cmd.Flags().BoolVar(&now, "now", false, "let it sign at once")
	waitFlag(cmd)
	return cmd
}

// sayKey prints a key that signs or will sign.
func (p *program) sayKey(k keyring.Key) {
	switch k.State {
	case keyring.Active:
		p.say("key %s signs", k.KID)
	case keyring.Next:
		p.say("key %s is shown, and signs from %s", k.KID, clock(k.ActiveAt))
	case keyring.Retired, keyring.Gone:
	}
}

func (p *program) keysRetireCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retire KID",
		Short: "Revoke a key, with every token that it signed",
		Long: `Revoke a signing key, with every token that it signed and all that was made from
those. When it was the active one the next key signs at once.`,
		Args: takes("KID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.with(cmd, needs{waits: true}, func(ctx context.Context, i *instance) error {
				r, err := i.Directory.RetireKey(ctx, caller.Operator(), args[0])
				if err != nil {
					return err
				}
				p.say("key %s is revoked, with all that it signed; %s", args[0], i.reach(r))
				return p.show(acknowledged(r), silent)
			})
		},
	}
	waitFlag(cmd)
	return cmd
}

func (p *program) keysMasterCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "master FILE",
		Short: "Make a master key",
		Long: `Make a master key: 32 random bytes in base64 on one line, in a new file that only
its owner may read. "bearerd serve" makes one by itself beside a new SQLite
database; make one by hand to keep it elsewhere.`,
		Args: takes("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := keyring.MakeMaster(args[0])
			if errors.Is(err, fs.ErrExist) {
				return hint(fmt.Errorf("%s exists already, and is left as it is", args[0]),
					"to replace a master key is to lose every signing key that it sealed")
			}
			if err != nil {
				return err
			}
			p.say("made the master key %s; keep a copy of it apart from the backups", args[0])
			return p.show(map[string]string{"file": args[0]}, silent)
		},
	}
}

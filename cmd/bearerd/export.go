package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/export"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/wiring"
)

func exportCommand(p *program) *cobra.Command {
	var o export.Options
	var file string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write what is stored as an access file",
		Long: `Write collections, roles, users, bindings, clients and trusted issuers as the access
file that "bearerd apply" takes. Applying it to the same database changes nothing.
It is always YAML, whatever --output says.

Passwords and client secrets are not in the file: users and clients keep those that
they have where it is applied. With --with-hashes the hashes of passwords and the
digests of client secrets are in it, so that users and clients keep their secrets
in another database; keep such a file as safe as the database. Tokens, and
who users are for sign-in sources, are not in the file, and users get other subject
ids in another database.

What a source maintains ("apply --source") is marked. In another database it belongs
to administrators, until the source is applied with --adopt.`,
		Example: `  bearerd export >access.yaml
  bearerd export --with-hashes --file access.yaml
  bearerd apply -f access.yaml --database postgres://bearerd@db/bearerd`,
		Args: takes(),
		RunE: p.OnDatabase(needs{}, func(ctx context.Context, i *wiring.Instance, _ []string) error {
			var text bytes.Buffer
			sum, err := export.Write(ctx, &text, i.Directory, caller.Operator(), o)
			if err != nil {
				return err
			}
			if err := deliver(p, file, text.Bytes()); err != nil {
				return err
			}
			p.Say("%s, %s, %s, %s, %s, %s", count(sum.Collections, "collection"), count(sum.Roles, "role"), count(sum.Users, "user"),
				count(sum.Bindings, "binding"), count(sum.Clients, "client"), count(sum.Issuers, "issuer"))
			if n := len(sum.Without); n > 0 {
				p.Say("the file doesn't have the secret of %s; in another database set one, or use --with-hashes", count(n, "client"))
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&o.Hashes, "with-hashes", false, "write the hashes of passwords and the digests of client secrets too")
	cmd.Flags().StringVarP(&file, "file", "f", "", "write to this new `FILE`, which only its owner may read, instead of standard output")
	return cmd
}

// deliver writes a result to standard output, or to a new file that only its owner may read.
func deliver(p *program, file string, text []byte) error {
	if file == "" || file == "-" {
		_, err := p.Stdout.Write(text)
		return err
	}
	err := writeNewFile(file, text)
	if errors.Is(err, fs.ErrExist) {
		return hint.Add(fmt.Errorf("%s exists already, and was not changed", file), "remove it, or name another file")
	}
	return err
}

// writeNewFile writes a file that only its owner may read. It is there whole or not at all,
// and one that exists is left as it is.
func writeNewFile(path string, text []byte) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	_, err = io.Copy(f, bytes.NewReader(text))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

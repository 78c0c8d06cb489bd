package manage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/export"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/wiring"
)

func exportCommand(p *local.Database) *cobra.Command {
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
		Args: cli.Takes(),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, _ []string) error {
			var text bytes.Buffer
			sum, err := export.Write(ctx, &text, i.Directory, caller.Operator(), o)
			if err != nil {
				return err
			}
			if err := deliver(p, file, text.Bytes()); err != nil {
				return err
			}
			p.Say("%s, %s, %s, %s, %s, %s", cli.Count(sum.Collections, "collection"), cli.Count(sum.Roles, "role"), cli.Count(sum.Users, "user"),
				cli.Count(sum.Bindings, "binding"), cli.Count(sum.Clients, "client"), cli.Count(sum.Issuers, "issuer"))
			if n := len(sum.Without); n > 0 {
				p.Say("the file doesn't have the secret of %s; in another database set one, or use --with-hashes", cli.Count(n, "client"))
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&o.Hashes, "with-hashes", false, "write the hashes of passwords and the digests of client secrets too")
	cmd.Flags().StringVarP(&file, "file", "f", "", "write to this new `FILE`, which only its owner may read, instead of standard output")
	return cmd
}

// deliver writes a result to standard output, or to a new file that only its owner may read.
func deliver(p *local.Database, file string, text []byte) error {
	if file == "" || file == "-" {
		_, err := p.Stdout.Write(text)
		return err
	}
	err := cli.WriteNewFile(file, text)
	if errors.Is(err, fs.ErrExist) {
		return hint.Add(fmt.Errorf("%s exists already, and was not changed", file), "remove it, or name another file")
	}
	return err
}

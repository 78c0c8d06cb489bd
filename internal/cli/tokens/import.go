package tokens

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/importing"
	"github.com/bearerd/bearerd/internal/wiring"
)

func (p commands) importCommand() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import API tokens of another system",
		Long: `Import API tokens of another system, so that the clients that hold them go on
unchanged. FILE is CSV with a header, or JSON lines; - is standard input. Each line
names a token by one of

  value        the token itself; it is hashed as it is read and stored nowhere
  sha256       its SHA-256, 64 hexadecimal digits
  sha512       its SHA-512, 128 hexadecimal digits

with an owner, the username of a user here, and if you like name, scope (names with
spaces between), collection (an id), networks (that it may be used from),
created_at, expires_at and last_used_at (2026-03-01T12:00:00Z, or as a database
writes times; without an offset, in UTC).

The shapes of the tokens are declared in the configuration as foreign_tokens. All
tokens are imported, or none: an error names the line and the reason. Tokens that
are here already stay as they are, so importing a file again doubles nothing.
Running servers accept the tokens at once; a value that was refused within the last
5 seconds may be refused for as long again.`,
		Example: `  bearerd token import tokens.csv --dry-run
  bearerd token import tokens.csv`,
		Args: cli.Takes("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.With(cmd, local.Needs{Bulk: true}, func(ctx context.Context, i *wiring.Instance) error {
				return p.importFile(ctx, i, args[0], dryRun)
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check the file and say what would be imported, and change nothing")
	return cmd
}

// newImporter returns what imports and exports tokens.
func newImporter(i *wiring.Instance) (*importing.Importer, error) {
	return importing.New(importing.Config{
		Store: i.Store, Journal: i.Journal, Forms: i.Forms, MaxTTL: i.Config.APIToken.MaxTTL, Scopes: i.Config.Scopes,
		Now: i.Now, Pause: cli.Sleep,
	})
}

func (p commands) importFile(ctx context.Context, i *wiring.Instance, file string, dryRun bool) (err error) {
	var input io.Reader = p.Stdin
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // the operator names it
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // it was read
		input = f
	}
	importer, err := newImporter(i)
	if err != nil {
		return err
	}
	r, err := importer.Import(ctx, caller.Operator(), importing.Request{Input: input, Name: filepath.Base(file), DryRun: dryRun})
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	verb := "imported"
	if dryRun {
		verb = "would be imported"
	}
	p.Say("%d lines: %d %s, %d are here already, %d have expired and are left out", r.Lines, r.Imported, verb, r.Known, r.Expired)
	if r.Disabled > 0 {
		p.Say("%d are of disabled users and are left out: import the file again once those are enabled", r.Disabled)
	}
	if r.Shortened > 0 {
		p.Say("%d have no end or none that api_token.max_ttl allows, and end after %s", r.Shortened, i.Config.APIToken.MaxTTL)
	}
	if r.Digests > 0 {
		p.Say("%d came as digests, whose shape can't be checked: try one of these tokens; it must match foreign_tokens", r.Digests)
	}
	if r.Unchecked {
		p.Say("the file has too many lines to look for repeated ones without storing any")
	}
	return p.Show(r, cli.Silent)
}

func (p commands) exportCommand() *cobra.Command {
	var asCSV bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Export API tokens by their digests",
		Long: `Write all valid API tokens to standard output, in the form that "bearerd token
import" reads: JSON lines, or CSV. Tokens are named by their digests; nobody knows
their values. What was revoked, has expired, belongs to nobody, or has a built-in
scope, which can't be imported, is left out, and so is what a token was made from.`,
		Example: `  bearerd token export >tokens.jsonl
  bearerd token export --csv >tokens.csv`,
		Args: cli.Takes(),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, _ []string) error {
			importer, err := newImporter(i)
			if err != nil {
				return err
			}
			n, err := importer.Export(ctx, caller.Operator(), p.Stdout, asCSV)
			if err == nil {
				p.Say("%d tokens exported", n)
			}
			return err
		}),
	}
	cmd.Flags().BoolVar(&asCSV, "csv", false, "write CSV")
	return cmd
}

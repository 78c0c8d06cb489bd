package manage

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/local"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/wiring"
)

// collections are the commands about collections.
type collections struct{ *local.Database }

func (p collections) group() *cobra.Command {
	return cli.Group("collection", "List, create, rename and delete collections",
		`List, create, rename and delete collections. A collection is what a token can be
limited to; access to it is bound at the path /collections/ID.`,
		p.list(), p.show(), p.create(), p.rename(), p.delete())
}

func (p collections) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List collections",
		Args:  cli.Takes(),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, _ []string) error {
			all, err := i.Directory.CollectionList(ctx, caller.Operator())
			if err != nil {
				return err
			}
			return p.Show(cli.Listed(cli.Rendered(all, adminapi.CollectionOf)), func(w io.Writer) {
				rows := make([][]string, len(all))
				for i, c := range all {
					rows[i] = []string{strconv.FormatInt(c.ID, 10), c.Name, c.Owner}
				}
				cli.Table(w, "ID\tNAME\tOWNER", rows)
			})
		}),
	}
}

func (p collections) show() *cobra.Command {
	return p.About(local.NounCollection, &cobra.Command{
		Use:   "show COLLECTION",
		Short: "Show one collection",
		Args:  cli.Takes("COLLECTION"),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			all, err := i.Directory.CollectionList(ctx, caller.Operator())
			if err != nil {
				return err
			}
			at := slices.IndexFunc(all, func(c records.Collection) bool { return strconv.FormatInt(c.ID, 10) == args[0] })
			if at < 0 {
				return p.Missing(ctx, i, local.NounCollection, args[0])
			}
			return p.Show(adminapi.CollectionOf(all[at]), func(w io.Writer) {
				cli.Fields(w, "id", strconv.FormatInt(all[at].ID, 10), "name", all[at].Name, "owner", all[at].Owner)
			})
		}),
	})
}

// collectionID reads the id of a collection in the argument of a command.
func collectionID(text string) (int64, error) {
	id, err := access.ParseCollection(text)
	if err != nil {
		return 0, hint.Add(fmt.Errorf("%q is not the id of a collection, which is a number", text), `see "bearerd collection list"`)
	}
	return id, nil
}

func (p collections) create() *cobra.Command {
	return &cobra.Command{
		Use:     "create ID NAME",
		Short:   "Create a collection",
		Example: `  bearerd collection create 4 "KU Fish Voucher Collection"`,
		Args:    cli.Takes("ID", "NAME"),
		RunE: p.OnDatabase(local.Needs{Creates: true}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			id, err := collectionID(args[0])
			if err != nil {
				return err
			}
			c := records.Collection{ID: id, Name: args[1]}
			if err := i.Directory.CreateCollection(ctx, caller.Operator(), c); err != nil {
				return err
			}
			p.Say("collection %d is created: %s", c.ID, c.Name)
			return p.Show(adminapi.CollectionOf(c), cli.Silent)
		}),
	}
}

func (p collections) rename() *cobra.Command {
	return p.About(local.NounCollection, &cobra.Command{
		Use:   "rename COLLECTION NAME",
		Short: "Change the name of a collection",
		Args:  cli.Takes("COLLECTION", "NAME"),
		RunE: p.OnDatabase(local.Needs{}, func(ctx context.Context, i *wiring.Instance, args []string) error {
			id, err := collectionID(args[0])
			if err != nil {
				return err
			}
			if err := i.Directory.UpdateCollection(ctx, caller.Operator(), records.Collection{ID: id, Name: args[1]}); err != nil {
				return err
			}
			p.Say("collection %d is called %s", id, args[1])
			return p.Show(map[string]any{"id": id, "name": args[1]}, cli.Silent)
		}),
	})
}

func (p collections) delete() *cobra.Command {
	return p.Revokes(p.About(local.NounCollection, &cobra.Command{
		Use:   "delete COLLECTION",
		Short: "Delete a collection, with every binding about it alone",
		Long:  `Delete a collection, with every binding about it alone. Its tokens are refused.`,
		Args:  cli.Takes("COLLECTION"),
	}), "collection %s is deleted, and its tokens are refused; %s", func(i *wiring.Instance) local.Operation {
		return func(ctx context.Context, c *caller.Caller, ref string) (revocation.Receipt, error) {
			id, err := collectionID(ref)
			if err != nil {
				return revocation.Receipt{}, err
			}
			return i.Directory.RemoveCollection(ctx, c, id)
		}
	})
}

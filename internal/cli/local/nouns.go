package local

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/suggest"
	"github.com/bearerd/bearerd/internal/wiring"
)

// Noun is a kind of thing that commands name in their arguments and flags. The shell
// completes these names, and an error about an unknown name lists those that exist.
type Noun int

// The kinds of thing that have names.
const (
	NounUser Noun = iota + 1
	NounGroup
	NounClient
	NounRole
	NounBinding
	NounCollection
	NounKey
	NounScope
	NounToken
)

// kind is what is known of a noun.
type kind struct {
	one, many string
	command   string // lists all of them
	// names returns names that begin with a text, not all where there are very many.
	names func(ctx context.Context, s *store.Store, c config.Config, begin string) ([]string, error)
}

func (n Noun) kind() kind {
	return map[Noun]kind{
		NounUser:       {"user", "users", "user list", userNames},
		NounGroup:      {"group", "groups", "user list", groupNames},
		NounClient:     {"client", "clients", "client list", clientNames},
		NounRole:       {"role", "roles", "role list", roleNames},
		NounBinding:    {"binding", "bindings", "binding list", bindingNames},
		NounCollection: {"collection", "collections", "collection list", collectionNames},
		NounKey:        {"signing key", "signing keys", "keys list", keyNames},
		NounScope:      {"scope", "scopes", "", scopeNames},
		NounToken:      {"token", "tokens", "token list", tokenNames},
	}[n]
}

// mostNames is how many names are read for one completion or error.
const mostNames = 500

// About makes the first argument of a command the name of a thing.
func (p *Database) About(n Noun, cmd *cobra.Command) *cobra.Command {
	p.nouns[cmd] = n
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && n != NounToken {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return p.complete(cmd, n, begin)
	}
	return cmd
}

// FlagAbout makes the value of a flag the name of a thing.
func (p *Database) FlagAbout(cmd *cobra.Command, flag string, n Noun) {
	p.flagNouns[cmd.Flag(flag)] = n
	_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, begin string) ([]string, cobra.ShellCompDirective) {
		return p.complete(cmd, n, begin)
	})
}

// completionTimeout is how long a person waits for a completion at most.
const completionTimeout = 2 * time.Second

// complete returns names that begin with what was typed. Where anything is wrong, there are
// none: a shell has no place for an error. It changes nothing: a database that has yet to be
// created, migrated, or opened after it was restored has no names.
func (p *Database) complete(cmd *cobra.Command, n Noun, begin string) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	c, err := p.LoadConfig(cmd)
	if err != nil {
		return nil, none
	}
	in, err := store.Inspect(ctx, c.Database.Reveal(), wiring.StoreOptions(c, store.Options{Now: p.Now}))
	if err != nil || len(in.Pending) > 0 || in.Moved {
		return nil, none
	}
	s, err := wiring.OpenStore(ctx, c, store.Options{Now: p.Now, MustExist: true})
	if err != nil {
		return nil, none
	}
	defer func() { _ = s.Close() }()
	names, err := n.kind().names(ctx, s, c, begin)
	if err != nil {
		return nil, none
	}
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(bare(name), begin) }), none
}

// bare returns a name without the description that a shell shows with it.
func bare(name string) string {
	name, _, _ = strings.Cut(name, "\t")
	return name
}

// named adds to the error of a command the name of what doesn't exist, and the names that
// do exist.
func (p *Database) named(ctx context.Context, cmd *cobra.Command, i *wiring.Instance, err error) error {
	if err == nil {
		return nil
	}
	if n := p.nouns[cmd]; n != 0 && fault.Is(err, fault.NotFound) && cmd.Flags().NArg() > 0 {
		if name := cmd.Flags().Arg(0); !n.has(ctx, i, name) {
			return p.Missing(ctx, i, n, name)
		}
	}
	field := strings.TrimSuffix(fault.FieldOf(err), "s")
	flag := cmd.Flags().Lookup(field)
	if n := p.flagNouns[flag]; flag != nil && n != 0 {
		for _, name := range flagWords(flag) {
			if !n.has(ctx, i, name) {
				return hint.Add(fmt.Errorf("--%s: there is no %s %q", field, n.kind().one, name), "%s", p.instead(ctx, i, n, name))
			}
		}
	}
	return err
}

// AboutFlag returns the error of an operation on a thing that a flag names.
func (p *Database) AboutFlag(ctx context.Context, i *wiring.Instance, n Noun, name string, err error) error {
	if fault.Is(err, fault.NotFound) && !n.has(ctx, i, name) {
		return p.Missing(ctx, i, n, name)
	}
	return err
}

// flagWords returns the names in the value of a flag.
func flagWords(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	if f.Name == "scope" {
		return strings.Fields(f.Value.String())
	}
	return []string{f.Value.String()}
}

// Missing returns the error about a thing that doesn't exist.
func (p *Database) Missing(ctx context.Context, i *wiring.Instance, n Noun, name string) error {
	return hint.Add(fmt.Errorf("there is no %s %q", n.kind().one, name), "%s", p.instead(ctx, i, n, name))
}

// instead lists what exists in place of a thing that doesn't.
func (p *Database) instead(ctx context.Context, i *wiring.Instance, n Noun, name string) string {
	names, err := n.kind().names(ctx, i.Store, i.Config, "")
	if err == nil && len(names) >= mostNames {
		// There are too many to read all: those with the same beginning.
		begin := []rune(name)
		names, err = n.kind().names(ctx, i.Store, i.Config, string(begin[:min(len(begin), 3)]))
	}
	see := ""
	if n.kind().command != "" {
		see = fmt.Sprintf("see \"bearerd %s\"", n.kind().command)
	}
	if err != nil {
		return see
	}
	for k := range names {
		names[k] = bare(names[k])
	}
	text := suggest.Instead(n.kind().many, name, names, len(names) >= mostNames)
	switch {
	case see == "":
	case strings.HasSuffix(text, "?"):
		text += " " + see
	default:
		text += "; " + see
	}
	return text
}

// has reports whether there is a thing of that name. There may be too many users and
// tokens to look through their names.
func (n Noun) has(ctx context.Context, i *wiring.Instance, name string) bool {
	if n == NounUser {
		_, err := i.Directory.User(ctx, caller.Operator(), name)
		return err == nil
	}
	if n == NounToken {
		_, _, err := i.Store.TokenByID(ctx, name)
		return err == nil
	}
	names, err := n.kind().names(ctx, i.Store, i.Config, "")
	return err != nil || slices.ContainsFunc(names, func(have string) bool { return bare(have) == name })
}

func userNames(ctx context.Context, s *store.Store, _ config.Config, begin string) ([]string, error) {
	page, err := s.Users(ctx, records.UserQuery{Search: begin, Limit: mostNames})
	return cli.Rendered(page.Items, func(u identity.User) string { return described(u.Username, u.Name) }), err
}

// described is a name with the description that the shell shows.
func described(name, description string) string {
	if description = cli.Printable(strings.Join(strings.Fields(description), " ")); description == "" {
		return name
	}
	return name + "\t" + description
}

// some asks for names that have a text, which is what they begin with or part of it.
func some(begin string) records.ThingQuery {
	return records.ThingQuery{Search: begin, Limit: mostNames}
}

func groupNames(ctx context.Context, s *store.Store, _ config.Config, begin string) ([]string, error) {
	page, err := s.Users(ctx, records.UserQuery{Limit: mostNames})
	var names []string
	for _, u := range page.Items {
		names = append(names, u.Groups...)
	}
	bindings, errBindings := s.BindingPage(ctx, records.BindingListQuery{ThingQuery: some(begin)})
	for _, b := range bindings.Items {
		if b.Group != "" {
			names = append(names, b.Group)
		}
	}
	slices.Sort(names)
	if err == nil {
		err = errBindings
	}
	return slices.Compact(names), err
}

func clientNames(ctx context.Context, s *store.Store, _ config.Config, begin string) ([]string, error) {
	clients, err := s.ClientPage(ctx, some(begin))
	return cli.Rendered(clients.Items, func(c identity.Client) string { return described(c.ID, c.Name) }), err
}

func roleNames(ctx context.Context, s *store.Store, _ config.Config, begin string) ([]string, error) {
	roles, err := s.RolePage(ctx, some(begin))
	var names []string
	for _, r := range roles.Items {
		names = append(names, r.Name)
	}
	return names, err
}

func bindingNames(ctx context.Context, s *store.Store, _ config.Config, _ string) ([]string, error) {
	bindings, err := s.BindingPage(ctx, records.BindingListQuery{ThingQuery: records.ThingQuery{Limit: mostNames}})
	var names []string
	for _, b := range bindings.Items {
		names = append(names, described(b.ID, DescribeBinding(b)))
	}
	return names, err
}

func collectionNames(ctx context.Context, s *store.Store, _ config.Config, begin string) ([]string, error) {
	collections, err := s.CollectionPage(ctx, some(begin))
	return cli.Rendered(collections.Items, func(c records.Collection) string {
		return described(strconv.FormatInt(c.ID, 10), c.Name)
	}), err
}

func keyNames(ctx context.Context, s *store.Store, _ config.Config, _ string) ([]string, error) {
	keys, err := s.SigningKeys(ctx)
	return cli.Rendered(keys, func(k keyring.Key) string { return described(k.KID, string(k.State)) }), err
}

// scopeNames are those that are declared, those that clients list, and the built-in ones.
func scopeNames(ctx context.Context, s *store.Store, c config.Config, _ string) ([]string, error) {
	var names []string
	for name, description := range c.Scopes {
		names = append(names, described(name, description))
	}
	clients, err := s.ClientPage(ctx, some(""))
	for _, client := range clients.Items {
		for _, name := range client.Scopes {
			if !identity.IsSourceScope(name) && !slices.Contains(identity.BuiltinScopes(), name) && c.Scopes[name] == "" {
				names = append(names, name)
			}
		}
	}
	names = append(names, identity.BuiltinScopes()...)
	slices.Sort(names)
	return slices.Compact(names), err
}

// tokenNames are the ids of tokens that still live, the newest first.
func tokenNames(ctx context.Context, s *store.Store, _ config.Config, _ string) ([]string, error) {
	page, err := s.StoredTokens(ctx, records.TokenQuery{Limit: mostNames})
	var names []string
	for _, t := range page.Items {
		if t.RevokedAt.IsZero() {
			names = append(names, described(t.ID, t.Kind.String()+" "+t.Name))
		}
	}
	return names, err
}

// DescribeBinding returns in words what a binding grants.
func DescribeBinding(b access.Binding) string {
	what := "role " + b.Role
	if b.Permission != nil {
		what = b.Permission.Action + " " + string(b.Permission.Path)
	}
	what += " at " + string(b.Path)
	if b.Group != "" {
		what += ", by the group " + b.Group
	}
	return what
}

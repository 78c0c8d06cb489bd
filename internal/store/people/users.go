package people

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/passhash"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

// A group name has no comma, and neither it nor what set the membership has a control
// character.
const (
	selectUser = `SELECT u.id, u.username, u.name, u.email, u.disabled, u.owner, u.password_hash, u.replaced_hash, u.password_changed_at,
    coalesce((SELECT string_agg(g.group_name || '	' || g.set_by, '
') FROM user_groups g WHERE g.user_id = u.id), '')`

	principalByID = selectUser + `,
    (SELECT seq FROM log_head WHERE one = 1), EXISTS (SELECT 1 FROM collections c WHERE c.id = $2)
FROM users u WHERE u.id = $1`
	principalByUsername = selectUser + `,
    (SELECT seq FROM log_head WHERE one = 1), EXISTS (SELECT 1 FROM collections c WHERE c.id = $2)
FROM users u WHERE u.id = coalesce(
    (SELECT exact.id FROM users exact WHERE exact.username = $3),
    (SELECT same.id FROM users same WHERE same.folded = $1 AND same.folded <> '' AND same.apart = ''))`
	principalByLink = selectUser + `,
    (SELECT seq FROM log_head WHERE one = 1), EXISTS (SELECT 1 FROM collections c WHERE c.id = $2)
FROM users u WHERE u.id = (SELECT l.user_id FROM user_links l WHERE l.source = $1 AND l.external_id = $3)`

	// The user whose id follows, or else the first of all. The two are one
	// statement, so that it takes the same time for every decoy.
	selectDecoyHash = `SELECT password_hash FROM (
    SELECT * FROM (SELECT 1 AS turn, password_hash FROM users WHERE id > $1 AND password_hash <> '' ORDER BY id LIMIT 1) AS following
    UNION ALL
    SELECT * FROM (SELECT 2 AS turn, password_hash FROM users WHERE password_hash <> '' ORDER BY id LIMIT 1) AS earliest
) AS candidates ORDER BY turn LIMIT 1`

	userExists = `SELECT 1 FROM users WHERE id = $1`
)

// Read reads who is asked for, if that is a user, without grants. The error is
// fault.NotFound when there is no such user.
func Read(ctx context.Context, c engine.Conn, who records.Who, p *records.Principal) error {
	text, args := principalByID, []any{who.UserID, who.Collection}
	switch {
	case who.Source != "":
		text, args = principalByLink, []any{who.Source, who.Collection, who.ExternalID}
	case who.UserID == "":
		folded := identity.FoldName(who.Username)
		if folded == "" {
			return errNoSuchUser
		}
		text, args = principalByUsername, []any{folded, who.Collection, strings.TrimSpace(who.Username)}
	}
	p.User = &identity.User{}
	err := c.Row(ctx, text, args, append(userFields(p.User), &p.Seq, &p.CollectionExists)...)
	return query.OrNotFound(err, noSuchUser)
}

const noSuchUser = "no such user"

var errNoSuchUser = fault.New(fault.NotFound, "%s", noSuchUser)

// userFields are where the columns of selectUser go.
func userFields(u *identity.User) []any {
	return []any{&u.ID, &u.Username, &u.Name, &u.Email, column.Bool(&u.Disabled), &u.Owner, hash{&u.PasswordHash}, &u.ReplacedHash, column.Time(&u.PasswordChangedAt), groups{u}}
}

// hash reads a password hash, which prints as nothing elsewhere.
type hash struct{ to *passhash.Hash }

// Scan implements sql.Scanner.
func (h hash) Scan(value any) error {
	text, err := column.TextOf(value)
	*h.to = passhash.Hash(text)
	return err
}

// groups reads a user's groups, one a line with what set the membership after a tab, and
// sorts them.
type groups struct{ of *identity.User }

// Scan implements sql.Scanner.
func (g groups) Scan(value any) error {
	text, err := column.TextOf(value)
	if err != nil || text == "" {
		return err
	}
	for line := range strings.SplitSeq(text, "\n") {
		name, source, _ := strings.Cut(line, "\t")
		g.of.Groups = append(g.of.Groups, name)
		if source != "" {
			if g.of.SetBy == nil {
				g.of.SetBy = map[string]string{}
			}
			g.of.SetBy[name] = source
		}
	}
	slices.Sort(g.of.Groups)
	return nil
}

// DecoyHash returns the hash of the user with a password whose id follows decoy, and
// of the first of them when none does; empty when nobody has a password.
func (p *People) DecoyHash(ctx context.Context, decoy string) (found passhash.Hash, err error) {
	err = p.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		err := c.Row(ctx, selectDecoyHash, []any{decoy}, hash{&found})
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return found, err
}

// Usernames returns the usernames of those of at most records.MaxNames subjects who are
// users.
func (p *People) Usernames(ctx context.Context, subjects []string) (map[string]string, error) {
	if err := query.CheckNames(len(subjects)); err != nil {
		return nil, err
	}
	subjects = slices.DeleteFunc(slices.Clone(subjects), func(id string) bool { return id == "" })
	pairs, err := query.LookUp(ctx, p.db, "SELECT id, username FROM users WHERE id", subjects, func(scan engine.Scanner) (p [2]string, err error) {
		return p, scan(&p[0], &p[1])
	})
	names := make(map[string]string, len(pairs))
	for _, p := range pairs {
		names[p[0]] = p[1]
	}
	return names, err
}

// fewIDs is how many ids the shorter statement of UsersByID has.
const fewIDs = 32

// UsersByID returns those users that have one of the ids.
func (p *People) UsersByID(ctx context.Context, ids []string) ([]identity.User, error) {
	switch n := len(ids); {
	case n == 0:
		return nil, nil
	case n > records.MaxUserIDs:
		return nil, fault.New(fault.Invalid, "at most %d users are looked up at a time", records.MaxUserIDs)
	}
	// Each length of the list is another statement to prepare, so the list is filled up with
	// the last id.
	length := records.MaxUserIDs
	if len(ids) <= fewIDs {
		length = fewIDs
	}
	args := make([]any, length)
	for i := range args {
		args[i] = ids[min(i, len(ids)-1)]
	}
	text := selectUser + ` FROM users u WHERE u.id IN (` + query.Numbered(length) + `) ORDER BY u.id`
	return query.All(ctx, p.db, scanUser, text, args...)
}

// UsersByName finds users by their usernames, in any spelling, and returns the log's
// sequence of the same snapshot.
func (p *People) UsersByName(ctx context.Context, names []string) (map[string]records.NamedUser, revocation.Seq, error) {
	if len(names) > records.MaxUsernames {
		return nil, 0, fault.New(fault.Invalid, "at most %d users are looked up at a time", records.MaxUsernames)
	}
	args := make([]any, records.MaxUsernames)
	for i := range args {
		args[i] = ""
		if i < len(names) {
			args[i] = identity.FoldName(names[i])
		}
	}
	text := usersByName(len(args))
	found := map[string]records.NamedUser{}
	var seq revocation.Seq
	err := p.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		clear(found)
		return c.Each(ctx, text, args, func(scan engine.Scanner) error {
			var u records.NamedUser
			var folded string
			err := scan(&u.ID, &u.Username, column.Bool(&u.Disabled), &folded, &seq)
			found[folded] = u
			return err
		})
	})
	return found, seq, err
}

// usersByName returns the query for that many names.
func usersByName(n int) string {
	return `SELECT id, username, disabled, folded, (SELECT seq FROM log_head WHERE one = 1) FROM users
WHERE folded IN (` + query.Numbered(n) + `) AND folded <> '' AND apart = ''`
}

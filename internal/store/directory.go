package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
)

// A group name has no comma, and neither it nor what set the membership has a control
// character.
const (
	selectUser = `SELECT u.id, u.username, u.name, u.email, u.disabled, u.owner, u.password_hash, u.replaced_hash, u.password_changed_at,
    coalesce((SELECT string_agg(g.group_name || '	' || g.set_by, '
') FROM user_groups g WHERE g.user_id = u.id), '')`

	scopeListed   = `SELECT 1 FROM client_scopes WHERE scope = $1 LIMIT 1`
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

	selectClient = `SELECT c.id, c.secret_digest, c.grants, c.scopes, c.audiences, c.exchange_from, c.old_secret_digest, c.old_secret_until, c.owner, c.name, c.redirect_uris, c.jwks, c.jwks_uri`

	principalByClient = selectClient + `,
    (SELECT seq FROM log_head WHERE one = 1), EXISTS (SELECT 1 FROM collections WHERE id = $2)
FROM clients c WHERE c.id = $1`
	selectClients = selectClient + ` FROM clients c ORDER BY c.id`

	selectCollections = `SELECT id, name, owner FROM collections ORDER BY id`
	selectRoles       = `SELECT name, permissions, owner FROM roles ORDER BY name`

	selectLinks   = `SELECT source, external_id, user_id, linked_at FROM user_links WHERE `
	linksOfUser   = selectLinks + `user_id = $1 AND ($2 = '' OR source = $2) ORDER BY source, external_id`
	linksOfSource = selectLinks + `source = $1 ORDER BY external_id`
	selectLinked  = selectUser + `, l.external_id
FROM user_links l JOIN users u ON u.id = l.user_id WHERE l.source = $1 AND l.external_id > $2 ORDER BY l.external_id LIMIT $3`
	insertLink = `INSERT INTO user_links (source, external_id, user_id, linked_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`
	deleteLink = `DELETE FROM user_links WHERE source = $1 AND external_id = $2`
)

// Principal reads a user with groups and effective grants, or a client, and with
// it the sequence of the log, all in one snapshot. The error is fault.NotFound when there
// is nobody of that name.
func (s *Store) Principal(ctx context.Context, who records.Who) (p records.Principal, err error) {
	if who.ClientID != "" {
		err = s.read(ctx, func(ctx context.Context, c conn) error { return readClient(ctx, c, who, &p) })
	} else {
		err = s.engine.snapshot(ctx, func(ctx context.Context, c conn) error { return readUser(ctx, c, who, &p) })
	}
	if err != nil {
		return records.Principal{}, err
	}
	return p, nil
}

func readClient(ctx context.Context, c conn, who records.Who, p *records.Principal) error {
	p.Client = &identity.Client{}
	err := c.row(ctx, principalByClient, []any{who.ClientID, who.Collection},
		append(clientFields(p.Client), &p.Seq, &p.CollectionExists)...)
	return orNotFound(err, "no such client")
}

func readUser(ctx context.Context, c conn, who records.Who, p *records.Principal) error {
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
	err := c.row(ctx, text, args, append(userFields(p.User), &p.Seq, &p.CollectionExists)...)
	if err != nil {
		return orNotFound(err, noSuchUser)
	}
	p.Grants, err = grants(ctx, c, p.User.ID)
	return err
}

const noSuchUser = "no such user"

var errNoSuchUser = fault.New(fault.NotFound, "%s", noSuchUser)

// orNotFound turns the error of a missing row into a fault.
func orNotFound(err error, message string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound, "%s", message)
	}
	return err
}

// userFields are where the columns of selectUser go.
func userFields(u *identity.User) []any {
	return []any{&u.ID, &u.Username, &u.Name, &u.Email, truth{&u.Disabled}, &u.Owner, hash{&u.PasswordHash}, &u.ReplacedHash, stamp{&u.PasswordChangedAt}, groups{u}}
}

// hash reads a password hash, which prints as nothing elsewhere.
type hash struct{ to *passhash.Hash }

// Scan implements sql.Scanner.
func (h hash) Scan(value any) error {
	text, err := textOf(value)
	*h.to = passhash.Hash(text)
	return err
}

// groups reads a user's groups, one a line with what set the membership after a tab, and
// sorts them.
type groups struct{ of *identity.User }

// Scan implements sql.Scanner.
func (g groups) Scan(value any) error {
	text, err := textOf(value)
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

// clientFields are where the columns of selectClient go.
func clientFields(c *identity.Client) []any {
	return []any{
		&c.ID,
		blob{&c.SecretDigest},
		listOf(&c.Grants), listOf(&c.Scopes), listOf(&c.Audiences), listOf(&c.ExchangeFrom),
		blob{&c.OldSecretDigest},
		stamp{&c.OldSecretUntil},
		&c.Owner, &c.Name, listOf(&c.RedirectURIs), &c.Keys.JWKS, &c.Keys.URI,
	}
}

// DecoyHash returns the hash of the user with a password whose id follows decoy, and
// of the first of them when none does; empty when nobody has a password.
func (s *Store) DecoyHash(ctx context.Context, decoy string) (found passhash.Hash, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.row(ctx, selectDecoyHash, []any{decoy}, hash{&found})
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return found, err
}

// searchText is what containing is looked for in.
func searchText(username, name, email string) string {
	return strings.ToLower(username + "\n" + name + "\n" + email)
}

// Clients returns every client in the order of their ids.
func (s *Store) Clients(ctx context.Context) ([]identity.Client, error) {
	return query(ctx, s, func(scan scanner) (c identity.Client, err error) {
		return c, scan(clientFields(&c)...)
	}, selectClients)
}

// ScopeListed reports whether a client lists a scope.
func (s *Store) ScopeListed(ctx context.Context, name string) (listed bool, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		listed, err = exists(ctx, c, scopeListed, name)
		return err
	})
	return listed, err
}

// Collections returns every collection in the order of their ids.
func (s *Store) Collections(ctx context.Context) ([]records.Collection, error) {
	return query(ctx, s, func(scan scanner) (c records.Collection, err error) {
		return c, scan(&c.ID, &c.Name, &c.Owner)
	}, selectCollections)
}

// Roles returns every role in the order of their names.
func (s *Store) Roles(ctx context.Context) ([]access.Role, error) {
	return query(ctx, s, scanRole, selectRoles)
}

// Links returns the links of a user or a source, by source and external id.
func (s *Store) Links(ctx context.Context, q records.LinkQuery) ([]records.Link, error) {
	text, args := linksOfUser, []any{q.User, q.Source}
	if q.User == "" {
		text, args = linksOfSource, []any{q.Source}
	}
	return query(ctx, s, func(scan scanner) (l records.Link, err error) {
		return l, scan(&l.Source, &l.ExternalID, &l.UserID, stamp{&l.LinkedAt})
	}, text, args...)
}

// LinkedUsers returns the users who are linked to a source, in the order of their external
// ids. A cursor that is none is fault.Invalid.
func (s *Store) LinkedUsers(ctx context.Context, q records.LinkedQuery) (records.Page[records.LinkedUser], error) {
	var after string
	if q.After != "" {
		var err error
		if after, err = unseal(linkedCursor, q.After); err != nil {
			return records.Page[records.LinkedUser]{}, err
		}
	}
	limit := pageSize(q.Limit)
	users, err := query(ctx, s, func(scan scanner) (l records.LinkedUser, err error) {
		return l, scan(append(userFields(&l.User), &l.ExternalID)...)
	}, selectLinked, q.Source, after, limit+1)
	if err != nil {
		return records.Page[records.LinkedUser]{}, err
	}
	return paged(users, limit, func(l records.LinkedUser) string { return seal(linkedCursor, l.ExternalID) }), nil
}

package people

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	selectToFold = `SELECT id, username, folded, apart FROM users WHERE folded = '' OR apart <> '' ORDER BY username`
	selectFolded = `SELECT id, username, folded, apart FROM users WHERE folded = $1 AND apart = ''`
	setFolded    = `UPDATE users SET folded = $2, apart = $3 WHERE id = $1`
)

// namesake is a user with the folded name.
type namesake struct {
	id, username  string
	folded, apart string
}

func scanNamesake(scan engine.Scanner) (n namesake, err error) {
	return n, scan(&n.id, &n.username, &n.folded, &n.apart)
}

// FoldNames folds the usernames that earlier versions stored, and returns those that are the
// same name. Users whose names were different for those versions and are the same now keep
// working: each is found only by the exact spelling, until all but one of them have another
// name.
func FoldNames(ctx context.Context, c engine.Conn) (collisions [][]string, err error) {
	todo, err := query.List(ctx, c, scanNamesake, selectToFold)
	if err != nil {
		return nil, err
	}
	groups := map[string][]namesake{}
	for _, n := range todo {
		if folded := identity.FoldName(n.username); folded != "" {
			groups[folded] = append(groups[folded], n)
		}
	}
	for folded, group := range groups {
		if group, err = foldGroup(ctx, c, folded, group); err != nil {
			return nil, err
		}
		if len(group) > 1 {
			collisions = append(collisions, spellings(group))
		}
	}
	slices.SortFunc(collisions, slices.Compare[[]string])
	return collisions, nil
}

// foldGroup stores the folded form of users with the same folded name, and returns them
// with those who had it before.
func foldGroup(ctx context.Context, c engine.Conn, folded string, group []namesake) ([]namesake, error) {
	others, err := query.List(ctx, c, scanNamesake, selectFolded, folded)
	if err != nil {
		return nil, err
	}
	group = append(group, others...)
	for _, n := range group {
		apart := ""
		if len(group) > 1 {
			apart = n.username
		}
		if n.folded == folded && n.apart == apart {
			continue
		}
		if err := c.Post(ctx, setFolded, n.id, folded, apart); err != nil {
			return nil, err
		}
	}
	return group, nil
}

func spellings(group []namesake) []string {
	names := make([]string, len(group))
	for i, n := range group {
		names[i] = n.username
	}
	slices.Sort(names)
	return names
}

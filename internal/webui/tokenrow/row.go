// Package tokenrow is a stored token as web pages show it.
package tokenrow

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// Row is a stored token as pages show it.
type Row struct {
	Resource    string // of a connected application: "" where there is only one
	ID          string
	Name        string
	Description string
	Owner       string // the subject
	Username    string // the owner's, where tokens of several users are listed
	Kind        string
	Shown       string // enough of the value to recognise it
	Scope       []string
	Collection  string        // "": none
	Networks    networks.List // that it may be used from; nil: any
	Created     time.Time
	LastUsed    time.Time
	LastFrom    string
	Expires     time.Time
	SoonIn      string // how long it is still valid, when that isn't long
	Ended       time.Time
	Reason      string // why it ended; "" while it is valid
	Renewable   bool   // whether it can be given a new value
	Client      string // that it was issued to; "": none
	KeepsEnd    bool   // a new value ends when this one does
	Children    []Row  // of a connected application: the valid tokens that it created
}

// mostDescendants is how many of a user's tokens are looked at for the descendants of one.
const mostDescendants = 500

// Of returns a stored token as a page shows it at that time; names are those of collections.
func Of(t records.StoredToken, names map[int64]string, now time.Time) Row {
	row := Row{
		ID: t.ID, Name: t.Name, Description: t.Description, Owner: t.Owner, Kind: kindName(t.Kind), Shown: shown(t), Scope: t.Scope,
		Created: t.CreatedAt, LastUsed: t.LastUsedAt, LastFrom: t.LastUsedBy, Expires: t.ExpiresAt, Client: t.ClientID, Networks: t.Networks,
		KeepsEnd: len(t.Chain) > 0,
	}
	if row.Name == "" {
		row.Name = row.Kind
	}
	if t.Collection != nil {
		row.Collection = CollectionName(*t.Collection, names)
	}
	if t.ExpiringSoon(now) {
		row.SoonIn = kit.InWords(t.ExpiresAt.Sub(now))
	}
	at, reason, ended := t.End(now)
	if ended {
		row.Ended, row.Reason = at, reason
		if reason == "" {
			row.Reason = token.ReasonRevoked
		}
	}
	row.Renewable = !ended && t.Kind == token.KindAPIToken
	return row
}

// shown returns enough of a token to recognise it: the prefix and last four characters
// or, of a JWT, the beginning of its id.
func shown(t records.StoredToken) string {
	if t.Kind == token.KindGrant {
		return t.ClientID
	}
	if t.Last4 == "" {
		return "jti " + t.ID[:min(8, len(t.ID))] + "…"
	}
	return t.Prefix + "…" + t.Last4
}

func kindName(k token.Kind) string {
	switch k { //nolint:exhaustive // the others aren't listed
	case token.KindAPIToken:
		return "API token"
	case token.KindExchangeKey:
		return "API key"
	case token.KindRefresh:
		return "refresh token"
	case token.KindSession:
		return "session"
	case token.KindGrant:
		return "connected application"
	default:
		return k.String()
	}
}

// CollectionName returns how pages show a collection.
func CollectionName(id int64, names map[int64]string) string {
	number := strconv.FormatInt(id, 10)
	if name := names[id]; name != "" {
		return name + " (" + number + ")"
	}
	return number
}

// Namer names collections.
type Namer interface {
	CollectionNames(ctx context.Context, c *caller.Caller, ids []int64) (map[int64]string, error)
}

// Names returns the names of the collections of tokens that the caller may know.
func Names(r *kit.Request, n Namer, tokens ...records.StoredToken) (map[int64]string, error) {
	var ids []int64
	for _, t := range tokens {
		if t.Collection != nil {
			ids = append(ids, *t.Collection)
		}
	}
	return n.CollectionNames(r.Context(), r.Caller, ids)
}

// Lister lists stored tokens.
type Lister interface {
	TokenList(ctx context.Context, c *caller.Caller, q records.TokenQuery) (records.Page[records.StoredToken], error)
}

// Descendants lists those tokens of an owner that are valid, stored, and were made from
// the token of an id.
func Descendants(r *kit.Request, l Lister, now time.Time, owner, id string) ([]Row, error) {
	page, err := l.TokenList(r.Context(), r.Caller, records.TokenQuery{Owner: owner, Limit: mostDescendants})
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, t := range page.Items {
		if row := Of(t, nil, now); slices.Contains(t.Chain, id) && row.Reason == "" {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

package tokenrow

import (
	"context"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// Historian returns the events of the audit log about a token.
type Historian interface {
	TokenActivity(ctx context.Context, c *caller.Caller, id string, limit int) ([]audit.Event, error)
}

// Event is something that happened to a token or was done with it.
type Event struct {
	audit.Event

	What string // in words
	By   string // who did it; "": that isn't known
}

// shownEvents is how many events the page of a token shows.
const shownEvents = 50

// Activity returns the newest events about a token; more reports whether there are others.
// A caller who is no administrator learns that somebody else did something, but not who.
func Activity(r *kit.Request, h Historian, id string) (events []Event, more bool, err error) {
	all, err := h.TokenActivity(r.Context(), r.Caller, id, shownEvents+1)
	if err != nil {
		return nil, false, err
	}
	administers := r.Caller.RequireAdministrator() == nil
	for _, e := range all[:min(len(all), shownEvents)] {
		x := Event{Event: e, What: what(e.Action), By: e.ActorName}
		switch {
		case e.Actor == r.Caller.ID():
			x.By = "you"
		case !administers:
			x.By = "an administrator"
			if e.Actor == "" {
				x.By = ""
			}
			x.Address = ""
		}
		events = append(events, x)
	}
	return events, len(all) > shownEvents, nil
}

// what returns an action in words; one without words is returned unchanged.
func what(action string) string {
	words := map[string]string{
		audit.TokenIssue: "created", audit.TokenRevoke: "revoked", audit.TokenRegenerate: "given a new value", audit.TokenExchange: "exchanged for an access token",
	}
	if word, ok := words[action]; ok {
		return word
	}
	return action
}

package wiring

import (
	"context"
	"log/slog"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/census"
	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/server"
	"github.com/bearerd/bearerd/internal/traffic"
	"github.com/bearerd/bearerd/internal/webui/admin"
)

// figures are what the overview page shows of all nodes.
type figures struct {
	hours    *traffic.Hours
	census   *census.Census
	outboxes []*notice.Outbox
}

// count sets up the figures of an instance, by counters that totals reads, and returns
// the loops that keep them.
func (i *assembly) count(totals func() traffic.Totals, log *slog.Logger) ([]server.Loop, error) {
	hours, err := traffic.NewHours(traffic.Config{Store: i.Store, Node: uuid.NewString(), Totals: totals, Now: i.Now})
	if err != nil {
		return nil, err
	}
	counter, err := census.New(census.Config{Store: i.Store, Now: i.Now})
	if err != nil {
		return nil, err
	}
	i.figures.hours, i.figures.census = hours, counter
	return []server.Loop{
		{Name: "keeping the counts", Run: func(ctx context.Context) error { return hours.Run(ctx, log) }},
		{Name: "counting users and tokens", Run: func(ctx context.Context) error { return counter.Run(ctx, log) }},
	}, nil
}

// cluster returns what the overview page shows of all nodes.
func (i *assembly) cluster() admin.Cluster {
	if i.figures.hours == nil {
		return admin.Cluster{}
	}
	return admin.Cluster{
		History: i.figures.hours, Figures: i.figures.census.Figures,
		Notices: func() []notice.State {
			list := make([]notice.State, len(i.figures.outboxes))
			for n, o := range i.figures.outboxes {
				list[n] = o.State()
			}
			return list
		},
	}
}

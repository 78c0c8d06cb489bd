package store

import (
	"context"
	"log/slog"

	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/people"
)

// foldNames folds the usernames that earlier versions stored. It is done at every
// start, because an earlier version may have run at the same time and created users.
func (s *Store) foldNames(ctx context.Context) error {
	var collisions [][]string
	err := s.alone(ctx, func(ctx context.Context, c engine.Conn) (err error) {
		collisions, err = people.FoldNames(ctx, c)
		return err
	})
	if err != nil {
		return err
	}
	s.reportCollisions(ctx, collisions)
	return nil
}

// maxReported is how many collisions of names are named in the log.
const maxReported = 20

func (s *Store) reportCollisions(ctx context.Context, collisions [][]string) {
	for i, names := range collisions {
		if i == maxReported {
			s.logger.LogAttrs(ctx, slog.LevelWarn, "more usernames are the same name", slog.Int("more", len(collisions)-maxReported))
			return
		}
		s.logger.LogAttrs(ctx, slog.LevelWarn,
			`these usernames are the same name: each signs in by its exact spelling only. Give all but one another with "bearerd user rename"`,
			slog.Any("usernames", names))
	}
}

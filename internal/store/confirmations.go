package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/bearerd/bearerd/internal/records/upkeep"
)

const (
	waitingForNode     = `SELECT 1 FROM passed_confirmations WHERE to_node = $1 LIMIT 1`
	deletePassedToNode = `DELETE FROM passed_confirmations WHERE to_node = $1 RETURNING confirmations`
	purgePassed        = `DELETE FROM passed_confirmations
WHERE (to_node, from_node, n) IN (SELECT to_node, from_node, n FROM passed_confirmations WHERE at <= $1 ORDER BY at LIMIT 500)`
)

// PassConfirmations stores a batch for the nodes on the list, one row for each and all by one
// statement, and returns those that are not on it.
func (s *Store) PassConfirmations(ctx context.Context, b upkeep.PassedBatch) (unknown []string, err error) {
	text, err := json.Marshal(b.To)
	if err != nil {
		return nil, fmt.Errorf("passing on confirmations: %w", err)
	}
	var listed map[string]bool
	args := []any{b.From, b.Count, micros(s.now()), string(text)}
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		listed = map[string]bool{}
		return c.each(ctx, s.engine.schema().insertPassed, args, func(scan scanner) error {
			var node string
			err := scan(&node)
			listed[node] = true
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	for _, node := range slices.Sorted(maps.Keys(b.To)) {
		if !listed[node] {
			unknown = append(unknown, node)
		}
	}
	return unknown, nil
}

// TakeConfirmations returns what was passed on to a node, and deletes it. Where there is
// nothing, nothing is written.
func (s *Store) TakeConfirmations(ctx context.Context, node string) (all []upkeep.PassedConfirmation, err error) {
	some := false
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		some, err = exists(ctx, c, waitingForNode, node)
		return err
	})
	if err != nil || !some {
		return nil, err
	}
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		all = nil
		return c.each(ctx, deletePassedToNode, []any{node}, func(scan scanner) error {
			var list []upkeep.PassedConfirmation
			if err := scan(listOf(&list)); err != nil {
				return err
			}
			all = append(all, list...)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

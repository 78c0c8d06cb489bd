package store

import (
	"context"
	"maps"
	"slices"

	"github.com/bearerd/bearerd/internal/records"
)

const (
	nodeIsListed       = `SELECT 1 FROM nodes WHERE node = $1`
	insertPassed       = `INSERT INTO passed_confirmations (to_node, from_node, n, confirmations, at) VALUES ($1, $2, $3, $4, $5)`
	waitingForNode     = `SELECT 1 FROM passed_confirmations WHERE to_node = $1 LIMIT 1`
	deletePassedToNode = `DELETE FROM passed_confirmations WHERE to_node = $1 RETURNING confirmations`
	purgePassed        = `DELETE FROM passed_confirmations
WHERE (to_node, from_node, n) IN (SELECT to_node, from_node, n FROM passed_confirmations WHERE at <= $1 ORDER BY at LIMIT 500)`
)

// PassConfirmations stores a batch for the nodes on the list, one row for each, and returns
// those that are not on it.
func (s *Store) PassConfirmations(ctx context.Context, b records.PassedBatch) (unknown []string, err error) {
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		unknown = nil
		for _, node := range slices.Sorted(maps.Keys(b.To)) {
			known, err := exists(ctx, c, nodeIsListed, node)
			if err != nil {
				return err
			}
			if !known {
				unknown = append(unknown, node)
				continue
			}
			list := b.To[node]
			if err := c.post(ctx, insertPassed, node, b.From, b.Count, listOf(&list), micros(s.now())); err != nil {
				return err
			}
		}
		return nil
	})
	return unknown, err
}

// TakeConfirmations returns what was passed on to a node, and deletes it. Where there is
// nothing, nothing is written.
func (s *Store) TakeConfirmations(ctx context.Context, node string) (all []records.PassedConfirmation, err error) {
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
			var list []records.PassedConfirmation
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

package upkeep

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	waitingForNode     = `SELECT 1 FROM passed_confirmations WHERE to_node = $1 LIMIT 1`
	deletePassedToNode = `DELETE FROM passed_confirmations WHERE to_node = $1 RETURNING confirmations`
	purgePassed        = `DELETE FROM passed_confirmations
WHERE (to_node, from_node, n) IN (SELECT to_node, from_node, n FROM passed_confirmations WHERE at <= $1 ORDER BY at LIMIT 500)`
)

// PassConfirmations stores a batch for the nodes on the list, one row for each and all by one
// statement, and returns those that are not on it.
func (x *Confirmations) PassConfirmations(ctx context.Context, b upkeep.PassedBatch) (unknown []string, err error) {
	text, err := json.Marshal(b.To)
	if err != nil {
		return nil, fmt.Errorf("passing on confirmations: %w", err)
	}
	var listed map[string]bool
	args := []any{b.From, b.Count, column.Micros(x.now()), string(text)}
	err = x.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		listed = map[string]bool{}
		return c.Each(ctx, x.db.Dialect().InsertPassed, args, func(scan engine.Scanner) error {
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
func (x *Confirmations) TakeConfirmations(ctx context.Context, node string) (all []upkeep.PassedConfirmation, err error) {
	some := false
	err = x.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		some, err = query.Exists(ctx, c, waitingForNode, node)
		return err
	})
	if err != nil || !some {
		return nil, err
	}
	err = x.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		all = nil
		return c.Each(ctx, deletePassedToNode, []any{node}, func(scan engine.Scanner) error {
			var list []upkeep.PassedConfirmation
			if err := scan(column.List(&list)); err != nil {
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

package simulation

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/bearerd/bearerd/internal/records/upkeep"
)

// PassConfirmations implements contract.Confirmations.
func (s *store) PassConfirmations(ctx context.Context, b upkeep.PassedBatch) (unknown []string, err error) {
	var first sync.Once // on the primary, where it is carried out first
	err = s.write(ctx, "", func(st *state) {
		var strange []string
		for _, node := range slices.Sorted(maps.Keys(b.To)) {
			if _, listed := st.nodes[node]; !listed {
				strange = append(strange, node)
				continue
			}
			st.passed[node] = append(slices.Clip(st.passed[node]), b.To[node]...)
		}
		first.Do(func() { unknown = strange })
	})
	if err != nil {
		return nil, err
	}
	return unknown, nil
}

// TakeConfirmations implements contract.Confirmations.
func (s *store) TakeConfirmations(ctx context.Context, node string) (all []upkeep.PassedConfirmation, err error) {
	some := false
	err = s.read(ctx, "", func(_ *server, shown *state) { some = len(shown.passed[node]) > 0 })
	if err != nil || !some {
		return nil, err
	}
	var first sync.Once
	err = s.write(ctx, "", func(st *state) {
		first.Do(func() { all = st.passed[node] })
		delete(st.passed, node)
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

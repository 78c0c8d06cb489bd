package keyring

import "context"

// Rotate does at once what Plans.Rotate plans for a transaction.
func (r *Ring) Rotate(ctx context.Context, atOnce bool) error {
	return r.change(ctx, r.Plans().Rotate(atOnce))
}

// Retire does at once what Plans.Retire plans for a transaction.
func (r *Ring) Retire(ctx context.Context, kid string) error {
	return r.change(ctx, r.Plans().Retire(kid))
}

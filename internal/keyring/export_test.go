package keyring

import "context"

// Rotate does at once what PlanRotate plans for a transaction.
func (r *Ring) Rotate(ctx context.Context, atOnce bool) error {
	return r.change(ctx, r.PlanRotate(atOnce))
}

// Retire does at once what PlanRetire plans for a transaction.
func (r *Ring) Retire(ctx context.Context, kid string) error {
	return r.change(ctx, r.PlanRetire(kid))
}

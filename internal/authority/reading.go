package authority

import "context"

// StillReadsRevocations judges again a caller who was let read the revocation log by
// that token, for an answer that goes on: what Bearer and RequireRevocations judged,
// by what this node knows now. It is not counted and is no use of the token. That of
// a client needs no look-up; a user's may, when the log has said something about
// roles, groups or the user. The error is that of Bearer or RequireRevocations.
func (a *Authority) StillReadsRevocations(ctx context.Context, c *Caller, raw string) error {
	t := c.Token
	if a.outdated(t) {
		var err error
		if t, err = a.recall(ctx, raw); err != nil {
			return a.refused(err)
		}
	}
	if err := a.judge(ctx, t, &Demand{}); err != nil {
		return a.refused(err)
	}
	if t.OfClient() {
		return nil
	}
	p, err := a.PrincipalOf(ctx, t)
	if err != nil {
		return err
	}
	return (&Caller{Principal: p, Token: t}).RequireRevocations()
}

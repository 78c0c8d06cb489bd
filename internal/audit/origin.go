package audit

import "context"

// Origin returns where a request came from; it travels in the context from the
// edge that received the request to the events it causes.
type Origin struct {
	Address   string // the client's address
	RequestID string
}

type originKey struct{}

// WithOrigin returns a context that carries the origin.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns the origin that the context carries; zero when there is none.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

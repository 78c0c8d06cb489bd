package engine

import "context"

// Detached returns the context that statements run with: with one that can end, the driver of
// SQLite starts a goroutine for each statement, which takes about 4 µs, as long as the statement
// itself. Callers check ctx before they run statements, and every statement is bounded.
func Detached(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// seekKey marks the context of a call that finds out which server is to be used.
type seekKey struct{}

// AnyServer makes a question to the log accept any server's answer.
func AnyServer(ctx context.Context) context.Context { return context.WithValue(ctx, seekKey{}, true) }

// OnAnyServer reports whether AnyServer has marked the context.
func OnAnyServer(ctx context.Context) bool { return ctx.Value(seekKey{}) != nil }

// firstKey marks the context of calls that go before all others.
type firstKey struct{}

// First marks the calls by which a node reads and confirms the log, so that they don't
// wait behind requests for a connection: without a lease the node could not even verify.
func First(ctx context.Context) context.Context { return context.WithValue(ctx, firstKey{}, true) }

// IsFirst reports whether First has marked the context.
func IsFirst(ctx context.Context) bool { return ctx.Value(firstKey{}) != nil }

// SameServer returns ErrElsewhere for a connection that leads to another server than the
// origin names; "" names any.
func SameServer(c Conn, origin string) error {
	if origin != "" && c.Origin() != origin {
		return ErrElsewhere
	}
	return nil
}

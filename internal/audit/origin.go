package audit

import (
	"context"
	"net/netip"
)

// Origin returns where a request came from; it travels in the context from the
// edge that received the request to the events it causes.
type Origin struct {
	Address   string // the client's address
	RequestID string
	Agent     string // how the client names itself: its User-Agent, unchanged
}

type originKey struct{}

// WithOrigin returns a context that carries the origin.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// WithOriginFunc is [WithOrigin] for an origin that is made when it is asked for, which most
// requests never do. The function is called by any goroutine, and returns the same each time.
func WithOriginFunc(ctx context.Context, origin func() Origin) context.Context {
	return context.WithValue(ctx, originKey{}, origin)
}

// OriginOf returns the origin that the context carries; zero when there is none.
func OriginOf(ctx context.Context) Origin {
	switch o := ctx.Value(originKey{}).(type) {
	case Origin:
		return o
	case func() Origin:
		return o()
	}
	return Origin{}
}

// Addr returns the client's address; zero when it is not known.
func (o Origin) Addr() netip.Addr {
	addr, _ := netip.ParseAddr(o.Address)
	return addr.Unmap().WithZone("")
}

// Network returns the name under which a client's requests are counted: its address or,
// for IPv6, its /64, because a client has all addresses of that. It is empty when the
// address is not known.
func (o Origin) Network() string {
	addr := o.Addr()
	if !addr.IsValid() {
		return ""
	}
	if !addr.Is6() {
		return addr.String()
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return addr.String()
	}
	return prefix.String()
}

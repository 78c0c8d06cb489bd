package gateway

import (
	"net/http"
	"strings"
)

// The one protocol that a connection may change to, and the headers that ask for it.
const (
	webSocket     = "websocket"
	upgradeHeader = "Upgrade"
	http2Settings = "Http2-Settings"
)

// onlyWebSocket takes every wish for another protocol than WebSocket out of a request:
// inside HTTP/2 (h2c), which the application would speak from then on, there are requests
// that nobody judges, with headers that nobody removes.
func onlyWebSocket(r *http.Request) {
	asks := asksForWebSocket(r)
	for name := range r.Header {
		if sameVariable(name, upgradeHeader) || sameVariable(name, http2Settings) {
			delete(r.Header, name)
		}
	}
	if asks {
		r.Header[upgradeHeader] = []string{webSocket}
	}
}

// asksForWebSocket reports whether a request asks for WebSocket and for nothing else
// (RFC 6455 §4.1). One with a body does not: where the body ends and the protocol begins,
// two servers may see differently.
func asksForWebSocket(r *http.Request) bool {
	protocols := r.Header[upgradeHeader]
	return len(protocols) == 1 && strings.EqualFold(protocols[0], webSocket) &&
		r.Method == http.MethodGet && r.ContentLength == 0 && r.ProtoMajor == 1
}

// removeFromTrailer takes what belongs between neighbours out of a trailer, where an
// application may merge it with the header.
func removeFromTrailer(trailer http.Header) {
	for name := range trailer {
		if sameVariable(name, upgradeHeader) || sameVariable(name, http2Settings) || sameVariable(name, "Connection") {
			delete(trailer, name)
		}
	}
}

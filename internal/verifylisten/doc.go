// Package verifylisten is the listener verify_listen: only forward auth, for proxies on
// this machine, by a server that costs less than net/http's. It only translates. The
// decision and its words are the gateway's, and the observation of a request is
// httpkit's, as on every other listener.
//
// HTTP is where two servers differ, so this one answers requests of one form and leaves all
// others to net/http:
//
//  1. A connection is read by fasthttp, through a guard (guard.go). What one read returns
//     must be the head of one request, whole and with nothing behind it, of the plain form
//     that proxies send: HTTP/1.1, a known path form, one Host, no body, nothing folded or
//     repeated that frames a message.
//  2. fasthttp sees nothing else. The connection moves to net/http (divert.go),
//     with what was read, and stays there until it ends. So a head that is malformed, large
//     or slow, a body, a pipelined request, HEAD and HTTP/1.0 are answered by the server and
//     the handler of the main listener, whose limits these are.
//  3. Of a plain request the gateway is asked, and an answer that lets it pass is written
//     field by field. Refusals, and paths that aren't forward auth's, go through the
//     handlers of the main listener into a buffer.
//
// A Unix socket's peer has no address. It counts as 127.0.0.1: its X-Forwarded-For is
// believed where trusted_proxies has that address, as of a proxy that connects by loopback.
package verifylisten

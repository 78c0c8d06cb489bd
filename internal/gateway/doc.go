// Package gateway puts bearerd's decision in front of an existing application: as forward
// auth, which answers a proxy's question, and as a reverse proxy, which acts on the
// answer itself. Both ask the same [Gate], so a request is judged in the same way
// whichever way it came.
//
// Where to find what:
//
//	forwardauth.go  /auth/verify and /auth/ext-authz/NAME/…: a proxy's question and its answer
//	ask.go          what is asked of a token: by a query, by name, for which method, and where
//	                it may stand beside Bearer
//	gate.go         the decision about one request: its token, where it came from, who it
//	                speaks for
//	refuse.go       what a refusal says
//	announce.go     the headers that tell the application who is calling, their encoding,
//	                and the assertion
//	route.go        which rule a path and a method fall under, and which paths fall under none
//	proxy.go        the reverse proxy
//	preflight.go    CORS preflights, and what is changed of an application's answer
//	underway.go     what was let in and has not ended
//	forward.go      what of a request reaches the application, and as what, and which
//	                protocol a connection may change to
//
// What the application receives does not depend on the way: the proxy and both questions
// use the same [Announcer], and everyway_test.go checks that the configurations in docs
// for nginx, Caddy, Traefik and Envoy do what the proxy does.
//
// A decision is made when a request begins. What the proxy let in by a token is judged
// again when the log has a new entry, and is ended when the token is revoked, has
// expired, or no longer has what its route requires (underway.go):
//
//  1. At t0 the request is judged, as of sequence s, and then added to what is under way.
//  2. At t1 an entry is applied here; the log has sequence s' > s from then on.
//  3. Within L/8 of t1 Run sweeps: everything that was judged as of an earlier sequence
//     than s' is judged again by what is known here. That the request may have been added
//     after t1 doesn't matter: s is of before its judgement.
//  4. What is no longer allowed has its context ended. Where nothing was answered yet, the
//     answer is the refusal, and the connection closes; else the connection is cut. What
//     is stuck in a read or a write gets a deadline that has passed at the next sweep.
//
// Without a lease this node may not hear of a revocation, which is acknowledged once the
// lease has run out: so what is under way goes on for another L/2 and then ends with 503.
// What a request made the application begin, the application may finish. A request that
// another proxy let in, after it had asked by forward auth, can't be ended here.
package gateway

// Package gateway puts bearerd's decision in front of an application that exists
// already: as forward auth, which answers a proxy's question, and as a reverse
// proxy, which acts on the answer itself. Both ask one [Gate], so a request is
// judged alike whichever way it came.
//
// Where to find what:
//
//	gate.go         where the token of a request stands, who it speaks for, and what a refusal says
//	identity.go     the ten headers that tell the application who is calling
//	ask.go          what a query of /auth/verify asks for
//	forwardauth.go  /auth/verify
//	route.go        which rule a path falls under, and which paths fall under none
//	proxy.go        the reverse proxy
//	upgrade.go      which protocol a connection may change to
//	forward.go      what of a request reaches the application, and as what
//
// A decision is made once, when a request begins. A response that streams, or a
// connection that was upgraded, lives on when its token dies: whoever needs that
// to end sooner ends it in the application.
package gateway
